"""Text: running or record by record, every byte kept."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genwright.data.dataset import Category, Identifier, Text
from genwright.data.read import read
from genwright.data.text import passages
from genwright.errors import ArgumentError, DataError


@given(st.text(alphabet=st.sampled_from("ab .\n\r\t\udc80é"), max_size=9000))
def test_passages_lose_nothing(text):
    cut = passages(text)
    assert "".join(cut) == text and all(cut)
    assert all(len(p) <= 3000 for p in cut)


def test_running_text_is_told_by_its_blank_lines(tmp_path):
    path = tmp_path / "t.txt"
    text = "\n\n".join(f"Paragraph {i} has so many words.\nAnd a second line." for i in range(200))
    path.write_bytes(text.encode())
    data = read(path)
    assert data.fields == (Text("text", running=True),) and "".join(data.columns["text"]) == text
    assert all(p.endswith("\n\n") for p in data.columns["text"][:-1])
    assert (
        "".join(data.train.columns["text"]) + "".join(data.valid.columns["text"])
        == text[: -len("".join(data.test.columns["text"]))]
    )
    assert len(read(path, records="lines")) == 400


def test_records_by_line(tmp_path):
    path = tmp_path / "t.txt"
    path.write_bytes("emma\r\nzoë\r\nava".encode())
    assert read(path).columns["text"].tolist() == ["emma", "zoë", "ava"]
    assert "".join(read(path, records="running").columns["text"]) == "emma\r\nzoë\r\nava"
    path.write_text("a\n\nb\n \n\n", newline="")
    data = read(path, records="lines")
    assert data.columns["text"].tolist() == ["a", "b"] and "3 blank lines" in data.notes[0]
    with pytest.raises(ArgumentError):
        read(path, records="paragraphs")


def test_bytes_that_are_not_utf8_survive(tmp_path):
    path = tmp_path / "t.txt"
    path.write_bytes(b"caf\xe9\nna\xefve\nplain\n")
    data = read(path)
    assert "\n".join(data.columns["text"]).encode("utf-8", "surrogateescape") == b"caf\xe9\nna\xefve\nplain"
    assert "2 bytes" in data.notes[0] and len(data.split.train) >= 1


@pytest.mark.parametrize("raw", [b"", b" \n\t\n", b"ab\0cd" * 9, bytes(range(256)) * 4])
def test_what_is_not_text(tmp_path, raw):
    (tmp_path / "t.txt").write_bytes(raw)
    with pytest.raises(DataError):
        read(tmp_path / "t.txt")


def test_utf16_text(tmp_path):
    (tmp_path / "t.txt").write_bytes("one\ntwo\nthree".encode("utf-16"))
    assert read(tmp_path / "t.txt").columns["text"].tolist() == ["one", "two", "three"]


def write_lines(path, rows):
    path.write_text("\n".join(json.dumps(r) for r in rows))
    return path


def test_json_lines_text_or_table(tmp_path):
    long = [
        {"id": i, "story": f"Once upon a time number {i} went out to see what the world looked like"} for i in range(30)
    ]
    data = read(write_lines(tmp_path / "a.jsonl", long))
    assert isinstance(data.field("story"), Text) and isinstance(data.field("id"), Identifier)
    assert data.media.name == "story"
    short = [{"name": f"n{i % 3}", "age": i % 5} for i in range(30)]
    assert read(write_lines(tmp_path / "b.jsonl", short)).media is None
    assert read(tmp_path / "b.jsonl", field="name").media == Text("name")
    with pytest.raises(ArgumentError, match="no field 'x'"):
        read(tmp_path / "b.jsonl", field="x")
    labelled = [{"text": "ab", "label": i % 2} for i in range(30)]
    data = read(write_lines(tmp_path / "c.jsonl", labelled))
    assert data.media == Text("text") and data.field("label") == Category("label", ("0", "1"), "int")
    assert data.label == "label"


def test_folder_of_texts(tmp_path):
    for name in ("pos/a", "pos/b", "neg/a"):
        path = tmp_path / f"{name}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"text of {name}\n\nmore")
    data = read(tmp_path)
    assert data.columns["label"].tolist() == ["neg", "pos", "pos"] and len(data) == 3
    assert read(tmp_path, records="running").fields == (Text("text", running=True),)
