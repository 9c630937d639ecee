"""Suggestions hold in every row, and none comes from noise."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

import genwright as gw
from genwright.app.cli import main
from genwright.constraints import rule_from_json, suggest
from genwright.data.dataset import Category, Number
from tests.codecs.rows import table
from tests.constraints.shop import kept


def told(data):
    return [str(rule) for rule in suggest(data)]


def test_the_rules_of_a_shop_are_found():
    assert told(kept()) == [
        "OneHot(['is S', 'is M', 'is L'])",
        "Sum('gross', ['net', 'tax'])",
        "Order(['ordered', 'sent', 'arrived'])",
        "FixedCombinations(['city', 'country'])",
    ]


@pytest.mark.parametrize("seed", range(3))
def test_independent_columns_suggest_nothing(seed):
    draw = np.random.default_rng(seed)
    numbers = [(Number(f"x{k}", k % 3), np.round(draw.normal(5 * k, 3, 300), k % 3)) for k in range(6)]
    levels = [(Category(f"c{k}"), list(draw.choice(list("abcdefgh"), 300))) for k in range(3)]
    zeros = [(Number(f"z{k}", 0), draw.integers(0, 2, 300).astype(float)) for k in range(3)]
    assert told(table(*numbers, *levels, *zeros)) == []


def test_linear_formulas_are_found_and_a_total_that_comes_first():
    draw = np.random.default_rng(0)
    a, b, c = draw.integers(0, 90, (3, 200)).astype(float)
    data = table(
        (Number("all of it", 0), a + b + c),
        *((Number(n, 0), v) for n, v in (("a", a), ("b", b), ("c", c))),
        (Number("f", 1), 1.8 * a + 32),
    )
    assert told(data) == ["Sum('all of it', ['a', 'b', 'c'])", "Formula('f', '1.8 * a + 32')"]


def test_built_in_tables_and_short_ones():
    assert told(gw.read("wine")) == []
    assert told(kept(20)) == []
    assert suggest(gw.read("digits")) == ()


def genwright(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_from_suggestion_to_kept_rules_on_the_command_line(tmp_path):
    data, rules, model, fake = (tmp_path / name for name in ("shop.csv", "rules.json", "model", "fake.csv"))
    gw.write(kept(), data)
    found = json.loads(genwright("inspect", data, "--json").stdout)["suggested_constraints"]
    assert [rule_from_json(each) for each in found] == list(suggest(gw.read(data)))
    text = genwright("inspect", data).stdout
    assert '{"rule": "sum", "total": "gross", "parts": ["net", "tax"]}' in text and "--constraints FILE" in text
    rules.write_text(json.dumps(found))
    fit = ("fit", data, "--family", "mixture", "--steps", 3, "--constraints", rules)
    assert genwright(*fit, "--out", model).exit_code == 0
    assert "Every sample keeps: `OneHot(['is S', 'is M', 'is L'])`, `Sum(" in (model / "README.md").read_text()
    done = genwright("sample", model, "-n", 50, "--out", fake)
    assert done.exit_code == 0 and "of rows were drawn again" in done.stderr
    assert all(rule_from_json(each).holds(gw.read(fake)).all() for each in found)
    rules.write_text('[{"rule": "order", "columns": ["ordered", "sent"], "strict": true}]')
    refused = genwright(*fit, "--out", tmp_path / "other")
    assert refused.exit_code == 3 and "breaks Order(['ordered', 'sent'], strict=True)" in refused.stderr
    dropped = genwright(*fit, "--out", tmp_path / "other", "--drop-broken", "--force")
    assert dropped.exit_code == 0 and "rows that break the rules are left out" in dropped.stderr


@pytest.mark.slow
def test_run_keeps_rules_in_every_family(tmp_path):
    rules = suggest(kept())
    done = gw.run(kept(), out=tmp_path / "run", minutes=0.02, families=[gw.Mixture(components=2)], constraints=rules)
    assert all(rule.holds(done.report.fake).all() for rule in rules)
    assert "one_hot" in (tmp_path / "run" / "run.json").read_text()
