"""Judges of generated time series: classifiers that tell them from real ones, and forecasters that learn from them.

Yoon et al. 2019, "Time-series generative adversarial networks", sec. 5. Their recurrent judges are so noisy that two
runs differ by more than two generators do; here judges are small, repeated over splits, and the error counts both.
"""

import enum

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.special import erf
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from genwright.metrics.series import (
    MAX_LAGS,
    Records,
    autocorrelation,
    check_series,
    power_spectrum,
    series_groups,
)
from genwright.scores.intervals import Replicates
from genwright.scores.score import Score, signature

COPIED = "; judged worse than by chance: generated series resemble single real ones that the judge did not see"
MIN_JUDGED_SERIES = 100  # of each set
REFITS = 5  # of a forecaster, each without a fifth of the generated series
SPLITS = 10  # random splits into fitted and judged series, with a judge of its own seed each
JUDGED = 0.25  # share of groups of series that are judged in a split
RAW_FEATURES = 256  # most raw values of a series that trees look at
CONV_STEPS = 100
CONV_WIDTH = 16
LAGS = 8  # past values that a forecaster sees, of every channel
MAX_FORECAST_ROWS = 50_000


class SeriesJudge(enum.StrEnum):
    """Who tells real from generated series."""

    TREES = "boosted trees"  # on raw values, moments, autocorrelations and power spectra
    CONVOLUTION = "convolution"  # two layers over time, mean and greatest response; 100 steps of Adam


class Forecaster(enum.StrEnum):
    """Who predicts the next values of a series from the last 8."""

    LINEAR = "ridge regression"
    TREES = "boosted trees"


def discriminative_score(
    real: Float[np.ndarray, "n t c"],
    fake: Float[np.ndarray, "m _ _"],
    *,
    judge: SeriesJudge = SeriesJudge.TREES,
    splits: int = SPLITS,
    records: Records = Records.INDEPENDENT,
    seed: int = 0,
) -> Score:
    """|accuracy - 1/2| of a judge that tells real from generated series: 0 cannot be told apart, 1/2 always.

    As many series of each are used; accuracy is the mean over `splits` random splits, three quarters fitted and the
    rest judged, of a judge with a seed of its own. Whole groups of series (blocks of neighbours for windows) are on
    one side of a split. Interval: over the judged series, widened by sqrt(2) since fitted series are shared between
    splits, and over splits. The note has the mean of |accuracy - 1/2| over splits, which is what is usually reported
    and is above 0 even for perfect samples.
    """
    check_series(real, fake, least=MIN_JUDGED_SERIES)
    n = min(len(real), len(fake))
    rng = np.random.default_rng(seed)
    a, b = (x[_equally_many(len(x), n, records, rng)] for x in (real, fake))
    group = np.stack([series_groups(n, records, seed + i) for i in range(2)])
    right, times, accuracies = _judged_splits(_standardised(a, b), group, judge, splits, seed)
    accuracy = float(accuracies.mean())
    replicates = _accuracy_replicates(accuracy, right, times, group, accuracies)
    low, high = replicates.interval(accuracy, low=0.0, high=1.0)
    usual = float(np.mean(np.abs(accuracies - 0.5)))
    protocol = f"{judge.value}, {splits} splits, {records.value} of {real.shape[1]}"
    return Score(
        name="discriminative score",
        value=abs(accuracy - 0.5),
        direction="lower",
        n=n,
        signature=signature("discriminative score", protocol=protocol, n=(n, n), seed=seed),
        interval=_folded(low - 0.5, high - 0.5),
        note=f"accuracy {accuracy:.3f}, split by split {usual:.3f} from 1/2" + (COPIED if high < 0.5 else ""),
        replicates=_distance_replicates(replicates, accuracy),
    )


