"""A private fit: the codec and the net from noisy answers about the rows, within one budget."""

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from genwright.codecs.columns import ColumnsCodec
from genwright.constraints import Rule
from genwright.data.dataset import Dataset
from genwright.data.split import Split
from genwright.errors import ArgumentError, DataError, UnsupportedError
from genwright.families.autoregressive import Autoregressive
from genwright.families.family import Family, Work
from genwright.families.mixture import Mixture
from genwright.families.tree import TreeMixture
from genwright.nets.latent_tree import LatentTree
from genwright.nets.mixture import MixtureNet
from genwright.privacy.budget import Budget
from genwright.privacy.cells import KNOTS
from genwright.privacy.coding import NAMES_SHARE, QUANTILES_SHARE, RANGES_SHARE, private_codec

# GRAD
from genwright.privacy.gradients import fit_by_gradients
from genwright.privacy.marginals import SINGLES_SHARE, Singles, count_pairs, count_singles
from genwright.privacy.pour import pour_mixture, pour_tree
from genwright.privacy.products import fit_products
from genwright.privacy.settings import Privacy
from genwright.privacy.statement import privacy_record
from genwright.randomness import seeded
from genwright.spaces import Encoded
from genwright.train.progress import Listener, Progress
from genwright.train.record import circumstances

COMPONENTS = 128  # of a private mixture, where there are rows enough
ROWS_PER_COMPONENT = 64
PAIRS_SHARE = 0.995 - NAMES_SHARE - RANGES_SHARE - QUANTILES_SHARE - SINGLES_SHARE


@dataclass(frozen=True)
class PrivatelyFitted:
    """What a Generator is made of, fitted privately."""

    codec: ColumnsCodec
    family: Family
    net: nn.Module
    record: dict[str, Any]


def private_fit(
    data: Dataset,
    privacy: Privacy,
    *,
    family: Family | None,
    work: Work,
    seed: int,
    rules: Sequence[Rule],
    listener: Listener,
) -> PrivatelyFitted:
    """Fit `family` (TreeMixture if None) to all rows of a table.

    All rows: the borders of a Dataset's parts depend on every row, so fitting to a part would tell of the others. To
    keep rows for testing, give only the others. `seed` sets what is random but hides nothing. There must be no `rules`.
    """
    started = time.monotonic()
    _check(data, family, rules)
    budget = Budget(privacy.epsilon, privacy.delta_for(len(data)), noise_seed=privacy.noise_seed)
    listener(Progress("encoding"))
    codec = private_codec(data, budget, privacy.public)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it would show values of single rows that have no name of their own
        rows = codec.encode(data, rng=budget.generator())
    singles = count_singles(data, codec, rows.x, budget)
    family, net, history = _fit(family or TreeMixture(), codec, rows, singles, budget, work, seed, listener)
    net.eval().requires_grad_(False)
    record: dict[str, Any] = {"minutes": work.minutes, "steps": work.steps, "seed": seed, "history": history}
    record |= {"stopped_early": False, "parameters": sum(t.numel() for t in [*net.parameters(), *net.buffers()])}
    record |= circumstances(_as_known(data, codec), started=started)
    record["privacy"] = privacy_record(budget, rows=len(data), seeded=privacy.noise_seed is not None)
    return PrivatelyFitted(codec, family, net, record)


def _check(data: Dataset, family: Family | None, rules: Sequence[Rule]) -> None:
    if rules:
        what = "constraints are checked against the rows, and that would tell of them"
        raise UnsupportedError(what, where="privacy", hint="fit without constraints, and filter the samples")
    if data.media is not None:
        what = f"no private fit of {type(data.media).__name__.lower()}s"
        raise UnsupportedError(what, where=data.name, hint="drop the column, or read it as a category")
    if not data.scalars:
        raise DataError("no number, category or time column to model", where=data.name)
    if not isinstance(family, (Mixture, TreeMixture, Autoregressive, type(None))):
        hint = "take gw.TreeMixture, gw.Mixture or gw.Autoregressive"
        raise UnsupportedError(f"{family.name} is not fitted privately", where="privacy", hint=hint)
    if getattr(family, "net", None) is not None:
        raise UnsupportedError("no private fit with a net of your own", where="privacy", hint="leave net out")
    if isinstance(family, TreeMixture) and family.knots not in (None, KNOTS):
        what = f"knots={family.knots} in a private fit, which has {KNOTS}"
        raise ArgumentError(what, where="TreeMixture", hint="leave knots out")


def _fit(
    family: Family,
    codec: ColumnsCodec,
    rows: Encoded,
    singles: Singles,
    budget: Budget,
    work: Work,
    seed: int,
    listener: Listener,
) -> tuple[Family, nn.Module, list[dict[str, Any]]]:
    """The family as it was sized, its net, and how the fit went as far as that may be told."""
    components = max(8, min(COMPONENTS, work.rows // ROWS_PER_COMPONENT))
    if isinstance(family, Autoregressive):
        sized, net = fit_by_gradients(family, codec.space, rows, singles, budget, work, seed, listener)
        return sized, net, []

    if isinstance(family, Mixture):
        family = replace(family.sized(codec.space, work), components=family.components or components)
        components = family.components or components
    else:
        assert isinstance(family, TreeMixture)
        family = replace(family, knots=KNOTS, states=family.states or components).sized(codec.space, work)
        components = family.states or components
    pairs = count_pairs(singles, budget, share=PAIRS_SHARE)
    history: list[dict[str, Any]] = []

    def report(step: int, steps: int, loss: float) -> None:
        history.append({"step": step, "loss": loss})
        listener(Progress("fitting", step, steps, loss))

    rng = torch.Generator().manual_seed(seed)
    products = fit_products(
        singles, pairs, components=components, steps=work.steps, minutes=work.minutes, rng=rng, report=report
    )
    with seeded(seed):
        net = family.build(codec.space, None)
    if isinstance(net, MixtureNet):
        pour_mixture(net, singles.cells, products)
    else:
        assert isinstance(net, LatentTree)
        pour_tree(net, singles.cells, products)
    return family, net, history


def _as_known(data: Dataset, codec: ColumnsCodec) -> Dataset:
    """The data as far as the record may tell of it: kinds of fields, and that all rows were used."""
    columns = {field.name: data.columns[field.name] for field in codec.fields}
    split = Split(np.arange(len(data)), np.arange(0), np.arange(0))
    return Dataset(codec.fields, columns, name=data.name, label=data.label, fixed_split=split)
