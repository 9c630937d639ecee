"""One fitted density over encoded rows, as estimators use it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from genwright.errors import UnsupportedError
from genwright.families.capabilities import able, models
from genwright.families.family import Capabilities, ClosedFormFamily, Density, Family, Work
from genwright.spaces import Columns, Encoded, Reals
from genwright.train.fit import Fitted, fit_family

HELD_OUT_EVERY = 10  # one row in ten decides when to stop, and later how unusual a row is
FEWEST = 20  # rows below which all of them serve both purposes
PASSES = 200  # of an algorithm of its own, unless told otherwise; most stop earlier
STEPS = 400  # of gradients, unless told otherwise
NUMBERS_AT_ONCE = 2**18  # in rows that are scored together
ROWS = Columns(())  # of a table, as far as capabilities depend on it
MAX_COMPARED = 1000  # held-out rows that others are held against


@dataclass(frozen=True, eq=False)
class Learned:
    """A fitted family over rows of `space`."""

    fitted: Fitted
    space: Reals | Columns
    seed: int

    @torch.no_grad()
    def log_prob(self, rows: Float[Tensor, "n w"]) -> Float[np.ndarray, " n"]:
        """Log-density of what is known of each row in nats, or a bound as the family declares."""
        family = self.fitted.family
        if not of_rows(family).marginalizes and bool(rows.isnan().any()):
            hint = f"{able(ROWS, lambda can: can.marginalizes)} leave them out exactly; or fill them in"
            raise UnsupportedError(f"{family.name} has no density of rows with missing values", where="X", hint=hint)
        rng = torch.Generator().manual_seed(self.seed)
        at_once = max(16, NUMBERS_AT_ONCE // max(1, rows.shape[1]))
        parts = [family.log_prob(self.fitted.net, part, None, rng).double().numpy() for part in rows.split(at_once)]
        return np.concatenate(parts)

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator) -> Float[Tensor, "n w"]:
        return self.fitted.family.sample(self.fitted.net, n, rng=rng)


def learn(
    family: Family,
    space: Reals | Columns,
    rows: Float[Tensor, "n w"],
    held_out: Bool[np.ndarray, " n"],
    *,
    minutes: float | None,
    steps: int | None,
    seed: int,
) -> Learned:
    """Fit `family` to the rows that are not held out, stopping by those that are; to all if none or all are."""
    seed, steps = int(seed), None if steps is None else int(steps)
    if minutes is None and steps is None:
        steps = PASSES if isinstance(family, ClosedFormFamily) else STEPS
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
    apart = torch.from_numpy(held_out)[order]
    train, valid = rows[order][~apart], rows[order][apart]
    fitted = fit_family(
        family,
        space,
        None,
        Encoded(train if len(train) else rows),
        Encoded(valid if len(valid) else rows),
        work=Work(rows=len(train) or len(rows), minutes=minutes, steps=steps),
        seed=seed,
        started=time.monotonic(),
        device=torch.device("cpu"),
    )
    return Learned(fitted, space, seed)


def hold_out(groups: Float[np.ndarray, " n"], *, seed: int) -> Bool[np.ndarray, " n"]:
    """One row in ten of each group (a number, NaN counting as one); none of small groups."""
    chosen = np.zeros(len(groups), dtype=bool)
    rng = np.random.default_rng(seed)
    numbers = np.nan_to_num(groups, nan=-1.0)
    for each in np.unique(numbers):
        rows = rng.permutation(np.flatnonzero(numbers == each))
        if len(rows) >= FEWEST:
            chosen[rows[::HELD_OUT_EVERY]] = True
    return chosen


def of_rows(family: Family) -> Capabilities:
    """What the family can do with rows of a table."""
    return family.can(ROWS)


def check_density(family: Family) -> None:
    """Raise if the family has no density."""
    if of_rows(family).density is Density.ABSENT:
        hint = f"try {able(ROWS, lambda can: can.density is not Density.ABSENT)}"
        raise UnsupportedError(f"{family.name} has no density to predict with", where="family", hint=hint)


def takes(family: Family, space: Reals | Columns) -> bool:
    """Whether the family models such rows."""
    return models(family, space)


@dataclass(frozen=True, eq=False)
class Yardstick:
    """Encoded rows that nothing was fitted to, against which others are held."""

    rows: Float[Tensor, "m w"]

    @classmethod
    def of(cls, rows: Float[Tensor, "n w"], held_out: Bool[np.ndarray, " n"]) -> Self:
        """Held-out rows, or all where there are none; some of them where there are many."""
        kept = rows[torch.from_numpy(held_out)] if held_out.any() else rows
        return cls(kept[:: -(-len(kept) // MAX_COMPARED)])

    def p_values(
        self,
        rows: Float[Tensor, "n w"],
        scores: Float[np.ndarray, " n"],
        log_density: Callable[[Tensor], Float[np.ndarray, " m"]],
    ) -> Float[np.ndarray, " n"]:
        """The share of own rows that score no more than each of `rows`, with the same entries unknown.

        (1 + count) / (1 + number of own rows): valid at any sample size. Bates et al. 2023, arXiv:2104.08279, eq. 2.
        """
        p = np.empty(len(rows))
        patterns, which = rows.isnan().unique(dim=0, return_inverse=True)
        for k, hidden in enumerate(patterns):
            own = np.sort(log_density(self.rows.masked_fill(hidden, torch.nan)))
            members = (which == k).numpy()
            p[members] = (1 + np.searchsorted(own, scores[members], side="right")) / (1 + len(own))
        return p
