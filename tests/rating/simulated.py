"""Studies with simulated raters of known judgement. No person has rated anything here."""

import hashlib
from collections.abc import Mapping

import numpy as np

from genwright.rating.bradley_terry import Comparisons
from genwright.rating.records import Question, Rater, Rating, Stimulus, Study, Trial

AT = "2026-01-01T00:00:00+00:00"


def stimuli(systems: Mapping[str, float], each: int) -> list[Stimulus]:
    """`each` stimuli per system; ids say nothing of the system's order."""
    names = [(system, i) for system in systems for i in range(each)]
    hashes = [hashlib.sha256(repr(name).encode()).hexdigest() for name in names]
    return [Stimulus(id=h[:12], system=s, medium="image", sha256=h) for (s, _), h in zip(names, hashes)]


def preference(gap: float, side: float, tie: float, rng: np.random.Generator) -> str:
    """Left, right or tie by Davidson's distribution."""
    s = (gap + side) / 2
    weights = np.exp([s, -s, np.log(tie) if tie else -np.inf])
    return str(rng.choice(["left", "right", "tie"], p=weights / weights.sum()))


def comparisons(strength, *, raters: int, each: int, seed: int, tie=0.5, side=0.0, taste=0.0) -> Comparisons:
    """Raters with tastes of their own, by Davidson's distribution."""
    rng, k, n = np.random.default_rng(seed), len(strength), raters * each
    rater = np.repeat(np.arange(raters), each)
    own = np.array(strength) + taste * rng.normal(size=(raters, k))
    left = rng.integers(0, k, n)
    right = (left + rng.integers(1, k, n)) % k
    ahead = (own[rater, left] - own[rater, right] + side) / 2
    weights = np.stack([np.exp(ahead), np.exp(-ahead), np.full(n, tie)], axis=1)
    below = np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)
    outcome = (rng.uniform(size=n)[:, None] > below[:, :2]).sum(axis=1)
    return Comparisons(systems=tuple("abcdefg"[:k]), left=left, right=right, outcome=outcome, rater=rater)


class Builder:
    """A study under construction."""

    def __init__(self, strengths: Mapping[str, float], *, each: int = 8, raters: int = 8, seed: int = 0) -> None:
        self.strengths, self.rng = dict(strengths), np.random.default_rng(seed)
        self.stimuli = stimuli(strengths, each)
        self.raters = [f"r{i:03d}" for i in range(raters)]
        self.trials: list[Trial] = []
        self.ratings: list[Rating] = []

    def add(self, trial: dict, answer: str, seconds: float = 3.0) -> Trial:
        """One trial of the study with its answer."""
        number = len(self.trials)
        made = Trial(id=f"t{number:05d}", position=number, **trial)
        self.trials.append(made)
        self.ratings.append(Rating(trial=made.id, answer=answer, seconds=seconds, at=AT))
        return made

    def preferences(self, per_rater: int, *, side: float = 0.0, tie: float = 0.5, taste: float = 0.0) -> "Builder":
        """Comparisons of random stimuli of random systems; `taste` is how much raters differ in log-strength."""
        names = list(self.strengths)
        for rater in self.raters:
            own = {name: self.strengths[name] + taste * self.rng.normal() for name in names}
            for _ in range(per_rater):
                a, b = self.rng.choice(names, size=2, replace=False)
                left, right = (self.rng.choice([s.id for s in self.stimuli if s.system == n]) for n in (a, b))
                answer = preference(own[a] - own[b], side, tie, self.rng)
                trial = {"rater": rater, "kind": "pair", "question": "preference"}
                self.add({**trial, "left": str(left), "right": str(right)}, answer)
        return self

    def origins(self, fooling: Mapping[str, float]) -> "Builder":
        """Every rater says of every stimulus whether it is real."""
        for rater in self.raters:
            for shown in self.stimuli:
                answer = "real" if self.rng.uniform() < fooling[shown.system] else "generated"
                trial = {"rater": rater, "kind": "origin", "question": "real or generated", "left": shown.id}
                self.add(trial, answer)
        return self

    def scales(self, question: Question = "coherence", *, spread: float = 1.0) -> "Builder":
        """Every rater rates every stimulus: 4 + strength + the rater's level + noise."""
        for rater in self.raters:
            level = 0.7 * self.rng.normal()
            for shown in self.stimuli:
                points = 4 + self.strengths[shown.system] + level + spread * self.rng.normal()
                trial = {"rater": rater, "kind": "scale", "question": question, "left": shown.id}
                self.add(trial, str(int(np.clip(round(points), 1, 7))))
        return self

    def study(self, **protocol) -> Study:
        """What was built so far."""
        people = tuple(Rater(id=rater, consented_at=AT) for rater in self.raters)
        return Study(
            protocol=protocol,
            stimuli=tuple(self.stimuli),
            raters=people,
            trials=tuple(self.trials),
            ratings=tuple(self.ratings),
        )
