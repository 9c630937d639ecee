"""The law of the scalar fields beside a media field."""

import time

import torch

from genwright.families.family import Work
from genwright.families.mixture import Mixture
from genwright.spaces import Columns, Encoded
from genwright.train.fit import Fitted, fit_family
from genwright.train.stages import NOWHERE, Stages

PRIOR_MINUTES = 0.1  # at most


def fit_prior(
    context: Columns | None,
    train: Encoded,
    valid: Encoded,
    *,
    minutes: float | None,
    seed: int,
    device: torch.device,
    stages: Stages = NOWHERE,
) -> Fitted | None:
    """The law of the scalar fields beside a media field."""
    if context is None:
        return None
    assert train.context is not None and valid.context is not None
    single = Mixture(components=1) if len(context.columns) == 1 and context.discrete else Mixture()
    work = Work(rows=len(train), minutes=min(PRIOR_MINUTES, 0.1 * (minutes or PRIOR_MINUTES)))
    rows, held_out = Encoded(train.context), Encoded(valid.context)
    return fit_family(
        single,
        context,
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
