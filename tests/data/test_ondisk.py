"""Images that stay on the disk: the same model as from memory, and never more than a little of them read at once."""

import tracemalloc

import numpy as np
import pytest
import torch

import genwright as gw
from genwright.codecs.batches import encoded
from genwright.codecs.fit import fit_codec
from genwright.data import ondisk
from genwright.data.ondisk import OnDisk
from genwright.errors import DataError, UnsupportedError

RNG = np.random.default_rng(0)


@pytest.fixture
def large(monkeypatch, tmp_path):
    """What writes an array to a file that is taken for larger than memory."""
    monkeypatch.setattr(ondisk, "MAX_RESIDENT", 0)
    monkeypatch.setattr(ondisk, "AT_ONCE", 1000)

    def write(pixels):
        np.save(tmp_path / "large.npy", pixels)
        return tmp_path / "large.npy"

    return write


@pytest.mark.parametrize("shape", [(40, 6, 5), (40, 6, 5, 3)])
def test_rows_that_are_asked_for_are_read(large, shape):
    pixels = RNG.integers(0, 256, shape, dtype=np.uint8)
    data = gw.read(large(pixels))
    column = data.columns["image"]
    whole = pixels.reshape(40, 6, 5, -1)
    assert isinstance(column, OnDisk) and column.shape == whole.shape and len(data) == 40
    for index in (slice(3, 30, 4), np.array([7, 7, 0, 39, 1, 2]), np.arange(40) % 3 == 0, slice(0, 0)):
        assert np.array_equal(np.asarray(data.take(index).columns["image"]), whole[index])
    twice = data.take(np.array([5, 9, 2])).take(np.array([2, 0]))
    assert np.array_equal(np.asarray(twice.columns["image"]), whole[[2, 5]])


def test_split_and_model_are_those_of_the_same_images_in_memory(large):
    pixels = RNG.integers(0, 256, (120, 8, 8), dtype=np.uint8)
    pixels[60:70] = pixels[50:60]  # copies stay together
    ours, theirs = gw.read(large(pixels)), gw.read(pixels)
    for part in ("train", "valid", "test"):
        assert np.array_equal(getattr(ours.split, part), getattr(theirs.split, part))
    one, other = (gw.fit(data, family=gw.FlowMatching(width=8, batch=8), steps=3) for data in (ours, theirs))
    for name, tensor in other.net.state_dict().items():
        assert torch.equal(one.net.state_dict()[name], tensor), name
    assert np.array_equal(np.asarray(one.sample(2).columns["image"]), other.sample(2).columns["image"])


def test_labels_can_lie_beside_them(large):
    pixels = RNG.integers(0, 256, (60, 8, 8), dtype=np.uint8)
    label = gw.read({"label": np.array(["a", "b", "c"])[np.arange(60) % 3]})
    images = gw.read(large(pixels))
    data = gw.Dataset((*images.fields, *label.fields), {**images.columns, **label.columns}, "both", "label")
    rows = encoded(fit_codec(data, rng=torch.Generator()), data, rng=torch.Generator())
    batch = rows.rows(torch.tensor([4, 0, 5]))
    assert np.array_equal(batch.x[:, 0].numpy(), pixels[[4, 0, 5]]) and len(rows.context) == 60
    assert torch.equal(batch.context, rows.context[[4, 0, 5]])
    family = gw.TwoStage(first=gw.VAE(width=8, grid=4, batch=8), second=gw.FlowMatching(width=8, batch=8))
    assert gw.fit(data, family=family, steps=4).sample(3, given={"label": "b"}).columns["label"].tolist() == ["b"] * 3


def test_what_needs_all_records_at_once_says_so(large):
    data = gw.read(large(RNG.integers(0, 256, (40, 8, 8), dtype=np.uint8)))
    with pytest.raises(UnsupportedError, match="stay on the disk") as caught:
        gw.fit(data, family=gw.Mixture(components=2), steps=1)
    assert caught.value.hint


def test_files_that_are_cut_short_are_named(large):
    path = large(RNG.integers(0, 256, (40, 8, 8), dtype=np.uint8))
    data = gw.read(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="cut short"):
        np.asarray(data.columns["image"])
    with pytest.raises(DataError, match="cut short"):
        gw.read(path)


def test_memory_holds_a_small_part(monkeypatch, tmp_path):
    monkeypatch.setattr(ondisk, "MAX_RESIDENT", 2**20)
    monkeypatch.setattr(ondisk, "AT_ONCE", 2**20)
    whole = np.lib.format.open_memmap(tmp_path / "sparse.npy", mode="w+", dtype=np.uint8, shape=(30_000, 64, 64))
    whole[:, 0, :4] = RNG.integers(0, 256, (30_000, 4))
    del whole
    data = gw.read(tmp_path / "sparse.npy")
    gw.fit(data.take(slice(0, 20)), family=gw.VAE(width=4, batch=8), steps=1)  # imports
    tracemalloc.start()
    try:
        gw.fit(data, family=gw.VAE(width=4, batch=8), steps=2)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < (tmp_path / "sparse.npy").stat().st_size / 2
