"""Noisy counts of all fields and of pairs of them: everything that a private mixture learns of the rows."""

import itertools
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from genwright.codecs.columns import ColumnsCodec
from genwright.data.dataset import Dataset
from genwright.privacy.budget import Budget
from genwright.privacy.cells import FieldCells, coarsened, field_cells
from genwright.privacy.coding import nearest_shares, unnamed_rows

SINGLES_SHARE = 0.1  # of the budget, for counts of single fields
CHOICE_SHARE = 0.1  # for choosing pairs, where not all are counted
ALL_PAIRS = 300  # up to so many pairs all are counted; of more, the most dependent ones:
PAIRS_PER_FIELD = 3  # so many
ROWS_AT_ONCE = 8192


class Singles(NamedTuple):
    """The cells of every field, each row's cell, where it has one, and noisy shares of the cells."""

    cells: list[FieldCells]
    codes: list[Int[np.ndarray, " n"]]
    known: Bool[np.ndarray, "n f"]
    shares: list[Float[np.ndarray, " k"]]
    scale: float


class Pairs(NamedTuple):
    """Noisy shares of pairs of coarse cells.

    `coarse`: the coarse cell of each fine one, by field. `joint` (cells, cells) holds the coarse cells of all fields
    side by side; `counted` is 1 where a pair of fields was counted.
    """

    coarse: list[Int[np.ndarray, " k"]]
    joint: Float[Tensor, "l l"]
    counted: Float[Tensor, "l l"]
    precision: float  # of single shares, where that of pairs is 1

    @property
    def sizes(self) -> list[int]:
        """Coarse cells of each field."""
        return [int(each.max()) + 1 for each in self.coarse]


def count_singles(data: Dataset, codec: ColumnsCodec, x: Float[Tensor, "n c"], budget: Budget) -> Singles:
    """Noisy counts of each field's cells; entries without a name count nowhere."""
    cells = field_cells(codec)
    codes = [each.of(x) for each in cells]
    known = ~unnamed_rows(codec, data)
    tables = [
        np.bincount(code[known[:, f]], minlength=each.size).astype(np.float64)
        for f, (each, code) in enumerate(zip(cells, codes, strict=True))
    ]
    noisy, scale = budget.counts("counts of single columns", tables, share=SINGLES_SHARE)
    return Singles(cells, codes, known, [nearest_shares(counts) for counts in noisy], scale)


def count_pairs(singles: Singles, budget: Budget, *, share: float) -> Pairs:
    """Noisy counts of pairs of fields: all of them, or those chosen for being far from independent.

    The score of a pair is the L1 distance of its counts to those of independent fields, as the noisy single counts say
    them: one row more changes it by 1 at most. Choosing k at once by the largest scores plus Gumbel noise is k choices
    one after the other (Durfee & Rogers 2019, arXiv:1905.04273, lemma 4.2); as in McKenna et al. 2021's MST.
    """
    coarse = [coarsened(each, shares) for each, shares in zip(singles.cells, singles.shares, strict=True)]
    sizes = [int(each.max()) + 1 for each in coarse]
    starts = np.cumsum([0, *sizes])
    parts = [slice(a, b) for a, b in itertools.pairwise(starts.tolist())]
    exact = _joint_counts([each[code] for each, code in zip(coarse, singles.codes)], singles.known, sizes)
    pairs = list(itertools.combinations(range(len(sizes)), 2))
    if len(pairs) > ALL_PAIRS:
        single = [
            np.bincount(each, weights=shares, minlength=size)
            for each, shares, size in zip(coarse, singles.shares, sizes, strict=True)
        ]
        n = len(singles.known)
        far = [np.abs(exact[parts[i], parts[j]] - n * np.outer(single[i], single[j])).sum() for i, j in pairs]
        count = PAIRS_PER_FIELD * len(sizes)
        chosen = budget.choose("which pairs to count", np.array(far), count=count, share=CHOICE_SHARE * share)
        pairs, share = [pairs[k] for k in chosen], (1 - CHOICE_SHARE) * share
    noisy, scale = budget.counts(
        "counts of pairs of columns", [exact[parts[i], parts[j]] for i, j in pairs], share=share
    )
    joint, counted = np.zeros_like(exact), np.zeros_like(exact)
    for (i, j), table in zip(pairs, noisy, strict=True):
        joint[parts[i], parts[j]] = table / max(float(table.sum()), 1.0)
        counted[parts[i], parts[j]] = 1.0
    as_tensor = torch.from_numpy(joint).float(), torch.from_numpy(counted).float()
    return Pairs(coarse, *as_tensor, precision=(scale / singles.scale) ** 2 if pairs else 1.0)


def _joint_counts(
    codes: list[Int[np.ndarray, " n"]], known: Bool[np.ndarray, "n f"], sizes: list[int]
) -> Float[np.ndarray, "l l"]:
    """How many rows have each pair of coarse cells, the cells of all fields side by side."""
    total = torch.zeros(sum(sizes), sum(sizes), dtype=torch.float64)
    starts = np.cumsum([0, *sizes[:-1]])
    for at in range(0, len(known), ROWS_AT_ONCE):
        here = slice(at, at + ROWS_AT_ONCE)
        ones = torch.zeros(len(known[here]), sum(sizes))
        for f, code in enumerate(codes):
            rows = np.flatnonzero(known[here, f])
            ones[rows, starts[f] + code[here][rows]] = 1.0
        total += (ones.T @ ones).double()
    return total.round().numpy()
