"""How two columns depend on each other, and how far that differs between a real and a generated table."""

import enum
import itertools
import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from genwright.data.align import aligned
from genwright.data.dataset import Dataset
from genwright.errors import DataError
from genwright.metrics.tables import Binning, cell_numbers, compared_columns, paired_columns, percent_score, row_groups
from genwright.scores.intervals import Replicates
from genwright.scores.kinks import lined_up, replicate_error, smoothed_absolute
from genwright.scores.score import Score, signature

MAX_PAIRS = 780  # all of 40 columns; of more columns, so many pairs are drawn


class Normalisation(enum.StrEnum):
    """What mutual information is divided by, of the two columns' entropies."""

    ARITHMETIC = "arithmetic mean"  # scikit-learn's default, also called the V-measure or symmetric uncertainty
    GEOMETRIC = "geometric mean"
    SMALLER = "smaller"
    LARGER = "larger"
    JOINT = "joint entropy"  # 1 - the variation of information over the joint entropy: a metric's complement


def normalized_mutual_information(
    a: Int[np.ndarray, "n"], b: Int[np.ndarray, "_"], *, normalisation: Normalisation = Normalisation.ARITHMETIC
) -> float:
    """Mutual information of two columns of cell numbers, 0 (independent) to 1 (each tells the other); 1 if constant.

    Plug-in estimate: biased upwards by about (r - 1)(s - 1) / 2n nats for r and s levels, so compare equal n only.

    >>> normalized_mutual_information(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0]))
    1.0
    """
    if len(a) != len(b) or not len(a):
        raise DataError(f"columns of {len(a)} and {len(b)} rows", where="mutual information")
    rows, columns = (np.unique(v, return_inverse=True)[1] for v in (a, b))
    return float(_mutual_information(_joint_counts(rows, columns)[None], normalisation)[0])


def mutual_information_error(
    real: Dataset, fake: Dataset, *, normalisation: Normalisation = Normalisation.ARITHMETIC, seed: int = 0
) -> Score:
    """Mean over pairs of columns of the difference of their normalised mutual information, in percent.

    Of a table wider than 100 columns, all pairs of 100 drawn. Sees any dependence, also between categories and of
    numbers that do not correlate, but not its direction. Numbers are cut into 10 equal-width bins of the real range,
    missing values being a level of their own. More rows than columns have pairs of levels are needed before the value
    means much: see the floor.
    """
    fields, pairs = paired_columns(real, seed)
    fake = aligned(fake, real)
    groups = row_groups(real, fake, seed)
    real_groups = int(groups[0].max()) + 1
    cells = [cell_numbers(f, real, fake, Binning.REAL_RANGE) for f in fields]
    sides = [
        [_Levels.of(c, group) for c in columns] for columns, group in zip(zip(*cells, strict=True), groups, strict=True)
    ]
    total: np.ndarray | float = 0.0
    for i, j in itertools.combinations(range(len(fields)), 2):
        of_real, of_fake = (_replicated_information(side[i], side[j], normalisation) for side in sides)
        p, q = lined_up(of_real, of_fake)
        total = total + smoothed_absolute(p - q, replicate_error(p - q, real_groups))
    protocol = f"{pairs}, over the {normalisation.value}, {Binning.REAL_RANGE.value}"
    values = np.asarray(total) / math.comb(len(fields), 2)
    return percent_score("mutual information error", values, real, fake, protocol=protocol, seed=seed)


def largest_dependence_error(real: Dataset, fake: Dataset, *, seed: int = 0) -> Score:
    """How far the dependence of the pair of columns is off that is off most: the difference of its Cramer's V.

    V is 0 for independent columns and 1 where each tells the other, with the bias of few rows taken off (Bergsma 2013).
    Means over all pairs hide one pair whose dependence is lost. Numbers are cut into 10 equal-width bins. The largest
    of many differences is large by chance too: see the floor. Replicates are those of the pair that is off most.
    """
    fields = compared_columns(real)
    if len(fields) < 2:
        raise DataError("dependence needs two columns", where=real.name, hint="use the shape error")
    fake = aligned(fake, real)
    groups = row_groups(real, fake, seed)
    cells = [cell_numbers(f, real, fake, Binning.REAL_RANGE) for f in fields]
    chosen = list(itertools.combinations(range(len(fields)), 2))
    if len(chosen) > MAX_PAIRS:
        chosen = [chosen[i] for i in np.sort(np.random.default_rng(seed).permutation(len(chosen))[:MAX_PAIRS])]
    whole = [[_cramer(_joint_counts(cells[i][side], cells[j][side])[None])[0] for side in (0, 1)] for i, j in chosen]
    worst = int(np.argmax([abs(a - b) for a, b in whole]))
    i, j = chosen[worst]
    ours, theirs = (_cramer(_left_out_counts(cells[i][side], cells[j][side], groups[side])) for side in (0, 1))
    sign = 1.0 if ours[0] >= theirs[0] else -1.0
    value = float(abs(ours[0] - theirs[0]))
    replicates = Replicates(tuple(sign * (ours[1:] - theirs[0])), tuple(sign * (ours[0] - theirs[1:])))
    name = "largest dependence error"
    return Score(
        name=name,
        value=value,
        direction="lower",
        n=len(fake),
        signature=signature(name, protocol=f"Cramer's V, {len(chosen)} pairs", n=(len(real), len(fake)), seed=seed),
        interval=replicates.interval(value, low=0.0, high=1.0),
        note=f"{fields[i].name} and {fields[j].name}: {ours[0]:.2f} in real rows, {theirs[0]:.2f} in generated ones",
        replicates=replicates,
    )


