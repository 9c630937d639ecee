"""Losses: what each family minimises, and the value it cannot go below.

Each loss is one function, and on simple data its lowest value is known exactly:

    VAE             -ELBO >= -log p(x), with equality when q(z|x) is the true posterior
    diffusion       error of the clean data >= its variance given x_t (times the weight min(SNR, 5))
    flow matching   error of the velocity >= the variance of x - eps given x_t
    GAN             the critic's loss <= log 4 (classic) or log 2 (relativistic), reached when it cannot tell
    autoregressive  cross-entropy >= the entropy of the data

    python examples/losses.py

You should see each function give its closed form when handed the exact solution, up to the noise of the draws; and each
family, trained for a few seconds on a Gaussian or a Markov chain, come down to within a tenth of its floor. Only
the GAN's loss is there nearly from the start, be its records good or bad: gan.py shows how to judge those.
"""

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal, kl_divergence

import genwright as gw
import show
from genwright.maths.divergences import gaussian_kl
from genwright.maths.games import non_saturating, relativistic
from genwright.maths.schedules import linear_beta, min_snr_weight, to_v
from genwright.nets.flow_net import FlowNet
from genwright.spaces import Reals

VARIANCE = 0.25  # of the one-dimensional Gaussian that exact solutions are handed
CORRELATION = 0.8  # of the two-dimensional one that families are trained on
FAIR = np.array([[0.9, 0.1, 0.0], [0.2, 0.6, 0.2], [0.0, 0.3, 0.7]])  # weather: sun, cloud, rain from day to day

EXPECTED = {
    "KL of Gaussians: |function - torch's|": (0.0, 1e-5),  # 2e-6
    "VAE: -ELBO at the exact posterior / -log p": (0.99, 1.01),  # 0.999
    "VAE: -ELBO at a posterior twice as wide / -log p": (1.3, 1.4),  # 1.34
    "diffusion: loss at the exact denoiser / closed form": (0.98, 1.02),  # 0.994
    "flow: loss at the exact velocity / closed form": (0.98, 1.02),  # 1.001
    "GAN: classic loss of the exact critic / (log 4 - 2 JSD)": (0.98, 1.02),  # 1.001
    "GAN: classic loss, equal distributions / log 4": (1 - 1e-6, 1 + 1e-6),  # 1
    "GAN: relativistic loss, equal distributions / log 2": (1 - 1e-6, 1 + 1e-6),  # 1
    "trained VAE / entropy": (0.98, 1.1),  # 1.002
    "trained diffusion / closed form": (0.97, 1.1),  # 1.000
    "trained flow / closed form": (0.97, 1.1),  # 1.046
    "trained GAN, critic's game / log 4": (0.95, 1.03),  # 0.999
    "trained autoregressive / entropy": (0.98, 1.15),  # 1.092
}


def main(out: Path | None = None) -> dict[str, float]:
    """Hand every loss its exact solution, then train every family towards it."""
    numbers = exact_kl() | exact_vae() | exact_denoisers() | exact_game()
    curves = [*trained_on_a_gaussian(), trained_on_weather()]
    numbers |= {f"trained {curve.name}": curve.last / curve.floor for curve in curves}
    draw(out, curves)
    return show.numbers(numbers, EXPECTED)


def rng(seed: int = 0) -> torch.Generator:
    """A fresh source of randomness."""
    return torch.Generator().manual_seed(seed)


def exact_kl() -> dict[str, float]:
    """KL(N(mean, scale^2) | N(0, 1)) beside torch's own."""
    mean, log_scale = torch.linspace(-3, 3, 50), torch.linspace(-2, 2, 50)
    theirs = kl_divergence(Normal(mean, log_scale.exp()), Normal(0.0, 1.0))
    difference = (gaussian_kl(mean, log_scale) - theirs).abs().max()
    return {"KL of Gaussians: |function - torch's|": float(difference)}


@dataclass
class LinearGaussian:
    """x = weight z + noise with z ~ N(0, 1): the one VAE whose likelihood and posterior are known."""

    weight: Tensor
    noise: float
    widened: float  # standard deviation of q over that of the posterior
    space: ClassVar[Reals] = Reals((2,))

    def posterior(self, x: Tensor, context: None) -> tuple[Tensor, Tensor]:
        variance = 1 / (1 + self.weight.square().sum() / self.noise**2)
        scale = variance.sqrt() * self.widened
        return variance * (x @ self.weight / self.noise**2)[:, None], scale.log().expand(len(x), 1)

    def observation(self, z: Tensor, context: None) -> Tensor:
        """Means, and log-scales as a net puts them out: before they are softly kept above -6."""
        raw = math.log(math.expm1(math.log(self.noise) + 6)) - 6
        return torch.cat([z * self.weight, torch.full((len(z), 2), raw)], dim=1)

    def law(self) -> MultivariateNormal:
        return MultivariateNormal(torch.zeros(2), self.weight.outer(self.weight) + self.noise**2 * torch.eye(2))


