"""n-gram models fitted to symbols: counts, the order that held-out symbols choose, and the discounts they fit."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.optimize import minimize
from torch import Tensor

from genwright.maths.ngrams import (
    NEW,
    RAW,
    Counts,
    Smoothed,
    Stretch,
    counted,
    found_in,
    located,
    probabilities,
    seen_after,
)

HELD_OUT = 50_000  # symbols by which the order and the discounts are chosen
SPREAD = 1.5  # of the logarithms of discounts around their closed form, before held-out symbols are looked at
STEPS = 30  # of the fit of discounts
LEAST = 0.02  # share of its bounds that a discount begins within


def fitted(
    seen: Stretch,
    held_out: Stretch | None,
    *,
    vocabulary: int,
    alphabet: int,
    order: int,
    depths: tuple[int, ...] = (0,),
    goes_on: Callable[[int, float], bool] = lambda step, cost: True,
) -> tuple[Smoothed, float]:
    """A model of all symbols seen, and what held-out ones cost, in nats each.

    n-grams of up to `order` symbols are counted, with what is beside each after each of the `depths`, as long as
    `goes_on`. Where nothing is held out, the last tenth of what was seen is, until all else is fixed.
    """
    whole, tried = seen, list[tuple[float, int, Smoothed]]()
    if held_out is None:
        seen = whole.rows(slice(0, -(-len(whole.at) * 9 // 10)))
    asked = whole.rows(slice(len(seen.at), None)) if held_out is None else held_out
    asked = asked.rows(slice(None, None, -(-len(asked.at) // HELD_OUT) or 1))

    def count(of: Stretch, depth: int) -> Counts:
        return counted(of, vocabulary=vocabulary, alphabet=alphabet, order=order, depth=depth)

    for step, depth in enumerate(depths, start=1):
        cost, model = _chosen(smoothed(count(seen, depth), depth=depth), asked)
        tried.append((cost, step, model))
        if not goes_on(step, cost):
            break
    model = tuned(min(tried)[2], asked)
    cost = float(costs(model, asked)[-1])
    if held_out is None:
        model = replace(model, counts=count(whole, model.depth).cut(model.counts.order))
    return model, cost


def costs(model: Smoothed, asked: Stretch) -> Float[np.ndarray, "k"]:
    """Nats that a symbol costs by n-grams of up to 1, 2, ... symbols; 0 where none is asked for.

    >>> from genwright.maths.ngrams import stretched
    >>> seen = stretched(np.array([[0, 1] * 50]), end=2, framed=False)
    >>> costs(smoothed(counted(seen, vocabulary=3, alphabet=3, order=2)), seen).round(2).tolist()
    [0.7, 0.02]
    """
    shares = probabilities(model, asked)
    return -np.log(shares).mean(axis=1) if shares.shape[1] else np.zeros(len(shares))


def _chosen(model: Smoothed, held_out: Stretch) -> tuple[float, Smoothed]:
    """What held-out symbols cost by the best order, and the model of one more: fitted discounts make better use of long
    contexts.
    """
    found = costs(model, held_out)
    order = min(int(found.argmin()) + 2, len(found))
    return float(found.min()), replace(model, counts=model.counts.cut(order), discounts=model.discounts[:order])


def discounts(counts: Int[np.ndarray, "g"]) -> Float[np.ndarray, "4"]:
    """What is taken off counts of 1, 2, and 3 or more, and what is added for each kind seen, from the counts.

    Modified Kneser-Ney: Chen & Goodman 1999, Computer Speech & Language 13, eq. 17. Where some count up to 4 is missing
    or these make no sense, nothing is taken off and 1 added: Witten & Bell 1991, method C.

    >>> discounts(np.array([1, 1, 1, 1, 2, 2, 3, 4])).round(3).tolist()
    [0.5, 1.25, 1.0, 0.0]
    """
    ones = np.bincount(np.minimum(counts, 5), minlength=6)[1:5].astype(float)
    if (ones > 0).all():
        share = ones[0] / (ones[0] + 2 * ones[1])
        found = np.arange(1, 4) - np.arange(2, 5) * share * ones[1:] / ones[:3]
        if (found > 0).all() and (found <= np.arange(1, 4)).all():
            return np.append(found, 0.0)
    return np.array([0.0, 0.0, 0.0, 1.0])


def smoothed(counts: Counts, *, depth: int = 0) -> Smoothed:
    """Counts with discounts in closed form."""
    found = [
        [discounts(counts.tallies[role, counts.level(length)[1]]) for role in (RAW, NEW)]
        for length in range(counts.order)
    ]
    return Smoothed(counts, np.array(found), depth)


def tuned(model: Smoothed, held_out: Stretch) -> Smoothed:
    """The same with the discounts that make held-out symbols likeliest, as the modified version of Chen & Goodman 1999.

    Few symbols move them little: their logarithms, as shares of their bounds, are normal around those they had.
    """
    low = np.log([LEAST / (1 - LEAST)] * 3 + [0.01])
    with np.errstate(divide="ignore"):
        shares = model.discounts / np.array([1.0, 2.0, 3.0, 1.0])
        start = np.where(np.arange(4) < 3, np.log(shares) - np.log1p(-np.minimum(shares, 1 - LEAST)), np.log(shares))
    begun = torch.from_numpy(np.maximum(start, low))
    levels = list(_levels(model, held_out))

    def cost(flat: Float[np.ndarray, "p"]) -> tuple[float, np.ndarray]:
        found = torch.from_numpy(flat.reshape(begun.shape)).requires_grad_(True)
        share = torch.full((len(held_out.at),), 1 / model.counts.vocabulary, dtype=torch.float64)
        for (some, count, total, kinds, role), taken in zip(levels, _bounded(found), strict=True):
            own = taken[role]
            extra = own[:, 3] * kinds.sum(1)
            mass = (own[:, :3] * kinds).sum(1) + extra
            off = own[:, :3].gather(1, (count.long().clamp(1, 3) - 1)[:, None])[:, 0] * (count > 0)
            share = share.index_put((some,), (count - off + mass * share[some]) / (total + extra))
        value = -share.log().sum() + ((found - begun) / SPREAD).square().sum() / 2
        value.backward()  # type: ignore[no-untyped-call]
        assert found.grad is not None
        return float(value.detach()), found.grad.numpy().ravel()

    found = minimize(cost, begun.numpy().ravel(), jac=True, method="L-BFGS-B", options={"maxiter": STEPS}).x
    return replace(model, discounts=_bounded(torch.from_numpy(found).view(begun.shape)).numpy())


def _bounded(found: Float[Tensor, "k 2 4"]) -> Float[Tensor, "k 2 4"]:
    return torch.cat([found[..., :3].sigmoid() * torch.arange(1.0, 4.0), found[..., 3:].exp()], dim=-1)


def _levels(model: Smoothed, asked: Stretch) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor, Tensor]]:
    """By length of the context which symbols have been seen after theirs, how often, and what else came after it."""
    counts, symbols = model.counts, asked.asked
    top = np.minimum(asked.known, counts.order - 1)
    for length, context in enumerate(located(counts, asked, depth=model.depth)):
        some = np.flatnonzero(context >= 0)
        own, role = context[some], np.where(top[some] == length, RAW, NEW)
        gram = found_in(counts.grams, own * counts.vocabulary + symbols[some])
        count = np.where(gram >= 0, counts.tallies[role, gram], 0)
        sides = [seen_after(counts, length, each) for each in (RAW, NEW)]
        place = own - counts.level(length)[0].start
        total, kinds = (np.stack([side[i] for side in sides]) for i in (0, 1))
        each = (some, count.astype(np.float64), total[role, place].astype(np.float64), kinds[role, :, place], role)
        some_, count_, total_, kinds_, role_ = map(torch.from_numpy, each)
        yield some_, count_, total_, kinds_, role_
