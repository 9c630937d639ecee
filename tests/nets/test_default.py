"""Nets by the axes of arrays."""

import pytest
import torch

from genwright.errors import ArgumentError, UnsupportedError
from genwright.families.capabilities import check
from genwright.families.flow import FlowMatching
from genwright.families.gan import GAN
from genwright.nets.default import decoder_body, denoising_net, encoder_body, require_nets
from genwright.randomness import seeded
from genwright.spaces import Conditions, Reals

GRIDS = {
    "time": Reals((24,), axes=("time",)),
    "series": Reals((24, 3), axes=("time", "feature")),
    "sound": Reals((2, 100), axes=("channel", "time")),
    "picture": Reals((5, 9), axes=("height", "width")),
    "shape": Reals((5, 6, 7), axes=("x", "y", "z")),
    "colours": Reals((5, 4, 3, 2), axes=("x", "y", "z", "channel")),
}


@pytest.mark.parametrize("space", GRIDS.values(), ids=GRIDS)
def test_grids_of_any_axes_and_order_get_convolutions(space):
    x, z = torch.randn(2, *space.shape), torch.randn(2, 5)
    assert torch.equal(space.from_grid(space.as_grid(x)), x)
    assert space.as_grid(x).shape == (2, space.channels, *space.sides)
    assert encoder_body(space, 3, width=4, depth=1, condition=0)(x, torch.zeros(2, 0)).shape == (2, 3)
    assert decoder_body(5, space, copies=2, width=4, depth=1)(z).shape == (2, 2, *space.shape)
    assert denoising_net(space, None, width=4)(x, torch.rand(2)).shape == x.shape


def test_the_order_of_axes_changes_nothing_but_the_order_of_numbers():
    first, last = Reals((3, 24), axes=("channel", "time")), Reals((24, 3), axes=("time", "channel"))
    x = torch.randn(2, 3, 24)
    for make in (
        lambda s: encoder_body(s, 4, width=4, depth=1, condition=0),
        lambda s: denoising_net(s, None, width=4),
    ):
        with seeded(0):
            one = make(first)
        with seeded(0):
            other = make(last)
        for parameter, same in zip(one.parameters(), other.parameters(), strict=True):
            torch.nn.init.normal_(parameter, std=0.2, generator=torch.Generator().manual_seed(0))
            same.data.copy_(parameter.data)
        beside = torch.zeros(2, 0) if make(first)._get_name() == "ConvEncoder" else torch.rand(2)
        found, again = one(x, beside), other(x.mT, beside)
        assert torch.allclose(found, again if again.dim() == 2 else again.mT, atol=1e-5)


def test_a_given_array_is_stacked_where_its_axes_are_those_of_the_record():
    space, small = Reals((1, 8, 8)), Reals((1, 4, 4))
    beside = Conditions(others=(("small", small), ("sound", GRIDS["sound"]), ("numbers", Reals((3,)))))
    net = denoising_net(space, beside, width=4)
    assert [name for name, _ in net.aligned.others] == ["small"]
    assert [name for name, _ in net.vector.others] == ["sound", "numbers"]
    row = torch.randn(2, beside.size)
    row[1] = torch.nan
    assert net(torch.randn(2, 1, 8, 8), torch.rand(2), row).isfinite().all()


def test_axes_without_nets_are_refused_with_those_that_have_them():
    strange, deep = Reals((3, 4), axes=("mood", "time")), Reals((2,) * 4, axes=("x", "y", "z", "time"))
    for space in (strange, deep):
        with pytest.raises(UnsupportedError, match="no nets for arrays") as caught:
            check(GAN(), space)
        assert "height" in caught.value.hint and "Mixture" in caught.value.hint
    with pytest.raises(UnsupportedError, match="mood"):
        check(FlowMatching(), Reals((1, 8, 8)), Conditions(others=(("mood", strange),)))
    for shape, axes in (((2, 3), ()), ((2, 3), ("time",)), ((2, 3), ("channel", "feature")), ((2, 2), ("x", "x"))):
        with pytest.raises(ArgumentError, match="axes") as wrong:
            Reals(shape, axes=axes)
        assert "axes=" in wrong.value.hint
    require_nets(*GRIDS.values())
