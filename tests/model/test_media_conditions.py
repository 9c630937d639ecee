"""Images given captions, texts given texts, images given their own small versions: trained, drawn, saved."""

import numpy as np
import pytest
import torch

import genwright as gw
from genwright.errors import ArgumentError, UnsupportedError

SMALL = gw.Derived("image", "low resolution")


def pictures(n=64):
    """A light square whose place a caption tells."""
    side = np.random.default_rng(0).integers(0, 2, n)
    pixels = np.zeros((n, 8, 8, 1), dtype=np.uint8)
    for each, right in zip(pixels, side, strict=True):
        each[2:6, 1 + 4 * right : 3 + 4 * right] = 255
    data = gw.read({"images": pixels[..., 0], "labels": np.array(["a", "b"])[np.arange(n) % 2]})
    captions = np.array([f"on the {('left', 'right')[right]}" for right in side], dtype=object)
    fields = (*data.fields, gw.read({"caption": list(captions)}, schema={"caption": "text"}).fields[0])
    return gw.Dataset(fields, {**data.columns, "caption": captions}, "pictures", label="label")


def pairs(n=120):
    """The second text says the first once more, in capitals."""
    words = np.random.default_rng(1).choice(["ab", "ba", "bb"], n)
    return gw.read({"low": list(words), "high": [w.upper() for w in words]}, schema={"low": "text", "high": "text"})


def right_and_shuffled(model, data, repeats=4):
    """Held-out losses with each record's own conditions, and with those of others."""
    rows = model.codec.encode(data, rng=torch.Generator().manual_seed(0))
    x, order = model.codec.space.unpack(rows.x), torch.arange(len(rows)).roll(1)
    found = np.zeros(2)
    for k in range(repeats):
        for i, context in enumerate((rows.context, rows.context[order])):
            with torch.no_grad():
                found[i] += float(model.family.held_out(model.net, x, context, torch.Generator().manual_seed(k)))
    return found / repeats


@pytest.mark.parametrize("family", [gw.FlowMatching(width=8), gw.VAE(width=8), gw.GAN(width=8), gw.Diffusion(width=8)])
def test_pictures_follow_their_captions(tmp_path, family):
    data = pictures()
    model = gw.fit(data, family=family, target="image", steps=120 if isinstance(family, gw.FlowMatching) else 4)
    fake = model.sample(6, given={"caption": ["on the left", "on the right"] * 3}, seed=1)
    assert list(fake.columns["caption"]) == ["on the left", "on the right"] * 3
    assert {f.name for f in fake.fields} == {"image", "label", "caption"} == {f.name for f in model.fields}
    free = model.sample(3, seed=2)
    assert "caption" not in free.columns and set(free.columns["label"]) <= {"a", "b"}
    model.save(tmp_path / "m")
    again = gw.load(tmp_path / "m").sample(6, given={"caption": ["on the left", "on the right"] * 3}, seed=1)
    assert np.array_equal(again.columns["image"], fake.columns["image"])
    if isinstance(family, gw.FlowMatching):
        right, shuffled = right_and_shuffled(model, data)
        assert right < 0.98 * shuffled


@pytest.mark.parametrize(
    "family", [gw.Autoregressive(width=16, depth=1, heads=2), gw.MaskedDiffusion(width=16, depth=1, heads=2)]
)
def test_texts_follow_texts(tmp_path, family):
    data = pairs()
    model = gw.fit(data, family=family, target="high", steps=300)
    right, shuffled = right_and_shuffled(model, data)
    assert right < 0.8 * shuffled
    fake = model.sample(4, given={"low": "ab"}, seed=0)
    assert list(fake.columns["low"]) == ["ab"] * 4
    known = model.sample(2, given={"low": ["ba", None]}, seed=0)
    assert known.columns["low"][1] is None
    for wrong in (3, "x" * 500):
        with pytest.raises(ArgumentError, match="low"):
            model.sample(2, given={"low": wrong})
    model.save(tmp_path / "m")
    assert list(gw.load(tmp_path / "m").sample(4, given={"low": "ab"}, seed=0).columns["high"]) == list(
        fake.columns["high"]
    )


def test_a_picture_follows_its_own_small_version():
    data = pictures().select(["image"])
    model = gw.fit(data, family=gw.FlowMatching(width=8), target="image", derived=[SMALL], steps=90)
    small = np.zeros((2, 2, 2, 1), dtype=np.uint8)
    small[0, :, 0], small[1, :, 1] = 128, 128
    fake = model.sample(2, given={SMALL.name: list(small)}, how=gw.Sampling(guidance=3.0), seed=0)
    assert [f.name for f in fake.fields] == ["image"] == [f.name for f in model.fields]
    assert len(gw.fit(data.take(slice(32)), start=model, steps=1).sample(1, given={SMALL.name: small[0]})) == 1
    assert len(model.sample(3, given={SMALL.name: [small[0], None, small[1]]})) == 3
    for wrong in (100.0 * small[0], np.zeros((3, 3, 1)), "a picture", [small[0], np.zeros((3, 3, 1))]):
        with pytest.raises(ArgumentError, match="low resolution"):
            model.sample(2, given={SMALL.name: wrong})
    right, shuffled = right_and_shuffled(model, data)
    assert right < 0.98 * shuffled
    left, other = fake.columns["image"][:, :, :4].mean((1, 2, 3)), fake.columns["image"][:, :, 4:].mean((1, 2, 3))
    assert left[0] > other[0] and left[1] < other[1]


def test_what_cannot_be_a_target_or_a_condition_is_refused_by_name():
    with pytest.raises(ArgumentError, match="no field called 'pic'"):
        gw.fit(pictures(), target="pic", steps=1)
    with pytest.raises(UnsupportedError, match="no image or text field"):
        gw.fit(pictures(), target="label", steps=1)
    with pytest.raises(UnsupportedError, match="numbers and categories only") as caught:
        gw.fit(pictures(), family=gw.Mixture(), target="image", steps=1)
    assert "FlowMatching" in caught.value.hint
    with pytest.raises(ArgumentError, match="no derivation"):
        gw.Derived("image", "high resolution")
