"""Attribute inference: whether samples tell more of a training record's secret value than of an unseen one's."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial import cKDTree
from scipy.stats import norm

from genwright.data.align import aligned
from genwright.data.dataset import Category, Dataset
from genwright.errors import DataError
from genwright.extractors.encoding import row_points
from genwright.scores.multiple import adjusted

MOST = 2000  # records of each side
Z95 = 1.959964


@dataclass(frozen=True, kw_only=True)
class Inference:
    """How often the column `target` is guessed for training records and for unseen ones, and `p` of no difference.

    What is guessed of unseen records follows from what holds of many; only more than that tells of single records.
    The column is that where the gap is clearest; `p` allows for its having been chosen.
    """

    target: str
    of_members: float
    of_others: float
    gap: tuple[float, float]
    p: float
    tried: int

    @property
    def leaks(self) -> bool:
        """Whether members are guessed better, allowing for the number of columns tried."""
        return self.p < 0.05 and self.of_members > self.of_others

    def __str__(self) -> str:
        low, high = self.gap
        return (
            f"{self.target!r} is guessed for {100 * self.of_members:.1f}% of training records and for "
            f"{100 * self.of_others:.1f}% of unseen ones, gap [{100 * low:.1f}, {100 * high:.1f}] points, "
            f"p = {self.p:.2g} of {self.tried} columns"
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self) | {"gap": list(self.gap), "leaks": self.leaks}


def attribute_inference(members: Dataset, *, others: Dataset, fake: Dataset, seed: int = 0) -> Inference | None:
    """Guess each category, and each number to within a tenth of its spread, from the sample nearest in all others.

    None for tables of fewer than two columns. Stadler, Oprisanu and Troncoso 2022, arXiv:2011.07018, sec. 5; the gap
    between members and others instead of the rate, as Giomi et al. 2023, arXiv:2211.10459, sec. 4.3. The p-value is by
    Holm over the columns, one-sided by the normal approximation of two shares.
    """
    if len(members.scalars) < 2:
        return None
    if not len(fake):
        raise DataError("no samples to guess from", where=fake.name)
    rng = np.random.default_rng(seed)
    sides = [aligned(t, members).take(np.sort(rng.permutation(len(t))[:MOST])) for t in (members, others, fake)]
    found = []
    for field in members.scalars:
        rest = [t.select([f.name for f in members.scalars if f.name != field.name]) for t in sides]
        places = row_points(rest[0], rest)
        right = [_guessed(sides[i], sides[2], field.name, places[i], places[2]) for i in (0, 1)]
        found.append((field.name, *_gap(*right)))
    p = adjusted(np.array([each[-1] for each in found]))
    best = int(np.argmin(p + 1e-9 * np.array([-(each[1] - each[2]) for each in found])))
    name, a, b, gap, _ = found[best]
    return Inference(target=name, of_members=a, of_others=b, gap=gap, p=float(p[best]), tried=len(found))


def _guessed(
    asked: Dataset, fake: Dataset, name: str, at: Float[np.ndarray, "n d"], of: Float[np.ndarray, "m d"]
) -> Bool[np.ndarray, "n"]:
    """For which rows the value of the nearest sample is right."""
    guess, truth = fake.columns[name][cKDTree(of).query(at)[1]], asked.columns[name]
    if isinstance(asked.field(name), Category):
        return np.array([a == b for a, b in zip(guess, truth, strict=True)], dtype=bool)
    both = [
        c.astype("datetime64[s]").astype(np.float64) if c.dtype.kind == "M" else c.astype(np.float64)
        for c in (guess, truth, fake.columns[name])
    ]
    return np.abs(both[0] - both[1]) <= 0.1 * np.nanstd(both[2])


def _gap(a: Bool[np.ndarray, "n"], b: Bool[np.ndarray, " m"]) -> tuple[float, float, tuple[float, float], float]:
    """Both shares, the interval of their difference (Agresti and Caffo 2000), and p that it is not above 0."""
    shares = [(each.sum() + 1) / (len(each) + 2) for each in (a, b)]
    error = float(np.sqrt(sum(s * (1 - s) / (len(each) + 2) for s, each in zip(shares, (a, b), strict=True))))
    middle = float(shares[0] - shares[1])
    gap = (max(-1.0, middle - Z95 * error), min(1.0, middle + Z95 * error))
    return float(a.mean()), float(b.mean()), gap, float(norm.sf(middle / error))
