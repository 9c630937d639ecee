"""A new kind of data, in its own files and in one line of each table, goes all the way from reading to the report."""

import sys
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, ClassVar, final

import numpy as np
import pytest
import torch

import genwright as gw
from genwright.codecs import fit as codecs
from genwright.codecs import schema
from genwright.codecs.codec import Codec
from genwright.codecs.columns import ColumnsCodec
from genwright.data import dataset, media, read
from genwright.data.dataset import Dataset, Number
from genwright.metrics import kinds as metrics
from genwright.metrics.baselines import table_baselines
from genwright.metrics.judges import table_look
from genwright.metrics.tables import shape_error
from genwright.rating import media as rating
from genwright.rating.stimuli import draw
from genwright.rating.words import encoded_texts
from genwright.report import kinds as report
from genwright.report.evidence import ALL
from genwright.report.measured import evaluation_page
from genwright.spaces import Encoded, Given, Reals

POINTS = 4


@dataclass(frozen=True)
class Tone:
    """A sound of a few points. Column: float64 array (n, points)."""

    running: ClassVar[bool] = False
    name: str
    storage: None = field(default=None, compare=False, repr=False)


@final
@dataclass(frozen=True)
class ToneCodec(Codec):
    """One tone field <-> `Reals((points,))`."""

    field: Tone
    space = Reals((POINTS,))
    conditions = None
    scalars = ColumnsCodec((), (), "tones")

    @classmethod
    def fit(cls, data: Dataset, *, rng: torch.Generator) -> "ToneCodec":
        return cls(data.medium(Tone))

    @property
    def fields(self) -> tuple[Tone]:
        return (self.field,)

    def encode(self, data: Dataset, *, rng: torch.Generator) -> Encoded:
        return Encoded(torch.from_numpy(data.columns[self.field.name]).float())

    def decode(self, encoded: Encoded, *, rng: torch.Generator) -> Dataset:
        return tones(encoded.x.double().numpy())

    def given(self, fixed: Any, n: int, *, rng: torch.Generator) -> Given:
        return Given()

    def to_json(self) -> dict[str, Any]:
        return {"kind": "tones", "field": schema.field_to_json(self.field)}

    @classmethod
    def from_json(cls, told: Any, *, where: str = "codec.json") -> "ToneCodec":
        return cls(schema.field_of(told["field"], Tone, where=where))


def tones(values: np.ndarray) -> Dataset:
    return Dataset((Tone("tone"),), {"tone": values}, "tones")


def as_table(data: Dataset) -> Dataset:
    """What metrics look at."""
    values = data.columns[data.medium(Tone).name]
    return Dataset(tuple(Number(f"{i}") for i in range(POINTS)), {f"{i}": values[:, i] for i in range(POINTS)})


def as_words(data: Dataset, index: Any) -> list[str]:
    return [str(row) for row in data.columns["tone"][index]]


def scored(found: Any, sides: Any, tools: Any) -> None:
    found.add("shape error", lambda: shape_error(as_table(sides.real), as_table(sides.fake), seed=tools.seed))


DATA = media.Kind(
    one="tone",
    many="tones",
    suffix=".tone",
    formats={".tone": lambda data: (data.columns["tone"].astype("<f8").tobytes(), ())},
    ends=lambda field, column: (f"{column.min():.1f}", f"{column.max():.1f}"),
)
METRICS = metrics.Kind(
    score=scored,
    looks=lambda sides, seed: [table_look(as_table(sides.real), as_table(sides.fake), seed=seed)],
    headlines=(),
    baselines=table_baselines,
    points=lambda of, sets: [data.columns["tone"] for data in sets],
    drawn=(50, 1000),
    judged=(50, 1000),
)
REPORT = report.Kind(
    template="text",
    samples=lambda records, previews, walks: {"fakes": [], "reals": as_words(records.real, slice(3)), "previews": []},
    shelves=lambda shelves: {"shelves": [(name, as_words(data, slice(3))) for name, data in shelves]},
    shown=3,
    pictures=ALL,
    amount=lambda data: f"{len(data)} tones",
    rule="Tones are ranked by C2ST.",
    task="unconditional-tone-generation",
    things="tones",
    limits="Listen to many.",
)
RATING = rating.Kind(
    medium="text",
    many="tones",
    things="tones",
    suffix=".txt",
    content_type="text/plain; charset=utf-8",
    of=as_words,
    encoded=encoded_texts,
)


def read_tones(path: Any, options: Any) -> Dataset:
    return tones(np.fromfile(path, "<f8").reshape(-1, POINTS))


@pytest.fixture
def edited(monkeypatch) -> set[str]:
    """The files that the new kind is listed in."""
    monkeypatch.setattr("tests.shapes.checking", False)  # `Field` and `Media` name the kinds that there are
    lists = SimpleNamespace(MEDIA=(*dataset.MEDIA, Tone), ARRAYS=(*dataset.ARRAYS, Tone))
    known = {name: getattr(dataset, name) for name in vars(lists)}
    for module in [m for name, m in sys.modules.items() if name.startswith("genwright.")]:
        for name, value in known.items():
            if getattr(module, name, None) is value:  # which is imported from one file
                monkeypatch.setattr(module, name, getattr(lists, name))
    edits = [
        (read, "READERS", ".tone", (read_tones, ())),
        (media, "KINDS", Tone, DATA),
        (schema, "KINDS", "tone", Tone),
        (schema, "NAMES", Tone, "tone"),
        (codecs, "CODECS", "tones", ToneCodec),
        (codecs, "KINDS", Tone, codecs.Kind(ToneCodec, lambda field: Reals((POINTS,)))),
        (metrics, "KINDS", Tone, METRICS),
        (report, "KINDS", Tone, REPORT),
        (rating, "KINDS", Tone, RATING),
    ]
    for module, table, key, line in edits:
        monkeypatch.setitem(getattr(module, table), key, line)
    return {dataset.__file__, *(module.__file__ for module, *_ in edits)}


def test_a_new_kind_goes_from_its_files_to_the_report(edited, tmp_path):
    assert len(edited) <= 8
    rng = np.random.default_rng(0)
    told = gw.write(tones(rng.normal(0, 0.3, (150, POINTS)).cumsum(1).clip(-1, 1)), tmp_path / "a.tone")
    data = gw.read(tmp_path / "a.tone")
    assert told == () and data.kind is Tone and len(data.train) > 100
    model = gw.fit(data, family=gw.Mixture(components=2), steps=3, seed=0)
    model.save(tmp_path / "model")
    fake = gw.load(tmp_path / "model").sample(40, seed=1)
    gw.write(fake, tmp_path / "fake.tone")
    fake = gw.read(tmp_path / "fake.tone")
    found = gw.evaluate(fake, real=data.test, train=data.train)
    assert found["C2ST"].value > 0.1 and found["C2ST"].baseline is not None and "shape error" in found
    html = evaluation_page(found, fake=fake, real=data.test, train=data.train, name="tones")
    assert str(data.test.columns["tone"][0][0])[:6] in html
    assert draw({"a": fake, "b": data}, {"a": 3, "b": 3}, seed=0).medium == "text"
