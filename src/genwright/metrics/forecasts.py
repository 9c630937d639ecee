"""Forecasts of unseen series, beside those of persistence, of the last season, and of a linear model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from sklearn.linear_model import Ridge

from genwright.data.dataset import Dataset, Number, Series, Time
from genwright.data.series import held
from genwright.data.times import time_unit
from genwright.errors import DataError
from genwright.metrics.series_arrays import filled
from genwright.model.generator import Generator
from genwright.scores.intervals import Replicates, mean_replicates
from genwright.scores.score import Score, signature

FORECAST = 24  # records that are forecast
DRAWS = 20  # of each
SEASONS = {"s": (86400.0, 604800.0), "m": (1440.0, 10080.0), "h": (24.0, 168.0), "D": (7.0, 365.0), "M": (12.0,)}
PENALTY = 1.0  # of the linear model, on standardised values
MAX_FITTED = 4000  # records that it learns from
Ensemble = Float[np.ndarray, "n d h c"]  # records, draws, steps ahead, features


def crps(ensemble: Ensemble, truth: Float[np.ndarray, "n h c"]) -> Float[np.ndarray, "n h c"]:
    """Continuous ranked probability score of an ensemble: E|X - y| - E|X - X'| / 2, of all pairs of draws.

    Gneiting and Raftery 2007, "Strictly proper scoring rules", eq. 21; unbiased in the number of draws, of which one
    alone gives the absolute error. NaN where the truth is not known.

    >>> crps(np.array([0.0, 2.0]).reshape(1, 2, 1, 1), np.array([[[1.0]]])).item()
    0.0
    """
    off = np.abs(ensemble - truth[:, None]).mean(axis=1)
    m = ensemble.shape[1]
    if m == 1:
        return off
    order = np.sort(ensemble, axis=1)
    weights = (2 * np.arange(1, m + 1) - m - 1).reshape(1, m, 1, 1)
    return off - (weights * order).sum(axis=1) / (m * (m - 1))


@dataclass(frozen=True)
class Task:
    """Forecasts `horizon` steps ahead from `past`, of records whose `truth` is known; `scale` are standard deviations.

    `learned` are training records, the past and then what followed, and `season` the steps after which days or weeks
    begin again, None where a past is shorter.
    """

    past: Float[np.ndarray, "n p c"]
    truth: Float[np.ndarray, "n h c"]
    learned: Float[np.ndarray, "m t c"]
    scale: Float[np.ndarray, " c"]
    season: int | None

    @property
    def horizon(self) -> int:
        """Steps ahead."""
        return self.truth.shape[1]


def persistence(past: Float[np.ndarray, "n p c"], horizon: int) -> Float[np.ndarray, "n h c"]:
    """The last reading, for ever."""
    return np.repeat(past[:, -1:], horizon, axis=1)


def seasonal_naive(past: Float[np.ndarray, "n p c"], horizon: int, *, season: int) -> Float[np.ndarray, "n h c"]:
    """What was read a season before."""
    at = past.shape[1] - season + np.arange(horizon) % season
    return past[:, at]


def linear(task: Task) -> Callable[[Float[np.ndarray, "n p c"], int], Float[np.ndarray, "n h c"]]:
    """Ridge regression of all that follows on all that came before."""
    centre = task.learned.mean((0, 1))
    x, y = (
        (task.learned[:, : -task.horizon] - centre) / task.scale,
        (task.learned[:, -task.horizon :] - centre) / task.scale,
    )
    model = Ridge(alpha=PENALTY).fit(x.reshape(len(x), -1), y.reshape(len(y), -1))

    def told(past: np.ndarray, horizon: int) -> np.ndarray:
        found = model.predict(((past - centre) / task.scale).reshape(len(past), -1))
        return found.reshape(len(past), horizon, -1) * task.scale + centre

    return told


def rivals(task: Task, *, draws: int, seed: int) -> dict[str, Ensemble]:
    """Ensembles of simple forecasts: each with errors that it made on training records."""
    ways: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {"persistence": persistence}
    if task.season is not None:
        season = task.season
        ways["seasonal naive"] = lambda past, horizon: seasonal_naive(past, horizon, season=season)
    ways["linear model"] = linear(task)
    rng = np.random.default_rng(seed)
    made = {}
    for name, way in ways.items():
        errors = task.learned[:, -task.horizon :] - way(task.learned[:, : -task.horizon], task.horizon)
        rows = rng.integers(0, len(errors), (len(task.past), draws))
        made[name] = way(task.past, task.horizon)[:, None] + errors[rows]
    return made


def season_of(field: Series, past: int) -> int | None:
    """Steps in the longest of a day, a week or a year that a past holds whole; None where it holds none."""
    if field.step is None or not isinstance(field.time, Time):
        return None
    whole = [s / field.step for s in SEASONS.get(time_unit(field.time.format), ())]
    fitting = [round(s) for s in whole if s >= 2 and abs(s - round(s)) < 1e-9 and s <= past]
    return max(fitting, default=None)


def task_of(field: Series, unseen: Dataset, train: Dataset, *, horizon: int, most: int, seed: int) -> Task:
    """Records of full length as a task; gaps of the past are filled, those of the truth stay open."""
    rng = np.random.default_rng(seed)
    length = field.lengths[1] if field.window is None else field.window
    sets = []
    for data, few in ((unseen, most), (train, MAX_FITTED)):
        whole = [rows[:, 1:] for rows in data.columns[field.name] if len(rows) == length]
        if len(whole) < 10:
            raise DataError(f"{len(whole)} series of {length} readings are too few to be forecast", where=field.name)
        at = np.sort(rng.permutation(len(whole))[:few])
        sets.append(np.stack([whole[i] for i in at]))
    numbers = [i for i, f in enumerate(field.features) if isinstance(f, Number)]
    if not numbers:
        raise DataError("no number varies along the series", where=field.name)
    asked, learned = (x[:, :, numbers] for x in sets)
    known = filled(learned)
    scale = known.std((0, 1))
    past = filled(asked[:, : length - horizon])
    return Task(
        past,
        asked[:, length - horizon :],
        known,
        np.where(scale > 1e-9, scale, 1.0),
        season_of(field, length - horizon),
    )


def forecast_scores(
    generator: Generator,
    unseen: Dataset,
    *,
    train: Dataset | None,
    horizon: int | None = None,
    most: int = FORECAST,
    draws: int = DRAWS,
    seed: int = 0,
) -> Score:
    """Mean CRPS of forecasts of the last half of unseen records given the first, in standard deviations.

    The baseline is persistence; the note has seasonal naive and a linear model too. Raises DataError for models that
    cannot be given the past.
    """
    field = unseen.medium(Series)
    length = field.lengths[1] if field.window is None else field.window
    horizon = horizon or length // 2
    if train is None or field.step is None:
        raise DataError("forecasts need training records, at times of one distance", where=field.name)
    task = task_of(field, unseen, train, horizon=horizon, most=most, seed=seed)
    own = own_forecasts(generator, field, unseen, task, length=length, draws=draws, most=most, seed=seed)
    scores = {"": own, **rivals(task, draws=draws, seed=seed)}
    values = {name: np.nanmean(crps(x, task.truth) / task.scale, axis=(1, 2)) for name, x in scores.items()}
    there = np.isfinite(values[""])
    each = {name: value[there] for name, value in values.items()}
    replicates = Replicates(tuple(mean_replicates(each[""], seed=seed)), ())
    value = float(each[""].mean())
    told = ", ".join(f"{name} {x.mean():.3f}" for name, x in each.items() if name)
    return Score(
        name="forecast CRPS",
        value=value,
        direction="lower",
        n=int(there.sum()),
        signature=signature(
            "forecast CRPS", protocol=f"{horizon} ahead, {draws} draws", n=(len(each[""]),) * 2, seed=seed
        ),
        interval=replicates.interval(value, low=0.0),
        baseline=float(each["persistence"].mean()),
        unit=" sd",
        group="utility",
        note=told,
        replicates=replicates,
    )


def own_forecasts(
    generator: Generator,
    field: Series,
    unseen: Dataset,
    task: Task,
    *,
    length: int,
    draws: int,
    most: int,
    seed: int,
) -> Ensemble:
    """Draws of the generator given the past of each record of a task."""
    items = [rows for rows in unseen.columns[field.name] if len(rows) == length]
    at = np.sort(np.random.default_rng(seed).permutation(len(items))[:most])
    given = held([items[i][: length - task.horizon] for i in at for _ in range(draws)])
    past = Dataset((field,), {field.name: given}, unseen.name)
    beside: Mapping[str, object] = {field.name: past, "horizon": task.horizon}
    drawn = generator.sample(len(given), given=beside, seed=seed)
    numbers = [1 + i for i, f in enumerate(field.features) if isinstance(f, Number)]
    ahead = np.stack([rows[-task.horizon :, numbers] for rows in drawn.columns[field.name]])
    return ahead.reshape(len(at), draws, task.horizon, len(numbers))
