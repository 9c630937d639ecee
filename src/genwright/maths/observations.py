"""Observation models: the distribution of a record given what a net puts out, written once for every likelihood-based
family.

A space fixes the model of its entries, which are independent given the parameters:

- `Reals` with levels: discretised logistic, with two levels Bernoulli; without levels: Gaussian with learned scale;
- `Columns`: categorical for discrete columns, Gaussian for continuous ones where they are active.

All functions take the parameters as one row of `parameters(space)` numbers per record. For `Reals` these are
`parameters(space) // space.size` maps of the record's shape, one after the other. NaN in a record means "not observed":
the entry takes no part, which is its exact marginal since entries are independent.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from genwright.errors import UnsupportedError
from genwright.spaces import Columns, Discrete, Reals, Space

MIN_LOG_SCALE = -6.0  # bounds the density where data is (nearly) constant; Rybkin et al. 2021, appendix A


def parameters(space: Space) -> int:
    """How many numbers the model of one record has.

    >>> parameters(Reals((1, 8, 8), levels=17)), parameters(Reals((1, 8, 8), levels=2))
    (128, 64)
    """
    match space:
        case Reals(levels=2):
            return space.size
        case Reals():
            return 2 * space.size
        case Columns():
            return sum(column.levels if isinstance(column, Discrete) else 2 for column in space.columns)
    raise _unsupported(space)


def log_likelihood(space: Space, params: Float[Tensor, "n p"], x: Float[Tensor, "n *s"]) -> Float[Tensor, "n"]:
    """Log-probability (log-density for continuous entries) of each record in nats."""
    match space:
        case Reals():
            flat = x.flatten(1)
            value = flat.nan_to_num(0.0)
            entries = _reals_log_prob(space, params, value)
            return torch.where(flat.isnan(), 0.0, entries).sum(1)
        case Columns():
            return _columns_log_prob(space, params, x)
    raise _unsupported(space)


def draw(
    space: Space, params: Float[Tensor, "n p"], rng: torch.Generator, *, temperature: float = 1.0
) -> Float[Tensor, "n *s"]:
    """One record per row of parameters.

    `temperature` multiplies the scale of real entries and divides the logits of discrete ones: 1 draws from the model,
    0 gives `most_likely`.
    """
    match space:
        case Reals():
            return _draw_reals(space, params, rng, temperature).unflatten(1, space.shape)
        case Columns():
            return _draw_columns(space, params, rng, temperature)
    raise _unsupported(space)


def most_likely(space: Space, params: Float[Tensor, "n p"]) -> Float[Tensor, "n *s"]:
    """The most likely record of each row of parameters; entries with more than two levels get their median instead.

    The open outermost bins can make black or white the likeliest level of an entry that is merely uncertain.
    """
    return draw(space, params, torch.Generator(params.device), temperature=0.0)


def fit_columns(space: Columns, x: Float[Tensor, "n c"], share: Float[Tensor, "n k"]) -> Float[Tensor, "k p"]:
    """For each of k weightings of the rows the parameters of greatest posterior probability, in closed form.

    As prior, every weighting gets one further row spread as the whole data is (that keeps unseen levels possible).
    NaN in `x` takes no part.
    """
    observed = (space.active(x) & ~x.isnan()).to(x.dtype)
    value = x.nan_to_num(0.0)
    parts = []
    for i, column in enumerate(space.columns):
        weights = share * observed[:, i, None]
        count = weights.sum(0)[:, None]
        if isinstance(column, Discrete):
            levels = F.one_hot(value[:, i].long(), column.levels).to(x.dtype) * observed[:, i, None]
            marginal = (levels.sum(0) + 1) / (levels.sum() + column.levels)
            parts.append(((weights.T @ levels + marginal) / (count + 1)).log())
        else:
            total = observed[:, i].sum().clamp_min(1.0)
            centre = (observed[:, i] * value[:, i]).sum() / total
            spread = (observed[:, i] * (value[:, i] - centre).square()).sum() / total
            mean = (weights.T @ value[:, i, None] + centre) / (count + 1)
            square = weights.T @ value[:, i, None].square() + spread + centre.square()
            log_scale = 0.5 * (square / (count + 1) - mean.square()).clamp_min(1e-12).log()
            parts += [mean, _raw_log_scale(log_scale)]
    return torch.cat(parts, dim=1)


def gaussian(x: Float[Tensor, "*s"], mean: Float[Tensor, "*s"], log_scale: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
    """log N(x; mean, scale²)."""
    return -0.5 * ((x - mean) * torch.exp(-log_scale)).square() - log_scale - 0.9189385332046727  # log(2 pi) / 2


def discretised_logistic(
    x: Float[Tensor, "*s"], mean: Float[Tensor, "*s"], log_scale: Float[Tensor, "*s"], *, levels: int
) -> Float[Tensor, "*s"]:
    """Log-probability of the level x in [-1, 1] under a logistic distribution rounded to `levels` equally spaced
    values.

    Salimans et al. 2017, arXiv:1701.05517, eq. 2: σ(b) - σ(a) at the edges a < b of the bin, the outermost bins being
    open. As σ(b) - σ(a) = σ(b) σ(-a) (1 - e^(a - b)), no difference of nearly equal numbers is ever taken.
    """
    half_bin = 1.0 / (levels - 1)
    precision = torch.exp(-log_scale)
    above = F.logsigmoid((x + half_bin - mean) * precision)
    below = F.logsigmoid(-(x - half_bin - mean) * precision)
    inner = torch.log(-torch.expm1(-2 * half_bin * precision))
    first, last = x < -1 + half_bin, x > 1 - half_bin
    return torch.where(first, above, torch.where(last, below, above + below + inner))


def bernoulli(x: Float[Tensor, "*s"], logit: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
    """Log-probability of x in {-1, 1}, where `logit` is the log-odds of 1."""
    return F.logsigmoid(x * logit)


def categorical(x: Float[Tensor, "*n"], logits: Float[Tensor, "*n k"]) -> Float[Tensor, "*n"]:
    """Log-probability of the level numbers x."""
    return logits.log_softmax(-1).gather(-1, x.long().unsqueeze(-1)).squeeze(-1)


def bounded_log_scale(raw: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
    """A net's output as a log-scale, softly kept above `MIN_LOG_SCALE`."""
    return MIN_LOG_SCALE + F.softplus(raw - MIN_LOG_SCALE)