def _cramer(tables: Int[np.ndarray, "k r s"]) -> Float[np.ndarray, "k"]:
    """Cramer's V of tables of counts, without its bias. Bergsma 2013, "A bias-correction for Cramer's V", eqs. 4-6."""
    counts = tables.astype(np.float64)
    n = counts.sum((1, 2))
    rows, columns = counts.sum(2), counts.sum(1)
    expected = rows[:, :, None] * columns[:, None, :] / n[:, None, None]
    chi = np.where(expected > 0, (counts - expected) ** 2 / np.where(expected > 0, expected, 1), 0).sum((1, 2))
    r, s = (np.maximum((side > 0).sum(1), 1) for side in (rows, columns))
    phi = np.maximum(chi / n - (r - 1) * (s - 1) / (n - 1), 0)
    room = np.minimum(r - (r - 1) ** 2 / (n - 1), s - (s - 1) ** 2 / (n - 1)) - 1
    return np.clip(np.sqrt(np.where(room > 0, phi / np.where(room > 0, room, 1), 0)), 0, 1)


@dataclass(frozen=True)
class _Levels:
    """A column as level numbers without gaps, with its entropy: of all rows, then with each group left out."""

    codes: Int[np.ndarray, "n"]
    count: int
    group: Int[np.ndarray, "n"]
    entropy: Float[np.ndarray, "r"]

    @classmethod
    def of(cls, column: Int[np.ndarray, "n"], group: Int[np.ndarray, "n"]) -> "_Levels":
        levels, codes = np.unique(column, return_inverse=True)
        return cls(codes, len(levels), group, _entropy(_left_out(codes, len(levels), group)))


def _left_out(codes: Int[np.ndarray, "n"], count: int, group: Int[np.ndarray, "n"]) -> Int[np.ndarray, "r c"]:
    """Rows at each level: all, then with each group left out."""
    groups = int(group.max()) + 1
    counts = np.bincount(group * count + codes, minlength=groups * count).reshape(groups, count)
    whole = counts.sum(0)
    return np.concatenate([whole[None], whole - counts])


def _replicated_information(a: _Levels, b: _Levels, normalisation: Normalisation) -> Float[np.ndarray, "r"]:
    """Normalised mutual information of all rows, then with each group left out."""
    codes, count = a.codes * b.count + b.codes, a.count * b.count
    if count > len(codes):  # mostly empty: number the cells in use only
        used, codes = np.unique(codes, return_inverse=True)
        count = len(used)
    return _normalised(a.entropy, b.entropy, _entropy(_left_out(codes, count, a.group)), normalisation)


def _left_out_counts(
    a: Int[np.ndarray, "n"], b: Int[np.ndarray, "n"], group: Int[np.ndarray, "n"]
) -> Int[np.ndarray, "k r s"]:
    """Joint counts of all rows, then with each group left out."""
    rows, columns = (np.unique(v, return_inverse=True)[1] for v in (a, b))
    shape = int(rows.max()) + 1, int(columns.max()) + 1
    return _left_out(rows * shape[1] + columns, shape[0] * shape[1], group).reshape(-1, *shape)


def _joint_counts(rows: Int[np.ndarray, "n"], columns: Int[np.ndarray, "n"]) -> Int[np.ndarray, "r s"]:
    shape = int(rows.max()) + 1, int(columns.max()) + 1
    return np.bincount(rows * shape[1] + columns, minlength=shape[0] * shape[1]).reshape(shape)


def _mutual_information(counts: Int[np.ndarray, "k r s"], normalisation: Normalisation) -> Float[np.ndarray, "k"]:
    first, second, joint = (_entropy(c) for c in (counts.sum(2), counts.sum(1), counts.reshape(len(counts), -1)))
    return _normalised(first, second, joint, normalisation)


def _normalised(
    first: Float[np.ndarray, "k"],
    second: Float[np.ndarray, "k"],
    joint: Float[np.ndarray, "k"],
    normalisation: Normalisation,
) -> Float[np.ndarray, "k"]:
    """Mutual information over what it is divided by, from the entropies of both columns and of their pairs."""
    information = np.maximum(first + second - joint, 0)
    match normalisation:
        case Normalisation.ARITHMETIC:
            scale = (first + second) / 2
        case Normalisation.GEOMETRIC:
            scale = np.sqrt(first * second)
        case Normalisation.SMALLER:
            scale = np.minimum(first, second)
        case Normalisation.LARGER:
            scale = np.maximum(first, second)
        case Normalisation.JOINT:
            scale = joint
    constant = (first + second) <= 1e-15
    told = np.where(scale > 1e-15, information / np.maximum(scale, 1e-15), 0.0)
    return np.where(constant, 1.0, np.clip(told, 0, 1))


def _entropy(counts: Int[np.ndarray, "k c"]) -> Float[np.ndarray, "k"]:
    """Entropy in nats of each row of counts."""
    share = counts / counts.sum(1, keepdims=True)
    return -np.sum(share * np.log(np.where(share > 0, share, 1.0)), axis=1)
