"""A text that stays on the disk: the same model as from memory, and never more than a little of it read at once."""

import tracemalloc
import warnings

import numpy as np
import pytest
import torch

import genwright as gw
from genwright.codecs import text as text_codec
from genwright.codecs.tokenizers import bpe, single_bytes
from genwright.data import files, ondisk
from genwright.data.longtext import LongText
from genwright.errors import DataError

WORDS = ["the", "of", "and", "to", "in", "he", "have", "it", "that", "for", "they", "with", "as", "not", "on", "she"]
FAMILY = gw.Autoregressive(width=16, depth=1, heads=1, batch=4)


def prose(size: int, seed: int = 0) -> str:
    """Paragraphs of words, some with letters of several bytes."""
    rng = np.random.default_rng(seed)
    words = np.array([*WORDS, "né", "Ω", "日本"])[rng.integers(len(WORDS) + 3, size=size // 4)]
    ends = rng.random(len(words))
    return "".join(w + ("\n\n" if e < 0.02 else "\n" if e < 0.1 else " ") for w, e in zip(words, ends, strict=True))


@pytest.fixture
def large(monkeypatch):
    """Files are taken for larger than memory."""
    monkeypatch.setattr(ondisk, "MAX_RESIDENT", 0)
    monkeypatch.setattr(ondisk, "AT_ONCE", 10_000)
    monkeypatch.setattr(files, "BLOCK", 10_000)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "long.txt"
    path.write_text(prose(120_000), encoding="utf-8", newline="")
    return path


def test_passages_are_those_of_the_text_in_memory(large, file, monkeypatch):
    column = gw.read(file).columns["text"]
    monkeypatch.setattr(ondisk, "MAX_RESIDENT", 2**30)
    theirs = gw.read(file).columns["text"]
    assert isinstance(column, LongText) and list(column) == theirs.tolist()
    for index in (slice(3, 30, 4), np.array([7, 7, 0, 39, 1, 2]), np.arange(len(theirs)) % 3 == 0, slice(0, 0)):
        assert list(column[index]) == theirs[index].tolist() == np.asarray(column[index]).tolist()
    assert column[5] == theirs[5] and sum(column.sizes) == file.stat().st_size
    assert b"".join(column.spread(10**9)) == file.read_bytes()
    assert 1000 < sum(map(len, column.spread(10_000))) < 20_000


@pytest.mark.parametrize("tokenizer", [single_bytes, bpe])
def test_the_model_is_that_of_the_same_text_in_memory(large, file, tokenizer, monkeypatch):
    ours = gw.read(file)
    one = gw.fit(ours, family=FAMILY, steps=4, tokenizer=tokenizer)
    monkeypatch.setattr(ondisk, "MAX_RESIDENT", 2**30)
    theirs = gw.read(file)
    other = gw.fit(theirs, family=FAMILY, steps=4, tokenizer=tokenizer)
    for name, tensor in other.net.state_dict().items():
        assert torch.equal(one.net.state_dict()[name], tensor), name
    assert one.sample(1).columns["text"][0] == other.sample(1).columns["text"][0]
    for mine, other_ones in zip(one.score_text(ours.test), other.score_text(theirs.test), strict=True):
        assert np.array_equal(mine, other_ones)


def test_memory_does_not_grow_with_the_text(large, tmp_path, monkeypatch):
    monkeypatch.setattr(text_codec, "TOLD_FROM", 20_000)
    peaks = []
    for size in (300_000, 3_000_000):
        path = tmp_path / f"{size}.txt"
        path.write_text(prose(300_000) * (size // 300_000), encoding="utf-8", newline="")
        tracemalloc.start()
        gw.fit(gw.read(path), family=FAMILY, steps=2, tokenizer=single_bytes)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 400_000  # of 2.7 MB more, which took 13 MB more in memory: here the bounds of passages


def test_what_is_no_long_text_of_utf8_is_read_as_a_whole(large, tmp_path):
    lines = tmp_path / "lines.txt"
    lines.write_text("\n".join(WORDS), encoding="utf-8")
    assert gw.read(lines).columns["text"].tolist() == WORDS
    assert isinstance(gw.read(lines, records="running").columns["text"], LongText)
    latin = tmp_path / "latin.txt"
    latin.write_bytes(("né\n\n" * 50).encode("latin-1"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert "".join(gw.read(latin).columns["text"]) == "né\n\n" * 50


def test_a_file_that_is_cut_short_meanwhile_is_named(large, file):
    data = gw.read(file)
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(DataError, match="cut short") as caught:
        gw.fit(data, family=FAMILY, steps=1)
        list(data.columns["text"])
    assert "long.txt" in str(caught.value)