def exact_vae() -> dict[str, float]:
    """-ELBO with the posterior as encoder, and with one too wide, over -log p(x)."""
    ratios = []
    for widened in (1.0, 2.0):
        net = LinearGaussian(torch.tensor([1.0, 0.5]), 0.5, widened)
        x = net.weight * torch.randn(100_000, 1, generator=rng(1)) + 0.5 * torch.randn(100_000, 2, generator=rng(2))
        parts = gw.VAE(free_nats=0.0).loss(net, x, None, rng(3))
        ratios.append(float(sum(parts.values()) / -net.law().log_prob(x).mean()))
    names = ("VAE: -ELBO at the exact posterior / -log p", "VAE: -ELBO at a posterior twice as wide / -log p")
    return dict(zip(names, ratios, strict=True))


class ExactDiffusion(FlowNet):
    """v of a Gaussian of variance VARIANCE: E[x | x_t] and E[eps | x_t] are linear in x_t."""

    space, context = Reals((1,)), None

    def forward(self, x_t: Tensor, t: Tensor, context: None, known: None) -> Tensor:
        alpha, sigma = (each[:, None] for each in linear_beta(t))
        total = alpha.square() * VARIANCE + sigma.square()
        return to_v(alpha * VARIANCE * x_t / total, sigma * x_t / total, alpha, sigma)


class ExactFlow(FlowNet):
    """The velocity E[x - eps | x_t] of the same Gaussian."""

    space, context = Reals((1,)), None

    def forward(self, x_t: Tensor, t: Tensor, context: None, known: None) -> Tensor:
        t = t[:, None]
        return (t * VARIANCE - (1 - t)) * x_t / (t.square() * VARIANCE + (1 - t).square())


def diffusion_floor(law: Tensor, rows: Tensor) -> float:
    """Mean over times of min(SNR, 5) E|x - E[x | x_t]|^2 per coordinate, for a Gaussian with principal variances
    `distribution`.

    On a finite set of rows, whose own variances along the same directions are `rows`; with many they are equal and
    the error is Var[x | x_t].
    """
    alpha, sigma = (each[:, None] for each in linear_beta(torch.linspace(0.001, 0.998, 20_001, dtype=torch.float64)))
    slope = alpha * law / (alpha.square() * law + sigma.square())  # E[x | x_t] = slope x_t
    error = (1 - slope * alpha).square() * rows + (slope * sigma).square()
    return float((min_snr_weight(alpha, sigma) * error).mean())


def flow_floor(law: Tensor, rows: Tensor) -> float:
    """Mean over times of E|(x - eps) - E[x - eps | x_t]|^2 per coordinate, likewise."""
    t = torch.linspace(0, 1, 20_001, dtype=torch.float64)[:, None]
    slope = (t * law - (1 - t)) / (t.square() * law + (1 - t).square())
    error = (1 - slope * t).square() * rows + (1 + slope * (1 - t)).square()
    return float(error.mean())


def exact_denoisers() -> dict[str, float]:
    """Both regressions at their exact solution, over the variance that is left."""
    x = VARIANCE**0.5 * torch.randn(200_000, 1, generator=rng(4))
    variance = torch.tensor([VARIANCE], dtype=torch.float64)
    denoising = float(gw.Diffusion().held_out(ExactDiffusion(), x, None, rng(5)))
    velocity = float(gw.FlowMatching().held_out(ExactFlow(), x, None, rng(6)))
    return {
        "diffusion: loss at the exact denoiser / closed form": denoising / diffusion_floor(variance, variance),
        "flow: loss at the exact velocity / closed form": velocity / flow_floor(variance, variance),
    }


def exact_game() -> dict[str, float]:
    """The critic log p(x) / q(x) for N(0, 1) against N(1, 1); and one that sees no difference, so scores all alike."""
    real, fake = torch.randn(200_000, generator=rng(7)), 1 + torch.randn(200_000, generator=rng(8))
    p, q = Normal(0.0, 1.0), Normal(1.0, 1.0)

    def critic(x: Tensor) -> Tensor:
        return p.log_prob(x) - q.log_prob(x)

    x = torch.linspace(-9, 10, 100_001, dtype=torch.float64)
    one, other = p.log_prob(x).exp(), q.log_prob(x).exp()
    middle = (one + other) / 2
    divergence = 0.5 * torch.trapezoid(one * (one / middle).log() + other * (other / middle).log(), x)
    alike = torch.full((10,), 0.3)
    return {
        "GAN: classic loss of the exact critic / (log 4 - 2 JSD)": float(
            non_saturating(critic(real), critic(fake)) / (math.log(4) - 2 * divergence)
        ),
        "GAN: classic loss, equal distributions / log 4": float(non_saturating(0 * alike, 0 * alike)) / math.log(4),
        "GAN: relativistic loss, equal distributions / log 2": float(relativistic(alike, alike)) / math.log(2),
    }


