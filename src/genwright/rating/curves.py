"""Series as raters get them: pictures of their curves, every sensor on the scale of the data."""

import io
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image as Pillow

from genwright.data.dataset import Category, Dataset, Series

SENSORS = 6  # that are drawn, one above the other
SIZE = (4.8, 0.9)  # inches of one
DOTS = 100  # an inch


def curves_of(data: Dataset, index: Sequence[int]) -> list[UInt8[np.ndarray, "h w 3"]]:
    """A picture of each series: without times, which tell nothing of how well it is made."""
    field = data.medium(Series)
    return [_drawn(field, data.columns[field.name][i]) for i in index]


def _drawn(field: Series, rows: np.ndarray) -> UInt8[np.ndarray, "h w 3"]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    features = field.features[:SENSORS]
    figure = Figure(figsize=(SIZE[0], 0.3 + SIZE[1] * len(features)), dpi=DOTS)
    FigureCanvasAgg(figure)
    after = rows[:, 0] - rows[0, 0]
    for i, (axes, feature) in enumerate(
        zip(figure.subplots(len(features), 1, squeeze=False)[:, 0], features, strict=True)
    ):
        axes.plot(after, rows[:, 1 + i], color="#1b5e8c", linewidth=1.2)
        low, high = (0, len(feature.levels) - 1) if isinstance(feature, Category) else (feature.low, feature.high)
        room = 0.05 * (high - low) or 0.5
        axes.set_ylim(low - room, high + room)
        axes.set_xlim(0, after[-1] or 1)
        axes.set_xticks([])
        axes.tick_params(labelsize=6)
        axes.set_ylabel(feature.name[:14], fontsize=7)
    figure.tight_layout(pad=0.4)
    raw = io.BytesIO()
    figure.savefig(raw, format="png")
    return np.asarray(Pillow.open(raw).convert("RGB"))
