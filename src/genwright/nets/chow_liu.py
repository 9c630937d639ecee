"""Which columns depend on which: mutual information of all pairs, and the tree that keeps most of it."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from genwright.spaces import Columns, Discrete

BINS = 16  # of a continuous column, and the most of an ordered one


def codes(space: Columns, x: Float[Tensor, "n c"]) -> Int[Tensor, "n c"]:
    """Every column in a few classes: levels as they are, values by quantile, and a class for unknown entries."""
    active = space.active(x) & ~x.isnan()
    parts = []
    for j, column in enumerate(space.columns):
        value = torch.where(active[:, j], x[:, j], 0.0)
        if isinstance(column, Discrete):
            classes = value.long()
            if column.ordered and column.levels > BINS:
                counts = torch.bincount(classes, minlength=column.levels).double().cumsum(0)
                classes = (counts[classes] / counts[-1] * BINS).long().clamp(max=BINS - 1)
        else:
            classes = (torch.special.ndtr(value) * BINS).long().clamp(max=BINS - 1)
        parts.append(torch.where(active[:, j], classes, classes.max() + 1))
    return torch.stack(parts, dim=1)


def mutual_information(classes: Int[Tensor, "n c"]) -> Float[Tensor, "c c"]:
    """Mutual information in nats of all pairs of columns, less what is expected of independent ones (Miller 1955)."""
    n, columns = classes.shape
    found = torch.zeros(columns, columns, dtype=torch.float64)
    sizes = [int(classes[:, j].max()) + 1 for j in range(columns)]
    marginal = [torch.bincount(classes[:, j]).double() / n for j in range(columns)]
    for i in range(columns):
        for j in range(i):
            counts = torch.bincount(classes[:, i] * sizes[j] + classes[:, j], minlength=sizes[i] * sizes[j])
            joint = counts.double().view(sizes[i], sizes[j]) / n
            expected = marginal[i][:, None] * marginal[j]
            cells = joint > 0
            value = (joint[cells] * (joint[cells] / expected[cells]).log()).sum()
            spare = (int((marginal[i] > 0).sum()) - 1) * (int((marginal[j] > 0).sum()) - 1)
            found[i, j] = found[j, i] = value - spare / (2.0 * n)
    return found


def spanning_tree(weight: Float[Tensor, "c c"]) -> tuple[Int[Tensor, "c"], Int[Tensor, "c"]]:
    """Parents (-1 for the root), and all columns with parents before children: the heaviest tree, by Prim's algorithm.

    Chow and Liu 1968, "Approximating discrete probability distributions with dependence trees". The root is the column
    with the most weight to all others.

    >>> weight = torch.tensor([[0.0, 3.0, 1.0], [3.0, 0.0, 2.0], [1.0, 2.0, 0.0]])
    >>> spanning_tree(weight)
    (tensor([ 1, -1,  1]), tensor([1, 0, 2]))
    """
    root = int(weight.fill_diagonal_(0.0).sum(dim=0).argmax())
    parent = torch.full((len(weight),), -1)
    best, nearest = weight[root].clone(), torch.full((len(weight),), root)
    inside = torch.zeros(len(weight), dtype=torch.bool)
    order = [root]
    inside[root] = True
    while len(order) < len(weight):
        new = int(torch.where(inside, -torch.inf, best).argmax())
        parent[new] = nearest[new]
        order.append(new)
        inside[new] = True
        closer = weight[new] > best
        best, nearest = torch.where(closer, weight[new], best), torch.where(closer, new, nearest)
    return parent, torch.tensor(order)