class Curve(NamedTuple):
    """The held-out loss of a family while it trained, and at last; and the value it cannot go below."""

    name: str
    steps: list[int]
    losses: list[float]
    last: float
    floor: float


def trained_on_a_gaussian() -> list[Curve]:
    """Four families on 4,000 rows of a Gaussian whose two columns have correlation 0.8."""
    covariance = torch.tensor([[1, CORRELATION], [CORRELATION, 1]], dtype=torch.float64)
    rows = np.random.default_rng(0).multivariate_normal([0, 0], covariance.numpy(), size=4000)
    data = gw.read(pd.DataFrame(rows, columns=["a", "b"]).round(6))
    law, directions = torch.linalg.eigh(covariance)
    curves = []
    for name, family in (
        ("VAE / entropy", gw.VAE(width=32, latent=2, depth=1, free_nats=0.0)),
        ("diffusion / closed form", gw.Diffusion(width=32)),
        ("flow / closed form", gw.FlowMatching(width=32)),
        ("GAN, critic's game / log 4", gw.GAN(width=32, depth=1, objective=non_saturating)),
    ):
        model = gw.fit(data, family=family, steps=240)
        held_out = model.codec.encode(data.valid, rng=rng()).x
        own = (held_out.double() @ directions).square().mean(0)
        floors = {
            "vae": -float(MultivariateNormal(torch.zeros(2), covariance.float()).log_prob(held_out).mean()),
            "diffusion": diffusion_floor(law, own),
            "flow": flow_floor(law, own),
            "gan": math.log(4),
        }
        history = model.record["history"]
        if family.name == "gan":
            losses = [line["parts"]["critic.game"] for line in history]
            last = losses[-1]
        else:
            losses = [line["held_out"] for line in history]
            with torch.no_grad():  # many draws for each row, for little noise
                last = float(model.family.held_out(model.net, held_out.repeat(100, 1), None, rng(9)))
        curves.append(Curve(name, [line["step"] for line in history], losses, last, floors[family.name]))
    return curves


def trained_on_weather() -> Curve:
    """A next-letter model of 60,000 days of weather, a Markov chain, in nats per day."""
    source, day, days = np.random.default_rng(0), 0, []
    for uniform in source.uniform(size=60_000):
        day = int(np.searchsorted(FAIR[day].cumsum(), uniform))
        days.append("SCR"[day])
    values, vectors = np.linalg.eig(FAIR.T)
    share = np.real(vectors[:, np.argmax(values.real)])
    logs = np.log(np.where(FAIR > 0, FAIR, 1))
    entropy = float(-(share / share.sum()) @ (FAIR * logs).sum(1))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "weather.txt")
        path.write_text("".join(days))
        data = gw.read(path, records="running")
    model = gw.fit(data, family=gw.Autoregressive(width=32, depth=1, heads=1, batch=4), steps=170)
    history = model.record["history"]
    losses = [line["held_out"] for line in history]
    return Curve("autoregressive / entropy", [line["step"] for line in history], losses, losses[-1], entropy)


def draw(out: Path | None, curves: list[Curve]) -> None:
    """Each family's loss on its way to the floor."""
    page, axes = show.figure(1, len(curves), width=2.9, height=2.8)
    for axis, colour, (name, steps, losses, _, floor) in zip(axes[0], show.COLOURS, curves, strict=True):
        axis.plot(steps, losses, color=colour, lw=1.6, marker="o", ms=2.5)
        axis.axhline(floor, color="k", lw=1, ls="--")
        axis.annotate(f"{name.split(' / ')[1]} {floor:.3f}", (steps[-1], floor), (0, -11), fontsize=8, ha="right",
                      textcoords="offset points")  # fmt: skip
        low, high = min(floor, *losses), min(max(losses), 3 * floor)
        axis.set(xlabel="step", ylim=(low - 0.2 * (high - low), high + 0.05 * (high - low)))
        axis.set_title(name.split(" / ")[0], fontsize=10)
    axes[0, 0].set_ylabel("loss")
    show.save(page, out, "losses")


if __name__ == "__main__":
    show.command(main)
