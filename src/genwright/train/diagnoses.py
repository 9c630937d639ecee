"""From looks at a run to named diagnoses: each a rule that says what it found, and beside what it held that."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from genwright.train.looks import Look
from genwright.typed import require

PERSISTENT = 3  # looks in a row that a diagnosis needs, where one alone might be chance
EARLY = 0.25  # share of a run in which samples may still miss modes and losses may still be rough
LATE = 0.5  # share of a run by which samples should have reached most modes, unless they still come nearer
MISSED = 0.25  # share of real rows in modes that samples miss, from which on modes have collapsed;
ALIKE = 0.15  # or the distance between samples beside that of real rows, below which
FADED = 1e-4  # gradient of the first layers beside that of the last, below which it vanishes;
SILENT = 1e-3  # and that of a player beside what it was, while the other wins by
BEATEN = 0.1  # of the loss that it began with
RISEN = 0.05  # of all that the held-out loss had fallen, by which it has to rise again where a net overfits
APART = 0.25  # of the same, by which it has to leave that of training rows behind
LOST = 0.5  # of all that the loss had fallen, by which it has to rise again where a run is unstable
MEMORISED = 0.01  # share of samples that may be copies, beyond that of real rows

REMEDIES = {
    "mode collapse": "a game that holds modes together, as gw.GAN() plays it unless told otherwise (objective="
    "relativistic, with penalty=0.2); or another family",
    "instability": "a lower learning_rate=, or a larger batch=",
    "vanishing gradients": "a net with residual blocks and normal initialisation, as families make it without net=; "
    "in a game, objective=relativistic",
    "overfitting": "more data, a smaller width=, or less time (minutes=, steps=)",
    "memorisation": "more data, a smaller width=, or less time (minutes=, steps=)",
}


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a run, since which step, by which evidence; what helps, and what was done about it."""

    name: str
    step: int
    evidence: str
    remedy: str
    done: str = ""
    recipe: bool = False

    def __post_init__(self) -> None:
        require(self.name in REMEDIES and self.step >= 0, "no such diagnosis")

    def __str__(self) -> str:
        done = f" {self.done[0].upper()}{self.done[1:]}." if self.done else ""
        return f"{self.name} at step {self.step:,}: {self.evidence}.{done} What helps: {self.remedy}."


def diagnosed(looks: Sequence[Look], *, steps: int) -> list[Diagnosis]:
    """All that is wrong with a run of so many `steps` by its looks so far, the worst first."""
    if not looks:
        return []
    found = ((name, rule(looks, steps)) for name, rule in RULES.items())
    return [Diagnosis(name, looks[-1].step, evidence, REMEDIES[name]) for name, evidence in found if evidence]


def memorisation(looks: Sequence[Look], steps: int) -> str:
    """Samples that are copies of training rows, beyond what real rows are and chance can add."""
    last = looks[-1]
    if last.copied is None or last.usual is None:
        return ""
    noise = 3 * math.sqrt(last.usual * (1 - last.usual) / last.drawn)
    if last.copied < last.usual + MEMORISED + noise:
        return ""
    told = f"{last.copied:.1%} of {last.drawn} samples are copies of training records: their nearest is less than a"
    return f"{told} third as far as the next (among real records {last.usual:.1%}, allowed {MEMORISED:.0%} more)"


def instability(looks: Sequence[Look], steps: int) -> str:
    """Losses that are not finite, that rise again, or never fall below where they began; or one player that wins."""
    last, first = looks[-1], looks[0]
    if last.rescues:
        return f"the loss stopped being finite {last.rescues} times"
    since = [look for look in looks if look.step > last.rewound]  # going back is no divergence
    if last.step < EARLY * steps or len(since) < PERSISTENT:
        return ""
    return _diverging(first, since) if len(_players(first)) < 2 else _unbalanced(first, since)


def _diverging(first: Look, looks: Sequence[Look]) -> str:
    """Of one player."""
    start, means = _total(first, 2), [_total(look, 0) for look in looks]
    best, recent = min(means), means[-PERSISTENT:]
    noise = max(_total(look, 1) for look in looks[-PERSISTENT:])
    if min(recent) > start + 2 * _total(first, 1):  # one batch, more or less
        return f"the training loss is {recent[-1]:.4g}, above the {start:.4g} of the untrained net"
    if min(recent) > best + LOST * (start - best) and min(recent) > best + noise / 4:
        return f"the training loss is back at {recent[-1]:.4g} after {best:.4g}; it began at {start:.4g}"
    if noise > LOST * (start - min(recent)) + 3 * min(_total(look, 1) for look in looks):
        return f"the training loss swings by {noise:.3g} from step to step, and has fallen by {start - recent[-1]:.3g}"
    return ""


def _unbalanced(first: Look, looks: Sequence[Look]) -> str:
    """Of several players."""
    best = min(look.held_out for look in looks)
    span = max(first.held_out - best, 0.1 * abs(best), 1e-12)
    recent = looks[-PERSISTENT:]
    if min(look.held_out for look in recent) > best + LOST * span:
        told = f"samples move away from the data again: the held-out distance is {recent[-1].held_out:.3g}"
        return f"{told} after {best:.3g}, and was {first.held_out:.3g} at the first look"
    return ""


