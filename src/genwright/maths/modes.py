"""What a handful of samples tells beside real points: which modes they miss, how alike they are, which are copies."""

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.cluster.vq import kmeans2
from torch import Tensor

HARDLY = 1 / 8  # of its share of real points: with less, a mode is missed
COPY = 1 / 3  # of the distance to the second nearest: what lies nearer to the nearest is a copy of it
PASSES = 10  # of k-means


def centres(x: Float[Tensor, "n d"], k: int, *, seed: int) -> Float[Tensor, "m d"]:
    """At most k centres of x, by k-means++ (Arthur & Vassilvitskii 2007); those of no points are left out.

    >>> x = torch.tensor([[0.0], [0.1], [5.0], [5.1]])
    >>> sorted(round(float(c), 2) for c in centres(x, 2, seed=0))
    [0.05, 5.05]
    """
    rng = np.random.default_rng(seed)
    points = x.double().numpy()
    distinct = np.unique(points, axis=0)  # k-means++ would look in vain for more
    found, label = kmeans2(points, min(k, len(distinct)), iter=PASSES, minit="++", rng=rng)
    return torch.from_numpy(found[np.unique(label)]).to(x)


def shares(x: Float[Tensor, "n d"], centres: Float[Tensor, "k d"]) -> Float[Tensor, "k"]:
    """The share of the points of x nearest to each centre."""
    return apart(x, centres).argmin(1).bincount(minlength=len(centres)) / len(x)


def missing(real: Float[Tensor, "k"], fake: Float[Tensor, "k"]) -> float:
    """The share of real points in modes that samples miss: where there are HARDLY any for each real one.

    Modes are cells around `centres`, as the bins of Richardson & Weiss 2018, arXiv:1805.12462, section 3.

    >>> round(missing(torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.8, 0.19, 0.01])), 3)
    0.2
    """
    return float(real[fake < HARDLY * real].sum())


def spread(x: Float[Tensor, "n d"]) -> float:
    """The median distance of a point to its nearest neighbour; 0 where most points have a twin."""
    return float(nearest_two(x, x, among_them=True)[:, 0].median())


def nearest_two(
    x: Float[Tensor, "n d"], known: Float[Tensor, "m d"], *, among_them: bool = False
) -> Float[Tensor, "n 2"]:
    """Distances of each point to the two nearest known ones; where points are `among_them`, to others than itself."""
    own = int(among_them)
    return apart(x, known).topk(2 + own, largest=False).values[:, own:]


def copies(nearest: Float[Tensor, "n 2"]) -> Bool[Tensor, "n"]:
    """Which points lie nearer to a training record than COPY of the distance to the next: memorised ones.

    Yoon et al. 2023, "Diffusion probabilistic models generalize when they fail to memorize", section 3.

    >>> copies(torch.tensor([[0.1, 1.0], [0.5, 1.0], [0.0, 0.0]]))
    tensor([ True, False, False])
    """
    return nearest[:, 0] < COPY * nearest[:, 1]


def apart(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
    """Euclidean distances, exact also where they are small."""
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")
