"""Bradley–Terry strengths from paired comparisons: ties after Davidson, side effect, raters resampled as a whole."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.special import expit, logit
from scipy.stats import t as student

from genwright.errors import DataError
from genwright.scores.intervals import Z95

Ties = Literal["davidson", "half win"]  # a tie is an outcome of its own, or half a win for each (FastChat's rule)
Sides = Literal["ignored", "estimated"]

ELO = 400 / np.log(10)  # Elo points per unit of log-strength
PRIOR_SD = 3.0  # of log-strengths, where the comparisons alone do not bound them: 521 Elo points
LARGEST = 15.0  # log-strengths, sides and ties beyond it are on their way to infinity
STEPS = 60  # of Newton's method; 6 to 8 are usual


@dataclass(frozen=True, kw_only=True)
class Comparisons:
    """n comparisons of k systems: who stood left and right, and the outcome: 0 left won, 1 right won, 2 a tie.

    Entries of `left` and `right` are places in `systems`; `rater` numbers the raters from 0 on.
    """

    systems: tuple[str, ...]
    left: Int[np.ndarray, "n"]
    right: Int[np.ndarray, "n"]
    outcome: Int[np.ndarray, "n"]
    rater: Int[np.ndarray, "n"]

    def __post_init__(self) -> None:
        if len(self.systems) < 2 or not len(self.left):
            raise DataError(f"{len(self.left)} comparisons of {len(self.systems)} systems", hint="need 1 and 2 or more")
        if (self.left == self.right).any():
            raise DataError("a system compared with itself says nothing of strengths", hint="leave such trials out")


@dataclass(frozen=True, kw_only=True)
class Strengths:
    """Fitted strengths: `log_strength` has mean 0; `tie` is Davidson's nu; `side` the log-odds that left gains.

    `note` says when a weak prior (standard deviation 3 of log-strengths) had to bound what the comparisons do not.
    """

    systems: tuple[str, ...]
    log_strength: Float[np.ndarray, "k"]
    tie: float
    side: float
    note: str = ""

    @property
    def elo(self) -> Float[np.ndarray, "k"]:
        """Strengths in Elo points around 0: 400 points are odds of 10 to 1."""
        return ELO * self.log_strength

    def win_probability(self) -> Float[np.ndarray, "k k"]:
        """Probability that the row's system wins against the column's, sides being fair; ties are the remainder."""
        return _win(self.log_strength[None], np.array([self.tie]))[0]

    def expected_score(self) -> Float[np.ndarray, "k k"]:
        """Probability of a win plus half that of a tie."""
        win = self.win_probability()
        return (1 + win - win.T) / 2


@dataclass(frozen=True, kw_only=True)
class Bootstrapped:
    """Strengths with their values on b resamples of the raters, or of the comparisons where there is one rater."""

    estimate: Strengths
    log_strength: Float[np.ndarray, "b k"]
    tie: Float[np.ndarray, "b"]
    side: Float[np.ndarray, "b"]
    clusters: int

    def error(self, replicates: Float[np.ndarray, "b *rest"]) -> Float[np.ndarray, "*rest"]:
        """Standard error from resampled values.

        Half their central 95 % range over 1.96, so that the rare resample without a finite fit does not carry it off;
        times R/(R - 1) in the variance, as resampling R raters understates their spread by that.
        """
        low, high = np.quantile(replicates, [0.025, 0.975], axis=0)
        return np.asarray((high - low) / (2 * Z95) * np.sqrt(self.clusters / max(self.clusters - 1, 1)))

    @property
    def quantile(self) -> float:
        """Standard errors in the half of a 95 % interval: Student's, with one degree of freedom less than raters."""
        return float(student.ppf(0.975, max(self.clusters - 1, 1)))

    def strength_intervals(self) -> Float[np.ndarray, "k 2"]:
        """95 % intervals of the log-strengths."""
        return self._around(self.estimate.log_strength, self.log_strength)

    def side_interval(self) -> tuple[float, float]:
        """95 % interval of the side effect."""
        low, high = self._around(np.array([self.estimate.side]), self.side[:, None])[0]
        return float(low), float(high)

    def gaps(self) -> tuple[Float[np.ndarray, "k k"], Float[np.ndarray, "k k"]]:
        """Differences of log-strengths, row less column, and their standard errors."""
        here, there = self.estimate.log_strength, self.log_strength
        return here[:, None] - here[None, :], self.error(there[:, :, None] - there[:, None, :])

    def score_intervals(self) -> Float[np.ndarray, "k k 2"]:
        """95 % intervals of the expected scores (wins plus half the ties), made on the logit scale."""
        win = _win(self.log_strength, self.tie)
        replicates = logit(np.clip((1 + win - win.swapaxes(1, 2)) / 2, 1e-9, 1 - 1e-9))
        here = logit(np.clip(self.estimate.expected_score(), 1e-9, 1 - 1e-9))
        return expit(self._around(here, replicates))

    def p_values(self) -> Float[np.ndarray, "k k"]:
        """p-values of two systems being equally strong."""
        gap, error = self.gaps()
        ratio = np.divide(np.abs(gap), error, out=np.where(gap != 0, np.inf, 0.0), where=error > 0)
        return 2 * student.sf(ratio, max(self.clusters - 1, 1))

    def _around(
        self, value: Float[np.ndarray, "*rest"], replicates: Float[np.ndarray, "b *rest"]
    ) -> Float[np.ndarray, "*rest 2"]:
        half = self.quantile * self.error(replicates)
        return np.stack([value - half, value + half], axis=-1)


