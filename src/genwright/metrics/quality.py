"""How good single records are, by a judge, by their label, by how new they are; and what choosing by it costs.

Every rating sees records as points, see `Kind.points`, so that one of each does for all kinds of data.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.ensemble import ExtraTreesClassifier

from genwright.data.dataset import Category, Dataset
from genwright.errors import ArgumentError
from genwright.maths.distances import nearest_of
from genwright.metrics.diversity import vendi
from genwright.metrics.kinds import KINDS
from genwright.metrics.two_sample import odds_by_trees
from genwright.model.generator import Generator

TREES = 200  # that name a label
MAX_ROWS = 5000  # of each set that is learned from or compared; more would only cost time
Points = Float[np.ndarray, "n d"]


class By(enum.StrEnum):
    """What makes a record good."""

    JUDGE = "judge"  # it looks real: the log-odds of real against generated, by boosted trees
    LABEL = "label"  # it is clearly what it is called: the probability of its label, by trees fitted to real records
    NOVELTY = "novelty"  # it is no copy: the distance to the nearest real record
    DENSITY = "density"  # the model expects it: its log-density


@dataclass(frozen=True, eq=False)
class Rater:
    """A rating of records: call it with a Dataset for a number each, the higher the better."""

    name: str
    real: Dataset | None = field(repr=False)
    rate: Any = field(repr=False)

    def __call__(self, data: Dataset) -> Float[np.ndarray, "n"]:
        return np.asarray(self.rate(data), dtype=np.float64)


def rater(
    real: Dataset | None = None,
    *,
    by: By | str = By.JUDGE,
    model: Generator | None = None,
    fake: Dataset | None = None,
    seed: int = 0,
) -> Rater:
    """A rating of single records for `Generator.sample(best_of=4, by=...)`.

    `real` is what records are held against: the data that the model was fitted to. The judge also learns from `fake`,
    or from as many records of `model`. The density is that of `model`. Raises ArgumentError for what is lacking.

    >>> import genwright as gw
    >>> wine = gw.read("wine")
    >>> model = gw.fit(wine, family=gw.Mixture(components=4), steps=20)
    >>> best = model.sample(20, best_of=4, by=gw.rater(wine.train, by="label"))
    >>> len(best), best.notes[-1].split(":")[0]
    (20, 'kept 20 of 80 drawn, the best of every 4 by label')
    """
    if by not in list(By):
        raise ArgumentError(f"by={by!r:.60} is no rating", where="rater", hint=f"choose from {', '.join(By)}")
    by = By(by)
    if by is By.DENSITY:
        return Rater(by.value, real, _needed(model, "model", "the density is that of a model").log_prob)
    real = _some(_needed(real, "real", "give the data that the model was fitted to"), seed)
    if by is By.LABEL:
        return Rater(by.value, real, _naming(real, seed))
    if by is By.NOVELTY:
        return Rater(by.value, real, lambda data: nearest_of(*_points(real, [data, real]))[0])
    drawn = fake if fake is not None or model is None else model.sample(len(real), seed=seed + 1)
    return Rater(by.value, real, _judging(real, _some(_needed(drawn, "model", "the judge learns from samples"), seed)))


@dataclass(frozen=True)
class Cost:
    """What choosing did to the variety of records: effective numbers of different ones (Vendi scores, of equally many)
    among those drawn, those kept and real ones.
    """

    drawn: float
    kept: float
    real: float

    def __str__(self) -> str:
        numbers = f"{self.kept:.1f} kept, {self.drawn:.1f} drawn, {self.real:.1f} real"
        return f"effectively different among as many: {numbers} ({self.kept / self.drawn - 1:+.0%} by choosing)"


def cost(kept: Dataset, drawn: Dataset, *, real: Dataset, seed: int = 0) -> Cost:
    """How much less varied records are for having been chosen among those drawn."""
    n = min(len(kept), len(drawn), len(real), MAX_ROWS)
    rng = np.random.default_rng(seed)
    sets = [data.take(np.sort(rng.permutation(len(data))[:n])) for data in (drawn, kept, real)]
    points = _points(real, sets)
    spread = float(points[2].var(axis=0).sum())
    return Cost(*(_vendi(x, spread) for x in points))


def _vendi(x: Points, spread: float) -> float:
    """The effective number of different rows, which are half alike where they are as far apart as real ones are from
    their mean.
    """
    squares = (x * x).sum(1)
    apart = np.maximum(squares[:, None] + squares[None, :] - 2 * x @ x.T, 0.0)
    return vendi(np.exp2(-apart / max(spread, 1e-12)))


def _needed(value: Any, name: str, hint: str) -> Any:
    if value is None:
        raise ArgumentError(f"{name} is not given", where="rater", hint=hint)
    return value


def _some(data: Dataset, seed: int) -> Dataset:
    rows = np.sort(np.random.default_rng(seed).permutation(len(data))[:MAX_ROWS])
    return data if len(rows) == len(data) else data.take(rows)


def _points(real: Dataset, sets: Sequence[Dataset]) -> list[Points]:
    """Records as points whose distances say how different they are."""
    return KINDS[real.kind].points(real, sets)


def _traits(real: Dataset, sets: Sequence[Dataset]) -> list[Points]:
    """Records as trees see them."""
    kind = KINDS[real.kind]
    return (kind.traits or kind.points)(real, sets)


def looks_real(real: Dataset, fake: Dataset, *, seed: int = 0) -> Float[np.ndarray, "n"]:
    """How real each of `fake` looks to a judge who has not seen it: each half is judged by what the other half and as
    many real records taught.
    """
    order, rates = np.random.default_rng(seed).permutation(len(fake)), np.zeros(len(fake))
    for half in range(2):
        asked, learned = order[half::2], np.sort(order[1 - half :: 2])
        rates[asked] = _judging(real, fake.take(learned))(fake.take(asked))
    return rates


def _judging(real: Dataset, fake: Dataset) -> Any:
    def rate(data: Dataset) -> Float[np.ndarray, "n"]:
        a, b, asked = _traits(real, [real, fake, data])
        n = min(len(a), len(b))
        return -odds_by_trees(np.concatenate([a[:n], b[:n]]), np.repeat([False, True], n), asked, seed=0)

    return rate


def _naming(real: Dataset, seed: int) -> Any:
    label = real.label
    if label is None or not isinstance(real.field(label), Category):
        hint = "read the data with label=, the field that records are to be clear in"
        raise ArgumentError("there is no label", where=real.name, hint=hint)
    known = real.take(np.array([each is not None for each in real.columns[label]]))
    others = [f.name for f in real.fields if f.name != label]

    def rate(data: Dataset) -> Float[np.ndarray, "n"]:
        told = data.columns[label] if label in data.columns else np.full(len(data), None)
        if any(each is None for each in told):
            hint = f"give {label}, or have it drawn"
            raise ArgumentError(f"records without {label!r} have no label to be clear in", where="by", hint=hint)
        x, asked = _traits(known.select(others), [known.select(others), data.select(others)])
        forest = ExtraTreesClassifier(TREES, min_samples_leaf=2, random_state=seed)
        forest.fit(x, known.columns[label].astype(str))
        place = {level: i for i, level in enumerate(forest.classes_)}
        found = forest.predict_proba(asked)
        return np.array([found[i, place[each]] if each in place else 0.0 for i, each in enumerate(told)])

    return rate
