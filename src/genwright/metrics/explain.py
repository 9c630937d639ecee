"""Why a sample came out so: what it was trained on that is most like it, and what each condition did to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from genwright.data.dataset import SCALARS, Dataset
from genwright.errors import ArgumentError
from genwright.families.family import DEFAULT
from genwright.maths.distances import nearest, nearest_others
from genwright.metrics.kinds import KINDS
from genwright.model.generator import Generator

MAX_ROWS = 20_000  # of training among which the nearest are looked for


@dataclass(frozen=True, eq=False)
class Explanation:
    """Samples, the training records nearest to each, and how far each condition moved each.

    `nearest` are rows of `train`, nearest first, at `distances` in units of the usual one, the median distance of a
    training record to its nearest other: far below 1, a sample is nearly a copy. `influence` says, by condition, how
    far a sample moves if it is given another value and all else stays, noise included, as a share of how far two
    samples are apart that have nothing but the model in common: about 1 where the condition decides all, 0 where none
    of it.
    """

    samples: Dataset
    train: Dataset
    nearest: Int[np.ndarray, "n k"]
    distances: Float[np.ndarray, "n k"]
    influence: Mapping[str, Float[np.ndarray, "n"]]

    def __str__(self) -> str:
        lines = [f"nearest training record: {np.median(self.distances[:, 0]):.2f} of the usual distance (median)"]
        for name, moved in sorted(self.influence.items(), key=lambda pair: -pair[1].mean()):
            lines.append(f"{name}: another value moves a sample {moved.mean():.0%} as far as two samples are apart")
        return "\n".join(lines)


def explain(
    model: Generator,
    n: int,
    *,
    train: Dataset,
    given: Mapping[str, Any] | None = None,
    how: Any = DEFAULT,
    k: int = 3,
    seed: int = 0,
) -> Explanation:
    """Draw n samples, as `Generator.sample` does, and say why each came out so.

    `train` is what the model was fitted to. Conditions are what is given, one value for all or n of them; beside images
    and texts also scalar fields that were drawn. Their other values are those of training records.

    >>> import genwright as gw
    >>> wine = gw.read("wine")
    >>> model = gw.fit(wine, family=gw.Mixture(components=4), steps=20)
    >>> found = explain(model, 20, train=wine.train, given={"class": "class_1"})
    >>> found.nearest.shape, list(found.influence)
    ((20, 3), ['class'])
    """
    if len(train) <= k:
        raise ArgumentError(f"{len(train)} training records", where="train", hint=f"give more than k={k}")
    given = dict(given or {})
    first = model.sample(n, given=given, how=how, seed=seed)
    conditions = _conditions(model, first, given)
    fixed = given | {name: list(first.columns[name]) for name in conditions}
    rng = np.random.default_rng(seed)
    reference = train.take(np.sort(rng.permutation(len(train))[:MAX_ROWS]))
    target = [f.name for f in train.fields if f.name not in conditions and f.name in first.columns]
    again = model.sample(n, given=fixed, how=how, seed=seed) if fixed else first
    moved: dict[str, Dataset] = {}
    for name in conditions:
        other = train.columns[name][rng.integers(len(train), size=n)]
        moved[name] = model.sample(n, given=fixed | {name: list(other)}, how=how, seed=seed)
    apart = model.sample(n, given={}, how=how, seed=seed + 1)
    sets = [each.select(target) for each in (reference, first, again, apart, *moved.values())]
    known, own, base, free, *changed = KINDS[sets[0].kind].points(sets[0], sets)
    squares, rows = nearest(own, known, k)
    usual = float(np.median(nearest_others(known)[0][:, 0])) or 1.0
    whole = float(np.sqrt(np.square(own - free).sum(1)).mean()) or 1.0
    influence = {name: np.sqrt(np.square(x - base).sum(1)) / whole for name, x in zip(moved, changed, strict=True)}
    return Explanation(first, reference, rows, np.sqrt(squares) / usual, influence)


def _conditions(model: Generator, samples: Dataset, given: Mapping[str, Any]) -> list[str]:
    """The fields that samples were drawn under: what is given of them, and scalar ones beside a medium."""
    medium = model.codec.field
    found = []
    for field in samples.fields:
        column = samples.columns[field.name]
        beside = medium is not None and isinstance(field, SCALARS)
        if (medium is None or field.name != medium.name) and (field.name in given or beside):
            found += [field.name] if all(each is not None and each == each for each in column) else []
    return found
