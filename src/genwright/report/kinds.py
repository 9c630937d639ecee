"""The kinds of data that reports show."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any

from genwright.data.dataset import ByKind, Dataset, Image, Series, Text
from genwright.report import columns, images, passages, series
from genwright.report.evidence import IMAGES, ROWS, TEXTS, Drawing, Records
from genwright.report.plots import Picture
from genwright.report.samples import (
    Previews,
    image_samples,
    image_shelves,
    table_samples,
    table_shelves,
    text_samples,
    text_shelves,
)
from genwright.scores.score import Group, Score

_JUDGED = (
    "are ranked by C2ST: how far a classifier that learned the difference fails to tell generated from real ones that "
    "it has not seen, for that sees single features and their dependence alike."
)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How records of one kind are shown.

    `template` of a page and of shelves, filled with `samples` and with `shelves` of `shown` records each; `pictures` by
    group of scores; `amount` of data in words; the `rule` of rankings; `walks`: whether the page has a place for those.
    A card says for what `task` the model is, what `things` it makes, and their `limits`.
    """

    template: str
    samples: Callable[[Records, Previews, Previews], dict[str, Any]]
    shelves: Callable[[Previews], dict[str, Any]]
    shown: int
    pictures: Mapping[Group, Drawing]
    amount: Callable[[Dataset], str]
    rule: str
    task: str
    things: str
    limits: str
    walks: bool = False


KINDS = ByKind[Kind](
    {
        Image: Kind(
            template="images",
            samples=image_samples,
            shelves=image_shelves,
            shown=10,
            pictures=IMAGES,
            walks=True,
            amount=images.amount,
            rule=f"Images {_JUDGED} With fewer than 10 images, by the nearest training image.",
            task="unconditional-image-generation",
            things="images",
            limits="Look at many samples before relying on them, also of the rarest class.",
        ),
        Text: Kind(
            template="text",
            samples=text_samples,
            shelves=text_shelves,
            shown=1,
            pictures=TEXTS,
            amount=passages.amount,
            rule=f"Texts {_JUDGED} With fewer than 10 texts (or passages of running text), by bits per byte where "
            "every likelihood is known, else by the divergence of byte 4-grams, then by the variety of words.",
            task="text-generation",
            things="text",
            limits="The text imitates its training data; nothing in it is checked to be true or, if code, to run.",
        ),
        Series: Kind(
            template="series",
            samples=series.series_samples,
            shelves=series.series_shelves,
            shown=8,
            pictures=series.PICTURES,
            amount=series.amount,
            rule=f"Series {_JUDGED} With fewer than 10 series, by the discriminative score, then by the ACF error.",
            task="time-series-forecasting",
            things="series of readings",
            limits="Readings keep to the range that was seen; longer memory than a record is not modelled.",
        ),
        NoneType: Kind(
            template="table",
            samples=table_samples,
            shelves=table_shelves,
            shown=3,
            pictures=ROWS,
            amount=columns.amount,
            rule=f"Tables {_JUDGED} With fewer than 10 rows, by trend error, then by shape error.",
            task="tabular-generation",
            things="rows of a table",
            limits="Rare values and rare combinations are the first thing a generative model of a table gets wrong.",
        ),
    }
)


def samples(records: Records, *, previews: Previews = (), walks: Previews = ()) -> dict[str, Any]:
    """The values that the template is filled with; `searched` says if training data is known."""
    shown = KINDS[records.real.kind].samples(records, previews, walks)
    return shown | {"searched": records.train is not None}


def picture(group: Group, *, scores: Sequence[Score], records: Records) -> Picture | None:
    """The picture that shows what the scores of `group` speak of; None where the records do not hold one."""
    draw = KINDS[records.real.kind].pictures.get(group)
    return draw and draw(records, scores)
