"""Readings of sensors, hour by hour: new days of a plant, what comes next, and what a sensor missed.

A record is a window of a longer series. The model learns the joint distribution of all sensors at all hours of it, so
that a forecast, a gap and a new day are one question each: what is free, given what is known? Forecasts are whole
distributions, and so is the error that they are scored by (CRPS, in standard deviations): beside those of persistence,
of the same hours a day before, and of a linear model.

    python examples/sensors.py

You should see forecasts of the last 12 of 36 hours that are better than persistence and the day before, and close to
a linear model that learned this one question only; intervals that hold fewer readings than they say, for 40 days are
few; gaps filled in with a fifth of the error of a straight line; and new records with the memory of real ones, at times
that fit them: they are warmest in the afternoon.
"""

from pathlib import Path

import numpy as np
import pandas as pd

import genwright as gw
import show
from genwright.metrics.forecasts import Task, crps, own_forecasts, rivals, task_of
from genwright.metrics.kind import Sides
from genwright.metrics.series import acf_error
from genwright.metrics.series_arrays import arrays_of

WINDOW, AHEAD, DRAWS = 36, 12, 30
HOURS = 24 * 50

EXPECTED = {
    "CRPS of the model": (0.1, 0.25),  # 0.163
    "CRPS of persistence": (0.6, 0.8),  # 0.711
    "CRPS of the day before": (0.35, 0.55),  # 0.447
    "CRPS of a linear model": (0.1, 0.2),  # 0.150
    "readings within 80 % intervals, %": (50.0, 80.0),  # 61.5
    "error of filled gaps, sd": (0.05, 0.2),  # 0.090
    "error on a straight line, sd": (0.4, 0.6),  # 0.495
    "ACF error of new days": (0.0, 0.06),  # 0.014
    "hours between 15 o'clock and the warmest hour": (0.0, 2.0),  # 0
}


def plant() -> pd.DataFrame:
    """Load and temperature of a plant: days and weekends, weather that drifts, and a load that follows the heat."""
    rng = np.random.default_rng(0)
    time = pd.date_range("2024-03-04", periods=HOURS, freq="h")
    weather = np.zeros(HOURS)
    for t in range(1, HOURS):
        weather[t] = 0.97 * weather[t - 1] + 0.4 * rng.normal()
    heat = 15 + 6 * np.sin(2 * np.pi * (time.hour - 9) / 24) + weather
    work = np.where(time.day_of_week < 5, 1.0, 0.5) * (8 + 4 * np.sin(2 * np.pi * (time.hour - 6) / 24))
    load = work + 0.4 * np.roll(heat, 2) + 0.3 * rng.normal(size=HOURS)
    return pd.DataFrame({"time": time, "load": load.round(2), "heat": heat.round(1)})


def main(out: Path | None = None) -> dict[str, float]:
    """Fit windows; forecast, fill gaps, draw new days."""
    data = gw.read(plant(), series={"time": "time", "window": WINDOW, "stride": 2})
    model = gw.fit(data, family=gw.Mixture(components=1, rank=48), steps=6)
    field = data.media

    task = task_of(field, data.test, data.train, horizon=AHEAD, most=30, seed=0)
    own = own_forecasts(model, field, data.test, task, length=WINDOW, draws=DRAWS, most=30, seed=0)
    scores = {name: score(x, task) for name, x in {"own": own, **rivals(task, draws=DRAWS, seed=0)}.items()}
    low, high = np.quantile(own, [0.1, 0.9], axis=1)
    gaps, line = filled_gaps(model, data, task.scale)
    fake = model.sample(300, seed=1)
    sets = arrays_of(Sides(fake, data.train))
    print(f"{len(data.train)} windows of {WINDOW} hours of two sensors; {len(task.truth)} unseen ones are forecast:")
    numbers = {
        "CRPS of the model": scores["own"],
        "CRPS of persistence": scores["persistence"],
        "CRPS of the day before": scores["seasonal naive"],
        "CRPS of a linear model": scores["linear model"],
        "readings within 80 % intervals, %": 100 * float(((task.truth >= low) & (task.truth <= high)).mean()),
        "error of filled gaps, sd": gaps,
        "error on a straight line, sd": line,
        "ACF error of new days": acf_error(sets.real, sets.fake, records=sets.records).value,
        "hours between 15 o'clock and the warmest hour": clock_error(fake),
    }
    draw(out, task, own, fake)
    return show.numbers(numbers, EXPECTED)


def score(ensemble: np.ndarray, task: Task) -> float:
    """Mean CRPS in standard deviations."""
    return float((crps(ensemble, task.truth) / task.scale).mean())


def filled_gaps(model: gw.Generator, data: gw.Dataset, scale: np.ndarray) -> tuple[float, float]:
    """Mean absolute errors in the load where nine hours of it are hidden: of the model's median, and of a line."""
    truth = np.stack([rows[:, 1:] for rows in data.test.columns["series"][:12]])
    hidden = truth.copy()
    hidden[:, 12:21, 0] = np.nan
    drawn = model.sample(12 * DRAWS, given={"series": hidden.repeat(DRAWS, axis=0)}, seed=2)
    found = np.stack([rows[12:21, 1] for rows in drawn.columns["series"]]).reshape(12, DRAWS, 9)
    ends = truth[:, [11, 21], 0]
    line = ends[:, :1] + (ends[:, 1:] - ends[:, :1]) * np.arange(1, 10) / 10
    asked = truth[:, 12:21, 0]
    own, straight = (float(np.abs(guess - asked).mean() / scale[0]) for guess in (np.median(found, axis=1), line))
    return own, straight


def clock_error(fake: gw.Dataset) -> float:
    """How far from 15 o'clock the warmest hour lies on average, by the times that samples come with."""
    frame = fake.frame
    warmth = frame.groupby(frame["time"].dt.hour)["heat"].mean()
    return float(min(abs(warmth.idxmax() - 15), 24 - abs(warmth.idxmax() - 15)))


def draw(out: Path | None, task: Task, own: np.ndarray, fake: gw.Dataset) -> None:
    """Forecasts with their intervals, and new days."""
    page, axes = show.figure(2, 3, height=2.2)
    past = np.arange(task.past.shape[1])
    ahead = past[-1] + 1 + np.arange(AHEAD)
    for k in range(3):
        low, middle, high = np.quantile(own[k * 9, :, :, 0], [0.1, 0.5, 0.9], axis=0)
        axes[0, k].plot(past, task.past[k * 9, :, 0], color="0.3")
        axes[0, k].plot(ahead, task.truth[k * 9, :, 0], color="0.3", linestyle=":")
        axes[0, k].fill_between(ahead, low, high, color=show.COLOURS[0], alpha=0.3)
        axes[0, k].plot(ahead, middle, color=show.COLOURS[0])
        for i, name in enumerate(("load", "heat"), start=1):
            axes[1, k].plot(fake.columns["series"][k][:, i], color=show.COLOURS[i], label=name)
    axes[0, 1].set_title("load: forecasts with 80 % intervals; dotted: what came", fontsize=10)
    axes[1, 1].set_title("new records", fontsize=10)
    axes[1, 2].legend(fontsize=8)
    show.save(page, out, "sensors")


if __name__ == "__main__":
    show.command(main)