def predictive_score(
    real: Float[np.ndarray, "n t c"],
    fake: Float[np.ndarray, "m _ _"],
    *,
    test: Float[np.ndarray, "k _ _"],
    forecaster: Forecaster = Forecaster.LINEAR,
    records: Records = Records.INDEPENDENT,
    seed: int = 0,
) -> Score:
    """Mean absolute error one step ahead on real `test` series of a forecaster fitted to generated ones.

    In units of each channel's standard deviation in `real`. The floor is that of the forecaster fitted to as many
    `real` series, which the generator may have been fitted to; `test` series must be unseen. Each step is predicted
    from the 8 before it (fewer for short series), of all channels. Interval: over test series, and over generated ones
    by fitting 5 times with a fifth left out.
    """
    check_series(real, fake)
    check_series(real, test)
    n = min(len(real), len(fake))
    rng = np.random.default_rng(seed)
    centre, spread = real.mean(axis=(0, 1)), real.std(axis=(0, 1))
    spread = np.where(spread > 0, spread, 1.0)
    unseen = (test - centre) / spread
    taught = [(series[_equally_many(len(series), n, records, rng)] - centre) / spread for series in (fake, real)]
    errors = [_forecast_errors(chosen, unseen, forecaster, seed) for chosen in taught]
    group = series_groups(len(test), records, seed)
    sums, counts = np.bincount(group, weights=errors[0]), np.bincount(group)
    left = series_groups(n, records, seed + 1) % REFITS
    again = [_forecast_errors(taught[0][left != g], unseen, forecaster, seed).mean() for g in range(REFITS)]
    replicates = Replicates(
        tuple(((sums.sum() - sums) / (counts.sum() - counts)).tolist()), tuple(float(each) for each in again)
    )
    value, floor = (float(e.mean()) for e in errors)
    name = "predictive score"
    return Score(
        name=name,
        value=value,
        direction="lower",
        n=n,
        signature=signature(
            name, protocol=f"{forecaster.value}, {_lags(real)} lags, {records.value}", n=(len(test), n), seed=seed
        ),
        interval=replicates.interval(value, low=0.0),
        floor=floor,
        unit=" sd",
        group="utility",
        note=f"{100 * (value / max(floor, 1e-300) - 1):+.1f}% against training on real series",
        replicates=replicates,
    )


def _judged_splits(
    x: Float[np.ndarray, "n2 t c"], group: Int[np.ndarray, "2 n"], judge: SeriesJudge, splits: int, seed: int
) -> tuple[Float[np.ndarray, "2 n"], Float[np.ndarray, "2 n"], Float[np.ndarray, "s"]]:
    """How often each series was named rightly and was judged at all, and the accuracy of each split."""
    rng = np.random.default_rng(seed)
    seen = summary(x) if judge is SeriesJudge.TREES else x
    right, times, accuracies = np.zeros(group.shape), np.zeros(group.shape), []
    for split in range(splits):
        held = _held_out(group, rng)
        correct = _judged(seen, held.reshape(-1), judge, seed + split)
        accuracies.append(float(correct.mean()))
        right[held] += correct
        times[held] += 1
    return right, times, np.array(accuracies)


def _equally_many(n: int, most: int, records: Records, rng: np.random.Generator) -> Int[np.ndarray, "_"]:
    """`most` of n series in order: any, or neighbours if they are windows."""
    if records is Records.WINDOWS:
        start = int(rng.integers(n - most + 1))
        return np.arange(start, start + most)
    return np.sort(rng.choice(n, most, replace=False))


def _standardised(a: Float[np.ndarray, "n t c"], b: Float[np.ndarray, "n t c"]) -> Float[np.ndarray, "n2 t c"]:
    spread = a.std(axis=(0, 1))
    return (np.concatenate([a, b]) - a.mean(axis=(0, 1))) / np.where(spread > 0, spread, 1.0)


