"""Encoders to and decoders from vectors for any record of real numbers: by the nets of its axes."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genwright.nets.context import embedding_of
from genwright.nets.conv import ConvEncoder, pyramid
from genwright.nets.default import decoder_body, encoder_body
from genwright.nets.mlp import MLP
from genwright.nets.relaxation import relax, relaxed_size
from genwright.spaces import CHANNELS, Columns, Conditions, Discrete, Reals

CONTEXT_WIDTH = 32


def real_space(space: Reals | Columns) -> Reals:
    """The space of records as arrays of real numbers; columns are relaxed."""
    return Reals((relaxed_size(space),)) if isinstance(space, Columns) else space


def as_reals(space: Reals | Columns, x: Tensor) -> Float[Tensor, "n *s"]:
    """Records as arrays in `real_space(space)`."""
    return relax(space, x) if isinstance(space, Columns) else x


def latent_space(space: Reals | Columns, latent: int, grid: int | None) -> Reals:
    """The space of latents: vectors, or with a `grid` so many numbers at each place of one with no longer side.

    >>> latent_space(Reals((3, 64, 64)), 8, 16)
    Reals(shape=(8, 16, 16), levels=None, axes=('channel', 'height', 'width'))
    """
    if grid is None or isinstance(space, Columns):
        return Reals((latent,))
    axes = tuple(axis for axis in space.axes if axis not in CHANNELS)
    return Reals((latent, *pyramid(*space.sides, coarsest=grid)[-1]), axes=("channel", *axes))


class Encoder(nn.Module):
    """Arrays of `space`, and the context they come with, to vectors of `outputs` numbers, or of a `grid` of them."""

    def __init__(
        self,
        space: Reals,
        outputs: int,
        *,
        conditions: Conditions | None,
        width: int,
        depth: int,
        grid: int | None = None,
    ) -> None:
        super().__init__()
        self.embedding = None if conditions is None else embedding_of(conditions, CONTEXT_WIDTH)
        condition = 0 if conditions is None else CONTEXT_WIDTH
        self.body = encoder_body(space, outputs, width=width, depth=depth, condition=condition, grid=grid)

    def forward(self, x: Float[Tensor, "n *s"], context: Float[Tensor, "n c"] | None) -> Float[Tensor, "n outputs"]:
        condition = x.new_zeros(len(x), 0) if self.embedding is None else self.embedding(context)
        if isinstance(self.body, ConvEncoder):
            return self.body(x, condition)
        return self.body(torch.cat([x.flatten(1), condition], dim=1))


class Decoder(nn.Module):
    """Vectors of `inputs` numbers, and the context to obey, to arrays of `space`, or to several one after the other.

    With a `grid`, there are `inputs` numbers at each of its places, see `latent_space`.
    """

    def __init__(
        self,
        inputs: int,
        space: Reals,
        *,
        conditions: Conditions | None,
        width: int,
        depth: int,
        copies: int = 1,
        grid: int | None = None,
    ) -> None:
        super().__init__()
        self.shape = (copies, *space.shape)
        self.embedding = None if conditions is None else embedding_of(conditions, CONTEXT_WIDTH)
        beside = 0 if conditions is None else CONTEXT_WIDTH
        self.body = decoder_body(
            inputs + beside, space, copies=copies, width=width, depth=depth, condition=beside, grid=grid
        )

    def forward(self, z: Float[Tensor, "n inputs"], context: Float[Tensor, "n c"] | None) -> Float[Tensor, "n *s"]:
        vector = z if self.embedding is None else torch.cat([z, self.embedding(context)], dim=1)
        return self.body(vector).flatten(1).unflatten(1, self.shape).flatten(1, 2)

    def level_biases(self, space: Columns, *, values: int) -> tuple[Float[Tensor, "levels"], ...]:
        """What is added to the logits of each discrete column, where continuous ones take `values` outputs each."""
        assert isinstance(self.body, MLP)
        sizes = [column.levels if isinstance(column, Discrete) else values for column in space.columns]
        parts = self.body.last.bias.detach().split(sizes)
        return tuple(parts[i] for i in space.discrete)
