"""inspect, built-in data, and importing without torch."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from genwright.data.builtin import BUILTIN
from genwright.data.dataset import Category, Dataset, Image, Number
from genwright.data.inspect import inspect
from genwright.data.read import read
from genwright.errors import ArgumentError


def test_what_inspect_finds():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "id": np.arange(1000),
            "age": rng.integers(18, 90, 1000),
            "sex": rng.choice(["F", "M"], 1000, p=[0.75, 0.25]),
            "note": np.where(rng.random(1000) < 0.9, None, "x"),
            "same": 1,
        }
    )
    frame.loc[500:519, ["age", "sex", "note"]] = frame.loc[0:19, ["age", "sex", "note"]].to_numpy()
    found = inspect(read(frame, label="sex"))
    assert found.rows == 1000 and sum(found.split) == 1000 and found.identifiers == ("id",)
    assert found.duplicates == 1000 - len(frame[["age", "sex", "note"]].drop_duplicates())
    assert found.label_shares[0][0] == "F" and sum(s for _, s in found.label_shares) == pytest.approx(1)
    age = found.fields[1]
    assert (age.kind, age.low, age.high, age.missing) == ("number", "18", "89", 0)
    assert found.fields[3].missing == pytest.approx(0.9, abs=0.05)
    assert any("missing in" in note for note in found.notes) and any("one value" in note for note in found.notes)
    plain = json.loads(json.dumps(found.to_json()))
    assert plain["split"]["train"] == found.split[0] and plain["fields"][2]["frequent"]["F"] > 0.7
    assert "sex" in str(found)


@pytest.mark.parametrize("name", BUILTIN)
def test_built_in_sets(name):
    data = read(name)
    assert data.name == name and min(map(len, (data.train, data.valid, data.test))) > 0
    assert inspect(data).memory_bytes < 2 << 30
    again = read(name, seed=5)
    assert again.split_seed == 5 and len(again) == len(data)


def test_built_in_fields():
    digits = read("digits")
    assert digits.fields == (Image("image", (8, 8, 1), "L", 17), Category("label", tuple("0123456789"), "int"))
    assert digits.columns["image"].max() == 16 and digits.label == "label"
    wine = read("wine")
    assert len(wine.fields) == 14 and wine.label == "class"
    assert wine.field("alcohol") == Number("alcohol", 2, 11.03, 14.83, 1)
    stdlib = read("python-stdlib")
    assert 1_500_000 < sum(map(len, stdlib.columns["text"])) < 2_100_000 and stdlib.media.running


def test_a_dataset_is_returned_as_it_is():
    data = read("wine")
    assert read(data).columns is data.columns
    assert read(data, label="class").label == "class"
    with pytest.raises(ArgumentError, match="no field"):
        read(data, label="colour")


@pytest.mark.parametrize(
    ("source", "options"),
    [
        ("wine", {"missing": -1}),
        ("digits", {"schema": {"label": "number"}}),
        ("python-stdlib", {"records": "lines"}),
        (pd.DataFrame({"a": [1, 2]}), {"field": "a"}),
    ],
)
def test_options_that_do_not_apply_are_refused(source, options):
    with pytest.raises(ArgumentError, match=f"{next(iter(options))}= does not apply"):
        read(source, **options)


def test_identifiers_do_not_hide_duplicates():
    frame = pd.DataFrame({"id": np.arange(200), "x": np.repeat(np.arange(100) / 8, 2)})
    data = read(frame)
    seen = [set(data.columns["x"][p]) for p in (data.split.train, data.split.valid, data.split.test)]
    assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])
    assert inspect(data).duplicates == 100


def test_importing_data_does_not_load_torch():
    code = (
        "import sys, genwright.data.read, genwright.data.inspect, genwright.data.write; print('torch' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def pictures(*sizes: tuple[int, int], n: int = 1) -> Dataset:
    """n images of each size, in colour."""
    rng = np.random.default_rng(0)
    drawn = [rng.integers(0, 255, (*size, 3)).astype(np.uint8) for size in sizes for _ in range(n)]
    alike = len(set(sizes)) == 1
    column = np.empty(len(drawn), dtype=object)
    column[:] = drawn
    shape = (*sizes[0], 3) if alike else None
    field = Image("image", shape=shape, mode="RGB")
    return Dataset((field,), {"image": np.stack(drawn) if alike else column}, name="pictures")


@pytest.mark.parametrize(
    ("size", "n", "peak"),  # MiB that FlowMatching was measured to take for a few steps on one core
    [((96, 128), 12, 498), ((192, 256), 12, 633), ((384, 512), 4, 584), ((768, 1024), 12, 2001), ((64, 64), 200, 578)],
)
def test_memory_for_images_is_foretold_within_a_quarter(size, n, peak):
    assert inspect(pictures(size, n=n)).memory_bytes / 2**20 == pytest.approx(peak, rel=0.25)


def test_what_a_fit_will_refuse_is_foreseen_with_the_remedy(monkeypatch):
    rows = read(pd.DataFrame({"x": [1.5, 2.25, 3.0, 4.5, 5.0], "y": [2.0, 1.0, 4.0, 3.0, 9.5]}))
    assert any("5 rows are too few to compare families by" in note for note in inspect(rows).notes)
    assert any("1 row is too few to fit: at least 10" in note for note in inspect(rows.take(slice(1))).notes)
    assert any("1 image is too few to fit" in note for note in inspect(pictures((8, 8))).notes)
    mixed = inspect(pictures((8, 8), (8, 8), (9, 12), n=5)).notes
    assert any("images of 2 sizes: a fit takes one: read them with size=(8, 8), which 10 have" in n for n in mixed)
    monkeypatch.setattr("genwright.data.forecast.machine_memory", lambda: 100.0 * 2**20)
    assert any("of the 100 MiB here: read images with size=" in note for note in inspect(pictures((8, 8), n=20)).notes)
    monkeypatch.undo()
    assert not any("MiB here" in note or "too few" in note for note in inspect(read("wine")).notes)
