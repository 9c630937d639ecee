"""Images and texts, however odd, are read back as they were written."""

import unicodedata

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from genwright.data.dataset import Category, Dataset, Image, Text
from genwright.data.like import read_like
from genwright.data.read import read
from genwright.data.text import running_text
from genwright.data.write import held_at, write
from genwright.errors import ArgumentError

ODD = [
    "",
    "NA",
    "null",
    "None",
    "nan",
    "N/A",
    "?",
    "-",
    " a",
    "a ",
    "a\nb",
    "a,b",
    '"q"',
    "1",
    "01",
    "1.0",
    "1e3",
    "true",
    "#",
    "é",
    "\u2028",
    "a\r",
    "\ufeffx",
]
names = st.one_of(st.sampled_from(ODD[1:]), st.text(min_size=1, max_size=4))
words = st.one_of(st.sampled_from(ODD), st.text(max_size=12), st.text("ab \n\r\t", max_size=6))


def values(data, name):
    return data.columns[name].tolist()


@settings(max_examples=60, deadline=None)
@given(st.lists(words, min_size=1, max_size=8), st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1"]))
@example(["Ã©"], "cp1252")
@example(["\x93", "ab"], "latin-1")
def test_texts(tmp_path_factory, texts, encoding):
    data = Dataset((Text("text", encoding=encoding),), {"text": np.array(texts, dtype=object)})
    path, _ = held_at(data, str(tmp_path_factory.mktemp("w") / "t.txt"))
    write(data, path)
    assert values(read(path), "text") == texts
    assert values(read_like(path, data), "text") == texts


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.text("ab é.\n\r", max_size=900), min_size=1, max_size=4), st.sampled_from(["utf-8", "utf-16", "cp1252"])
)
def test_running_texts(tmp_path_factory, parts, encoding):
    text = "\n\n".join(["x", *parts])
    data, path = running_text(text, name="t", encoding=encoding), tmp_path_factory.mktemp("w") / "t.txt"
    write(data, path)
    assert values(read(path, records="running"), "text") == values(data, "text")
    assert values(read_like(path, data), "text") == values(data, "text")
    assert "".join(values(data, "text")) == text


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(words, st.one_of(st.none(), names)), min_size=2, max_size=8))
def test_labelled_texts(tmp_path_factory, rows):
    texts, labels = zip(*rows, strict=True)
    levels = tuple(sorted({v for v in labels if v is not None}))
    columns = {"text": np.array(texts, dtype=object), "label": np.array(labels, dtype=object)}
    data = Dataset((Text("text"), Category("label", levels)), columns, label="label")
    path = tmp_path_factory.mktemp("w") / "t.jsonl"
    write(data, path)
    for back in (read(path), read_like(path, data)):
        assert values(back, "text") == list(texts) and values(back, "label") == list(labels)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.one_of(st.none(), names), min_size=2, max_size=6), st.booleans())
@example(["1e3", None], True)
@example(["1", "NA"], True)
@example(["1.0", "1"], True)
@example(["1e3", "inf"], True)
def test_labelled_images(tmp_path_factory, labels, with_captions):
    rng = np.random.default_rng(len(labels))
    levels = tuple(sorted({v for v in labels if v is not None}))
    columns = {
        "image": rng.integers(0, 256, (len(labels), 2, 3, 1)).astype(np.uint8),
        "label": np.array(labels, object),
    }
    fields = [Image("image", (2, 3, 1)), Category("label", levels)]
    if with_captions:
        fields.append(Text("caption"))
        columns["caption"] = np.array([v or "" for v in labels][::-1], dtype=object)
    data = Dataset(tuple(fields), columns, label="label")
    folder = tmp_path_factory.mktemp("w") / "out"
    write(data, folder)
    told = read(folder, schema={"caption": "text"} if with_captions else None)
    for back in (told, read_like(folder, data)):
        assert not with_captions or values(back, "caption") == values(data, "caption")
        assert np.array_equal(back.columns["image"], columns["image"]) and values(back, "label") == labels


FOLDER = st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1, max_size=5)


@settings(max_examples=15, deadline=None)
@given(st.sets(FOLDER.filter(lambda n: not n.startswith(".")), min_size=2, max_size=4))
def test_classes_in_folders(tmp_path_factory, folders):
    root = tmp_path_factory.mktemp("f")
    for i, name in enumerate(sorted(folders)):
        (root / "in" / name).mkdir(parents=True)
        Pillow.fromarray(np.full((2, 2), i, dtype=np.uint8)).save(root / "in" / name / "0.png")
    data = read(root / "in")
    classes = {unicodedata.normalize("NFC", name) for name in folders}
    if len(classes) == 1:
        return  # two spellings of one name
    assert set(values(data, "label")) == classes
    write(data, root / "out")
    back = read_like(root / "out", data)
    assert values(back, "label") == values(data, "label") and values(read(root / "out"), "label") == values(
        data, "label"
    )


def test_words_beside_images_that_look_like_numbers(tmp_path):
    """What is told of a column, or known from the real data, comes before what its texts look like."""
    for i in range(3):
        Pillow.fromarray(np.full((2, 2), i, dtype=np.uint8)).save(tmp_path / f"{i}.png")
    (tmp_path / "metadata.csv").write_text("file_name,label,caption,n\n0.png,1,1e3,1\n1.png,NA,NA,NA\n2.png,2,2.50,2\n")
    told = read(tmp_path, schema={"caption": "text", "label": "category"})
    for back in (told, read_like(tmp_path, told)):
        assert values(back, "caption") == ["1e3", "NA", "2.50"] and values(back, "label") == ["1", "NA", "2"]
        assert np.isnan(values(back, "n")).tolist() == [False, True, False]
    real = read(tmp_path)
    assert values(read_like(tmp_path, real), "label") == values(real, "label") == ["1", None, "2"]
    with pytest.raises(ArgumentError, match="no column called 'colour'"):
        read(tmp_path, schema={"colour": Category("colour")})
