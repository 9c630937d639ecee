"""The label prior: the distribution of the scalar fields beside a media field, which are drawn first."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from genwright.codecs.conditioned import ConditionedCodec
from genwright.families.family import Work
from genwright.families.mixture import Mixture
from genwright.families.rebuild import rebuild
from genwright.families.recipe import recipe_from_json, recipe_to_json
from genwright.model.part import RowSampler, Saved
from genwright.spaces import Columns, Conditions, Encoded, Given, RowSource
from genwright.train.fit import Fitted, fit_family
from genwright.train.stages import NOWHERE, Stages
from genwright.typed import wrong

PRIOR_MINUTES = 0.1  # at most


@dataclass(frozen=True, eq=False)
class LabelPrior:
    """What is not given of the scalar fields is drawn from their own distribution, so that samples come from the joint
    one. It also holds their ranges and sets.

    Where part of the records is given, the fields would have to fit that part, which their own distribution does not
    know: there they stay unknown, if the family `forgets` and they are in no range or set.
    """

    name: ClassVar[str] = "prior"

    fitted: Fitted
    columns: int  # of the scalar fields, which conditions begin with
    forgets: bool = False  # what the family can

    def rows(self, sampler: RowSampler) -> RowSampler:
        """Rows beside completed scalar fields."""

        def drawn(n: int, *, given: Given, rng: torch.Generator) -> Encoded:
            return sampler(n, given=self.completed(given, n, rng), rng=rng)

        return drawn

    def completed(self, partial: Given, n: int, rng: torch.Generator) -> Given:
        """What is given, with the scalar fields that are not drawn."""
        assert partial.context is not None
        if self.forgets and partial.partly and partial.allowed is None:
            return partial
        size = self.columns
        known = Given(partial.context[:, :size], allowed=partial.allowed)
        drawn = self.fitted.family.sample(self.fitted.net, n, given=known, rng=rng)
        whole = torch.cat([drawn, partial.context[:, size:]], dim=1)
        return replace(partial, context=whole, allowed=None)

    def to_json(self) -> dict[str, Any]:
        return recipe_to_json(self.fitted.family)

    @property
    def nets(self) -> Mapping[str, nn.Module]:
        return {"": self.fitted.net}

    @classmethod
    def load(cls, told: Any, tensors: dict[str, Tensor], saved: Saved) -> "LabelPrior | None":
        """The prior that a model was saved with, if there was one."""
        codec = saved.codec
        columns = None if codec.conditions is None else codec.conditions.columns
        if (told is not None) is not (_are_some(columns) and not isinstance(codec, ConditionedCodec)):
            raise wrong("a prior where there is nothing beside the records, or none where there is", saved.where)
        if told is None or columns is None:
            return None
        forgets = saved.family.can(codec.space).forgets
        family = recipe_from_json(told, where=f"{saved.where}, prior")
        return cls(
            Fitted(family, rebuild(family, columns, None, tensors, saved.device), {}), len(columns.columns), forgets
        )


def fit_prior(
    conditions: Conditions | None,
    train: RowSource,
    valid: RowSource,
    *,
    minutes: float | None,
    seed: int,
    device: torch.device,
    stages: Stages = NOWHERE,
    forgets: bool = False,
) -> LabelPrior | None:
    """The prior of the scalar fields beside a media field, if there are any."""
    columns = None if conditions is None else conditions.columns
    if columns is None or not _are_some(columns):
        return None
    assert conditions is not None
    single = Mixture(components=1) if len(columns.columns) == 1 and columns.discrete else Mixture()
    work = Work(rows=len(train), minutes=min(PRIOR_MINUTES, 0.1 * (minutes or PRIOR_MINUTES)))
    of_rows = [conditions.of_columns(part.context) for part in (train, valid)]
    rows, held_out = (Encoded(x) for x in of_rows if x is not None)
    fitted = fit_family(
        single,
        columns,
        None,
        rows,
        held_out,
        work=work,
        seed=seed,
        started=time.monotonic(),
        device=device,
        stages=stages,
        stage="prior",
    )
    return LabelPrior(fitted, len(columns.columns), forgets)


def _are_some(columns: Columns | None) -> bool:
    return columns is not None and bool(columns.columns)
