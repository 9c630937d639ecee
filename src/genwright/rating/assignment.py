"""Who judges what, in which order, on which side: a resolvable incomplete block design drawn from one seed.

Items share no stimulus, so a rater meets a stimulus twice only in a repeat. The items of a kind are cut into blocks
as large as a rater's share; `OVERLAP` times over, each time cut anew, every block goes to one rater. So every item is
judged equally often to within one, and so is every pair of systems, by each rater and by all.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from genwright.errors import DataError
from genwright.rating.protocol import CHECKS, OVERLAP, Protocol
from genwright.rating.records import ANSWERS, REAL, Kind, Question, Role

KINDS: tuple[Kind, ...] = ("pair", "origin", "scale")
Slot = tuple[str, int]  # a system and the number of one of its stimuli


@dataclass(frozen=True)
class Item:
    """What is judged together: two stimuli of different systems, or one."""

    kind: Kind
    stimuli: tuple[Slot, ...]


@dataclass(frozen=True)
class Planned:
    """One trial of a rater's list. `repeats` is the position of the trial asked again, -1 if none.

    `stimuli` is in the order shown, left first; empty for an attention check, whose answer must be `expected`.
    """

    kind: Kind
    question: Question
    stimuli: tuple[Slot, ...]
    role: Role = "rating"
    repeats: int = -1
    expected: str = ""


def contents(protocol: Protocol, kind: Kind) -> list[tuple[str, ...]]:
    """The systems that items of a kind show: the smallest list that, gone round, treats all systems alike."""
    systems = protocol.systems
    made = [system for system in systems if system != REAL]
    match kind:
        case "pair":
            return list(combinations(systems, 2))
        case "origin":
            return [(system,) for one in made for system in (REAL, one)]
    return [(system,) for system in systems]


def needed(protocol: Protocol, blocks: int) -> Counter[str]:
    """How many stimuli of each system it takes if each kind's items fill `blocks` raters' shares."""
    count: Counter[str] = Counter()
    for kind in _kinds(protocol):
        shown = contents(protocol, kind)
        for i in range(blocks * protocol.per_question):
            count.update(shown[i % len(shown)])
    return count


def blocks_for(protocol: Protocol, available: Counter[str]) -> int:
    """The number of different shares of items: one for every `OVERLAP` raters, fewer where stimuli are few.

    Raises DataError if they do not suffice for one rater, with the number that would.
    """
    wanted = math.ceil(protocol.raters / OVERLAP)
    for blocks in range(wanted, 0, -1):
        if all(available[system] >= n for system, n in needed(protocol, blocks).items()):
            return blocks
    least = needed(protocol, 1)
    system = max(least, key=lambda name: least[name] - available[name])
    raise DataError(
        f"{available[system]} different stimuli, but each rater must see {least[system]}",
        where=system,
        hint="give more samples, or fewer --trials",
    )


def assign(protocol: Protocol, blocks: int) -> list[list[Planned]]:
    """Each rater's trials in order; a function of the protocol (its seed among it) alone."""
    rng = np.random.default_rng([protocol.seed, 1])
    kinds = _kinds(protocol)
    items = dict(zip(kinds, _items(protocol, blocks)))
    shares = {kind: _shares(items[kind], len(contents(protocol, kind)), protocol, rng) for kind in kinds}
    lists = []
    for rater in range(protocol.raters):
        trials: list[Planned] = []
        for kind in rng.permutation(np.array(kinds)).tolist():
            share = _sided(shares[kind][rater], rng)
            trials += _session(kind, share, protocol, start=len(trials), rng=rng)
        lists.append(trials)
    return lists


def _kinds(protocol: Protocol) -> list[Kind]:
    asked = {protocol.kind(question) for question in protocol.questions}
    return [kind for kind in KINDS if kind in asked]


def _items(protocol: Protocol, blocks: int) -> list[list[Item]]:
    """For each kind its items, each system's stimuli being used one after the other."""
    used: Counter[str] = Counter()
    made = []
    for kind in _kinds(protocol):
        shown = contents(protocol, kind)
        items = []
        for i in range(blocks * protocol.per_question):
            systems = shown[i % len(shown)]
            items.append(Item(kind, tuple((system, used[system]) for system in systems)))
            used.update(systems)
        made.append(items)
    return made


def _shares(items: Sequence[Item], cycle: int, protocol: Protocol, rng: np.random.Generator) -> list[list[Item]]:
    """Each rater's items: all items in shuffled order, cut into blocks, as often over as there are raters.

    Items are shuffled among those that show the same systems, so that every block holds these in turn.
    """
    size = protocol.per_question
    blocks = len(items) // size
    shares: list[list[Item]] = []
    while len(shares) < protocol.raters:
        order = np.arange(len(items))
        for part in range(min(cycle, len(items))):
            order[part::cycle] = rng.permutation(order[part::cycle])
        cut = [[items[i] for i in order[b * size : (b + 1) * size]] for b in range(blocks)]
        shares += [cut[b] for b in rng.permutation(blocks)]
    return shares[: protocol.raters]


def _sided(share: Sequence[Item], rng: np.random.Generator) -> list[Item]:
    """The items in random order, each pair of systems as often one way round as the other, to within one."""
    turned: Counter[tuple[str, ...]] = Counter()
    first: dict[tuple[str, ...], int] = {}
    sided = []
    for i in rng.permutation(len(share)):
        item = share[i]
        systems = tuple(system for system, _ in item.stimuli)
        flip = (first.setdefault(systems, int(rng.integers(2))) + turned[systems]) % 2
        turned[systems] += 1
        sided.append(replace(item, stimuli=item.stimuli[::-1]) if flip else item)
    return [sided[i] for i in rng.permutation(len(sided))]


def _session(
    kind: Kind, share: Sequence[Item], protocol: Protocol, *, start: int, rng: np.random.Generator
) -> list[Planned]:
    """The trials of one kind, from position `start` on: items, checks among them, repeats near the end."""
    scales = [protocol.scales[i] for i in rng.permutation(len(protocol.scales))]
    named = [question for question in protocol.questions if protocol.kind(question) == kind]
    questions = scales if kind == "scale" else named
    checks = max(1, round(len(share) / CHECKS))
    again = rng.choice(max(1, len(share) // 3), size=min(checks, max(1, len(share) // 3)), replace=False)
    last = len(share) - len(share) // 3  # repeats come in the last third, what they repeat in the first
    places: list[tuple[float, str, int]] = [(i, "item", i) for i in range(len(share))]
    places += [(float(rng.uniform(last - 0.5, len(share))), "repeat", int(i)) for i in again]
    places += [(float(rng.uniform(0.5, len(share) - 0.5)), "check", -1) for _ in range(checks)]
    trials: list[Planned] = []
    at: dict[int, int] = {}
    for _, what, i in sorted(places):
        position = start + len(trials)
        if what == "item":
            at[i] = position
            trials += [Planned(kind, question, share[i].stimuli) for question in questions]
        elif what == "repeat":
            swapped = share[i].stimuli[::-1]
            trials += [Planned(kind, question, swapped, "repeat", at[i] + j) for j, question in enumerate(questions)]
        else:
            question = questions[int(rng.integers(len(questions)))]
            answers = [answer for answer in ANSWERS[kind] if answer != "tie"]
            expected = answers[int(rng.integers(len(answers)))]
            trials.append(Planned(kind, question, (), "attention", expected=expected))
    return trials
