"""What a page shows of the records themselves: rows, images or passages, real beside generated.

Each function gives the values that the template of its kind of data is filled with. `previews` are records of several
generators by name, `walks` images on the way between two latents by name, `shelves` records of systems by name, the
real ones first.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from genwright.data.dataset import MEDIA, Dataset, Image, Text
from genwright.report import columns, faults, images, passages
from genwright.report.evidence import MOST, Records, spread, suspects
from genwright.report.pages import table_cells

_COLUMNS = 12
_ROWS = 6
_SEARCHED = 20_000  # training rows among which the nearest is looked for
_PASSAGES = 6

Previews = Sequence[tuple[str, Dataset]]


def column_names(data: Dataset) -> list[str]:
    """The columns of a table that are shown: the first so many, the label among them."""
    names = [f.name for f in data.fields if not isinstance(f, MEDIA)]
    if data.label in names[_COLUMNS:]:
        return [*names[: _COLUMNS - 1], data.label]
    return names[:_COLUMNS]


def is_smooth(field: Image) -> bool:
    """Whether images are large enough to be shown without square pixels."""
    return field.shape is None or max(field.shape[:2]) > 64


def table_samples(records: Records, previews: Previews, walks: Previews) -> dict[str, Any]:
    """Columns, and rows beside the nearest of training."""
    real, fake = records.real, records.fake
    names = [name for name in column_names(real) if name in {f.name for f in fake.fields}]
    enough = len(real.scalars) >= 2
    shown: dict[str, Any] = {
        "panels": columns.panels(real, fake),
        "maps": columns.maps(real, fake) if enough else None,
        "names": names,
        "left_out": [f.name for f in real.fields if f.name not in names],
        "rows": [],
        "closest": [],
        "fakes": table_cells(fake.take(slice(_ROWS)), names),
        "reals": table_cells(records.unseen.take(slice(_ROWS)), names),
    }
    if records.train is not None and real.scalars:
        few, train = fake.take(slice(_ROWS)), records.train
        nearest = train.take(columns.nearest_rows(few, train.take(slice(_SEARCHED))))
        found = suspects(records)
        close = spread(fake, MOST).take(np.array([s.fake for s in found], dtype=int))
        twins = spread(train, 10 * MOST).take(np.array([s.train for s in found], dtype=int))
        shown["rows"] = _side_by_side(few, nearest, names)
        shown["closest"] = list(zip(found, _side_by_side(close, twins, names), strict=True))
    return shown


def _side_by_side(a: Dataset, b: Dataset, names: list[str]) -> list[list[tuple[str, str]]]:
    """Rows of two tables as pairs of cells."""
    pairs = zip(table_cells(a, names), table_cells(b, names), strict=True)
    return [list(zip(*pair, strict=True)) for pair in pairs]


def image_samples(records: Records, previews: Previews, walks: Previews) -> dict[str, Any]:
    """Images by class, those nearest to training, and those on the way from one to another."""
    of, train = images.image_field(records.real), records.train
    return {
        "rows": images.rows(records.real, records.fake),
        "twins": [] if train is None else images.twins(records.fake, train, unseen=records.unseen),
        "judged": faults.judged(records),
        "walks": [(name, images.tiles(walk, of)) for name, walk in walks],
        "previews": [(name, images.tiles(preview.take(slice(10)), of)) for name, preview in previews],
        "smooth": is_smooth(of),
    }


def text_samples(records: Records, previews: Previews, walks: Previews) -> dict[str, Any]:
    """Passages with what is copied in them marked."""
    of = records.real.medium(Text)
    texts = records.fake.columns[of.name][:_PASSAGES]
    source = "" if records.train is None else passages.corpus(records.train, of)
    return {
        "fakes": passages.marked(texts, source)
        if source
        else [passages.Passage(t, "", "") for t in passages.shortened(texts)],
        "reals": passages.shortened(records.unseen.columns[of.name][:2]),
        "previews": [(name, passages.shortened(p.columns[of.name][:1])) for name, p in previews],
    }


def table_shelves(shelves: Previews) -> dict[str, Any]:
    """Rows as cells."""
    names = column_names(shelves[-1][1])
    return {"shelves": [(name, table_cells(data, names)) for name, data in shelves], "names": names}


def image_shelves(shelves: Previews) -> dict[str, Any]:
    """Images as tiles."""
    of = images.image_field(shelves[0][1])
    return {"shelves": [(name, images.tiles(data, of)) for name, data in shelves], "smooth": is_smooth(of)}


def text_shelves(shelves: Previews) -> dict[str, Any]:
    """Passages shortened."""
    return {"shelves": [(name, passages.shortened(d.columns[d.medium(Text).name])) for name, d in shelves]}
