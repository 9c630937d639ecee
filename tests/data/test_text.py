"""Text: running or record by record, every byte kept."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genwright.data.dataset import Category, Identifier, Text
from genwright.data.read import read
from genwright.data.text import passages
from genwright.data.write import write
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
    assert data.columns["text"].tolist() == ["a", "b"] and "(3)" in data.notes[0]
    with pytest.raises(ArgumentError):
        read(path, records="paragraphs")


WORDS = "Ünïcôdé – “wörds”\n" * 30


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_encodings_are_told_and_written_back(tmp_path, encoding):
    (tmp_path / "t.txt").write_bytes(WORDS.encode(encoding))
    data = read(tmp_path / "t.txt")
    assert data.media == Text("text", encoding=encoding) and data.columns["text"].tolist() == WORDS.split("\n")[:-1]
    assert bool(data.notes) == (encoding == "cp1252")
    assert write(data, tmp_path / "u.txt") == ()
    assert (tmp_path / "u.txt").read_bytes() == WORDS.encode(encoding)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("words", ["plain words\nand more\n", "слово и дело\nещё слово\n", "漢字 と かな\n二行目\n"])
def test_utf16_without_its_mark(tmp_path, words, encoding):
    (tmp_path / "t.txt").write_bytes(words.encode(encoding))
    data = read(tmp_path / "t.txt")
    assert data.columns["text"].tolist() == words.split("\n")[:-1] and data.media.encoding == "utf-16"


def test_latin1_where_bytes_mean_nothing_in_windows_1252(tmp_path):
    (tmp_path / "t.txt").write_bytes(b"caf\xe9\x81\nplain and long enough\n")
    data = read(tmp_path / "t.txt")
    assert (
        data.columns["text"].tolist() == ["caf\xe9\x81", "plain and long enough"] and data.media.encoding == "latin-1"
    )
    assert "check accented letters" in data.notes[0]


def test_stray_bytes_in_utf8_survive(tmp_path):
    raw = "größer ärger\n".encode() * 5 + b"caf\xe9\n"
    (tmp_path / "t.txt").write_bytes(raw)
    data = read(tmp_path / "t.txt")
    assert data.columns["text"][5] == "caf\udce9" and "1 bytes are not UTF-8" in data.notes[0]
    assert "line 6" in data.notes[0] and write(data, tmp_path / "u.txt") == ()
    assert (tmp_path / "u.txt").read_bytes() == raw


def test_one_nul_is_named(tmp_path):
    (tmp_path / "t.txt").write_bytes(b"one\ntwo\nthr\0ee\n" + b"more\n" * 20)
    with pytest.raises(DataError, match="NUL") as caught:
        read(tmp_path / "t.txt")
    assert "line 3, at character 4" in caught.value.what and "tr -d" in caught.value.hint


def test_a_stray_blank_line_makes_no_running_text(tmp_path):
    (tmp_path / "t.txt").write_text("one two\n" * 60 + "\n" + "three four\n" * 60)
    assert len(read(tmp_path / "t.txt")) == 120 and "blank" in read(tmp_path / "t.txt").notes[0]
    (tmp_path / "t.txt").write_bytes("a\u2028b\x0bc".encode())  # no line ends
    assert read(tmp_path / "t.txt").columns["text"].tolist() == ["a\u2028b\x0bc"]


@pytest.mark.parametrize("raw", [b"", b" \n\t\n", b"ab\0cd" * 9, bytes(range(256)) * 4])
def test_what_is_not_text(tmp_path, raw):
    (tmp_path / "t.txt").write_bytes(raw)
    with pytest.raises(DataError):
        read(tmp_path / "t.txt")


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
