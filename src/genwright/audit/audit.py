"""audit_model: what a model gives away of the records that it was trained on, with one verdict in words."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from genwright.audit.copies import exact_copy_rate
from genwright.audit.inference import Inference, attribute_inference
from genwright.audit.membership import FEWEST, MOST, Membership, membership
from genwright.data.align import aligned
from genwright.data.dataset import Dataset
from genwright.errors import ArgumentError, DataError
from genwright.model.generator import Generator
from genwright.scores.score import Score

AUDITED = 1000  # samples that are held against the training records


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What the attacks on a model found, and what could not be tried."""

    membership: Membership
    copies: Score | None
    inference: Inference | None
    notes: tuple[str, ...] = ()

    @property
    def leaks(self) -> bool:
        """Whether any attack is better than chance."""
        copied = self.copies is not None and bool(self.copies.note)
        return self.membership.leaks or copied or (self.inference is not None and self.inference.leaks)

    @property
    def verdict(self) -> str:
        """In one sentence, what was found and what it does not show."""
        found = []
        if self.membership.leaks:
            low = self.membership.strongest.interval[0]
            found.append("it can be told" + (" with ease" if low > 0.75 else "") + " who was in the training data")
        if self.copies is not None and self.copies.note:
            found.append("samples are copies of training records")
        if self.inference is not None and self.inference.leaks:
            found.append(f"{self.inference.target!r} of training records can be guessed from their other values")
        if found:
            return f"Leaks: {'; '.join(found)}."
        best = self.membership.strongest
        low, high = best.interval
        return (
            f"No leak was found by {len(self.membership.attacks)} attacks on {self.membership.members} records: the "
            f"strongest has an area under the curve of {best.auc:.2f} [{low:.2f}, {high:.2f}], 0.5 being chance. Other "
            "attacks, or more records, may find more."
        )

    def to_json(self) -> dict[str, Any]:
        """All that was found, as JSON values."""
        return {
            "verdict": self.verdict,
            "leaks": self.leaks,
            "membership": self.membership.to_json(),
            "copies": None if self.copies is None else self.copies.to_json(),
            "attribute_inference": None if self.inference is None else self.inference.to_json(),
            "notes": list(self.notes),
        }


def audit_model(
    model: Generator, data: Dataset, *, unseen: Dataset | None = None, records: int = MOST, seed: int = 0
) -> Audit:
    """Attack a model by the data it was fitted to: membership, exact copies, and for tables attribute inference.

    Members are rows of the training part, others those of the test part; the attacker knows the validation part. Of a
    private fit, which uses all rows, give `unseen` records of the same source: one half is attacked, one half known.
    At most `records` of each take part. Raises ArgumentError for data of other size than those that were fitted,
    DataError where fewer than 10 records are unseen.

    >>> import genwright as gw
    >>> data = gw.read("diabetes")
    >>> model = gw.fit(data, family=gw.Mixture(components=2), steps=5)
    >>> gw.audit_model(model, data).verdict.startswith("No leak")
    True
    """
    members, others, reference = _parts(model, data, unseen, seed)
    found = membership(model, members, others=others, reference=reference, records=records, seed=seed)
    copies, inference, notes = None, None, []
    if data.running:
        notes.append("samples of running text are not looked for among records: see canaries and copied passages")
    else:
        fake = model.sample(AUDITED, seed=seed)
        copies = exact_copy_rate(members, aligned(fake, members), held_out=others)
        if data.media is None:
            inference = attribute_inference(members, others=others, fake=fake, seed=seed)
    if found.others < 1000:
        notes.append(f"{found.others} unseen records do not resolve false positive rates below {1 / found.others:.2g}")
    return Audit(membership=found, copies=copies, inference=inference, notes=tuple(notes))


def _parts(model: Generator, data: Dataset, unseen: Dataset | None, seed: int) -> tuple[Dataset, Dataset, Dataset]:
    """Members, others, and what the attacker knows."""
    known = model.record.get("data")
    if known is None:
        raise ArgumentError("it is not known what this model was fitted to", where="audit", hint="audit fitted models")
    if known["rows"] != len(data):
        what = f"the model was fitted to {known['rows']:,} records, these are {len(data):,}"
        raise ArgumentError(what, where=data.name, hint="give the data that it was fitted to")
    private = not known["split"]["test"]
    if unseen is None:
        if private:
            hint = "give unseen=, records of the same source that were kept apart"
            raise ArgumentError("a private fit uses all of its rows", where="audit", hint=hint)
        return data.train, data.test, data.valid
    if len(unseen) < 2 * FEWEST:
        raise DataError(f"{len(unseen)} unseen records, at least {2 * FEWEST} are needed", where=unseen.name)
    order = np.random.default_rng(seed).permutation(len(unseen)) if not unseen.running else np.arange(len(unseen))
    half = len(unseen) // 2
    parts = [aligned(unseen.take(np.sort(rows)), data) for rows in (order[:half], order[half:])]
    return data if private else data.train, parts[0], parts[1]
