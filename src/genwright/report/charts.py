"""Charts as inline SVG. They take their colours and fonts from the page, so they follow its light and dark look.

Matplotlib draws with the stand-in colours below; in the SVG they become the page's CSS variables of the same names.
"""

import io
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib
import matplotlib.colors
import matplotlib.dates
import matplotlib.ticker
import numpy as np
from jaxtyping import Float
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

INK, MUTED, LINE, REAL, FAKE, GOOD, POOR = (f"#0{i}0{i}0{i}" for i in range(1, 8))
_VARIABLES = {INK: "ink", MUTED: "muted", LINE: "line", REAL: "real", FAKE: "fake", GOOD: "good", POOR: "poor"}
_STYLE: "dict[RcKeyType, Any]" = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a "$" in the data is a "$"
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "legend.frameon": False,
}


def svg(draw: Callable[[Figure], None], *, size: tuple[float, float], title: str) -> Markup:
    """Run `draw` on a figure of `size` inches and return it as SVG that scales with the page and has a spoken title."""
    # A salt from the contents keeps the ids of several charts on one page apart, and the same report byte-identical.
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": title}):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        raw = io.StringIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph")  # the page's own fonts draw what matplotlib's lack
            figure.savefig(
                raw, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Format": None}
            )
    drawn = re.sub(r"^.*?(?=<svg)", "", raw.getvalue(), flags=re.DOTALL)
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r'\s(?:width|height)="[\d.]+pt"', "", drawn, count=2)
    drawn = re.sub(r"font-family: [^;\"]*|'DejaVu Sans'(?:, [^;\"]*)?", "font-family: inherit", drawn)
    drawn = re.sub(r"(font: (?:[\w.]+ )*[\d.]+px) [^;\"]*", r"\1 var(--font)", drawn)
    for colour, variable in _VARIABLES.items():
        drawn = drawn.replace(colour, f"var(--{variable})")
    label = Markup.escape(title)
    return Markup(drawn.replace("<svg", f'<svg class="chart" role="img" aria-label="{label}"', 1))


def histogram(real: Float[np.ndarray, "n"], fake: Float[np.ndarray, "m"], *, title: str, dates: bool = False) -> Markup:
    """Shares of real (filled) and generated (outlined) values per bin of the real range, missing values left out.

    What lies outside the real range is counted in the outermost bins. `dates`: values are days since 1970.
    """
    real, fake = real[np.isfinite(real)], fake[np.isfinite(fake)]
    edges = _edges(real, bins=int(np.clip(2 * len(real) ** 0.4, 8, 36)))
    counts = [np.histogram(np.clip(v, edges[0], edges[-1]), edges)[0] / max(len(v), 1) for v in (real, fake)]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.stairs(counts[0], edges, fill=True, color=REAL, alpha=0.55, linewidth=0)
        axes.stairs(counts[1], edges, color=FAKE, linewidth=1.6)
        _bare(axes)
        axes.locator_params(axis="x", nbins=4)
        if dates:
            axes.xaxis.set_major_locator(matplotlib.dates.AutoDateLocator(minticks=2, maxticks=5))
            axes.xaxis.set_major_formatter(matplotlib.dates.ConciseDateFormatter(axes.xaxis.get_major_locator()))

    return svg(draw, size=(2.9, 1.5), title=f"Distribution of {title}, real and generated")


def bars(
    levels: Sequence[str], real: Float[np.ndarray, "k"], fake: Float[np.ndarray, "k"], *, title: str, width: float = 2.9
) -> Markup:
    """Shares of each level, real beside generated, as horizontal bars."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        rows = np.arange(len(levels))
        axes.barh(rows - 0.19, real, height=0.36, color=REAL, alpha=0.7)
        axes.barh(rows + 0.19, fake, height=0.36, color=FAKE)
        axes.set_yticks(rows, [short(level) for level in levels])
        axes.invert_yaxis()
        axes.xaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1.0, decimals=0))
        axes.locator_params(axis="x", nbins=3)
        axes.spines["bottom"].set_visible(False)
        axes.grid(axis="x")

    return svg(draw, size=(width, max(1.5, 0.24 * len(levels) + 0.35)), title=f"Shares of {title}, real and generated")


def curves(
    series: Mapping[str, tuple[Sequence[int], Sequence[float]]], *, title: str, size: tuple[float, float] = (6.4, 2.6)
) -> Markup:
    """Lines of (steps, losses) by name; the line called "held out" is the one in colour."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        drawn = []
        for name, (steps, losses) in series.items():
            held_out = name.startswith("held")
            style: dict[str, Any] = {"color": FAKE, "linewidth": 1.8} if held_out else {"color": REAL, "linewidth": 1.2}
            axes.plot(steps, losses, label=name, **style)
            drawn.append(np.asarray(losses, dtype=float))
        axes.set_ylim(*_focus(np.concatenate(drawn)))
        axes.grid(axis="y")
        axes.set_xlabel("step")
        axes.locator_params(nbins=5)
        axes.legend(loc="upper right", labelcolor=MUTED)

    return svg(draw, size=size, title=title)


def heat_map(
    matrix: Float[np.ndarray, "c c"], *, names: Sequence[str], title: str, colour: str = FAKE, top: float = 1.0
) -> Markup:
    """A square map of strengths from 0 (page colour) to `top` (full `colour`)."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        c = len(matrix)
        axes.set_aspect("equal")
        cells = np.full((c, c, 4), matplotlib.colors.to_rgba(colour))
        cells[..., 3] = np.clip(matrix / top, 0.0, 1.0)
        axes.pcolormesh(cells, linewidth=0)
        axes.set(xlim=(0, c), ylim=(c, 0))
        names_fit = c <= 24
        axes.set_yticks(np.arange(c) + 0.5 if names_fit else [], [short(name) for name in names] if names_fit else [])
        axes.set_xticks([])
        axes.tick_params(labelsize=max(5.5, 10.0 - 0.18 * c))
        axes.spines[:].set_visible(True)

    return svg(draw, size=(3.5, 2.7), title=title)


def _edges(real: Float[np.ndarray, "n"], *, bins: int) -> Float[np.ndarray, "k"]:
    """Bin edges over the middle 99 % of the real values; whole numbers get whole-number bins."""
    if len(real) == 0:
        return np.linspace(0.0, 1.0, bins + 1)
    low, high = np.quantile(real, [0.005, 0.995])
    if low == high:
        low, high = low - 0.5, high + 0.5
    if np.all(real == np.round(real)):
        width = max(1.0, np.ceil((high - low + 1) / bins))
        return np.arange(np.floor(low) - 0.5, np.ceil(high) + width, width)
    return np.linspace(low, high, bins + 1)


def _focus(losses: Float[np.ndarray, "n"]) -> tuple[float, float]:
    """Limits that show where training ended up, not the height it fell from."""
    losses = losses[np.isfinite(losses)]
    low, high = np.min(losses), np.quantile(losses, 0.95)
    margin = 0.08 * max(high - low, 1e-6 + 1e-3 * abs(high))
    return float(low - margin), float(high + margin)


def _bare(axes: Axes) -> None:
    """No vertical axis: only shapes are compared."""
    axes.set_yticks([])
    axes.margins(x=0.02)


def short(name: str) -> str:
    """`name` cut to what fits beside a small chart."""
    return name if len(name) <= 18 else name[:17] + "…"
