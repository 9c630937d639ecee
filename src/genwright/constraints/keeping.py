"""Constraints: the rules of a generator, checked before training and kept in every row that is drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int

from genwright.codecs.schema import field_from_json, field_to_json
from genwright.constraints.checking import check_rules
from genwright.constraints.feasible import point
from genwright.constraints.grids import ordinal, rounded, unscaled
from genwright.constraints.repair import apart, into_bounds, pulled
from genwright.constraints.reshaping import Reshaping, reshaping
from genwright.constraints.rulefile import rule_to_json, rules_from_json
from genwright.constraints.rules import Order, Range, Rule, Unique
from genwright.constraints.solving import solved
from genwright.constraints.wanted import Wanted, wanted_of
from genwright.data.dataset import Dataset, Field, Identifier
from genwright.errors import ArgumentError, GenwrightError
from genwright.train.progress import Listener, Progress, silent
from genwright.typed import entry, require, typed, wrong

MAX_TURNS = 40
MAX_DRAWS = 10  # rows drawn for each row that is asked for, on average, ...
SPARE_DRAWS = 4096  # ... and so many more, for when few are asked for
TURN_ROWS = 65_536  # rows drawn in one turn, unless more are missing
SURPLUS = 1.5  # rows drawn for each that is expected to be needed


@runtime_checkable
class Sampler(Protocol):
    """Draws rows that know nothing of the rules."""

    def __call__(self, n: int, *, given: Mapping[str, Any], seed: int, listener: Listener) -> Dataset: ...


@dataclass(frozen=True)
class Constraints:
    """Rules over the outer `fields` of a table.

    Rules that determine columns hold by construction (see `Reshaping`). The others, ranges, orders and uniqueness, are
    kept by drawing rows again that break them, which conditions the model on the rules exactly; the number of draws is
    bounded, and what is left then is moved to where the rules hold.
    """

    name: ClassVar[str] = "constraints"

    fields: tuple[Field, ...]
    label: str | None
    rules: tuple[Rule, ...]
    levels: Mapping[str, tuple[str, ...]]  # the combinations seen in training, by joint category

    @classmethod
    def of(cls, data: Dataset, rules: Sequence[Rule]) -> Self:
        """Rules for `data`, checked: ArgumentError for rules that make no sense for it or contradict each other,
        DataError where rows of the training or validation part break one.
        """
        checked = check_rules(data, rules)
        shape, train = reshaping(data, checked), data.train
        levels = {joint.name: tuple(np.unique(joint.combined(train)).tolist()) for joint in shape.joints}
        return cls(data.fields, data.label, checked, levels)

    @cached_property
    def shape(self) -> Reshaping:
        """How columns are left out of the model and put back."""
        return reshaping(self._blank, self.rules)

    def fields_around(self, inner: tuple[Field, ...]) -> tuple[Field, ...]:
        """The user's fields, whatever the model's are."""
        return self.fields

    def inner(self, data: Dataset) -> Dataset:
        """What the model sees of the user's rows."""
        return self.shape.inner(data)

    @property
    def nets(self) -> Mapping[str, Any]:
        """None."""
        return {}

    def records(self, sampler: Sampler) -> Sampler:
        """What draws rows in which every rule holds."""
        return partial(self._sample, sampler)

    def _sample(
        self, draw: Sampler, n: int, *, given: Mapping[str, Any], seed: int, listener: Listener = silent
    ) -> Dataset:
        """n rows in which every rule holds, and that agree with `given`.

        Its notes say how many rows were drawn again, and how many moved. Raises ArgumentError naming the rules that
        cannot be kept with what is `given`.
        """
        rng = np.random.default_rng([seed, n])
        wanted = wanted_of(self.shape, self.levels, given, n, rng)
        rows = self.shape.outer(draw(n, given=wanted.inner, seed=seed, listener=listener))
        fine = self._fine(rows, wanted, np.arange(n))
        good = self._unrepeated(rows, fine)
        again, drawn, met = ~good, n, int(fine.sum())
        distance = wanted.distance(rows, np.arange(n))
        for turn in range(1, MAX_TURNS):
            room = MAX_DRAWS * n + SPARE_DRAWS - drawn
            if good.all() or room <= 0:
                break
            slots = _slots(np.flatnonzero(~good), share=max(met, 1) / drawn, room=room)
            more = self.shape.outer(
                draw(len(slots), given=wanted.inner_at(slots), seed=_seed(seed, turn), listener=silent)
            )
            new = np.flatnonzero(self._fine(more, wanted, slots))
            drawn, met = drawn + len(slots), met + len(new)
            places, first = np.unique(slots[new], return_index=True)
            if wanted.outer:
                rows = _nearer(rows, distance, more, wanted.distance(more, slots), slots)
            rows = _spliced(rows, places, more.take(new[first]))
            fine[places] = True
            good = self._unrepeated(rows, fine)
            listener(Progress("keeping the rules", int(good.sum()), n))
        moved = int((~good).sum())
        rows = self._repaired(rows, good, wanted, drawn, rng)
        notes = _notes(int(again.sum()), moved, n)
        return replace(self.shape.with_patterns(rows, rng=rng), notes=(*rows.notes, *notes))

    def outer(self, data: Dataset, *, seed: int) -> Dataset:
        """Rows that cannot be drawn again, as those decoded from latents, moved to where every rule holds."""
        rng = np.random.default_rng(seed)
        rows, free = self.shape.outer(data), Wanted({}, {})
        rows = self._repaired(rows, self._good(rows, free), free, len(data), rng)
        return self.shape.with_patterns(rows, rng=rng)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        rules = [rule_to_json(rule) for rule in self.rules]
        fields = [field_to_json(field) for field in self.fields]
        levels = {name: list(found) for name, found in self.levels.items()}
        return {"rules": rules, "label": self.label, "fields": fields, "levels": levels}

    @classmethod
    def load(cls, told: Any, tensors: Any, saved: Any) -> "Constraints | None":
        """The rules that a model was saved with, if there were any."""
        return None if told is None else cls.from_json(told, inner=saved.codec.fields)

    @classmethod
    def from_json(cls, told: Any, *, inner: Sequence[Field], where: str = "recipe.json, constraints") -> Self:
        """The inverse of `to_json`, for a model of the fields `inner`; StorageError for anything damaged."""
        told = typed(told, dict, where=where)
        fields = tuple(field_from_json(f, where=where) for f in entry(told, "fields", tuple, where=where))
        levels = entry(told, "levels", dict[str, tuple[str, ...]], where=where)
        label = typed(told.get("label"), str | None, where=f"{where}, label")
        try:
            require(bool(fields), "there are no fields")
            rules = cls(fields, label, rules_from_json(told.get("rules")), levels)
            check_rules(rules._blank, rules.rules)
            rules._check_inner({field.name: field for field in inner})
        except (GenwrightError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise wrong(f"not the constraints of this model ({str(error)[:200]})", where) from None
        return rules

    def _check_inner(self, inner: Mapping[str, Field]) -> None:
        """Raise unless `inner` are the fields that a model of these rules has, their combinations such of the rules."""
        shape = self.shape
        joints = {joint.name: joint for joint in shape.joints}
        if inner.keys() != (shape.by_name.keys() - shape.absent) | joints.keys():
            raise ArgumentError("their columns are not those of the model")
        for name, joint in joints.items():
            levels = getattr(inner[name], "levels", ())
            joint.parted(np.array([*levels, *self.levels[name]], dtype=object), shape.by_name)

    @cached_property
    def _blank(self) -> Dataset:
        """No rows of the outer fields."""
        return Dataset(self.fields, {f.name: np.empty(0, dtype=object) for f in self.fields}, label=self.label)

    @cached_property
    def _bounds(self) -> list[Rule]:
        """The rules that each row keeps or breaks by itself, and that do not hold by construction."""
        return [rule for rule in self.rules if isinstance(rule, Range | Order)]

    @cached_property
    def _uniques(self) -> list[Unique]:
        """The uniqueness of columns none of which is different in every row by construction."""
        made = {f.name for f in self.fields if isinstance(f, Identifier)} | {p.column for p in self.shape.patterns}
        return [rule for rule in self.rules if isinstance(rule, Unique) and made.isdisjoint(rule.columns)]

    def _fine(self, rows: Dataset, wanted: Wanted, index: Int[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """Which rows keep the rules by themselves, and are as asked for the rows at `index`."""
        return np.all([wanted.met(rows, index), *(rule.holds(rows) for rule in self._bounds)], axis=0)

    def _good(self, rows: Dataset, wanted: Wanted) -> Bool[np.ndarray, " n"]:
        """Which rows keep the rules and are as asked."""
        return self._unrepeated(rows, self._fine(rows, wanted, np.arange(len(rows))))

    def _unrepeated(self, rows: Dataset, fine: Bool[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """Which fine rows repeat no earlier one where they must not."""
        good = fine.copy()
        for rule in self._uniques:
            index = np.flatnonzero(good)
            good[index] = rule.holds(rows.take(index))
        return good

    def _repaired(
        self, rows: Dataset, good: Bool[np.ndarray, " n"], wanted: Wanted, drawn: int, rng: np.random.Generator
    ) -> Dataset:
        """Rows that are not good moved to where the rules hold; ArgumentError where that cannot be."""
        left = np.flatnonzero(~good)
        if not len(left):
            return rows
        joined = {name for joint in self.shape.joints for name in joint.columns}
        pinned = frozenset({*wanted.fixed, *joined, *(c.column for c in self.shape.computed)})
        part = solved(rows.take(left), self.shape, pinned, {n: wanted.numbers(n, left) for n in wanted.outer})
        columns = into_bounds(part, self._bounds, fixed=pinned)
        part = self.shape.computed_anew(replace(part, columns={**part.columns, **columns}))
        bad = np.flatnonzero(~self._fine(part, wanted, left))
        if len(bad):
            anchors = self._anchors(rows, np.flatnonzero(good), part.take(bad), wanted, rng)
            pull = pulled(
                part.take(bad),
                anchors,
                pinned=pinned,
                kept=wanted.fixed,
                shape=self.shape,
                holds=lambda moved, index: self._fine(moved, wanted, left[bad[index]]),
            )
            part = _spliced(part, bad, pull)
        rows = _spliced(rows, left, part)
        for rule in self._uniques:
            rows = apart(rows, rule, self._bounds, pinned=pinned)
        if not self._good(rows, wanted).all():
            raise self._failure(rows, wanted, drawn)
        return rows

    def _anchors(
        self, rows: Dataset, good: Int[np.ndarray, " k"], bad: Dataset, wanted: Wanted, rng: np.random.Generator
    ) -> Dataset:
        """A row that keeps the rules for each bad one: drawn from the good ones, else solved for."""
        if len(good):
            return rows.take(rng.choice(good, size=len(bad)))
        found = point(self._blank, [*self.rules, *wanted.ranges(self.fields)])
        if found is None:
            raise self._failure(bad, wanted, len(rows))
        return _filled(bad, found)

    def _failure(self, rows: Dataset, wanted: Wanted, drawn: int) -> ArgumentError:
        broken = [rule for rule in (*self._bounds, *self._uniques) if not rule.holds(rows).all()]
        told = " and ".join(map(str, broken)) or "what is given of " + ", ".join(wanted.outer)
        spare = "" if not wanted.fixed else " with " + ", ".join(sorted(wanted.fixed)) + " as given"
        what = f"{told} could not be kept in {len(rows):,} rows{spare}, of {drawn:,} that were drawn"
        distinct = {r: len(np.unique(r.keys(rows))) for r in broken if isinstance(r, Unique)}
        hint = "; ".join(f"only {count:,} different values for {rule}" for rule, count in distinct.items())
        return ArgumentError(what, where="sample", hint=hint or "give other values, or fit with a wider rule")


def _slots(missing: Int[np.ndarray, " k"], *, share: float, room: int) -> Int[np.ndarray, " m"]:
    """For which row each row of the next turn is drawn: as often as it likely takes, within bounds."""
    each = int(np.ceil(SURPLUS / share)) if share < 1 else 1
    count = min(len(missing) * each, max(len(missing), TURN_ROWS), room)
    return np.resize(missing, count)


def _spliced(rows: Dataset, places: Int[np.ndarray, " k"], others: Dataset) -> Dataset:
    """`rows` with those at `places` replaced; keys stay where they are, so that none comes twice."""
    columns = dict(rows.columns)
    for field in rows.fields:
        if not isinstance(field, Identifier):
            columns[field.name] = columns[field.name].copy()
            columns[field.name][places] = others.columns[field.name]
    return replace(rows, columns=columns)


def _nearer(
    rows: Dataset,
    distance: Float[np.ndarray, " n"],
    others: Dataset,
    new: Float[np.ndarray, " m"],
    slots: Int[np.ndarray, " m"],
) -> Dataset:
    """`rows` with those replaced for which another one is nearer to what is asked for; `distance` is brought up to
    date. A row that must be moved in the end then moves little.
    """
    order = np.lexsort((new, slots))
    places, first = np.unique(slots[order], return_index=True)
    best = order[first]
    nearer = new[best] < distance[places]
    distance[places[nearer]] = new[best[nearer]]
    return _spliced(rows, places[nearer], others.take(best[nearer]))


def _filled(rows: Dataset, values: Mapping[str, float]) -> Dataset:
    """`rows` with columns set to values, on the scale of `grids.scaled`."""
    columns = dict(rows.columns)
    for name, value in values.items():
        if np.isfinite(value):
            field = ordinal(rows, name, rule=name)
            columns[name] = unscaled(field, rounded(field, np.full(len(rows), value)))
    return replace(rows, columns=columns)


def _seed(seed: int, turn: int) -> int:
    """Another seed for each turn."""
    return int(np.random.SeedSequence([seed, turn]).generate_state(1)[0])


def _notes(again: int, moved: int, n: int) -> tuple[str, ...]:
    """What it took to keep the rules."""
    if not again:
        return ()
    tail = f", {moved / n:.2%} at last moved to where they do" if moved else ""
    return (f"{again / n:.2%} of rows were drawn again so that the rules hold{tail}",)
