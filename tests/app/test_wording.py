"""Hints speak of options on the command line and of arguments in Python."""

import click
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image as Pillow

import genwright as gw
from genwright.app.cli import main
from genwright.app.wording import in_options


@pytest.mark.parametrize(
    ("python", "options"),
    [
        ("read both with size=(24, 32)", "read both with --size 32x24"),
        ("give size=(height, width) when reading", "give --size WxH when reading"),
        ("if it means missing, say missing=[...]", "if it means missing, say --missing MARK"),
        ("missing=[-200, 'a b'], or", "--missing -200 --missing 'a b', or"),
        ("""as one with schema={'zip': "number"}, or drop""", "as one with --schema zip=number, or drop"),
        ("""schema={"it's": 'text'}.""", """--schema 'it'"'"'s=text'."""),
        ("of 9 rows; max_rows= says how many", "of 9 rows; --max-rows says how many"),
        ("records='running' joins (n=5)", "--records running joins (-n 5)"),
        ("for example minutes=0.5.", "for example --minutes 0.5."),
        # said in options already, or no argument of ours
        ("for example --schema label=category", "for example --schema label=category"),
        ("sqlite:///x?table=orders, size==3, gw.fit(size=3), colour=red", None),
    ],
)
def test_arguments_as_options(python, options):
    with click.Context(main):
        assert in_options(python) == (python if options is None else options)
    assert in_options(python) == python  # in Python nothing is rewritten


def test_each_surface_has_its_words(tmp_path):
    rng = np.random.default_rng(0)
    for name, side in (("real", 8), ("fake", 6)):
        (tmp_path / name).mkdir()
        for i in range(12):
            Pillow.fromarray(rng.integers(0, 255, (side, side), dtype=np.uint8)).save(tmp_path / name / f"{i}.png")
    real, fake = str(tmp_path / "real"), str(tmp_path / "fake")
    with pytest.raises(gw.DataError) as caught:
        gw.evaluate(gw.read(fake), real=gw.read(real))
    assert caught.value.hint == "read both with size=(8, 8)" and "images are 6 x 6" in caught.value.what
    asked = CliRunner().invoke(main, ["evaluate", fake, "--real", real])
    assert asked.exit_code == 3 and "read both with --size 8x8" in asked.stderr
    asked = CliRunner().invoke(main, ["evaluate", fake, "--real", real, "--paired", "--size", "8x8"])  # of both sides
    assert asked.exit_code == 0, asked.output
