"""inspect, built-in data, and importing without torch."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from genwright.data.builtin import BUILTIN
from genwright.data.dataset import Category, Image, Number
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
