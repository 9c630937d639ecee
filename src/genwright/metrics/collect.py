"""Scores of one evaluation as they are found, each beside its floor, and what stood in the way of the rest."""

import math
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from genwright.data.dataset import Dataset
from genwright.errors import DataError
from genwright.scores.score import Score

Metric = Callable[[Any, Any], Score | Sequence[Score]]  # of real and of generated records


class Found:
    """Scores so far; a metric that the data cannot bear leaves a note instead.

    `only`: names of the scores to find. `floors`: those already known by the names of their metrics, to be added to.
    `seconds`: after which no other score is begun.
    """

    def __init__(
        self,
        only: Collection[str] | None = None,
        floors: dict[str, Sequence[Score]] | None = None,
        seconds: float | None = None,
    ) -> None:
        self.only, self.floors = only, {} if floors is None else floors
        self.deadline = math.inf if seconds is None else time.monotonic() + seconds
        self.scores: list[Score] = []
        self.notes: list[str] = []

    def wants(self, *names: str) -> bool:
        """Whether any of these scores is to be found; "precision, recall and coverage" stands for three."""
        each = [one for name in names for one in name.replace(" and ", ", ").split(", ")]
        return self.only is None or any(name in self.only for name in each)

    def add(self, name: str, metric: Callable[[], Score | Sequence[Score]]) -> None:
        """Whatever `metric` returns, if wanted; if it raises DataError, a note that names it and says why."""
        if not self.wants(name):
            return
        if self.scores and time.monotonic() > self.deadline:
            self.notes.append(f"{name} not measured: the time for scoring was over; evaluate takes the time it needs")
            return
        try:
            self.scores.extend(score for score in _several(metric()) if self.only is None or score.name in self.only)
        except DataError as error:
            self.notes.append(f"{name} not measured: {error.what}")

    def add_beside(
        self,
        name: str,
        metric: Metric,
        sets: tuple[Any, Any],
        floor_sets: tuple[Any, Any],
        worst: tuple[Any, Any] | None = None,
    ) -> None:
        """`metric` of real and generated records, with its value between two sets of real records as the floor.

        `worst`: the real records, and those of a baseline, for its value in `Score.baseline`.
        """

        def beside() -> Iterator[Score]:
            scores = _several(metric(*sets))
            floors, worse = self._known(name, metric, floor_sets), self._known(f"{name}, baseline", metric, worst)
            for i, score in enumerate(scores):
                if floors:
                    spread = floors[i].replicates
                    error = None if spread is None else spread.error
                    score = replace(score, floor=floors[i].value, floor_error=error)
                yield replace(score, baseline=worse[i].value) if worse else score

        self.add(name, lambda: list(beside()))

    def _known(self, name: str, metric: Metric, sets: tuple[Any, Any] | None) -> Sequence[Score]:
        """Scores of sets that do not depend on the generator, remembered; none where they are too small."""
        if name not in self.floors:
            try:
                self.floors[name] = () if sets is None else _several(metric(*sets))
            except DataError:  # halves of the real data may be too small where the whole is not
                self.floors[name] = ()
        return self.floors[name]


def _several(result: Score | Sequence[Score]) -> Sequence[Score]:
    return [result] if isinstance(result, Score) else result


def second_real(real: Dataset, train: Dataset | None, n: int, seed: int) -> tuple[Dataset, Dataset]:
    """Real records to hold against `real` for the floor, n if there are as many; and what `real` is then."""
    rng = np.random.default_rng(seed)
    if train is not None:
        return real, train.take(np.sort(rng.permutation(len(train))[:n]))
    rows = rng.permutation(len(real))
    half = len(real) // 2
    return real.take(np.sort(rows[half:])), real.take(np.sort(rows[:half]))
