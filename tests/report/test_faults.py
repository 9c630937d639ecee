"""What a report says of single images: the spoilt ones are found, and where."""

import base64
import io

import numpy as np
from PIL import Image

import genwright as gw
from genwright.report.evidence import Records
from genwright.report.faults import judged


def decoded(uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))


def test_the_worst_are_the_spoilt_ones_and_the_map_shows_where():
    data = gw.read("digits").take(slice(600))
    real, other = data.take(slice(300)), data.take(slice(300, 600))
    pixels = other.columns["image"].copy()
    pixels[::3, 2:4, 5:7] = 16  # a white patch in every third
    kept = other.columns["label"] != "7"
    fake = gw.Dataset(other.fields, {**other.columns, "image": pixels}, "spoilt", label="label").take(kept)
    found = judged(Records(real=real, unseen=real, fake=fake))
    patched = lambda uris: np.mean([(decoded(uri)[2:4, 5:7] == 255).all() for uri in uris])  # noqa: E731
    assert patched(found.worst) >= 0.9 and patched(found.best) <= 0.1
    dark = decoded(found.faults).astype(float)
    size = len(dark) // 8
    cells = dark.reshape(8, size, 8, size).mean((1, 3))
    assert cells[2:4, 5:7].max() < cells.mean() - 10
    covered = {name: share - floor for name, share, floor in found.covered}
    assert min(covered, key=covered.get) == "7"
    assert judged(Records(real=real, unseen=real, fake=fake.take(slice(20)))) is None