def _raw_log_scale(log_scale: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
    """The inverse of `bounded_log_scale`; scales below the bound are brought just above it."""
    above = (log_scale - MIN_LOG_SCALE).clamp_min(1e-3)
    return MIN_LOG_SCALE + above + torch.log(-torch.expm1(-above))


def _reals_log_prob(space: Reals, params: Tensor, x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    if space.levels == 2:
        return bernoulli(x, params)
    mean, raw = params.chunk(2, dim=1)
    if space.levels is None:
        return gaussian(x, mean, bounded_log_scale(raw))
    return discretised_logistic(x, mean, bounded_log_scale(raw), levels=space.levels)


def _draw_reals(space: Reals, params: Tensor, rng: torch.Generator, temperature: float) -> Float[Tensor, "n d"]:
    if space.levels == 2:
        return 1.0 - 2.0 * _draw_level(torch.stack([params, torch.zeros_like(params)], -1), rng, temperature)
    mean, raw = params.chunk(2, dim=1)
    scale = temperature * bounded_log_scale(raw).exp()
    if space.levels is None:
        return mean + scale * torch.randn(mean.shape, generator=rng, device=mean.device)
    uniform = torch.rand(mean.shape, generator=rng, device=mean.device)
    x = mean + scale * torch.logit(uniform, eps=1e-7)
    top = space.levels - 1
    return ((x + 1) * (top / 2)).round().clamp(0, top) * (2 / top) - 1


def _draw_level(logits: Float[Tensor, "*n k"], rng: torch.Generator, temperature: float) -> Float[Tensor, "*n"]:
    """Gumbel-max: argmax(logits + temperature · Gumbel noise) has distribution softmax(logits / temperature)."""
    uniform = torch.rand(logits.shape, generator=rng, device=logits.device).clamp_(1e-20, 1 - 6e-8)
    return (logits - temperature * torch.log(-torch.log(uniform))).argmax(-1).to(logits.dtype)


def _split(space: Columns, params: Float[Tensor, "n p"]) -> tuple[Tensor, ...]:
    """The parameters of each column."""
    return params.split([c.levels if isinstance(c, Discrete) else 2 for c in space.columns], dim=1)


def _columns_log_prob(space: Columns, params: Tensor, x: Float[Tensor, "n c"]) -> Float[Tensor, "n"]:
    value, observed = x.nan_to_num(0.0), space.active(x) & ~x.isnan()
    total = torch.zeros_like(x[:, 0])
    for i, (column, own) in enumerate(zip(space.columns, _split(space, params), strict=True)):
        if isinstance(column, Discrete):
            entry = categorical(value[:, i], own)
        else:
            entry = gaussian(value[:, i], own[:, 0], bounded_log_scale(own[:, 1]))
        total = total + torch.where(observed[:, i], entry, 0.0)
    return total


def _draw_columns(space: Columns, params: Tensor, rng: torch.Generator, temperature: float) -> Float[Tensor, "n c"]:
    values = []
    for column, own in zip(space.columns, _split(space, params), strict=True):
        if isinstance(column, Discrete):
            values.append(_draw_level(own, rng, temperature))
        else:
            noise = torch.randn(len(own), generator=rng, device=own.device)
            values.append(own[:, 0] + temperature * bounded_log_scale(own[:, 1]).exp() * noise)
    x = torch.stack(values, dim=1)
    return torch.where(space.active(x), x, 0.0)


def _unsupported(space: Space) -> UnsupportedError:
    return UnsupportedError(
        f"no observation model for {type(space).__name__}", hint="Autoregressive models tokens one after the other"
    )
