"""Data in memory, and paths as people type them."""

import os
import unicodedata

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from PIL import Image as Pillow

import genwright as gw
from genwright.data.dataset import Image, Text
from genwright.errors import ArgumentError, DataError, StorageError

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 4, 3), dtype=np.uint8)
LABELS = ["NA", "b", "null", "b"] * 3


@pytest.mark.parametrize(
    "source",
    [PIXELS, torch.from_numpy(PIXELS), list(PIXELS), [Pillow.fromarray(p) for p in PIXELS], {"images": PIXELS}],
    ids=["array", "tensor", "list", "pictures", "mapping"],
)
def test_images(source):
    data = gw.read(source)
    assert data.fields == (Image("image", (4, 3, 1)),) and np.array_equal(data.columns["image"][..., 0], PIXELS)
    assert gw.read(source, size=(8, 6)).media.shape == (8, 6, 1)


PICTURES = [Pillow.fromarray(p) for p in PIXELS]


@pytest.mark.parametrize(
    "source",
    [
        {"x": PIXELS, "y": LABELS},
        {"x": PIXELS, "y": np.array(LABELS)},
        {"x": PIXELS, "y": np.char.encode(np.array(LABELS))},
        {"pixels": PICTURES, "label": LABELS},
        pd.DataFrame({"image": PICTURES, "label": LABELS}),
        [{"image": p, "label": v} for p, v in zip(PICTURES, LABELS, strict=True)],
        list(zip(PICTURES, LABELS, strict=True)),
    ],
    ids=["arrays", "array", "bytes", "lists", "frame", "records", "pairs"],
)
def test_labelled_images(source):
    data = gw.read(source)
    assert data.label == "label" and data.columns["label"].tolist() == LABELS
    assert np.array_equal(data.columns["image"][..., 0], PIXELS)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_an_image_without_a_label_and_one_of_the_empty_class(tmp_path, missing):
    labels = ["", missing, "a", *LABELS[3:]]
    data = gw.read({"images": PIXELS, "labels": labels})
    assert data.columns["label"].tolist() == ["", None, "a", *LABELS[3:]]
    gw.write(data, tmp_path / "out")
    assert gw.read(tmp_path / "out").columns["label"].tolist() == data.columns["label"].tolist()


def test_images_in_npy(tmp_path):
    np.save(tmp_path / "x.npy", PIXELS)
    assert np.array_equal(gw.read(tmp_path / "x.npy").columns["image"][..., 0], PIXELS)


def test_texts():
    texts = ["one", "", "NA", "a\nb"]
    for source in (texts, tuple(texts), np.array(texts), np.array(texts, dtype=object)):
        data = gw.read(source)
        assert data.fields == (Text("text"),) and data.columns["text"].tolist() == texts


@pytest.mark.parametrize(
    "source",
    [
        {"a": [1, 2, None], "b": ["x", "y", "x"]},
        {"a": np.array([1, 2, None], dtype=object), "b": ("x", "y", "x")},
        [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}, {"b": "x"}],
        pa.table({"a": [1, 2, None], "b": ["x", "y", "x"]}),
        pd.DataFrame({"a": pd.array([1, 2, None], dtype="Int64"), "b": ["x", "y", "x"]}),
    ],
    ids=["mapping", "arrays", "records", "arrow", "frame"],
)
def test_tables(source):
    data = gw.read(source)
    assert [f.name for f in data.fields] == ["a", "b"] and data.columns["b"].tolist() == ["x", "y", "x"]
    assert data.frame["a"].tolist()[:2] == [1, 2] and pd.isna(data.frame["a"][2])


def test_no_digit_of_whole_numbers_is_lost():
    large = [2**53 + 1, None, 2**53 + 3] * 5
    for source in ({"n": large}, [{"n": v} for v in large], pa.table({"n": large})):
        assert gw.read(source).frame["n"].tolist()[:3:2] == large[:3:2]


def test_rows_without_names():
    rows = [[1.5, 2.25], [3.5, 4.25], [5.5, 1.25]]
    for source in (rows, np.array(rows), [np.array(r) for r in rows]):
        data = gw.read(source)
        assert [f.name for f in data.fields] == ["column_1", "column_2"]
        assert data.columns["column_2"].tolist() == [2.25, 4.25, 1.25]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ([], "an empty list"),
        (np.zeros((0, 4, 4)), "holds nothing"),
        ({}, "no columns"),
        ({"a": 1}, "no columns"),
        ({"a": [1, 2], "b": [1]}, "columns of different lengths: 'a' 2, 'b' 1"),
        (3, "cannot read an object of type int"),
        ([b"ab", b"c"], "cannot read a list of bytes"),
        (np.zeros((2, 2, 2, 2, 2)), "shape"),
        ([np.zeros((2, 2)), np.zeros((3, 3))], "images of 2 shapes"),
    ],
)
def test_what_cannot_be_read_says_how(source, said):
    with pytest.raises((DataError, ArgumentError), match=said):
        gw.read(source)


