"""Damaged and hostile input: every reader gives a Dataset or a GenwrightError, never anything else."""

import gzip
import io
import os
import struct
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from genwright.data.inspect import inspect
from genwright.data.read import read
from genwright.errors import GenwrightError

SUFFIXES = (".csv", ".tsv", ".parquet", ".jsonl", ".txt", ".npz", ".zip", "-images-idx3-ubyte", ".csv.gz")


def png():
    stream = io.BytesIO()
    Pillow.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3)).save(stream, "PNG")
    return stream.getvalue()


def archive():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("a/1.png", png())
        z.writestr("b/2.png", png())
        z.writestr("labels.csv", "file,label\na/1.png,x\nb/2.png,y\n")
    return stream.getvalue()


def arrays():
    stream = io.BytesIO()
    np.savez(stream, x=np.zeros((3, 4, 4), np.uint8), y=np.arange(3))
    return stream.getvalue()


def parquet():
    stream = io.BytesIO()
    pd.DataFrame({"a": [1, 2], "b": ["x", None]}).to_parquet(stream)
    return stream.getvalue()


WHOLE = {
    ".csv": b'a,b,when\n1,x,2020-01-01\n2.5,"y\nz",2020-01-02\n',
    ".csv.gz": gzip.compress(b"a,b\n" + b"1,2\n3,4\n" * 9),
    ".jsonl": b'{"a": 1, "b": [1, {"c": 2}]}\n{"a": 2.50, "b": null}\n',
    ".txt": b"one\n\ntwo\n\nthree \xff\n",
    ".png": png(),
    ".zip": archive(),
    ".npz": arrays(),
    ".parquet": parquet(),
    "-images-idx3-ubyte": struct.pack(">HBBIII", 0, 8, 3, 2, 3, 3) + bytes(18),
}


def survives(folder, suffix, raw):
    """Read `raw` as a file; whatever comes back must be a usable Dataset."""
    folder = folder / "d"
    folder.mkdir(exist_ok=True)
    path = folder / f"f{suffix}"
    path.write_bytes(raw)
    try:
        data = read(folder if suffix == ".png" else path)
        assert len(data) and inspect(data).to_json() and str(inspect(data))
    except GenwrightError as error:
        assert error.what and len(str(error)) < 2000
    finally:
        path.unlink()


@pytest.mark.parametrize("suffix", WHOLE)
def test_whole_files_are_read(tmp_path, suffix):
    path = tmp_path / f"f{suffix}"
    path.write_bytes(WHOLE[suffix])
    assert len(read(tmp_path if suffix == ".png" else path)) >= 1


@pytest.mark.parametrize("suffix", WHOLE)
def test_truncated_files(tmp_path, suffix):
    raw = WHOLE[suffix]
    for end in sorted({*range(0, len(raw), max(1, len(raw) // 60)), len(raw) - 1}):
        survives(tmp_path, suffix, raw[:end])


@pytest.mark.parametrize("suffix", WHOLE)
def test_flipped_bytes(tmp_path, suffix):
    rng = np.random.default_rng(0)
    for _ in range(60):
        raw = bytearray(WHOLE[suffix])
        for at in rng.integers(0, len(raw), rng.integers(1, 5)):
            raw[at] = rng.integers(0, 256)
        survives(tmp_path, suffix, bytes(raw))


ODD = [
    b"",
    b"\n",
    b"\0" * 100,
    b"\xff\xfe",
    b"\xff\xfe\x00",
    b"\x1f\x8b",
    b"PK\x03\x04",
    bytes(range(256)) * 8,
    b"a" * 200_000,
    b'"' * 999,
    b"{" * 99_999,
    b"[" * 99_999 + b"\n",
    b'{"a": ' + b"9" * 5000 + b"}",
    b'{"a": 1e400, "b": -1e400}\n' * 3,
    b'{"a": NaN, "b": Infinity}\n{"a": 1, "b": 2}\n',
    b'{"": 1}\n{"": 2}\n',
    b"{}\n{}\n",
    b"x\n" + b"9" * 400 + b"\n1\n",
    b"x\n1e99999999999999999999\n2\n",
    b"x\n1e-99999\n2\n",
    b"x\n1_000\n2\n",
    "x\n١٢\n²\n".encode(),
    b"x,y\n\xe9,1\n\xe8,2\n",
    b"x\n0001-01-01\n9999-12-31\n",
    b"x\n2020-02-30\n2020-13-01\n",
]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_odd_contents(tmp_path, suffix):
    for raw in ODD:
        survives(tmp_path, suffix, raw)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_random_bytes(tmp_path_factory, suffix):
    folder = tmp_path_factory.mktemp("fuzz")

    @settings(max_examples=40, deadline=None)
    @given(st.one_of(st.binary(max_size=300), st.text(max_size=100).map(lambda t: t.encode("utf-8", "replace"))))
    def check(raw):
        survives(folder, suffix, raw)

    check()


TABLE_TEXT = st.text(alphabet=st.sampled_from('ab01.-+:/,;"\n\t TZeE?'), max_size=80)


def test_random_tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")

    @settings(max_examples=150, deadline=None)
    @given(TABLE_TEXT)
    def check(text):
        survives(folder, ".csv", b"u,v\n" + text.encode())

    check()


def test_a_zip_in_place_of_everything(tmp_path):
    for suffix in SUFFIXES:
        for raw in WHOLE.values():
            survives(tmp_path, suffix, raw)


class Trap:
    """An object whose pickle makes a folder when it is loaded."""

    def __init__(self, sprung):
        self.sprung = sprung

    def __reduce__(self):
        return os.mkdir, (str(self.sprung),)


def test_pickles_are_not_loaded(tmp_path):
    sprung, path = tmp_path / "sprung", tmp_path / "f.npz"
    np.savez(path, x=np.array([Trap(sprung), 1], dtype=object))
    with pytest.raises(GenwrightError):
        read(path)
    assert not sprung.exists()
    np.load(path, allow_pickle=True)["x"]
    assert sprung.exists()  # the trap works
    np.save(tmp_path / "f.npy", np.zeros(3))
    survives(tmp_path, ".npz", (tmp_path / "f.npy").read_bytes())
