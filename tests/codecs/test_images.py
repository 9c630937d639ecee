"""ImageCodec: pixels untouched, scalar fields as context, masked images."""

import numpy as np
import pytest
import torch

from genwright.codecs import fit_codec
from genwright.data.dataset import Category, Constant, Identifier, Image, Number, Text
from genwright.errors import ArgumentError, DataError
from genwright.spaces import Reals
from tests.codecs.rows import assert_round_trip, objects, rng, same, table


def pictures(n=20, *, height=4, width=3, channels=1, levels=256):
    return np.random.default_rng(0).integers(0, levels, (n, height, width, channels)).astype(np.uint8)


@pytest.mark.parametrize("channels, mode, levels", [(1, "L", 17), (1, "1", 2), (3, "RGB", 256), (4, "RGBA", 256)])
def test_pixels_come_back(channels, mode, levels):
    data = table((Image("image", None, mode, levels), pictures(channels=channels, levels=levels)))
    codec = assert_round_trip(data)
    assert codec.space == Reals((channels, 4, 3), levels) and codec.conditions is None
    x = codec.encode(data, rng=rng()).x
    assert x.dtype == torch.uint8 and x.shape == (20, channels, 4, 3)
    assert torch.equal(codec.space.pack(codec.space.unpack(x)), x)


def test_grey_images_are_not_copied():
    pixels = pictures()
    data = table((Image("image"), pixels))
    assert fit_codec(data, rng=rng()).encode(data, rng=rng()).x.data_ptr() == pixels.ctypes.data


def labelled(**extra):
    n = 20
    return table(
        (Identifier("file", "{}.png", 2, start=20), [f"{k:02}.png" for k in range(n)]),
        (Image("image", (4, 3, 1)), pictures(n)),
        (Category("label", ("a", "b")), ["a", "b"] * 10),
        (Number("angle", 0), np.arange(n, dtype=np.float64) % 4),
        (Constant("source", "here"), ["here"] * n),
        label="label",
        **extra,
    )


def test_scalar_fields_are_context_and_everything_keeps_its_place():
    data = labelled()
    codec = fit_codec(data, rng=rng())
    encoded = codec.encode(data, rng=rng())
    assert [c.name for c in codec.conditions.columns.columns] == ["label", "angle"]
    assert encoded.context.shape == (20, 2) and len(encoded.rows(slice(3))) == 3
    back = codec.decode(encoded, rng=rng())
    assert [f.name for f in back.fields] == ["file", "image", "label", "angle", "source"] and back.label == "label"
    assert back.columns["file"][0] == "20.png"
    assert all(same(back.columns[k], data.columns[k]) for k in ("image", "label", "angle", "source"))


def test_captions_are_left_out_and_noted():
    data = table((Image("image"), pictures()), (Text("caption"), [f"number {k}" for k in range(20)]))
    codec = fit_codec(data, rng=rng())
    back = codec.decode(codec.encode(data, rng=rng()), rng=rng())
    assert [f.name for f in back.fields] == ["image"]
    assert codec.notes == ("caption: not modelled beside image, and left out of samples",)


def test_given_labels_and_masked_images():
    codec = fit_codec(labelled(), rng=rng())
    free = codec.given({}, 2, rng=rng())
    assert free.x is None and free.context.shape == (2, 2) and free.context.isnan().all()
    by_label = codec.given({"label": "b"}, 3, rng=rng())
    assert by_label.x is None and by_label.context[:, 0].tolist() == [codec.beside.coders[1].frequent.index("b")] * 3
    mask = np.full((4, 3, 1), np.nan)
    mask[0, 0, 0], mask[3, 2, 0] = 0, 255
    x = codec.given({"image": mask}, 2, rng=rng()).x
    assert x.shape == (2, 1, 4, 3) and x[0, 0, 0, 0] == -1 and x[1, 0, 3, 2] == 1 and x.isnan().sum() == 20
    for wrong in (np.zeros((3, 4, 1)), np.full((4, 3, 1), 300)):
        with pytest.raises(ArgumentError):
            codec.given({"image": wrong}, 2, rng=rng())
    with pytest.raises(ArgumentError, match="lable"):
        codec.given({"lable": "b"}, 2, rng=rng())
    with pytest.raises(ArgumentError, match="label"):
        fit_codec(table((Image("image"), pictures())), rng=rng()).given({"label": "b"}, 2, rng=rng())


def test_sizes_must_agree():
    some = objects([np.zeros((4, 4, 1), np.uint8), np.zeros((5, 4, 1), np.uint8)])
    with pytest.raises(DataError, match="2 different sizes") as caught:
        fit_codec(table((Image("image"), some)), rng=rng())
    assert "size=" in str(caught.value)
    codec = fit_codec(table((Image("image"), pictures())), rng=rng())
    with pytest.raises(DataError, match="8 x 3 x 1"):
        codec.encode(table((Image("image"), pictures(height=8))), rng=rng())


def test_equal_images_in_an_object_array():
    pixels = pictures()
    data = table((Image("image"), objects(list(pixels))))
    codec = fit_codec(data, rng=rng())
    assert same(codec.decode(codec.encode(data, rng=rng()), rng=rng()).columns["image"], pixels)
