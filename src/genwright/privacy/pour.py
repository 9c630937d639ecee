"""A mixture of products as the net of a family: a flat mixture, or a tree whose hidden states are all the same one."""

import torch
from jaxtyping import Float
from torch import Tensor

from genwright.nets.column_components import VARIANCE_FLOOR, ColumnComponents
from genwright.nets.latent_tree import LatentTree
from genwright.nets.mixture import MixtureNet
from genwright.privacy.cells import KNOTS, FieldCells
from genwright.privacy.products import Products
from genwright.spaces import Columns, Discrete

SMALLEST = 1e-12  # share that stands for none
APART = 30.0  # nats that keep a hidden state from turning into another on its way down the tree
POINTS = 64  # per cell, that moments of a normal score are found from


def column_laws(space: Columns, cells: list[FieldCells], products: Products) -> list[Float[Tensor, "k _"]]:
    """The distribution of each encoded column in each component: of its levels, or of its KNOTS quantile cells."""
    laws: list[Tensor] = [torch.zeros(0)] * len(space.columns)
    for each, law in zip(cells, products.laws, strict=True):
        if each.continuous is None:
            assert each.discrete is not None
            laws[each.discrete] = law
            continue
        inner = law[:, each.states :]
        ordinary = inner.sum(dim=1, keepdim=True)
        laws[each.continuous] = inner / ordinary.clamp(min=SMALLEST)
        if each.discrete is not None:
            laws[each.discrete] = torch.cat([ordinary, law[:, : each.states]], dim=1)
    return laws


@torch.no_grad()
def pour_tree(net: LatentTree, cells: list[FieldCells], products: Products) -> None:
    """Make `net` the mixture: its transitions the identity, so that all columns share one hidden state."""
    net.transitions.fill_(-APART)
    net.transitions.diagonal(dim1=1, dim2=2).fill_(0.0)
    net.transitions[int(net.order[0]), 0] = products.weights.clamp(min=SMALLEST).log()
    laws = column_laws(net.space, cells, products)
    net.leaves.marginals.zero_()
    net.leaves.logits.copy_(torch.cat(laws, dim=1).T.clamp(min=SMALLEST).log())


@torch.no_grad()
def pour_mixture(net: MixtureNet, cells: list[FieldCells], products: Products) -> None:
    """Make `net` the mixture; densities of continuous columns become normal ones of the same mean and variance."""
    assert isinstance(net.body, ColumnComponents)
    net.log_weights.copy_(products.weights.clamp(min=SMALLEST).log())
    laws = column_laws(net.body.space, cells, products)
    discrete = [laws[j] for j, column in enumerate(net.body.space.columns) if isinstance(column, Discrete)]
    if discrete:
        law = torch.cat(discrete, dim=1).T
        net.body.log_levels[:-1] = law.clamp(min=SMALLEST).log()
        net.body.share.copy_(law @ products.weights)
    first, second = _cell_moments()
    for i, j in enumerate(net.body.continuous):
        mean = laws[j] @ first
        net.body.mean[:, i] = mean
        net.body.variance[:, i] = (laws[j] @ second - mean.square()).clamp(min=VARIANCE_FLOOR)


def _cell_moments() -> tuple[Float[Tensor, "knots"], Float[Tensor, "knots"]]:
    """Mean and mean square of a standard normal value within each quantile cell."""
    inside = (torch.arange(POINTS, dtype=torch.float64) + 0.5) / POINTS - 0.5
    place = (torch.arange(KNOTS, dtype=torch.float64)[:, None] + inside) / (KNOTS - 1)
    within = (place > 0) & (place < 1)
    score = torch.where(within, torch.special.ndtri(place.clamp(1e-9, 1 - 1e-9)), 0.0)
    count = within.sum(dim=1)
    return (score.sum(dim=1) / count).float(), (score.square().sum(dim=1) / count).float()
