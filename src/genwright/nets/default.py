"""Which net a space and its conditions get: the one table, by kind of space and, of arrays, by what their axes are.

To give arrays of new axes a net, name the axes in `SIDES`, or add a line to the functions below; no family changes.
"""

from typing import Any

from genwright.errors import UnsupportedError
from genwright.nets.any_order import AnyOrderColumns
from genwright.nets.causal import CausalPixels, CausalTokens
from genwright.nets.conv import CONVOLUTIONS, ConvDecoder, ConvEncoder
from genwright.nets.flow_net import FlowNet
from genwright.nets.mixed_net import MixedNet
from genwright.nets.mlp import MLP
from genwright.nets.transformer import Architecture
from genwright.nets.unet import ConvFlowNet
from genwright.nets.vector_net import VectorFlowNet
from genwright.spaces import CHANNELS, Columns, Conditions, Reals, Space, Tokens

SIDES = ("time", "height", "width", "x", "y", "z")  # axes along which neighbours are alike, so that nets convolve


def is_grid(space: Space) -> bool:
    """Whether records lie on a grid, whose nets are convolutions; those of vectors and columns are perceptrons."""
    return isinstance(space, Reals) and bool(space.sides)


def require_nets(*spaces: Space) -> None:
    """Raise UnsupportedError for arrays of axes that no net is made for.

    >>> require_nets(Reals((2, 24), axes=("channel", "time")), Reals((3,)), Reals((1, 8, 8)))
    """
    for space in spaces:
        if not isinstance(space, Reals):
            continue
        unknown = [axis for axis in space.axes if axis not in (*CHANNELS, *SIDES)]
        if unknown or len(space.sides) > max(CONVOLUTIONS):
            hint = (
                f"axes with nets: feature alone; 1 to {max(CONVOLUTIONS)} of {', '.join(SIDES)}, and channel or feature"
            )
            raise UnsupportedError(f"there are no nets for arrays of the axes {', '.join(space.axes)}", hint=hint)


def encoder_body(
    space: Reals, outputs: int, *, width: int, depth: int, condition: int, grid: int | None = None
) -> MLP | ConvEncoder:
    """Arrays, beside `condition` numbers, to `outputs` numbers, or so many at each place of a small grid."""
    if is_grid(space):
        return ConvEncoder(space, outputs, width=width, depth=depth, condition=condition, grid=grid)
    return MLP(space.size + condition, outputs, width=width, depth=depth)


def decoder_body(
    inputs: int, space: Reals, *, copies: int, width: int, depth: int, condition: int = 0, grid: int | None = None
) -> MLP | ConvDecoder:
    """`inputs` numbers, `condition` of them of the context, to arrays, as many as `copies` of them at once."""
    if is_grid(space):
        ways: dict[str, Any] = {"copies": copies, "width": width, "depth": depth, "condition": condition, "grid": grid}
        return ConvDecoder(inputs, space, **ways)
    return MLP(inputs, copies * space.size, width=width, depth=depth)


def denoising_net(space: Space, conditions: Conditions | None, *, width: int) -> FlowNet:
    """Noised records to velocities, noises or clean records."""
    if isinstance(space, Columns):
        return MixedNet(space, conditions, width=width)
    assert isinstance(space, Reals)
    return (
        ConvFlowNet(space, conditions, width=width) if is_grid(space) else VectorFlowNet(space, conditions, width=width)
    )


def sequence_net(
    space: Space,
    conditions: Conditions | None,
    *,
    shape: Architecture,
    tied: bool,
    bins: int | None,
    bumps: int | None,
) -> AnyOrderColumns | CausalPixels | CausalTokens:
    """One value of a record after the other; `tied` is the embedding of tokens, `bins` and `bumps` shape the densities
    of columns, whose nets have a width and a depth alone.
    """
    match space:
        case Columns():
            assert bins and bumps, "the densities of columns need both"
            beside = None if conditions is None else conditions.columns
            return AnyOrderColumns(space, beside, width=shape.width, depth=shape.depth, bins=bins, bumps=bumps)
        case Reals():
            return CausalPixels(space, conditions, shape=shape)
        case Tokens():
            return CausalTokens(space, conditions, shape=shape, tied=tied)