def test_a_list_of_paths(tmp_path):
    (tmp_path / "a.csv").write_text("x\n1\n")
    with pytest.raises(ArgumentError, match="a list of 1 paths"):
        gw.read([str(tmp_path / "a.csv")])


def test_names_in_another_form_of_unicode(tmp_path):
    for form in ("NFC", "NFD"):
        folder = tmp_path / form / unicodedata.normalize(form, "été")
        folder.mkdir(parents=True)
        (folder / unicodedata.normalize(form, "âge.csv")).write_text("x,y\n" + "1,a\n2,b\n" * 9)
        for typed in ("NFC", "NFD"):
            assert len(gw.read(tmp_path / form / unicodedata.normalize(typed, "été") / "âge.csv")) == 18


def test_near_matches_of_missing_files(tmp_path):
    (tmp_path / "patients").mkdir()
    (tmp_path / "patients" / "Visits.CSV").write_text("x\n1\n")
    for typed, meant in (
        ("patients/visits.csv", "Visits.CSV"),
        ("patient/Visits.CSV", "patients"),
        ("patients/q", "Vis"),
    ):
        with pytest.raises(DataError, match="no such file") as caught:
            gw.read(tmp_path / typed)
        assert meant in caught.value.hint
    with pytest.raises(DataError) as caught:
        gw.read("winde")
    assert "did you mean wine;" in caught.value.hint
    with pytest.raises(StorageError, match="no such folder") as failed:
        gw.load(tmp_path / "Patient")
    assert "did you mean patients;" in failed.value.hint


def test_conditions_from_a_frame():
    data = gw.read(pd.DataFrame({"n": [1, 2, 3, 4] * 10, "c": list("abab") * 10, "t": ["x", "y", "y", "x"] * 10}))
    model = gw.fit(data, family=gw.Mixture(components=2), steps=2)
    frame = pd.DataFrame({"n": [4, 2], "c": ["b", "a"]}, index=[7, 9])
    for given in (frame, frame.astype("category"), data.take(np.array([3, 0])).select(["c"])):
        fake = model.sample(2, given=given)
        assert fake.columns["c"].tolist() == ["b", "a"] and len(fake) == 2
    assert model.sample(2, given=frame).frame["n"].tolist() == [4, 2]
    assert model.sample(3, given=frame.iloc[:1]).columns["c"].tolist() == ["b"] * 3
    assert model.sample(3, given=frame.iloc[0]).columns["c"].tolist() == ["b"] * 3
    with pytest.raises(ArgumentError, match="2 values given for 3"):
        model.sample(3, given=frame)


def test_names_that_are_not_utf8(tmp_path):
    for raw in (b"caf\xe9", b"th\xe9"):
        os.makedirs(os.fsencode(tmp_path) + b"/" + raw)
        for i in range(3):
            Pillow.fromarray(PIXELS[i]).save(os.fsdecode(os.fsencode(tmp_path) + b"/" + raw + b"/%d.png" % i))
    data = gw.read(tmp_path)
    assert set(data.columns["label"]) == {"café", "thé"}
    gw.write(data, tmp_path / "out")
    assert set(gw.read(tmp_path / "out").columns["label"]) == {"café", "thé"}


HALF = "a\ud800"


@pytest.mark.parametrize(
    "source", [{"x": [HALF, "b"]}, [{"x": HALF}, {"x": "b"}], [[HALF, 1], ["b", 2]], [HALF, None, "b"], {HALF: [1, 2]}]
)
def test_halves_of_characters_are_refused_where_pandas_does_not_hold_them(source):
    with pytest.raises(DataError, match=r"half a character, '\\ud800'"):
        gw.read(source)


def test_halves_of_characters_are_said(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"x": "a\\ud800", "n": 1}\n{"x": "b", "n": 2}\n')
    for source in ([HALF, "b"], pd.DataFrame({"x": pd.Series([HALF, "b"], dtype=object)}), tmp_path / "a.jsonl"):
        data = gw.read(source)
        assert data.columns[data.fields[0].name][0] == "a\ufffd" and any("U+FFFD" in note for note in data.notes)
    (tmp_path / "a.jsonl").write_text('{"x\\ud800": "a"}\n{"x\\ud800": "b"}\n')
    with pytest.raises(DataError, match="name holds half a character"):
        gw.read(tmp_path / "a.jsonl")
