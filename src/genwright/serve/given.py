"""Conditions and settings of a request, as JSON has them."""

from collections.abc import Mapping
from typing import Any

from genwright.codecs.conditions import Between, OneOf, Shares
from genwright.codecs.text import Infill
from genwright.errors import ArgumentError
from genwright.families.sampling import Sampling
from genwright.typed import by_hand

FORMS = (
    '40, null, {"between": [30, null]}, {"one_of": ["DE", "FR"]}, {"shares": {"F": 0.7, "M": 0.3}}, '
    '{"infill": ["before", "after"]}, or a list of n'
)


def conditions(given: Mapping[str, Any]) -> dict[str, Any]:
    """What is given by field, for `Generator.sample`: values, and objects that stand for ranges, sets and shares.

    >>> conditions({"age": {"between": [30, None]}, "sex": "F"})
    {'age': Between(low=30, high=None), 'sex': 'F'}
    """
    return {name: _condition(name, value) for name, value in given.items()}


def settings(how: Mapping[str, Any]) -> Sampling:
    """How to draw, as `Sampling.to_json` writes it."""
    with by_hand(ArgumentError, hint="leave it out if unsure"):
        return Sampling.from_json(dict(how), where="how")


def _condition(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_condition(name, each) for each in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"between": [low, high], **more} if not more and not _nested(low, high):
            return Between(low, high)
        case {"one_of": [_, *_] as values, **more} if not more and not _nested(*values):
            return OneOf(values)
        case {"shares": dict() as shares, **more} if not more and all(type(s) in (int, float) for s in shares.values()):
            return Shares(shares)
        case {"infill": [str(before), str(after)], **more} if not more:
            return Infill(before, after)
    raise ArgumentError("this is no condition", where=name, hint=f"give {FORMS}")


def _nested(*values: Any) -> bool:
    return any(isinstance(value, dict | list) for value in values)
