"""Rules that every generated row keeps, after rounding and whatever the family: `gw.fit(data, constraints=[...])`."""

from genwright.constraints.checking import check_rules, keep
from genwright.constraints.keeping import Constraints
from genwright.constraints.rulefile import read_rules, rule_from_json, rule_to_json, rules_from_json
from genwright.constraints.rules import FixedCombinations, Formula, OneHot, Order, Pattern, Range, Rule, Sum, Unique
from genwright.constraints.suggest import suggest

__all__ = [
    "Constraints",
    "FixedCombinations",
    "Formula",
    "OneHot",
    "Order",
    "Pattern",
    "Range",
    "Rule",
    "Sum",
    "Unique",
    "check_rules",
    "keep",
    "read_rules",
    "rule_from_json",
    "rule_to_json",
    "rules_from_json",
    "suggest",
]
