"""A table with every kind of column, and a budget that writes down what it is asked."""

import numpy as np
import pandas as pd

import genwright as gw
from genwright.data.dataset import Dataset
from genwright.privacy.budget import Budget


def frame(n: int = 1500, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, n)
    amount = np.where(rng.random(n) < 0.4, 0.0, rng.lognormal(3 + kind, 1.0))
    return pd.DataFrame(
        {
            "id": [f"patient-{i:05d}" for i in range(n)],
            "age": (rng.normal(40, 12, n) + 5 * kind).clip(18, 90).round().astype(int),
            "amount": amount.round(2),
            "ratio": rng.normal(kind, 1.0),
            "kind": pd.array([None if r < 0.05 else "abc"[k] for r, k in zip(rng.random(n), kind, strict=True)]),
            "day": pd.Timestamp("2023-01-01") + pd.to_timedelta(rng.integers(0, 400, n), unit="D"),
            "site": ["only"] * n,
        }
    )


def table(n: int = 1500, seed: int = 0) -> Dataset:
    return gw.read(frame(n, seed))


class Spy(Budget):
    """A Budget that keeps the exact answers, and gives the noisy ones of another if there is one."""

    def __init__(self, epsilon: float = 3.0, *, like: "Spy | None" = None) -> None:
        super().__init__(epsilon, 1e-5, noise_seed=0)
        self.asked: list[list[np.ndarray]] = []
        self.scores: list[np.ndarray] = []
        self.given: list[list[np.ndarray]] = []
        self.like = like

    def counts(self, what, tables, *, share):
        noisy, scale = super().counts(what, tables, share=share)
        if self.like is not None:
            before = self.like.given[len(self.asked)]
            noisy = [there[: len(here)] for here, there in zip(noisy, before, strict=True)]
        self.asked.append([np.array(each) for each in tables])
        self.given.append(noisy)
        return noisy, scale

    def choose(self, what, scores, *, count, share):
        self.scores.append(scores)
        self.chosen = super().choose(what, scores, count=count, share=share)
        return self.chosen if self.like is None else self.like.chosen
