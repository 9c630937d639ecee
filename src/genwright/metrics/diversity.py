"""Diversity of one set of records: Vendi score of features, Inception Score of class probabilities."""

import numpy as np
from jaxtyping import Float

from genwright.errors import ArgumentError, DataError
from genwright.maths.distances import Features
from genwright.scores.feature_sets import checked
from genwright.scores.intervals import Replicates, Skipped, grouped_replicates, jackknife_groups
from genwright.scores.score import Score, signature

FEW_FEATURES = 64  # up to which interactions between records are worked out for the interval
MIN_PER_CLASS = 10  # records for each class, for an Inception Score to mean anything


def vendi_score(real: Features, fake: Features, *, features: str, order: float = 1.0, seed: int = 0) -> Score:
    """Effective number of different records among the generated ones, by the cosine similarity of their features.

    The exponential of the entropy of the eigenvalues of K / n: Friedman and Dieng 2022, arXiv:2210.02410, eq. 2;
    `order` q of the Renyi entropy: Pasarkar and Dieng 2023, arXiv:2310.12952, eq. 4. At most the number of features,
    for the cosine kernel is linear. The floor is that of the real records: more than that is disorder, not diversity.
    """
    real, fake = checked(real, fake, fewest=4)
    grams = [_unit(x) for x in (real, fake)]
    group = jackknife_groups(len(fake), seed + 1)
    parts = np.stack([grams[1][group == g].T @ grams[1][group == g] for g in range(int(group.max()) + 1)])
    sizes, whole = np.bincount(group), parts.sum(0)

    def effective(_: Skipped, out: Skipped) -> float:
        gram = whole - parts[list(out)].sum(0)
        return effective_number(np.linalg.eigvalsh(gram / (len(fake) - sizes[list(out)].sum())), order=order)

    few = fake.shape[1] <= FEW_FEATURES
    value, replicates = grouped_replicates(effective, (0, len(parts)), interactions=few)
    return Score(
        name="Vendi score",
        value=value,
        direction="target",
        n=len(fake),
        signature=signature(
            "Vendi score", protocol=f"{features}, cosine, order {order:g}", n=(len(real), len(fake)), seed=seed
        ),
        interval=replicates.interval(value, low=1.0),
        floor=effective_number(np.linalg.eigvalsh(grams[0].T @ grams[0] / len(real)), order=order),
        group="diversity",
        replicates=replicates,
    )


def vendi(similarity: Float[np.ndarray, "n n"], *, order: float = 1.0) -> float:
    """The Vendi score itself, from a positive semidefinite similarity matrix with ones on its diagonal.

    >>> round(vendi(np.eye(3)), 6), round(vendi(np.ones((3, 3))), 6)
    (3.0, 1.0)
    """
    if similarity.shape[0] != similarity.shape[1] or not np.allclose(np.diag(similarity), 1.0):
        raise ArgumentError("not a similarity matrix", where="similarity", hint="square, with ones on the diagonal")
    return effective_number(np.linalg.eigvalsh(similarity / len(similarity)), order=order)


def effective_number(shares: Float[np.ndarray, "k"], *, order: float = 1.0) -> float:
    """Hill number of `order` q of shares that sum to 1: the exponential of their Renyi entropy (Hill 1973).

    >>> effective_number(np.array([0.5, 0.5, 0.0]), order=2.0)
    2.0
    """
    if order < 0:
        raise ArgumentError(f"order {order}", hint="between 0 and infinity")
    kept = shares[shares > 1e-12]  # eigenvalues of zero come out as rounding errors of either sign
    kept = kept / kept.sum()
    if order == 1.0:
        return float(np.exp(-np.sum(kept * np.log(kept))))
    if np.isinf(order):
        return float(1.0 / kept.max())
    return float(np.sum(kept**order) ** (1.0 / (1.0 - order)))


def inception_score(
    real: Float[np.ndarray, "n k"], fake: Float[np.ndarray, "m k"], *, classifier: str, seed: int = 0
) -> Score:
    """Inception Score: how sure a classifier is of each generated record, and how evenly it finds all classes.

    exp of the mean KL(p(y|x) || p(y)) over class probabilities: Salimans et al. 2016, arXiv:1606.03498, sec. 4. Between
    1 and the number of classes. It never looks at real records: the floor, theirs, says what to expect. Only the score
    of the original Inception network compares with the literature; `classifier` names the one used.
    """
    for which, p in (("real", real), ("generated", fake)):
        if p.ndim != 2 or (p < 0).any() or not np.allclose(p.sum(1), 1.0, atol=1e-4):
            raise DataError(f"{which} records: not class probabilities", where="Inception Score")
    classes = int((np.vstack([real, fake]).max(0) > 1e-3).sum())  # those that occur at all
    if len(fake) < MIN_PER_CLASS * classes:
        what = f"{len(fake)} records are too few for {classes} classes"
        raise DataError(what, where="Inception Score", hint=f"at least {MIN_PER_CLASS * classes} are needed")
    group = jackknife_groups(len(fake), seed + 1)
    value = information(fake)
    replicates = Replicates((), tuple(information(fake[group != g]) for g in range(int(group.max()) + 1)))
    protocol = f"{classifier}, {fake.shape[1]} classes, one split"
    return Score(
        name="Inception Score",
        value=value,
        direction="higher",
        n=len(fake),
        signature=signature("Inception Score", protocol=protocol, n=(len(real), len(fake)), seed=seed),
        interval=replicates.interval(value, low=1.0),
        floor=information(real),
        group="diversity",
        replicates=replicates,
    )


def information(probabilities: Float[np.ndarray, "n k"]) -> float:
    """exp of the mean KL divergence of each row from the mean row: the Inception Score of one split.

    >>> round(information(np.eye(4)), 6), information(np.full((5, 2), 0.5))
    (4.0, 1.0)
    """
    p = np.asarray(probabilities, np.float64)
    mean = p.mean(0)
    inside = np.where(p > 0, p * (np.log(np.maximum(p, 1e-300)) - np.log(np.maximum(mean, 1e-300))), 0.0)
    return float(np.exp(inside.sum(1).mean()))


def split_information(probabilities: Float[np.ndarray, "n k"], *, splits: int = 10) -> tuple[float, float]:
    """Mean and standard deviation of `information` over consecutive parts: the convention of published scores."""
    if len(probabilities) < splits:
        raise DataError(f"{len(probabilities)} records do not make {splits} splits", where="Inception Score")
    n = len(probabilities)
    parts = [probabilities[i * n // splits : (i + 1) * n // splits] for i in range(splits)]
    values = [information(part) for part in parts]
    return float(np.mean(values)), float(np.std(values))


def _unit(x: Features) -> Features:
    """Rows of length 1."""
    length = np.linalg.norm(x, axis=1, keepdims=True)
    if (length == 0).any():
        raise DataError(f"{int((length == 0).sum())} records have features that are all zero", where="Vendi score")
    return x / length
