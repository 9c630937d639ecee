"""Pictures of whole sets of records: maps, distances, word frequencies, bars and intervals, as inline SVG."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.ticker
import numpy as np
from jaxtyping import Float, Int, UInt8
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage

from genwright.report.charts import FAKE, INK, LINE, MUTED, REAL, short, svg
from genwright.scores.score import Score

WIDTH = 5.0  # inches, so that letters can be read on a phone
_FEW_POINTS = 150  # below, points are drawn larger
_LABELLED = 14  # words that are named on a map of words


@dataclass(frozen=True)
class Picture:
    """A chart, what it shows, and whether its colours tell real from generated records."""

    chart: Markup
    caption: str
    coloured: bool = True


def point_map(
    real: Float[np.ndarray, "n 2"],
    fake: Float[np.ndarray, "m 2"],
    *,
    title: str,
    thumbnails: Sequence[tuple[float, float, bool, UInt8[np.ndarray, "h w c"]]] = (),
) -> Markup:
    """Real and generated records as points in a plane; `thumbnails` are (x, y, whether real, pixels 0..255)."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        size = 22 if len(real) < _FEW_POINTS else 9
        axes.scatter(real[:, 0], real[:, 1], s=size, color=REAL, alpha=0.75, linewidths=0)
        axes.scatter(fake[:, 0], fake[:, 1], s=size, facecolors="none", edgecolors=FAKE, linewidths=0.9, alpha=0.9)
        for x, y, is_real, pixels in thumbnails:
            _thumbnail(axes, (x, y), pixels, REAL if is_real else FAKE)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines["bottom"].set_visible(False)
        axes.margins(0.06)

    return svg(draw, size=(WIDTH, 2.9), title=title)


def distances(
    real: Float[np.ndarray, "n"], fake: Float[np.ndarray, "m"], *, label: str, title: str, whole: bool = False
) -> Markup:
    """Shares of distances (or lengths, if `whole` numbers) of real (filled) and generated records (outlined), from 0.

    What lies above the middle 99 % of both is counted in the outermost bin.
    """
    top = float(np.quantile(np.concatenate([real, fake]), 0.995)) or 1.0
    bins = int(np.clip(1.5 * min(len(real), len(fake)) ** 0.5, 8, 40))
    edges = np.linspace(0.0, top, bins + 1)
    if whole:
        edges = np.arange(0.0, top + 2, max(1.0, np.ceil(top / bins))) - 0.5
    counts = [np.histogram(np.clip(v, edges[0], edges[-1]), edges)[0] / max(len(v), 1) for v in (real, fake)]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.stairs(counts[0], edges, fill=True, color=REAL, alpha=0.55, linewidth=0)
        axes.stairs(counts[1], edges, color=FAKE, linewidth=1.6)
        for values, colour in ((real, REAL), (fake, FAKE)):
            axes.axvline(float(np.median(values)), color=colour, linewidth=1.2, linestyle=(0, (3, 2)))
        axes.set_yticks([])
        axes.set_xlim(edges[0], edges[-1])
        axes.set_xlabel(label)

    return svg(draw, size=(WIDTH, 2.1), title=title)


def word_map(words: Sequence[str], real: Float[np.ndarray, "w"], fake: Float[np.ndarray, "w"], *, title: str) -> Markup:
    """How often words occur among a thousand, real against generated, on logarithmic axes; the farthest off named."""
    apart = np.sqrt(real + fake) * np.abs(np.log(fake / real))  # often and far off, about as a test would weigh it
    named = _apart_enough(np.log(np.stack([real, fake], axis=1)), np.argsort(-apart, kind="stable"))

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.set(xscale="log", yscale="log", xlabel="in a thousand real words", ylabel="in a thousand generated")
        ends = [0.8 * min(real.min(), fake.min()), 1.25 * max(real.max(), fake.max())]
        axes.plot(ends, ends, color=LINE, linewidth=1.2)
        axes.scatter(real, fake, s=10, color=FAKE, alpha=0.55, linewidths=0)
        for k in named:
            above = fake[k] > real[k]
            axes.annotate(
                short(words[k]),
                (real[k], fake[k]),
                xytext=(-4, 2) if above else (4, -2),
                textcoords="offset points",
                ha="right" if above else "left",
                va="bottom" if above else "top",
                fontsize=8,
                color=INK,
            )
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
            axis.set_minor_formatter(matplotlib.ticker.NullFormatter())
        axes.margins(0.05)

    return svg(draw, size=(WIDTH, 3.6), title=title)


def single_bars(names: Sequence[str], values: Sequence[float], *, marked: int, label: str, title: str) -> Markup:
    """Horizontal bars of one quantity with its number at the end; the bar `marked` stands out."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        rows = np.arange(len(names))
        axes.barh(rows, values, height=0.6, color=[FAKE if k == marked else REAL for k in rows])
        for row, value in zip(rows, values, strict=True):
            axes.annotate(
                f"{value:.2f}", (value, row), xytext=(4, 0), textcoords="offset points", va="center", color=INK
            )
        axes.set_yticks(rows, names)
        axes.invert_yaxis()
        axes.set_xlabel(label)
        axes.margins(x=0.12)
        axes.spines["bottom"].set_visible(False)
        axes.grid(axis="x")

    return svg(draw, size=(WIDTH, 0.3 * len(names) + 0.7), title=title)


def interval_lines(scores: Sequence[Score], *, title: str) -> Markup:
    """Scores of one unit below each other, each with its interval, and the floor of the first that has one."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for row, score in enumerate(scores):
            low, high = score.interval or (score.value, score.value)
            axes.plot([low, high], [row, row], color=FAKE, linewidth=5, alpha=0.3, solid_capstyle="round")
            axes.plot([score.value], [row], "o", color=FAKE, markersize=6)
        floor = next((score.floor for score in scores if score.floor is not None), None)
        if floor is not None:
            axes.axvline(floor, color=INK, linewidth=1.2)
        axes.set_yticks(
            range(len(scores)), [score.name if len(score.name) < 40 else short(score.name) for score in scores]
        )
        axes.invert_yaxis()
        axes.margins(y=0.3)
        axes.grid(axis="x")
        axes.set_xlabel(scores[0].unit.strip(), color=MUTED)

    return svg(draw, size=(WIDTH, 0.3 * len(scores) + 0.7), title=title)


def _apart_enough(places: Float[np.ndarray, "w 2"], order: Int[np.ndarray, "w"]) -> list[int]:
    """The first points of `order` whose labels would not cover one another."""
    where = (places - places.min(0)) / np.maximum(np.ptp(places, axis=0), 1e-9)
    chosen: list[int] = []
    for k in order:
        if all(abs(where[k, 0] - where[i, 0]) > 0.14 or abs(where[k, 1] - where[i, 1]) > 0.045 for i in chosen):
            chosen.append(int(k))
        if len(chosen) == _LABELLED:
            break
    return chosen


def _thumbnail(axes: Axes, at: tuple[float, float], pixels: UInt8[np.ndarray, "h w c"], colour: str) -> None:
    """A small framed image on the map, about as large for any number of pixels."""
    height, width, channels = pixels.shape
    shown = np.repeat(pixels, 3, axis=2) if channels == 1 else pixels
    picture = OffsetImage(shown, zoom=19 / max(height, width), interpolation="nearest")
    axes.add_artist(AnnotationBbox(picture, at, pad=0.12, bboxprops={"edgecolor": colour, "linewidth": 1.6}))
