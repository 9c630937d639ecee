"""What lies beside images under any name, and archives and folders as other programs leave them."""

import io
import json
import os
import zipfile

import numpy as np
import pytest
from PIL import Image as Pillow

from genwright.data.dataset import Text
from genwright.data.read import read
from genwright.errors import DataError

PNG = io.BytesIO()
Pillow.fromarray(np.arange(16, dtype=np.uint8).reshape(4, 4)).save(PNG, "PNG")
PNG = PNG.getvalue()
KINDS = ["NA", "b", "none", "b"]


def pictures(folder, names=("IMG_0.png", "IMG_1.png", "IMG_2.png", "IMG_3.png")):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(PNG)


def archive(path, names, *, flagged=True):
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as file:
        for name in names:
            info = zipfile.ZipInfo("x")
            info.filename = name
            file.writestr(info, b"" if name.endswith(("/", "\\")) else PNG)
    content = bytearray(raw.getvalue())
    for signature, at in ((b"PK\3\4", 7), (b"PK\1\2", 9)):  # where each member's record says that its name is UTF-8
        start = content.find(signature)
        while not flagged and start >= 0:
            content[start + at] &= ~8
            start = content.find(signature, start + 4)
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    ("table", "lines"),
    [
        ("train.csv", ["id,kind", *(f"IMG_{i},{k}" for i, k in enumerate(KINDS))]),  # names without suffix
        ("list.csv", ["filename;kind", *(f"C:\\data\\img_{i}.PNG;{k}" for i, k in enumerate(KINDS))]),
        ("labels.tsv", ["kind\tpicture", *(f"{k}\t./IMG_{i}.png" for i, k in enumerate(KINDS))]),
        ("notes.jsonl", [json.dumps({"file": f"IMG_{i}.png", "kind": k}) for i, k in enumerate(KINDS)]),
        ("all.json", [json.dumps([{"file": f"IMG_{i}.png", "kind": k} for i, k in enumerate(KINDS)])]),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_tables_of_any_name(tmp_path, table, lines):
    pictures(tmp_path)
    (tmp_path / table).write_text("\n".join(lines) + "\n")
    data = read(tmp_path)
    assert data.columns["kind"].tolist() == KINDS and len(data.notes) == 1 and "is a level here" in data.notes[0]


def test_marks_among_numbers_mean_missing_and_among_words_themselves(tmp_path):
    pictures(tmp_path)
    rows = "".join(f"IMG_{i}.png,{k},{v}\n" for i, (k, v) in enumerate(zip(KINDS, ["1.5", "NA", "2.5", ""])))
    (tmp_path / "labels.csv").write_text("file,label,size\n" + rows)
    data = read(tmp_path)
    assert data.columns["label"].tolist() == KINDS
    assert np.isnan(data.columns["size"]).tolist() == [False, True, False, True]
    assert read(tmp_path, missing=("NA",)).columns["label"].tolist() == [None, *KINDS[1:]]


def test_names_that_differ_in_case_alone(tmp_path):
    pictures(tmp_path, ("A.png", "a.png"))
    if len(os.listdir(tmp_path)) == 1:
        pytest.skip("this file system does not tell capitals")
    (tmp_path / "labels.csv").write_text("file,label\nA.png,large\na.png,small\n")
    assert read(tmp_path).columns["label"].tolist() == ["large", "small"]


def test_a_text_beside_each_image_is_its_caption(tmp_path):
    pictures(tmp_path)
    for i in (0, 1, 3):
        (tmp_path / f"IMG_{i}.txt").write_text(f"a thing\nnumber {i}\n")
    data = read(tmp_path)
    assert data.field("caption") == Text("caption")
    assert data.columns["caption"].tolist() == ["a thing\nnumber 0", "a thing\nnumber 1", "", "a thing\nnumber 3"]


def test_what_is_not_used_is_counted_and_named_once(tmp_path):
    pictures(
        tmp_path, [f"{c}/{i}.{s}" for c in "ab" for i, s in enumerate(("png", "jfif", "jpe", "heic", "avif", "JPG"))]
    )
    (tmp_path / "other.csv").write_text("x,y\n1,2\n")
    (tmp_path / "README.md").write_text("words")
    for i in range(4):
        (tmp_path / f"a/{i}.cr2").write_bytes(b"raw")
    (tmp_path / "b/real.heic").write_bytes(b"\0\0\0\x18ftypheic" + b"\0" * 40)
    (tmp_path / "b/labels.json").write_text('{"images": [], "annotations": [], "categories": []}')
    data = read(tmp_path)
    assert len(data) == 12 and data.field("label").levels == ("a", "b")
    heic, coco, rest = data.notes
    assert coco.startswith("b/labels.json is COCO's JSON") and "labels.csv with file,label" in coco
    assert "1 of 13 images are left out (b/real.heic)" in heic and "convert" in heic
    assert (
        rest == "files not used: 1 .md (README.md), 4 .cr2 (a/0.cr2, a/1.cr2, a/2.cr2 and 1 more), 1 .csv (other.csv)"
    )


def test_links(tmp_path):
    pictures(tmp_path / "store/dog")
    pictures(tmp_path / "set/bird")
    os.symlink("../store/dog", tmp_path / "set/dog")
    os.symlink("..", tmp_path / "set/bird/up")
    os.symlink("bird", tmp_path / "set/wren")
    os.symlink("nowhere.png", tmp_path / "set/bird/gone.png")
    data = read(tmp_path / "set")
    assert data.columns["label"].tolist() == ["bird"] * 4 + ["dog"] * 4
    assert any("bird/gone.png" in note for note in data.notes)
    assert any("bird/up/" in note and "wren/" in note for note in data.notes)


@pytest.mark.parametrize(
    "names",
    [
        ["pets\\", "pets\\été\\", "pets\\été\\1.png", "pets\\dog\\1.png"],
        ["./pets/été/1.png", "./pets/dog/1.png"],
        ["/pets/été/1.png", "/pets/./dog//1.png"],
        ["pets/été/1.png", "pets/dog/1.png", "../../dog/2.png", "pets/../../x.png"],
        ["e\u0301te\u0301/1.png", "dog/1.png", "__MACOSX/dog/._1.png"],
    ],
)
@pytest.mark.parametrize("flagged", [True, False])
def test_zips_of_other_programs(tmp_path, names, flagged):
    archive(tmp_path / "z.zip", names, flagged=flagged)
    data = read(tmp_path / "z.zip")
    assert data.columns["label"].tolist() == (["été", "dog"] if data.columns["label"][0] == "été" else ["dog", "été"])
    assert len(data.notes) == ("../" in "".join(names)) and not (tmp_path.parent / "x.png").exists()


def test_many_unreadable_texts_are_named(tmp_path):
    for i in range(20):
        (tmp_path / f"{i:02}.txt").write_text(f"text {i}")
    (tmp_path / "03.txt").write_bytes(b"")
    (tmp_path / "04.txt").write_bytes(b"one\0two and three and four, five and six")
    data = read(tmp_path)
    assert len(data) == 18 and "03.txt: the file is empty; 04.txt: a zero byte (NUL) in line 1" in data.notes[0]
    (tmp_path / "05.txt").write_bytes(b"")
    with pytest.raises(DataError, match=r"3 of 20 files cannot be read: 03\.txt, 05\.txt: the file is empty; 04\.txt"):
        read(tmp_path)
