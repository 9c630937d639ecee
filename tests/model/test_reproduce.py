"""Samples tell which draw they are of, and the same records are drawn again from that, bit for bit."""

import json

import numpy as np
import pandas as pd
import pytest
from tests.golden.record import HERE

import genwright as gw
from genwright.data.origin import Origin
from genwright.errors import ArgumentError, StorageError
from genwright.storage import sha256

GIVEN = {"mixture": {"kind": "b"}, "flow-images": {"label": "left"}, "autoregressive-text": {"text": "one "}}


def same(one: gw.Dataset, other: gw.Dataset) -> bool:
    return one.fields == other.fields and all(
        one.columns[f.name].dtype == other.columns[f.name].dtype
        and pd.DataFrame(one.columns[f.name].reshape(len(one), -1)).equals(
            pd.DataFrame(other.columns[f.name].reshape(len(other), -1))
        )
        for f in one.fields
    )


@pytest.mark.parametrize("name", ["mixture", "flow-images", "autoregressive-text", "rules-and-texts"])
def test_the_same_records_again_from_what_was_written(name, tmp_path):
    model, given = gw.load(HERE / name, device="cpu"), GIVEN.get(name)
    fake = model.sample(9, given=given, seed=3)
    some = fake.take(np.array([7, 2, 3, 4])).select([f.name for f in fake.fields][::-1])
    (tmp_path / "origin.json").write_text(json.dumps(some.origin.to_json()))
    again = gw.reproduce(tmp_path / "origin.json", gw.load(HERE / name, device="cpu"), given=given)
    assert same(again.select([f.name for f in some.fields]), some) and again.origin.rows.tolist() == [7, 2, 3, 4]
    assert not same(model.sample(9, given=given, seed=4), fake)


def test_hashes_are_those_of_the_saved_files(tmp_path):
    model = gw.load(HERE / "mixture")
    model.save(tmp_path / "again")
    draw = model.sample(2).origin.draw
    assert draw.weights == sha256(tmp_path / "again" / "weights.safetensors")
    assert draw.codec == sha256(tmp_path / "again" / "codec.json")


def test_how_is_that_of_the_request_whatever_the_defaults_of_the_model_are():
    model = gw.load(HERE / "flow-images")
    fake = model.sample(3, how=gw.Sampling(steps=2), seed=1)
    assert fake.origin.draw.how["steps"] == 2 and same(gw.reproduce(fake.origin, model), fake)


def test_given_values_are_not_told_but_must_be_known():
    model = gw.load(HERE / "mixture")
    fake = model.sample(4, given={"count": 20, "kind": "b"}, seed=1)
    assert "20" not in json.dumps(fake.origin.to_json() | {"weights": "", "codec": "", "given": ""})
    assert same(gw.reproduce(fake.origin, model, given=pd.DataFrame({"kind": ["b"], "count": [20]})), fake)
    for wrong in (None, {"count": 21, "kind": "b"}):
        with pytest.raises(ArgumentError, match="given when the records were drawn") as caught:
            gw.reproduce(fake.origin, model, given=wrong)
        assert caught.value.hint
    with pytest.raises(ArgumentError, match="not given"):
        gw.reproduce(model.sample(1).origin, model, given={"kind": "b"})


def test_another_model_is_refused():
    with pytest.raises(ArgumentError, match="another model"):
        gw.reproduce(gw.load(HERE / "tree").sample(1).origin, gw.load(HERE / "mixture"))


def test_rows_survive_json_and_what_is_no_origin_is_refused():
    origin = gw.load(HERE / "mixture").sample(10).origin
    for rows in ([], [0], [9, 8, 3, 4, 5], [2, 2], list(range(10))):
        told = origin.take(np.array(rows, dtype=int)).to_json()
        assert Origin.from_json(json.loads(json.dumps(told)), where="x").rows.tolist() == rows
    told = origin.to_json()
    endless = {"n": 10**15, "rows": [[0, 10**15]]}  # refused before memory is asked for
    for change in (
        {"rows": [[0, 11]]},
        {"rows": [[3, 3]]},
        {"seed": -1},
        {"n": "9"},
        {"more": 1},
        {"rows": 3},
        endless,
    ):
        with pytest.raises(StorageError):
            Origin.from_json(told | change, where="x")


def test_data_that_was_read_has_no_origin():
    assert gw.read("wine").origin is None and gw.read("wine").train.origin is None