def bradley_terry(comparisons: Comparisons, *, ties: Ties = "davidson", sides: Sides = "ignored") -> Strengths:
    """Maximum-likelihood strengths, by Newton's method to a mean gradient of 1e-12.

    P(i beats j) : P(j beats i) : P(tie) = pi_i : pi_j : nu sqrt(pi_i pi_j) (Davidson 1970, eq. 2.4); the left side may
    multiply its strength by exp(side) (Davidson and Beaver 1977). Where no finite maximum exists (systems not joined by
    comparisons, or one that never loses) a weak normal prior is added, and the note says so.

    >>> ones = np.ones(8, dtype=int)
    >>> few = Comparisons(systems=("a", "b"), left=0 * ones, right=ones, outcome=np.arange(8) // 6, rater=0 * ones)
    >>> round(float(np.diff(bradley_terry(few).log_strength)[0]), 6)  # 6 wins to 2: log-odds log 3
    -1.098612
    """
    model = _Model(comparisons, ties, sides)
    counts = model.counts(comparisons, np.zeros(len(comparisons.left), dtype=np.int64))
    fit, bounded = model.fit(counts)
    note = _unbounded(comparisons, counts[0], model) if bounded[0] else ""
    return Strengths(
        systems=comparisons.systems,
        log_strength=model.log_strength(fit)[0],
        tie=float(model.tie(fit)[0]),
        side=float(model.side(fit)[0]),
        note=note,
    )


def bootstrap(
    comparisons: Comparisons,
    *,
    ties: Ties = "davidson",
    sides: Sides = "ignored",
    replications: int = 1000,
    seed: int = 0,
) -> Bootstrapped:
    """Strengths with resamples of whole raters, so that a rater's answers may depend on each other."""
    model = _Model(comparisons, ties, sides)
    several = comparisons.rater.max() > 0
    clusters = np.unique(comparisons.rater, return_inverse=True)[1] if several else np.arange(len(comparisons.left))
    counts = model.counts(comparisons, clusters)
    n = len(counts)
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=replications).astype(np.float64)
    fit, _ = model.fit((drawn @ counts.reshape(n, -1)).reshape(replications, *counts.shape[1:]))
    return Bootstrapped(
        estimate=bradley_terry(comparisons, ties=ties, sides=sides),
        log_strength=model.log_strength(fit),
        tie=model.tie(fit),
        side=model.side(fit),
        clusters=n,
    )


