"""What the guide says of adding something holds: a family is one file and one line, and all else follows from it."""

import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

import genwright as gw
import genwright.families
from genwright.errors import UnsupportedError
from genwright.families import FAMILIES
from genwright.families.capabilities import able, check, models, suitable
from genwright.families.family import Density
from genwright.families.recipe import check_family, recipe_from_json, recipe_to_json
from genwright.metrics import image_scores, meanings, table_scores, text_scores
from genwright.report.reading import read
from genwright.scores.score import Score, signature
from genwright.spaces import Columns, Reals, Tokens
from tests.train.line import Line


@pytest.fixture
def listed(monkeypatch):
    """A family in a file of its own, and its line in `families/__init__.py`."""
    module = ModuleType("genwright.families.line")
    module.Line = Line
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(genwright.families._HOMES, "line", ("line", "Line"))


def test_a_family_is_its_file_and_one_line(listed):
    assert FAMILIES["line"] is Line and "line" in list(FAMILIES)
    assert "line" in [family.name for family in suitable(Reals((3,)))]  # so `run` compares it
    assert "Line" in able(Reals((3,)), lambda can: can.density is Density.EXACT)  # so hints name it
    assert recipe_from_json(recipe_to_json(Line(batch=4))) == Line(batch=4)  # so it is saved and loaded
    check_family(Line(), where="fit")
    with pytest.raises(UnsupportedError) as refused:
        check(Line(), Tokens(8, 4, 3))
    assert "Autoregressive" in refused.value.hint and "Line" not in refused.value.hint
    net = Line().build(Reals((3,)), None)
    assert Line().sample(net, 5, rng=torch.Generator().manual_seed(0)).shape == (5, 3)


def centre_error(real, fake, *, seed=0):
    """How far means of numbers are off, in standard deviations, on average: a metric in a file of its own."""
    sides = [data.frame.select_dtypes("number") for data in (real, fake)]
    value = float((abs(sides[0].mean() - sides[1].mean()) / sides[0].std()).mean())
    told = signature("centre error", protocol="mean", n=(len(real), len(fake)))
    return Score(name="centre error", value=value, direction="lower", n=len(fake), signature=told)


def test_a_metric_is_its_file_and_two_lines(monkeypatch):
    monkeypatch.setitem(table_scores.METRICS, "centre error", centre_error)
    monkeypatch.setitem(meanings.MEANINGS, "centre error", meanings.Meaning("How far means are off."))
    data = gw.read("wine")
    fake = gw.fit(data, family=gw.Mixture(components=2), steps=5).sample(60)
    found = gw.evaluate(fake, real=data.test, train=data.train, only=["centre error"])
    (score,) = found.scores  # beside its floor and what a baseline gets
    assert 0 < score.floor < 0.6 and score.baseline > 0 and score.value < 2
    told = read(score)
    assert told.grade in ("good", "fair", "poor") and told.question == "How far means are off."
    for scores in (image_scores, text_scores):  # the same for other kinds
        assert all(meanings.meaning_of(name.split(", ")[0]) for name in scores.METRICS)


SPACES = {"tables": Columns(()), "images": Reals((3, 28, 28), levels=256), "text": Tokens(256, 257, 256)}
PAGE = Path(__file__).parents[1] / "docs" / "how-to-choose.md"


def abilities() -> str:
    """What families say of themselves, as a table; `python -m tests.test_additions` prints it."""
    lines = [
        "| family | of | density | can be given | latents | conditions | settings |",
        "|---|---|---|---|---|---|---|",
    ]
    for family in (FAMILIES[name]() for name in FAMILIES):
        for kind, space in SPACES.items():
            if models(family, space):
                can = family.can(space)
                latent = "both ways" if can.encodes else "to records" if can.latent else "none"
                beside = "any" if len(can.conditions) > 1 else "numbers, categories"
                told = (can.density.value, can.given.value, latent, beside, ", ".join(can.how))
                lines.append(f"| {' | '.join((type(family).__name__, kind, *told))} |")
    return "\n".join(lines)


def test_the_page_tells_what_families_can_do():
    assert abilities() in PAGE.read_text(encoding="utf-8"), "python -m tests.test_additions prints the table"


if __name__ == "__main__":
    sys.stdout.write(abilities() + "\n")
