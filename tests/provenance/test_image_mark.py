"""The mark in pictures: 32 bits that survive what happens to pictures, and nothing where there is no mark."""

import io
import json

import numpy as np
import pytest
from PIL import Image as Pillow
from sklearn.datasets import load_sample_images

import genwright as gw
from genwright.data.dataset import Dataset, Image
from genwright.provenance.image_mark import ImageMark, find, mark
from genwright.provenance.keys import Keys
from genwright.provenance.kinds import marked
from genwright.provenance.verify import verify

SECRET, PAYLOAD = bytes(range(32)), b"\x07\xc1\x9a\xfe"
ATTACKS = {
    "nothing": lambda p: p,
    "JPEG of quality 50": lambda p: reopened(p, "JPEG", quality=50),
    "a quarter cropped": lambda p: p.crop((15, 9, 15 + 222, 9 + 222)),
    "half the size": lambda p: p.resize((128, 128), Pillow.Resampling.BICUBIC),
    "twice the size": lambda p: p.resize((512, 512), Pillow.Resampling.BICUBIC),
    "turned by 3.2 degrees": lambda p: p.rotate(3.2, Pillow.Resampling.BICUBIC),
    "paler": lambda p: p.point(lambda v: int(0.75 * v + 30)),
}


def reopened(picture, kind, **how):
    held = io.BytesIO()
    picture.save(held, kind, **how)
    return Pillow.open(held).convert("RGB")


@pytest.fixture(scope="module")
def photo():
    return np.ascontiguousarray(load_sample_images().images[0][100:356, 200:456])


@pytest.fixture(scope="module")
def own(photo):
    return Pillow.fromarray(mark(photo, SECRET, PAYLOAD))


def test_the_picture_looks_as_before(photo, own):
    error = np.mean((np.asarray(own).astype(float) - photo) ** 2)
    assert 39.9 < 10 * np.log10(255**2 / error) < 41
    clear = np.dstack([photo, np.full(photo.shape[:2], 77, np.uint8)])
    assert (mark(clear, SECRET, PAYLOAD)[:, :, 3] == 77).all()


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_mark_is_found_and_read_after(own, attack):
    found = find(np.asarray(ATTACKS[attack](own)), SECRET)
    assert found.p_value < 1e-6 and found.payload == PAYLOAD


def test_without_the_mark_or_its_key_nothing_is_found(photo, own):
    rng = np.random.default_rng(0)
    small = np.asarray(Pillow.fromarray(photo).resize((96, 96)))
    assert min(find(small, rng.bytes(32)).p_value for _ in range(12)) > 1e-3
    assert find(np.asarray(own), bytes(range(1, 33))).p_value > 1e-3
    assert find(np.zeros((64, 64, 1), np.uint8), SECRET).p_value > 1e-3


def test_too_small_a_picture_is_refused():
    with pytest.raises(gw.ArgumentError, match="less than 48 pixels"):
        mark(np.zeros((28, 28, 1), np.uint8), SECRET, PAYLOAD)
    model = gw.fit(gw.read("digits"), family=gw.Mixture(components=2), steps=2)
    with pytest.raises(gw.ArgumentError, match="hold no mark"):
        marked(model, SECRET)
    with pytest.raises(gw.UnsupportedError, match="texts and images alone"):
        marked(gw.fit(gw.read("wine"), family=gw.Mixture(components=2), steps=2), SECRET)


def test_a_part_marks_what_is_drawn_and_verify_finds_it_by_the_keys(photo, tmp_path):
    keys = Keys.make(tmp_path / "keys")
    data = Dataset((Image("image", photo.shape, "RGB", 256),), {"image": photo[None]}, "photos")
    drawn = ImageMark(keys.mark, PAYLOAD).over(data)
    gw.write(drawn, tmp_path / "marked")
    gw.write(data, tmp_path / "plain")
    found = verify(tmp_path / "marked" / "00000.png", keys=keys)
    assert found.marked is True and found.p_value < 1e-6 and PAYLOAD.hex() in found.notes[-1]
    assert verify(tmp_path / "plain" / "00000.png", keys=keys).marked is False
    assert verify(tmp_path / "marked" / "00000.png").marked is None
    json.dumps(found.to_json())


def test_a_model_is_marked_and_its_records_are_drawn_again_with_the_mark_alone(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(12):
        grey = rng.normal(120, 6, (48, 48)).clip(0, 255).astype(np.uint8)
        Pillow.fromarray(grey).save(tmp_path / f"{i}.png")
    model = gw.fit(gw.read(tmp_path), family=gw.Mixture(components=1), steps=1)
    own = marked(model, SECRET)
    fake = own.sample(1, seed=3)
    assert fake.origin.draw.mark.startswith("tiles:")
    found = find(fake.columns["image"][0], SECRET)
    assert found.payload.hex() == fake.origin.draw.weights[:8] and found.p_value < 1e-6
    assert (gw.reproduce(fake.origin, own).columns["image"] == fake.columns["image"]).all()
    with pytest.raises(gw.ArgumentError, match="bear the watermark"):
        gw.reproduce(fake.origin, model)