def summary(x: Float[np.ndarray, "n t c"]) -> Float[np.ndarray, "n f"]:
    """Raw values, moments of levels and of steps, autocorrelations and log power spectra of each series."""
    steps = np.diff(x, axis=1)
    lags = max(1, min(x.shape[1] // 4, MAX_LAGS))
    power = np.log(power_spectrum(x) + 1e-6)
    bands = np.array_split(power, min(8, power.shape[1]), axis=1)
    thin = max(1, -(-x.shape[1] * x.shape[2] // RAW_FEATURES))
    parts = [
        x[:, ::thin],
        *(np.stack([v.mean(1), v.std(1), v.min(1), v.max(1), np.abs(v).mean(1)], axis=1) for v in (x, steps)),
        autocorrelation(x, lags=lags),
        np.stack([band.mean(axis=1) for band in bands], axis=1),
    ]
    flat = [part.reshape(len(x), -1) for part in parts]
    first, second = np.triu_indices(x.shape[2], 1)
    return np.concatenate([*flat, (x[:, :, first] * x[:, :, second]).mean(axis=1)], axis=1)


def _held_out(group: Int[np.ndarray, "2 n"], rng: np.random.Generator) -> Bool[np.ndarray, "2 n"]:
    """A random quarter of the groups of each set."""
    groups = int(group.max()) + 1
    count = max(1, round(JUDGED * groups))
    return np.stack([np.isin(each, rng.choice(groups, count, replace=False)) for each in group])


def _judged(x: np.ndarray, held: Bool[np.ndarray, "n"], judge: SeriesJudge, seed: int) -> Bool[np.ndarray, "k"]:
    """Whether a judge fitted to the other series names each held-out one rightly (the first half of x is real)."""
    is_fake = np.arange(len(x)) >= len(x) // 2
    if judge is SeriesJudge.TREES:
        trees = HistGradientBoostingClassifier(
            max_iter=50, max_leaf_nodes=8, min_samples_leaf=5, early_stopping=False, max_features=0.2, random_state=seed
        )
        # One thread: OpenMP's threads wait for each other in busy loops, on a shared machine a hundred times slower.
        with threadpool_limits(limits=1, user_api="openmp"):
            named = trees.fit(x[~held], is_fake[~held]).predict(x[held])
    else:
        named = odds_of_fake(x[~held], is_fake[~held], x[held], seed) > 0.5
    return named == is_fake[held]


def odds_of_fake(
    x: Float[np.ndarray, "n t c"], is_fake: Bool[np.ndarray, "n"], judged: Float[np.ndarray, "k t c"], seed: int
) -> Float[np.ndarray, "k"]:
    """How probable a small convolutional net fitted to (x, is_fake) finds it that each judged series is generated."""
    rng = torch.Generator().manual_seed(seed)
    inputs, answers = torch.tensor(x, dtype=torch.float32).transpose(1, 2), torch.tensor(is_fake).float()
    net = _Convolution(inputs.shape[1], rng)
    optimizer = torch.optim.AdamW(net.parameters(), lr=5e-3, weight_decay=0.01, fused=True)
    for _ in range(CONV_STEPS):
        rows = torch.randint(len(inputs), (min(64, len(inputs)),), generator=rng)
        loss = nn.functional.binary_cross_entropy_with_logits(net(inputs[rows]), answers[rows])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        return net(torch.tensor(judged, dtype=torch.float32).transpose(1, 2)).sigmoid().double().numpy()


class _Convolution(nn.Module):
    """Two convolutions over time, then mean and greatest response of each channel."""

    def __init__(self, channels: int, rng: torch.Generator) -> None:
        super().__init__()
        self.first = nn.Conv1d(channels, CONV_WIDTH, 5, padding=2)
        self.second = nn.Conv1d(CONV_WIDTH, CONV_WIDTH, 5, padding=4, dilation=2)
        self.out = nn.Linear(2 * CONV_WIDTH, 1)
        for weights in self.parameters():  # not torch's default generator
            if weights.ndim > 1:
                nn.init.kaiming_uniform_(weights, nonlinearity="relu", generator=rng)
            else:
                nn.init.zeros_(weights)

    def forward(self, x: Float[Tensor, "n c t"]) -> Float[Tensor, "n"]:
        h = nn.functional.silu(self.second(nn.functional.silu(self.first(x))))
        return self.out(torch.cat([h.mean(2), h.amax(2)], dim=1)).squeeze(1)


def _accuracy_replicates(
    accuracy: float,
    right: Float[np.ndarray, "2 n"],
    times: Float[np.ndarray, "2 n"],
    group: Int[np.ndarray, "2 n"],
    accuracies: Float[np.ndarray, "s"],
) -> Replicates:
    """The accuracy with each group of real or generated series left out of those judged.

    Deviations are widened by sqrt(2) for the fitted series that splits share; the noise of the splits is added to
    both sides.
    """
    noise = accuracies.var(ddof=1) / len(accuracies) if len(accuracies) > 1 else 0.0
    sides = []
    for side in range(2):
        groups = int(group[side].max()) + 1
        sums, counts = (np.bincount(group[side], weights=v[side], minlength=groups) for v in (right, times))
        total = counts.sum()
        left = (sums.sum() - sums) / np.maximum(total - counts, 1)
        deviation = (left - sums.sum() / total) / 2 * np.sqrt(2)
        size = np.sqrt((groups - 1) / groups * np.sum((deviation - deviation.mean()) ** 2))
        scale = np.sqrt(1 + noise / 2 / size**2) if size > 0 else 1.0
        sides.append(tuple((accuracy + scale * deviation).tolist()))
    return Replicates(sides[0], sides[1])


def _distance_replicates(replicates: Replicates, accuracy: float) -> Replicates:
    """Replicates of |accuracy - 1/2| from those of the accuracy, the kink smoothed over its error."""
    slope = erf((accuracy - 0.5) / max(replicates.error, 1e-12))
    real, fake = (
        tuple(float(abs(accuracy - 0.5) + slope * (x - accuracy)) for x in side)
        for side in (replicates.real, replicates.fake)
    )
    return Replicates(real, fake)


def _folded(low: float, high: float) -> tuple[float, float]:
    """The interval of |x| for x from low to high."""
    ends = sorted((abs(low), abs(high)))
    return (0.0 if low <= 0 <= high else float(ends[0])), float(ends[1])


def _lags(series: np.ndarray) -> int:
    return max(1, min(LAGS, series.shape[1] // 2))


def _forecast_errors(
    fitted: Float[np.ndarray, "n t c"], test: Float[np.ndarray, "k t c"], forecaster: Forecaster, seed: int
) -> Float[np.ndarray, "k"]:
    """Mean absolute error over steps and channels of each test series."""
    lags = _lags(test)
    past, ahead = _forecast_rows(fitted, lags)
    rows = np.random.default_rng(seed).permutation(len(past))[:MAX_FORECAST_ROWS]
    past, ahead = past[rows], ahead[rows]
    given, wanted = _forecast_rows(test, lags)
    if forecaster is Forecaster.LINEAR:
        predicted = Ridge(alpha=1.0).fit(past, ahead).predict(given).reshape(wanted.shape)
    else:
        with threadpool_limits(limits=1, user_api="openmp"):
            columns = [
                HistGradientBoostingRegressor(early_stopping=False, random_state=seed).fit(past, y).predict(given)
                for y in ahead.T
            ]
        predicted = np.stack(columns, axis=1)
    return np.abs(predicted - wanted).reshape(len(test), -1).mean(axis=1)


def _forecast_rows(
    series: Float[np.ndarray, "n t c"], lags: int
) -> tuple[Float[np.ndarray, "r f"], Float[np.ndarray, "r c"]]:
    """Every stretch of `lags` steps and the step that follows it, series by series."""
    n, t, c = series.shape
    windows = np.lib.stride_tricks.sliding_window_view(series[:, :-1], lags, axis=1)  # (n, t - lags, c, lags)
    return windows.reshape(n * (t - lags), c * lags), series[:, lags:].reshape(-1, c)
