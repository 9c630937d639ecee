"""Images from folders, zips and arrays: every mode, any size, labels and captions, and damage."""

import gzip
import json
import struct
import zipfile

import numpy as np
import pytest
from PIL import Image as Pillow

from genwright.data import images as reader
from genwright.data.dataset import Category, Image, Text
from genwright.data.read import read
from genwright.errors import ArgumentError, DataError

rng = np.random.default_rng(0)


def save(path, array, mode=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Pillow.fromarray(np.asarray(array, dtype=np.uint8))
    (picture.convert(mode) if mode else picture).save(path, **options)


def noise(h=6, w=5, c=3):
    return rng.integers(0, 256, (h, w, c) if c > 1 else (h, w), dtype=np.uint8)


def idx(array, kind=0x08):
    header = struct.pack(f">HBB{array.ndim}I", 0, kind, array.ndim, *array.shape)
    return header + array.tobytes()


@pytest.mark.parametrize(
    ("channels", "mode", "field_mode", "depth"),
    [
        (1, None, "L", 1),
        (2, None, "LA", 2),
        (3, None, "RGB", 3),
        (4, None, "RGBA", 4),
        (1, "1", "1", 1),
        (3, "P", "RGB", 3),
    ],
)
def test_every_mode(tmp_path, channels, mode, field_mode, depth):
    pictures = [noise(c=channels) for _ in range(3)]
    for i, p in enumerate(pictures):
        save(tmp_path / f"{i}.png", p, mode)
    data = read(tmp_path)
    levels = 2 if field_mode == "1" else 256
    assert data.fields == (Image("image", (6, 5, depth), field_mode, levels),)
    assert data.columns["image"].dtype == np.uint8 and data.columns["image"].max() < levels
    if mode is None:
        assert np.array_equal(data.columns["image"][1], pictures[1].reshape(6, 5, depth))


def test_modes_join_upwards(tmp_path):
    save(tmp_path / "a.png", noise(c=1), "1")
    save(tmp_path / "b.png", noise(c=2))
    assert read(tmp_path).field("image").mode == "LA"
    save(tmp_path / "c.png", noise(c=3))
    data = read(tmp_path)
    assert data.field("image").mode == "RGBA" and any("all read as RGBA" in note for note in data.notes)


def test_transparent_palette_and_sixteen_bits(tmp_path):
    save(tmp_path / "p" / "a.png", np.zeros((2, 2, 3)), "P", transparency=0)
    assert read(tmp_path / "p").columns["image"][0, 0, 0].tolist()[3] == 0
    deep = np.array([[0, 257], [65535, 128 * 257]], dtype=np.uint16)
    (tmp_path / "i").mkdir()
    Pillow.fromarray(deep).save(tmp_path / "i" / "a.png")
    data = read(tmp_path / "i")
    assert data.columns["image"][0, :, :, 0].tolist() == [[0, 1], [255, 128]] and data.notes


def test_mixed_and_extreme_sizes(tmp_path):
    for name, size in (("a", (1, 1)), ("b", (10_000, 1)), ("c", (1, 10_000))):
        save(tmp_path / f"{name}.png", noise(*size, 1))
    data = read(tmp_path)
    assert data.field("image").shape is None and data.columns["image"].dtype == object
    assert [x.shape for x in data.columns["image"]] == [(1, 1, 1), (10_000, 1, 1), (1, 10_000, 1)]
    small = read(tmp_path, size=(4, 3))
    assert small.field("image").shape == (4, 3, 1) and any("stretched" in note for note in small.notes)
    assert [len(p) for p in (data.train, data.valid, data.test)] == [1, 1, 1]


def test_size_applies_to_every_source():
    data = read("digits", size=(16, 16))
    assert data.field("image") == Image("image", (16, 16, 1), "L", 256)
    assert data.columns["image"].max() > 240
    with pytest.raises(ArgumentError, match="for images"):
        read("wine", size=(4, 4))
    with pytest.raises(ArgumentError):
        read("digits", size=(0, 4))


def test_labels_from_folders(tmp_path):
    for name in ("cat", "dog"):
        for i in range(2):
            save(tmp_path / "set" / name / f"{i}.png", noise())
    data = read(tmp_path)
    assert data.label == "label" and data.columns["label"].tolist() == ["cat", "cat", "dog", "dog"]
    for name in ("train/cat", "test/dog"):
        save(tmp_path / "split" / name / "a.png", noise())
    assert read(tmp_path / "split").columns["label"].tolist() == ["dog", "cat"]
    assert read(tmp_path / "set" / "cat").label is None


def test_zip_with_labels_two_deep(tmp_path):
    save(tmp_path / "a.png", noise(c=1), "1")
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        for name in ("top/Greek/alpha/1.png", "top/Greek/beta/1.png", "__MACOSX/top/._x.png", "top/.hidden.png"):
            archive.write(tmp_path / "a.png", name)
    assert read(tmp_path / "z.zip").columns["label"].tolist() == ["alpha", "beta"]
    with zipfile.ZipFile(tmp_path / "z.zip", "a") as archive:
        archive.write(tmp_path / "a.png", "top/Latin/a/1.png")
    assert read(tmp_path / "z.zip").field("label").levels == ("Greek/alpha", "Greek/beta", "Latin/a")


def test_tables_beside_images(tmp_path):
    for i in range(3):
        save(tmp_path / "images" / f"{i}.png", noise())
    (tmp_path / "labels.csv").write_text("file,label,width\nimages/2.png,7,1.5\nimages/0.png,3,2.5\nimages/1.png,3,\n")
    lines = [{"file": f"images/{i}.png", "caption": f"a picture of thing number {i}"} for i in range(3)]
    (tmp_path / "captions.jsonl").write_text("\n".join(map(json.dumps, lines)))
    data = read(tmp_path, schema={"caption": "text"})
    assert data.label == "label" and data.field("label") == Category("label", ("3", "7"), "int")
    assert data.columns["label"].tolist() == ["3", "3", "7"]
    assert isinstance(data.field("caption"), Text) and data.columns["caption"][2].endswith("2")
    assert np.isnan(data.columns["width"]).tolist() == [False, True, False]
    (tmp_path / "labels.csv").write_text("file,label\nimages/9.png,7\nimages/0.png,3\nimages/1.png,NA\nx.png,1\n")
    data = read(tmp_path)  # entries of files that are not there are named, the rest is used
    assert data.columns["label"].tolist() == ["3", None, None]
    assert any("2 entries" in note and "images/9.png, x.png" in note for note in data.notes)
    (tmp_path / "labels.csv").write_text("file,label\nimages/9.png,7\nx.png,3\n")
    with pytest.raises(DataError, match=r"none of the files that 'file' names is there: images/9\.png, x\.png"):
        read(tmp_path)
    (tmp_path / "labels.csv").write_text("label,n\n7,1\n3,2\n")
    with pytest.raises(DataError, match="no column names the image files"):
        read(tmp_path)


def test_unreadable_images(tmp_path):
    for i in range(20):
        save(tmp_path / f"{i:02}.png", noise(8, 8))
    whole = (tmp_path / "00.png").read_bytes()
    (tmp_path / "00.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "01.png").write_bytes(b"not a picture")
    data = read(tmp_path)  # a tenth is left out and named, with reasons
    assert len(data) == 18
    assert any("2 of 20 files" in n and "00.png: cannot be decoded" in n and "01.png: not an" in n for n in data.notes)
    (tmp_path / "02.png").write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"3 of 20 files cannot be read: .*01\.png, 02\.png: not an image"):
        read(tmp_path)


def test_bombs_are_refused(tmp_path, monkeypatch):
    save(tmp_path / "a.png", np.zeros((200, 200)))
    monkeypatch.setattr(reader, "MAX_PIXELS", 1000)
    with pytest.raises(DataError, match="200 x 200 pixels"):
        read(tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(reader, "memory_bytes", lambda: 1000)
    with pytest.raises(DataError, match="GiB") as caught:
        read(tmp_path)
    assert "size=" in caught.value.hint


@pytest.mark.parametrize("zipped", [True, False])
def test_idx_pair(tmp_path, zipped):
    pack, end = (gzip.compress, ".gz") if zipped else (bytes, "")
    for part, n in (("t10k", 3), ("train", 7)):
        images, labels = noise(n, 4, 5), np.arange(n, dtype=np.uint8)
        (tmp_path / f"{part}-images-idx3-ubyte{end}").write_bytes(pack(idx(images)))
        (tmp_path / f"{part}-labels-idx1-ubyte{end}").write_bytes(pack(idx(labels)))
    data = read(tmp_path)
    assert len(data) == 7 and data.field("image").shape == (4, 5, 1) and data.columns["label"][6] == "6"
    assert any("t10k" in note for note in data.notes)
    assert np.array_equal(read(tmp_path / f"t10k-images-idx3-ubyte{end}").columns["label"], ["0", "1", "2"])
    with pytest.raises(DataError, match="labels"):
        read(tmp_path / f"train-labels-idx1-ubyte{end}")


@pytest.mark.parametrize(
    "raw",
    [
        b"\0",
        b"\0\0\x08\x03\0\0",
        b"\0\0\x08\x03" + b"\xff" * 12,
        b"\0\0\x07\x03" + bytes(12),
        b"\0\0\x08\x03" + bytes(12),
    ],
)
def test_broken_idx(tmp_path, raw):
    (tmp_path / "x-images-idx3-ubyte").write_bytes(raw)
    with pytest.raises(DataError):
        read(tmp_path / "x-images-idx3-ubyte")


@pytest.mark.parametrize(
    ("images", "shape", "mode"),
    [
        (noise(3, 4, 5), (4, 5, 1), "L"),
        (rng.integers(0, 256, (3, 3, 8, 9)).astype(np.int64), (8, 9, 3), "RGB"),
        (rng.random((3, 4, 5, 4)), (4, 5, 4), "RGBA"),
        (rng.random((3, 4, 5)) > 0.5, (4, 5, 1), "1"),
        (rng.integers(0, 256, (3, 4, 5)).astype(np.float32), (4, 5, 1), "L"),
    ],
    ids=["uint8", "channels first", "decimals", "bool", "whole floats"],
)
def test_npz(tmp_path, images, shape, mode):
    np.savez(tmp_path / "a.npz", x=images, y=np.arange(3))
    data = read(tmp_path / "a.npz")
    assert data.field("image").shape == shape and data.field("image").mode == mode
    assert data.columns["label"].tolist() == ["0", "1", "2"]


@pytest.mark.parametrize(
    "arrays",
    [
        {"x": np.array([{}, []], dtype=object)},
        {"x": np.arange(5)},
        {"x": np.full((2, 3, 4), -1)},
        {"x": np.full((2, 3, 4), np.nan)},
        {"x": np.zeros((2, 3, 4), dtype=complex)},
        {"x": np.zeros((0, 3, 4))},
        {"x": np.zeros((2, 9, 9, 9))},
        {},
    ],
)
def test_npz_without_images(tmp_path, arrays):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError):
        read(tmp_path / "a.npz")


def test_nothing_to_read(tmp_path):
    with pytest.raises(DataError, match="no images"):
        read(tmp_path)
    (tmp_path / "z.zip").write_bytes(b"PK\3\4 broken")
    with pytest.raises(DataError, match="archive"):
        read(tmp_path / "z.zip")
