"""The series part of a report: lines of real and of generated records, sensor by sensor."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from genwright.data.dataset import Dataset, Number, Series
from genwright.errors import DataError
from genwright.metrics.kind import Sides
from genwright.metrics.series import autocorrelation
from genwright.metrics.series_arrays import arrays_of
from genwright.report.charts import FAKE, REAL, svg
from genwright.report.evidence import Drawing, Records
from genwright.report.plots import Picture
from genwright.scores.score import Group, Score

LINES = 8  # records of each set in one panel
PANELS = 8  # features that are shown
SHELF = 4  # features on a shelf
Previews = Sequence[tuple[str, Dataset]]


@dataclass(frozen=True)
class Panel:
    """One feature, drawn."""

    name: str
    chart: Markup


def amount(data: Dataset) -> str:
    """How many series of how many readings there are, in words."""
    field = data.medium(Series)
    lengths = [len(rows) for rows in data.columns[field.name]] or [0]
    long = f"{min(lengths)}" if min(lengths) == max(lengths) else f"{min(lengths)} to {max(lengths)}"
    what = "windows" if field.window is not None else "series"
    sensors = f"{len(field.features)} {'sensor' if len(field.features) == 1 else 'sensors'}"
    return f"{len(data):,} {what} of {long} readings, {sensors}"


def series_samples(records: Records, previews: Previews, walks: Previews) -> dict[str, Any]:
    """Panels of the features, and small ones of what each family drew."""
    field = records.real.medium(Series)
    some = evenly(records.unseen, LINES)
    panels = [
        Panel(feature.name, lines((some, records.fake.take(slice(LINES))), i, title=feature.name))
        for i, feature in enumerate(field.features[:PANELS])
    ]
    return {
        "curves": panels,
        "more": [f.name for f in field.features[PANELS:]],
        "shown": LINES,
        "levels": [f.name for f in field.features[:PANELS] if not isinstance(f, Number)],
        "previews": series_shelves(previews)["shelves"],
    }


def series_shelves(shelves: Previews) -> dict[str, Any]:
    """Small panels of a few features for each system."""
    found = []
    for name, data in shelves:
        field = data.medium(Series)
        few = data.take(slice(LINES))
        charts = [Panel(f.name, lines((few,), i, title=f.name)) for i, f in enumerate(field.features[:SHELF])]
        found.append((name, charts))
    return {"shelves": found}


def evenly(data: Dataset, most: int) -> Dataset:
    """At most so many records, evenly spread."""
    return data.take(np.unique(np.linspace(0, len(data) - 1, most).astype(int))) if len(data) else data


def lines(sets: Sequence[Dataset], feature: int, *, title: str) -> Markup:
    """One feature of the records of one or two sets, real ones first where there are two, on one scale."""
    colours = (REAL, FAKE) if len(sets) == 2 else (FAKE,)
    width = 6.4 if len(sets) == 2 else 2.2

    def draw(figure: Figure) -> None:
        every = figure.subplots(1, len(sets), sharey=True, squeeze=False)[0]
        for axes, data, colour in zip(every, sets, colours, strict=True):
            field = data.medium(Series)
            for rows in data.columns[field.name]:
                after = rows[:, 0] - rows[0, 0]
                place = np.arange(len(rows)) if field.step is not None else after
                axes.plot(place, rows[:, 1 + feature], color=colour, linewidth=1.1, alpha=0.7, marker="", label=None)
            axes.margins(x=0)
            axes.grid(axis="y")
            axes.tick_params(labelsize=7)

    return svg(draw, size=(width, 1.35), title=f"{title}: {'real and generated' if len(sets) == 2 else 'generated'}")


def memory(records: Records, scores: Sequence[Score]) -> Picture | None:
    """Autocorrelation of real and of generated series, the mean of all sensors with its spread over them."""
    try:
        sets = arrays_of(Sides(records.fake, records.real))
    except DataError:
        return None
    lags = max(2, min(24, sets.real.shape[1] // 2))
    curves = [autocorrelation(x, lags=lags).mean(0) for x in (sets.real, sets.fake)]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for curve, colour in zip(curves, (REAL, FAKE), strict=True):
            for sensor in curve.T[:12]:
                axes.plot(np.arange(1, 1 + lags), sensor, color=colour, linewidth=0.6, alpha=0.35)
            axes.plot(np.arange(1, 1 + lags), curve.mean(1), color=colour, linewidth=2)
        axes.axhline(0, linewidth=0.7, color=REAL, alpha=0.4)
        axes.set_xlabel("readings later")

    caption = (
        "Autocorrelation: how alike readings are to those that follow them. Thin: single sensors; thick: their mean."
    )
    return Picture(svg(draw, size=(5.0, 2.4), title="autocorrelation of real and generated series"), caption)


PICTURES: dict[Group, Drawing] = {"fidelity": memory}
