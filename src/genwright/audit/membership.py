"""Membership inference: whether it can be told of a record that the model was trained on it.

A fixed list of attacks is made (`genwright.audit.attacks`) and the strongest is reported, with an interval that allows
for having been chosen: Westfall and Young 1993, "Resampling-based multiple testing", the largest of all statistics
over permutations of who is a member. A single attack that is told after looking at all would find leaks by chance.
"""

import math
import warnings
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.special import expit, logit
from scipy.stats import rankdata

from genwright.audit.attacks import Scene, attacks
from genwright.data.dataset import Dataset
from genwright.errors import DataError
from genwright.model.generator import Generator
from genwright.scores.intervals import auc_influence, share_interval
from genwright.spaces import Encoded

PERMUTATIONS = 1000
LEVEL = 0.05
FEWEST = 10  # members, as many others, and unseen records beside them
MOST = 500  # of each, and ...
SAMPLES = 4  # ... so many samples to a member
ALARMS = (0.01, 0.001)  # false positive rates


@dataclass(frozen=True, kw_only=True)
class Attack:
    """What one attack found: the area under its ROC curve, 0.5 by chance, with an interval that holds for all at once.

    `caught`: by false positive rate, the share of members above all but that share of the others, with its 95 %
    interval; a rate below 1 / others asks to be above all of them.
    """

    name: str
    auc: float
    interval: tuple[float, float]
    caught: dict[float, tuple[float, float, float]]


@dataclass(frozen=True, kw_only=True)
class Membership:
    """All attacks on one model, the strongest first; `p` is how probable one as strong is where nothing leaks."""

    attacks: tuple[Attack, ...]
    p: float
    members: int
    others: int

    @property
    def strongest(self) -> Attack:
        """The attack whose interval lies highest above 0.5, if one does, else that of the largest AUC."""
        return self.attacks[0]

    @property
    def leaks(self) -> bool:
        """Whether the strongest attack is better than chance, allowing for its having been chosen."""
        return self.strongest.interval[0] > 0.5

    def __str__(self) -> str:
        best, n = self.strongest, len(self.attacks)
        low, high = best.interval
        told = f"the strongest of {n} attacks, {best.name!r}, AUC {best.auc:.3f} [{low:.3f}, {high:.3f}]"
        if not self.leaks:
            return f"no attack tells training records from others: {told}"
        word = "well" if low > 0.75 else "better than by chance"
        return f"training records can be told from others, {word}: {told}"

    def to_json(self) -> dict[str, Any]:
        """All that was found, as JSON values."""
        found = [
            asdict(each)
            | {"interval": list(each.interval), "caught": {f"{k:g}": list(v) for k, v in each.caught.items()}}
            for each in self.attacks
        ]
        return {
            "verdict": str(self),
            "leaks": self.leaks,
            "p": self.p,
            "members": self.members,
            "others": self.others,
            "attacks": found,
        }


def membership(
    model: Generator, members: Dataset, *, others: Dataset, reference: Dataset, records: int = MOST, seed: int = 0
) -> Membership:
    """Attack `model`: `members` it was trained on, `others` of the same source it never saw.

    `reference`: further unseen records, which the attacker knows. Up to `records` of each take part. Raises DataError
    for fewer than 10 of any.
    """
    sets = [_encoded(model, data, records, seed + i) for i, data in enumerate((members, others, reference))]
    for name, rows in zip(("members", "others", "reference"), sets, strict=True):
        if len(rows) < FEWEST:
            hint = "audit with more data, or with a larger unseen part"
            raise DataError(f"{len(rows)} records, at least {FEWEST} are needed", where=name, hint=hint)
    drawn = model.sample(_count(model, members, SAMPLES * len(sets[0])), seed=seed)
    samples = _encoded(model, drawn, SAMPLES * len(sets[0]), seed)
    scene = Scene(model, Encoded.joined(sets[:2]), samples, sets[2], seed)
    found = {name: np.nan_to_num(make(), nan=0.0) for name, make in attacks(scene).items()}
    return judged(found, np.repeat([True, False], [len(sets[0]), len(sets[1])]), seed=seed)


def _count(model: Generator, members: Dataset, wanted: int) -> int:
    """How many samples to ask for: of one running text, one for each window would be a text each."""
    return max(1, min(wanted, len(members) * SAMPLES)) if not members.running else max(1, wanted // SAMPLES)


@torch.no_grad()
def _encoded(model: Generator, data: Dataset, most: int, seed: int) -> Encoded:
    """At most so many records, at random, as the model knows them."""
    rng = np.random.default_rng(seed)
    if not data.running and len(data) > most:
        data = data.take(np.sort(rng.permutation(len(data))[:most]))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*values unlike the rows")  # which unseen records may well hold
        rows = model.codec.encode(model.inner(data), rng=torch.Generator().manual_seed(seed))
    kept = torch.from_numpy(np.sort(rng.permutation(len(rows))[:most]))
    return rows.rows(kept).to(torch.device("cpu"))


def judged(scores: dict[str, Float[np.ndarray, "n"]], member: Bool[np.ndarray, "n"], *, seed: int = 0) -> Membership:
    """What the scores of each attack say, higher for members, with intervals that hold for all attacks together.

    >>> rng = np.random.default_rng(0)
    >>> member = np.arange(200) < 100
    >>> judged({"noise": rng.normal(size=200), "sees": member + rng.normal(size=200)}, member).strongest.name
    'sees'
    """
    n, m = int(member.sum()), int((~member).sum())
    ranks = np.stack([rankdata(score) for score in scores.values()], axis=1)
    rng = np.random.default_rng(seed)
    shuffled = rng.permuted(np.tile(member, (PERMUTATIONS, 1)), axis=1).astype(np.float64)
    by_chance = (shuffled @ ranks - n * (n + 1) / 2) / (n * m)
    spread = np.maximum(by_chance.std(axis=0), 1e-9)
    largest = np.abs((by_chance - 0.5) / spread).max(axis=1)
    width = float(np.quantile(largest, 1 - LEVEL, method="higher"))
    found = []
    for k, (name, score) in enumerate(scores.items()):
        auc, influence = auc_influence(score, member)
        error = max(math.sqrt(float(np.mean(influence**2)) / (n + m)), 0.5 / min(n, m))
        edge = min(max(auc, 0.5 / min(n, m)), 1 - 0.5 / min(n, m))
        half = width * max(error / (edge * (1 - edge)), 4 * float(spread[k]))  # on the scale of log-odds
        low, high = float(expit(logit(edge) - half)), float(expit(logit(edge) + half))
        caught = {alarm: _caught(score, member, alarm) for alarm in ALARMS}
        found.append(Attack(name=name, auc=auc, interval=(min(low, auc), max(high, auc)), caught=caught))
    found.sort(key=lambda attack: (-max(attack.interval[0], 0.5), -attack.auc))  # a constant one has a narrow interval
    highest = max((attack.auc - 0.5) / spread[list(scores).index(attack.name)] for attack in found)
    above = ((by_chance - 0.5) / spread).max(axis=1) >= highest
    p = float((1 + above.sum()) / (1 + PERMUTATIONS))
    return Membership(attacks=tuple(found), p=p, members=n, others=m)


def _caught(score: Float[np.ndarray, "n"], member: Bool[np.ndarray, "n"], alarm: float) -> tuple[float, float, float]:
    """The share of members above all but the share `alarm` of others, and its interval."""
    others = np.sort(score[~member])[::-1]
    share = float(np.mean(score[member] > others[int(alarm * len(others))]))
    return (share, *share_interval(share, int(member.sum())))
