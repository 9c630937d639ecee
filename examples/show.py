"""What every example does besides its subject: pictures as PNG files, numbers beside what they should be."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

FOLDER = Path(__file__).parents[1] / "runs" / "examples"  # git leaves runs/ alone
COLOURS = ("#1f6fb4", "#d1495b", "#3a8f5c", "#8c6bb1", "#e0a100")


def figure(rows: int, columns: int, *, width: float = 4.0, height: float = 3.6) -> tuple[Figure, np.ndarray]:
    """An empty figure and its (rows, columns) axes; `width` and `height` of each in inches."""
    page = Figure(figsize=(width * columns, height * rows), dpi=110, layout="constrained")
    return page, page.subplots(rows, columns, squeeze=False)


def images(axes: Axes, pixels: np.ndarray, *, columns: int, title: str = "") -> None:
    """Grey images (n, height, width, 1) side by side, `columns` in a row, dark on light."""
    n, height, width = pixels.shape[:3]
    rows = -(-n // columns)
    gap = 1
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap), np.nan)
    for i, image in enumerate(pixels[..., 0]):
        top, left = (i // columns) * (height + gap), (i % columns) * (width + gap)
        sheet[top : top + height, left : left + width] = image
    axes.imshow(sheet, cmap="gray_r", interpolation="nearest", vmin=0)
    axes.set_axis_off()
    axes.set_title(title, fontsize=10)


def save(page: Figure, out: Path | None, name: str) -> None:
    """Write the figure as `name`.png into `out`."""
    folder = FOLDER if out is None else out
    folder.mkdir(parents=True, exist_ok=True)
    page.savefig(folder / f"{name}.png")
    print(f"  picture: {folder / name}.png")


def numbers(measured: Mapping[str, float], expected: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """Print what was measured beside the range it should lie in, and return it."""
    width = max(len(name) for name in measured)
    for name, value in measured.items():
        low, high = expected[name]
        remark = "" if low <= value <= high else "   <- not what it should be"
        print(f"  {name:<{width}}  {value:9.4g}   expected {low:g} to {high:g}{remark}")
    return {name: float(value) for name, value in measured.items()}


def command(main: Callable[[Path | None], dict[str, float]]) -> None:
    """Run an example from the command line; its one argument, if given, is the folder for the pictures."""
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