def vanishing_gradients(looks: Sequence[Look], steps: int) -> str:
    """Gradients that fade on their way to the first layers; or a player that learns nothing as the other wins."""
    recent = looks[-PERSISTENT:]
    if len(recent) < PERSISTENT:
        return ""
    for player in looks[-1].gradients:
        ratios = [_faded(look.gradients.get(player, ())) for look in recent]
        if max(ratios) < FADED:
            told = f"the gradient of the first layers is {ratios[-1]:.1g} of that of the last ones"
            return f"{told} (above {FADED:g} where nets learn), in {player}"
        if len(looks[0].gradients) > 1 and player in looks[0].gradients:
            silent = [_strength(look, player) / max(_strength(looks[0], player), 1e-30) for look in recent]
            others = [p for p in _players(looks[0]) if p != player]
            if max(silent) < SILENT and any(_beaten(looks, other) for other in others):
                return f"the gradient of the {player} is {silent[-1]:.1g} of what it was, as the {others[0]} wins"
    return ""


def mode_collapse(looks: Sequence[Look], steps: int) -> str:
    """Samples that miss modes of the data, or are all alike."""
    seen = [look for look in looks if look.missing is not None and look.spread is not None]
    recent = seen[-PERSISTENT:]
    if len(recent) < PERSISTENT or recent[0].step < EARLY * steps:
        return ""
    had = any((look.missing or 0.0) < MISSED / 2 and (look.spread or 0.0) > 2 * ALIKE for look in seen)
    if not had and (recent[-1].step < LATE * steps or _nearer(seen)):
        return ""  # a net that still learns its first modes
    missed, alike = (min(look.missing or 0.0 for look in recent), max(look.spread or 0.0 for look in recent))
    if missed > MISSED:
        return f"samples miss modes that hold {recent[-1].missing:.0%} of the real records (allowed {MISSED:.0%})"
    if alike < ALIKE:
        return f"samples are {recent[-1].spread:.2g} times as far apart as real records (at least {ALIKE:g})"
    return ""


def _nearer(seen: Sequence[Look]) -> bool:
    """Whether samples reach more of the data than a while ago."""
    before, now = seen[-min(len(seen), 2 * PERSISTENT)], seen[-1]
    return (now.missing or 0.0) < 0.9 * (before.missing or 0.0) or (now.spread or 0.0) > 1.1 * (before.spread or 0.0)


def overfitting(looks: Sequence[Look], steps: int) -> str:
    """A held-out loss that rises while that of training rows falls."""
    best = min(range(len(looks)), key=lambda i: looks[i].held_out)
    after = [look for look in looks[best + 1 :] if look.trained is not None]
    before = next((look.trained for look in reversed(looks[: best + 1]) if look.trained is not None), None)
    if len(after) < PERSISTENT or before is None:
        return ""
    fallen = max(looks[0].held_out - looks[best].held_out, 0.02 * abs(looks[best].held_out))
    recent = after[-PERSISTENT:]
    rise = min(look.held_out for look in recent) - looks[best].held_out
    gap = min(look.held_out - (look.trained or 0.0) for look in recent) - (looks[best].held_out - before)
    if rise < RISEN * fallen or gap < APART * fallen or max(look.trained or 0.0 for look in recent) >= before:
        return ""
    told = f"the held-out loss has risen from {looks[best].held_out:.4g} at step {looks[best].step:,} to"
    told = f"{told} {recent[-1].held_out:.4g}, that of training records fallen"
    return f"{told} from {before:.4g} to {recent[-1].trained:.4g}"


Rule = Callable[[Sequence[Look], int], str]
RULES: dict[str, Rule] = {
    "memorisation": memorisation,
    "instability": instability,
    "vanishing gradients": vanishing_gradients,
    "mode collapse": mode_collapse,
    "overfitting": overfitting,
}


def _players(look: Look) -> list[str]:
    """Whose losses have parts of their own; of a single player the one name ''."""
    return list(dict.fromkeys(name.partition(".")[0] if "." in name else "" for name in look.parts))


def _total(look: Look, which: int) -> float:
    """The sum of the parts' means (0) or first values (2), or the largest of their deviations (1)."""
    told = [values[which] for values in look.parts.values() if len(values) > which]
    return max(told, default=0.0) if which == 1 else sum(told)


def _beaten(looks: Sequence[Look], player: str) -> bool:
    """Whether a player's game is won: its loss is next to nothing beside what it began with."""
    name = f"{player}.game"
    start = looks[0].parts.get(name, (0.0, 0.0, 0.0))[-1]
    return all(look.parts.get(name, (math.inf,))[0] < BEATEN * start for look in looks[-PERSISTENT:])


def _faded(layers: Sequence[float]) -> float:
    """The typical gradient of the first third of the layers beside that of the last third; idle layers left out."""
    alive = [each for each in layers if each > 0]
    third = len(alive) // 3
    return median(alive[:third]) / max(median(alive[-third:]), 1e-30) if third else 1.0


def _strength(look: Look, player: str) -> float:
    return math.sqrt(sum(each**2 for each in look.gradients.get(player, ())))
