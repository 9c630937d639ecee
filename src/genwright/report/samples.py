"""What a page shows of the records themselves: rows, images or passages, real beside generated."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from genwright.data.dataset import Dataset, Image, Text
from genwright.report import columns, images, passages
from genwright.report.evidence import MOST, Records, spread, suspects
from genwright.report.pages import table_cells

_COLUMNS = 12
_ROWS = 6
_SEARCHED = 20_000  # training rows among which the nearest is looked for
_PASSAGES = 6

Previews = Sequence[tuple[str, Dataset]]


def samples(records: Records, *, previews: Previews = (), walks: Previews = ()) -> dict[str, Any]:
    """The values that the template of this kind of data is filled with; `searched` says if training data is known.

    `previews` are records of several generators by name, `walks` images on the way between two latents by name.
    """
    match records.real.media:
        case Image():
            shown = _images(records, previews, walks)
        case Text() as text:
            shown = _text(records, text, previews)
        case _:
            shown = _table(records)
    return shown | {"searched": records.train is not None}


def column_names(data: Dataset) -> list[str]:
    """The columns of a table that are shown: the first so many, the label among them."""
    names = [f.name for f in data.fields if not isinstance(f, Text | Image)]
    if data.label in names[_COLUMNS:]:
        return [*names[: _COLUMNS - 1], data.label]
    return names[:_COLUMNS]


def is_smooth(field: Image) -> bool:
    """Whether images are large enough to be shown without square pixels."""
    return field.shape is None or max(field.shape[:2]) > 64


def _table(records: Records) -> dict[str, Any]:
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


def _images(records: Records, previews: Previews, walks: Previews) -> dict[str, Any]:
    of, train = images.image_field(records.real), records.train
    return {
        "rows": images.rows(records.real, records.fake),
        "twins": [] if train is None else images.twins(records.fake, train, unseen=records.unseen),
        "walks": [(name, images.tiles(walk, of)) for name, walk in walks],
        "previews": [(name, images.tiles(preview.take(slice(10)), of)) for name, preview in previews],
        "smooth": is_smooth(of),
    }


def _text(records: Records, of: Text, previews: Previews) -> dict[str, Any]:
    texts = records.fake.columns[of.name][:_PASSAGES]
    source = "" if records.train is None else passages.corpus(records.train, of)
    return {
        "fakes": passages.marked(texts, source)
        if source
        else [passages.Passage(t, "", "") for t in passages.shortened(texts)],
        "reals": passages.shortened(records.unseen.columns[of.name][:2]),
        "previews": [(name, passages.shortened(p.columns[of.name][:1])) for name, p in previews],
    }