def leave_one_rater_out(
    comparisons: Comparisons, *, ties: Ties = "davidson", sides: Sides = "ignored"
) -> Float[np.ndarray, "r k"]:
    """Log-strengths with each rater left out in turn: jackknife replicates."""
    model = _Model(comparisons, ties, sides)
    counts = model.counts(comparisons, np.unique(comparisons.rater, return_inverse=True)[1])
    return model.log_strength(model.fit(counts.sum(axis=0) - counts)[0])


class _Model:
    """The log-linear form: log-odds of left, right and tie are s, -s and eta, with s linear in the coefficients.

    Coefficients: k - 1 contrasts of log-strengths, then the side if estimated, then eta = log nu if ties are modelled.
    """

    def __init__(self, comparisons: Comparisons, ties: Ties, sides: Sides) -> None:
        k = len(comparisons.systems)
        self.half_wins = ties == "half win"
        self.tied = not self.half_wins and bool((comparisons.outcome == 2).any())
        self.sided = sides == "estimated"
        self.pairs = np.unique(comparisons.left * k + comparisons.right)
        self.left, self.right = np.divmod(self.pairs, k)
        centred = np.eye(k) - 1 / k
        self.contrasts = np.linalg.svd(centred)[0][:, : k - 1]  # orthonormal, each column of sum 0
        slope = self.contrasts[self.left] - self.contrasts[self.right]
        if self.sided:
            slope = np.column_stack([slope, np.ones(len(slope))])
        self.slope = slope / 2

    def counts(self, comparisons: Comparisons, cluster: Int[np.ndarray, "n"]) -> Float[np.ndarray, "c m 3"]:
        """How often each cluster saw each outcome of each (left, right) pair."""
        k, m = len(comparisons.systems), len(self.pairs)
        pair = np.searchsorted(self.pairs, comparisons.left * k + comparisons.right)
        cell = (cluster * m + pair) * 3 + comparisons.outcome
        counts = np.bincount(cell, minlength=(int(cluster.max()) + 1) * m * 3).reshape(-1, m, 3).astype(np.float64)
        if self.half_wins:
            counts[..., :2] += counts[..., 2:] / 2
            counts[..., 2] = 0
        return counts

    def fit(self, counts: Float[np.ndarray, "b m 3"]) -> tuple[Float[np.ndarray, "b p"], np.ndarray]:
        """Coefficients of b sets of counts, and which of them needed the prior."""
        fit, done = self._newton(counts, ridge=0.0)
        strengths = self.log_strength(fit)
        spread = np.ptp(strengths, axis=1)
        others = np.abs(fit[:, self.contrasts.shape[1] :]).max(axis=1, initial=0)
        unbounded = ~done | (spread > LARGEST) | (others > LARGEST)
        if unbounded.any():
            fit[unbounded] = self._newton(counts[unbounded], ridge=PRIOR_SD**-2)[0]
        return fit, unbounded

    def _newton(
        self, counts: Float[np.ndarray, "b m 3"], *, ridge: float
    ) -> tuple[Float[np.ndarray, "b p"], np.ndarray]:
        """Newton's method on all sets at once; steps are kept below 3, which only far-off starts reach."""
        total = counts.sum(axis=2)
        q = self.slope.shape[1]
        outer = (self.slope[:, :, None] * self.slope[:, None, :]).reshape(len(self.slope), q * q)
        fit = np.zeros((len(counts), q + self.tied))
        done = np.zeros(len(counts), dtype=bool)
        for _ in range(STEPS):
            left, right, tie = self._probabilities(fit)
            ahead = left - right
            score = [(counts[..., 0] - counts[..., 1] - total * ahead) @ self.slope]
            curve = np.zeros((len(fit), fit.shape[1], fit.shape[1]))
            curve[:, :q, :q] = ((total * (left + right - ahead**2)) @ outer).reshape(-1, q, q)
            if self.tied:
                score.append((counts[..., 2] - total * tie).sum(axis=1, keepdims=True))
                curve[:, :q, q] = curve[:, q, :q] = -(total * ahead * tie) @ self.slope
                curve[:, q, q] = (total * tie * (1 - tie)).sum(axis=1)
            gradient = np.concatenate(score, axis=1) - ridge * fit
            done = np.abs(gradient).max(axis=1) <= 1e-12 * total.sum(axis=1)
            if done.all():
                break
            damped = curve + (ridge + 1e-12 * total.sum(axis=1))[:, None, None] * np.eye(fit.shape[1])
            step = np.linalg.solve(damped, gradient[..., None])[..., 0]
            fit += step / np.maximum(np.abs(step).max(axis=1, keepdims=True) / 3, 1)
        smallest = np.linalg.eigvalsh(curve)[:, 0] + ridge
        return fit, done & (smallest > 1e-9 * total.sum(axis=1))

    def _probabilities(self, fit: Float[np.ndarray, "b p"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of left, right and tie, each (b, m)."""
        ahead = fit[:, : self.slope.shape[1]] @ self.slope.T
        logits = np.stack([ahead, -ahead, np.full_like(ahead, -np.inf)])
        if self.tied:
            logits[2] = fit[:, -1:]
        weights = np.exp(logits - logits.max(axis=0))
        left, right, tie = weights / weights.sum(axis=0)
        return left, right, tie

    def log_strength(self, fit: Float[np.ndarray, "b p"]) -> Float[np.ndarray, "b k"]:
        return fit[:, : self.contrasts.shape[1]] @ self.contrasts.T

    def tie(self, fit: Float[np.ndarray, "b p"]) -> Float[np.ndarray, "b"]:
        return np.exp(fit[:, -1]) if self.tied else np.zeros(len(fit))

    def side(self, fit: Float[np.ndarray, "b p"]) -> Float[np.ndarray, "b"]:
        return fit[:, self.contrasts.shape[1]] if self.sided else np.zeros(len(fit))


def _win(log_strength: Float[np.ndarray, "b k"], tie: Float[np.ndarray, "b"]) -> Float[np.ndarray, "b k k"]:
    """P(row beats column) = 1 / (1 + e^-gap + nu e^(-gap / 2))."""
    gap = log_strength[:, :, None] - log_strength[:, None, :]
    return 1 / (1 + np.exp(-gap) + tie[:, None, None] * np.exp(-gap / 2))


def _unbounded(comparisons: Comparisons, counts: Float[np.ndarray, "m 3"], model: _Model) -> str:
    """Why the comparisons alone bound no maximum, and what was done."""
    done = f"a weak prior (standard deviation {PRIOR_SD:g} of log-strengths) bounds the strengths"
    k = len(comparisons.systems)
    tied, left, right = counts[:, 2] > 0, model.left, model.right
    over = np.concatenate([left[(counts[:, 0] > 0) | tied], right[(counts[:, 1] > 0) | tied]])
    under = np.concatenate([right[(counts[:, 0] > 0) | tied], left[(counts[:, 1] > 0) | tied]])
    beats = coo_matrix((np.ones(len(over)), (over, under)), shape=(k, k))
    for connection, why in (("weak", "no comparison joins"), ("strong", "one always wins over the other:")):
        parts, part = connected_components(beats, directed=True, connection=connection)
        if parts > 1:
            sets = [", ".join(comparisons.systems[i] for i in np.flatnonzero(part == p)) for p in range(parts)]
            return f"{why} {' | '.join(sets)}; {done}"
    return f"sides or ties are all alike; {done}"
