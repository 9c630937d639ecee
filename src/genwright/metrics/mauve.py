"""MAUVE: the area under the divergence curve between the distributions of real and generated texts, as clustered
features.

Written from Pillutla et al. 2021, arXiv:2102.01454, and Pillutla et al. 2023, JMLR 24(356).
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, Real
from sklearn.cluster import KMeans

from genwright.errors import DataError
from genwright.extractors.embedding import TextEncoder
from genwright.scores.intervals import Replicates, jackknife_groups
from genwright.scores.score import Score, signature

Estimator = Literal["plug-in", "krichevsky-trofimov"]  # MAUVE and MAUVE*: the latter adds 1/2 to every count

SCALE = 5.0  # c of the paper: how steeply divergences count
POINTS = 25  # of the curve
VARIANCE = 0.9  # kept by the principal components
TEXTS_PER_CELL = 10
FEWEST = 100
ENOUGH = 5000  # the paper's number of texts


def mauve(
    real: Sequence[str],
    fake: Sequence[str],
    *,
    encoder: TextEncoder | None = None,
    estimator: Estimator = "plug-in",
    seed: int = 0,
) -> Score:
    """MAUVE of generated against real texts by embeddings (default: the packaged MiniLM); see `mauve_of_features`.

    The paper takes the states of GPT-2 instead: values compare between equal signatures only.
    """
    _enough(len(real), len(fake))  # before minutes of embedding
    encoder = TextEncoder() if encoder is None else encoder
    return mauve_of_features(encoder(real), encoder(fake), features=encoder.signature, estimator=estimator, seed=seed)


def mauve_of_features(
    real: Float[np.ndarray, "n d"],
    fake: Float[np.ndarray, "m _"],
    *,
    features: str,
    estimator: Estimator = "plug-in",
    seed: int = 0,
) -> Score:
    """MAUVE, 0 to 1, of any features: unit length, components with 90 % of the variance, k-means with k = n / 10.

    `features` names them for the signature. Only ranks generators, against the same real texts, at equal n: with few
    texts the cells are coarse and all generators look alike, so fewer than 100 a side are a DataError and fewer than
    the paper's 5,000 are noted. The interval takes the cells as given.
    """
    _enough(len(real), len(fake))
    if real.shape[1] != fake.shape[1] or not (np.isfinite(real).all() and np.isfinite(fake).all()):
        raise DataError(f"features of shapes {real.shape} and {fake.shape} differ in width or are not finite")
    n, m = len(real), len(fake)
    cells = max(2, round(min(n, m) / TEXTS_PER_CELL))
    labels = quantise(np.concatenate([real, fake]), cells=cells, seed=seed)
    counts = [_by_group(labels[:n], seed, cells), _by_group(labels[n:], seed + 1, cells)]
    p, q = (each.sum(0) for each in counts)
    value = mauve_of_histograms(p, q, estimator=estimator)
    replicates = Replicates(
        tuple(mauve_of_histograms(p - group, q, estimator=estimator) for group in counts[0]),
        tuple(mauve_of_histograms(p, q - group, estimator=estimator) for group in counts[1]),
    )
    protocol = f"{features}, {cells} cells of PCA {VARIANCE:.0%}, c={SCALE:g}, {POINTS} points, {estimator}"
    few = f"fewer than {ENOUGH} texts: biased upwards, compare at equal n only" if min(n, m) < ENOUGH else ""
    return Score(
        name="MAUVE" if estimator == "plug-in" else "MAUVE*",
        value=value,
        direction="higher",
        n=m,
        signature=signature("MAUVE", protocol=protocol, n=(n, m), seed=seed),
        interval=replicates.interval(value, low=0.0, high=1.0),
        note=few,
        replicates=replicates,
    )


def mauve_of_histograms(
    p: Real[np.ndarray, "k"], q: Real[np.ndarray, "k"], *, estimator: Estimator = "plug-in"
) -> float:
    """MAUVE of two distributions over the same cells, given as counts: the area under their divergence curve.

    >>> p, q = np.array([3, 5, 0]), np.array([3, 0, 5])
    >>> mauve_of_histograms(p, p) == 1.0, round(mauve_of_histograms(p, q), 3)
    (True, 0.043)
    """
    curve = divergence_curve(p, q, estimator=estimator)
    # The curve falls from (0, 1) to (1, 0), so that the areas under it along either axis, whose mean the reference
    # implementation takes, are one and the same.
    steps, heights = np.diff(curve[:, 0]), (curve[1:, 1] + curve[:-1, 1]) / 2
    return float(-(steps * heights).sum())


def divergence_curve(
    p: Real[np.ndarray, "k"], q: Real[np.ndarray, "k"], *, estimator: Estimator = "plug-in"
) -> Float[np.ndarray, "points 2"]:
    """(exp(-c KL(q|r)), exp(-c KL(p|r))) for mixtures r = w p + (1 - w) q, with its ends (1, 0) and (0, 1).

    Pillutla et al. 2021, eq. 1. `p` and `q` are counts. First coordinate: how much of q the mixture explains.
    """
    if p.sum() <= 0 or q.sum() <= 0 or min(p.min(), q.min()) < 0:
        raise DataError("counts must be at least 0 and not all of them 0", where="MAUVE")
    add = 0.5 if estimator == "krichevsky-trofimov" else 0.0
    p, q = (p + add) / (p + add).sum(), (q + add) / (q + add).sum()
    weights = np.linspace(1e-6, 1 - 1e-6, POINTS)
    mixtures = weights[:, None] * p + (1 - weights[:, None]) * q
    inner = np.exp(-SCALE * np.stack([_kl(q, mixtures), _kl(p, mixtures)], axis=1))
    return np.concatenate([[[1.0, 0.0]], inner, [[0.0, 1.0]]])


def _kl(law: Float[np.ndarray, "k"], mixtures: Float[np.ndarray, "w k"]) -> Float[np.ndarray, "w"]:
    held = law > 0
    return (law[held] * np.log(law[held] / mixtures[:, held])).sum(1)


def quantise(features: Float[np.ndarray, "n d"], *, cells: int, seed: int) -> Int[np.ndarray, "n"]:
    """The k-means cell of each record, after scaling to length 1 and projection to 90 % of the variance."""
    lengths = np.linalg.norm(features.astype(np.float64), axis=1, keepdims=True)
    x = features / np.where(lengths > 0, lengths, 1.0)
    x = x - x.mean(0)
    variances, axes = np.linalg.eigh(x.T @ x)  # in rising order
    share = np.cumsum(variances[::-1]) / max(variances.sum(), 1e-300)
    kept = int(np.argmax(share >= VARIANCE)) + 1
    projected = (x @ axes[:, ::-1][:, :kept]).astype(np.float32)
    cells = min(cells, len(np.unique(projected, axis=0)))
    return (
        KMeans(cells, init="random", n_init=5, max_iter=500, random_state=seed).fit(projected).labels_.astype(np.int64)
    )


def _by_group(labels: Int[np.ndarray, "n"], seed: int, cells: int) -> Float[np.ndarray, "g k"]:
    """Records in each cell, by jackknife group."""
    group = jackknife_groups(len(labels), seed)
    groups = int(group.max()) + 1
    return np.bincount(group * cells + labels, minlength=groups * cells).reshape(groups, cells).astype(np.float64)


def _enough(n: int, m: int) -> None:
    if min(n, m) < FEWEST:
        what = f"MAUVE of {n} real and {m} generated texts cannot be trusted: it needs {FEWEST} a side, better {ENOUGH}"
        raise DataError(what, where="MAUVE", hint="generate more, or read another score")
