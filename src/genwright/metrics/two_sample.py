"""Classifier two-sample tests: what a judge that learned to tell generated from real records makes of other records.

A judge is a function of the numbers of the records it may learn from and of those it is asked about; records are
numbered 0 .. n - 1 (real) and n .. 2 n - 1 (generated). The tests are cross-fitted: every record is judged by a
classifier that has not seen it, and every record serves.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import norm
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits

from genwright.errors import DataError
from genwright.scores.intervals import Replicates, auc_influence, mean_replicates
from genwright.scores.score import Score, signature

CROSS_ENTROPY = "C2ST cross-entropy"
FOLDS = 5
ROUNDS, LEAVES = 100, 8  # of boosting: shallow trees, for there are few records and many statistics
FEWEST = 10  # records of each set: two of each are asked about in every fold
SUREST = 1e-4  # a judge's probabilities stay this far from 0 and 1, so that one error costs 13 bits at most
Rows = Int[np.ndarray, "_"]
Folds = Sequence[tuple[Rows, Rows]]  # to learn from, and to be asked about
Judging = Callable[[Rows, Rows], Float[np.ndarray, "_"]]


@dataclass(frozen=True)
class Look:
    """What one judge found: the AUC (mean of the folds), each record's influence on it, each record's surprise in bits.

    Row 0 holds real records, row 1 generated ones. A change of the AUC is the sum of the influences of the records.
    """

    judge: str
    auc: float
    influence: Float[np.ndarray, "2 n"]
    surprise: Float[np.ndarray, "2 n"]

    def error(self, *, seed: int) -> float:
        """Standard error of the AUC."""
        return _auc_replicates(self, seed).error


def enough(n: int, *, where: str) -> None:
    """DataError if n records of each set are too few for a judge."""
    if n < FEWEST:
        raise DataError(f"C2ST needs {FEWEST} records of each set, has {n}", where=where)


def shuffled_folds(n: int, *, seed: int) -> Folds:
    """Records dealt at random into folds that hold as many real as generated ones."""
    is_fake = np.repeat([False, True], n)
    return list(StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(is_fake, is_fake))


def blocked_folds(n: int) -> Folds:
    """Neighbours kept in one fold, so that no judge knows a record by what stood beside it."""
    is_fake = np.repeat([False, True], n)
    return list(StratifiedKFold(FOLDS).split(is_fake, is_fake))


def odds_by_trees(
    seen: Float[np.ndarray, "n d"], is_fake: Bool[np.ndarray, "n"], asked: Float[np.ndarray, "m d"], *, seed: int
) -> Float[np.ndarray, "m"]:
    """Log-odds that each record is generated, by boosted trees that learned from others; all are rows of statistics."""
    trees = HistGradientBoostingClassifier(
        max_iter=ROUNDS,
        max_leaf_nodes=LEAVES,
        min_samples_leaf=int(np.clip(len(seen) // 20, 2, 20)),
        max_features=0.3,
        early_stopping=False,
        random_state=seed,
    )
    with threadpool_limits(limits=1):  # OpenMP's threads wait for each other in busy loops
        return trees.fit(seen, is_fake).decision_function(asked)


def look(judge: str, judging: Judging, *, n: int, folds: Folds) -> Look:
    """Cross-fit a judge to n real and n generated records.

    Folds share the records that their judges learn from, so their AUCs vary together. Nadeau and Bengio 2003,
    "Inference for the generalization error", widen the error by sqrt(1 + FOLDS / (FOLDS - 1)) for it. Simulation shows
    that to be right for a judge who has nothing to find, and too much for one who finds all there is: so the second
    part is weighted by the square root of the share of what the judge found in the records it learned from that is not
    there in others, which leaves errors between 0.87 and 1.17 of the truth.
    """
    is_fake = np.repeat([False, True], n)
    aucs, learned, influence, surprise = [], [], np.zeros(2 * n), np.zeros(2 * n)
    for fit, held in folds:
        believed = judging(fit, np.concatenate([held, fit]))
        auc, of_records = auc_influence(believed[: len(held)], is_fake[held])
        aucs.append(auc)
        learned.append(auc_influence(believed[len(held) :], is_fake[fit])[0])
        influence[held] = of_records / (len(held) * FOLDS)
        right = np.where(is_fake[held], believed[: len(held)], 1 - believed[: len(held)])
        surprise[held] = -np.log2(np.clip(right, SUREST, 1 - SUREST))
    auc, found = float(np.mean(aucs)), float(np.mean(learned))
    illusion = np.clip((found - auc) / (found - 0.5), 0, 1) if found > 0.5 else 1.0
    widened = influence.reshape(2, n) * np.sqrt(1 + np.sqrt(illusion) * FOLDS / (FOLDS - 1))
    return Look(judge, auc, widened, surprise.reshape(2, n))


def told_apart(looks: Sequence[Look], *, name: str, seed: int, note: str = "") -> Score:
    """C2ST = 2 (1 - max(AUC, 1/2)) of the judge with the highest AUC: 1 cannot be told apart, 0 is told apart always.

    The best of several looks is better than it should be: its p-value is multiplied by their number, and its interval
    is wide enough to hold for all looks at once (Bonferroni).
    """
    best = max(looks, key=lambda each: each.auc)
    of_auc = _auc_replicates(best, seed)
    low, high = of_auc.interval(best.auc, looks=len(looks))
    z = (best.auc - 0.5) / max(of_auc.error, 1e-12)
    slope = -2 * norm.cdf(z)  # of the score; its kink at AUC 1/2 smoothed over the error of the AUC
    p = min(len(looks) * max(norm.sf(z), 1e-16), 1.0)
    each = "" if len(looks) == 1 else "; " + ", ".join(f"{one.judge} {one.auc:.3f}" for one in looks)
    n, value = best.influence.shape[1], _indistinct(best.auc)
    return Score(
        name=name,
        value=value,
        direction="higher",
        n=n,
        signature=_signature(name, looks, n, seed),
        interval=(_indistinct(high), _indistinct(low)),
        note=f"AUC {best.auc:.3f}, p = {p:.2g}{each}{note}",
        replicates=_moved(of_auc, best.auc, value, float(slope)),
    )


def doubt(looks: Sequence[Look], *, name: str, seed: int) -> Score:
    """Cross-entropy in bits of the judge with the lowest over records it has not seen: 1 is a toss-up, 0 certainty.

    Where every AUC is near 1, this still tells the bad from the worse. Judges that are too sure of themselves may
    reach more than 1, which counts as 1.
    """
    best = min(looks, key=lambda each: float(each.surprise.mean()))
    n, value = best.surprise.shape[1], min(float(best.surprise.mean()), 1.0)
    real, fake = (
        tuple((np.array(mean_replicates(side, seed=seed + i)) + other) / 2)
        for i, (side, other) in enumerate(
            ((best.surprise[0], best.surprise[1].mean()), (best.surprise[1], best.surprise[0].mean()))
        )
    )
    replicates = Replicates(real, fake)
    return Score(
        name=name,
        value=value,
        direction="higher",
        n=n,
        signature=_signature(name, looks, n, seed),
        interval=replicates.interval(value, low=0.0, high=1.0),
        unit=" bits",
        replicates=replicates,
    )


def _signature(name: str, looks: Sequence[Look], n: int, seed: int) -> str:
    judges = " or ".join(each.judge for each in looks)
    return signature(name, protocol=f"{judges}, {FOLDS} folds", n=(n, n), seed=seed)


def _indistinct(auc: float) -> float:
    return float(2 * (1 - np.clip(auc, 0.5, 1.0)))


def _auc_replicates(of: Look, seed: int) -> Replicates:
    """The AUC with each jackknife group of real or generated records left out."""
    real, fake = (mean_replicates(each, seed=seed + i) for i, each in enumerate(of.influence))
    return _moved(Replicates(real, fake), 0.0, of.auc, of.influence.shape[1])


def _moved(replicates: Replicates, centre: float, to: float, slope: float) -> Replicates:
    """Replicates of to + slope (x - centre) from those of x."""
    real, fake = (tuple(to + slope * (x - centre) for x in side) for side in (replicates.real, replicates.fake))
    return Replicates(real, fake)
