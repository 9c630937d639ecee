"""How training went: what the doctor said, and the curves it was said by."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

from genwright.report import charts

_SIZE = (3.1, 2.1)


def watched(record: Mapping[str, Any]) -> list[tuple[Markup, str]]:
    """Charts with their captions, of a fit that was watched; none of others."""
    looks = [look for look in record.get("looks", ()) if isinstance(look, Mapping)]
    seen = [look for look in looks if look.get("missing") is not None]
    drawn = []
    if len(seen) >= 2:
        steps = [look["step"] for look in seen]
        shares = {
            "in modes that samples miss": [look["missing"] for look in seen],
            "samples that are copies": [look["copied"] for look in seen],
        }
        what = "Shares while training: real records in modes that samples miss, and samples that are copies."
        drawn.append((_lines(steps, shares, title="Modes missed and copies by step", low=0.0), what))
        spread = {"samples": [look["spread"] for look in seen]}
        what = "How far samples are from each other, real records being at 1; near 0 all are alike."
        drawn.append((_lines(steps, spread, title="Spread of samples by step", low=0.0, mark=1.0), what))
    if len(looks) >= 2 and looks[-1].get("gradients"):
        what = "Typical gradient of each layer at the last look, from the first layer to the last."
        drawn.append((_depths(looks[-1]["gradients"]), what))
    return drawn


def _lines(
    steps: Sequence[int],
    series: Mapping[str, Sequence[float]],
    *,
    title: str,
    low: float,
    mark: float | None = None,
) -> Markup:
    """Up to two lines by step."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for (name, values), colour in zip(series.items(), (charts.FAKE, charts.REAL), strict=False):
            axes.plot(steps, values, color=colour, linewidth=1.6, label=name)
        if mark is not None:
            axes.axhline(mark, color=charts.MUTED, linewidth=0.8, linestyle=":")
        axes.set_ylim(bottom=low)
        axes.grid(axis="y")
        axes.set_xlabel("step")
        axes.locator_params(nbins=4)
        if len(series) > 1:
            axes.legend(loc="upper right", labelcolor=charts.MUTED)

    return charts.svg(draw, size=_SIZE, title=title)


def _depths(gradients: Mapping[str, Sequence[float]]) -> Markup:
    """The gradient of each layer, one line per player."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for (name, values), colour in zip(gradients.items(), (charts.REAL, charts.FAKE), strict=False):
            alive = [(i + 1, each) for i, each in enumerate(values) if each > 0]
            places, strengths = [each[0] for each in alive], [each[1] for each in alive]
            axes.semilogy(places, strengths, color=colour, linewidth=1.2, marker="o", markersize=3, label=name)
        axes.set_xlabel("layer")
        axes.grid(axis="y")
        if len(gradients) > 1:
            axes.legend(loc="upper right", labelcolor=charts.MUTED)

    return charts.svg(draw, size=_SIZE, title="Gradient by depth")
