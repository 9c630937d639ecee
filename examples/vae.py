"""The variational autoencoder: records from latents, and a bound on their likelihood.

A decoder p(x|z) turns a few latent numbers z ~ N(0, I) into an image; an encoder q(z|x) guesses which z an image came
from. Both are trained together to lower -ELBO = reconstruction + KL: the nats that it costs to describe the image given
z, and the nats by which q(z|x) says more than the prior does. To differentiate through the random z, it is written as
mean + scale * noise (the reparameterisation). With K draws in place of one the bound is tighter (IWAE).

    python examples/vae.py

You should see reconstruction fall and KL rise from 0 as the latents come into use; gradients through the
reparameterisation many times less noisy than by the score function; and ELBO < IWAE-8 < IWAE-64 on digits that were
never trained on.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import genwright as gw
import show
from genwright.maths.observations import log_likelihood

DRAWS = 512  # of each gradient estimate

EXPECTED = {
    "reconstruction at first, nats": (120.0, 200.0),  # 143
    "reconstruction at last, nats": (70.0, 95.0),  # 87.6
    "KL at last, nats": (6.0, 15.0),  # 7.9
    "noise of score gradients / reparameterised": (1.5, 20.0),  # 2.4
    "angle between the mean gradients, degrees": (0.0, 45.0),  # 27.8
    "ELBO on test digits, nats": (-100.0, -85.0),  # -95.2; a uniform guess gets -181
    "IWAE-8 minus ELBO, nats": (0.7, 4.0),  # 1.2
    "IWAE-64 minus IWAE-8, nats": (0.2, 2.0),  # 0.5
}


def main(out: Path | None = None) -> dict[str, float]:
    """Train on digits; take the loss apart; compare gradients and bounds."""
    data = gw.read("digits").select(["image"])
    model = gw.fit(data, family=gw.VAE(width=16, latent=8), steps=180)

    history = model.record["history"]
    reparameterised, score = gradients(model, data.test.take(slice(0, 1)))
    bounds = {k: bound(model, data.test, k) for k in (1, 8, 64)}
    print(f"A VAE with 8 latents, {history[-1]['step']} steps on {len(data.train)} digits of 8 x 8 pixels:")
    numbers = {
        "reconstruction at first, nats": history[0]["parts"]["reconstruction"],
        "reconstruction at last, nats": history[-1]["parts"]["reconstruction"],
        "KL at last, nats": history[-1]["parts"]["kl"],
        "noise of score gradients / reparameterised": float(spread(score) / spread(reparameterised)),
        "angle between the mean gradients, degrees": angle(reparameterised.mean(0), score.mean(0)),
        "ELBO on test digits, nats": bounds[1],
        "IWAE-8 minus ELBO, nats": bounds[8] - bounds[1],
        "IWAE-64 minus IWAE-8, nats": bounds[64] - bounds[8],
    }
    draw(out, model, data)
    return show.numbers(numbers, EXPECTED)


def bound(model: gw.Generator, data: gw.Dataset, importance_samples: int) -> float:
    """Mean lower bound of log p(x) in nats: the ELBO with one sample, the IWAE bound with more."""
    sharper = replace(model, family=replace(model.family, importance_samples=importance_samples))
    return float(sharper.log_prob(data).mean())


def gradients(model: gw.Generator, one: gw.Dataset) -> tuple[torch.Tensor, torch.Tensor]:
    """Two unbiased estimates of d E_q[log p(x|z)] / d mean, each DRAWS times, shape (DRAWS, latents).

    Reparameterised: d log p(x | mean + scale * noise) / d mean. By the score function: log p(x|z) d log q(z) / d mean,
    with the mean of log p(x|z) taken off, which changes nothing on average and is the usual remedy for its noise.
    """
    rng = torch.Generator().manual_seed(0)
    space = model.codec.space
    x = space.unpack(model.codec.encode(one, rng=rng).x)
    mean, log_scale = (each.detach().expand(DRAWS, -1) for each in model.net.posterior(x, None))
    noise = torch.randn(mean.shape, generator=rng)
    mean = mean.clone().requires_grad_()
    z = mean + log_scale.exp() * noise
    reward = log_likelihood(space, model.net.observation(z, None), x.expand(DRAWS, *x.shape[1:]))
    (reparameterised,) = torch.autograd.grad(reward.sum(), mean)
    score = (reward - reward.mean())[:, None] * noise / log_scale.exp()
    return reparameterised, score.detach()


def spread(gradient: torch.Tensor) -> torch.Tensor:
    """Root mean square distance of the estimates from their mean."""
    return gradient.var(0).sum().sqrt()


def angle(a: torch.Tensor, b: torch.Tensor) -> float:
    """Degrees between two vectors."""
    return float(torch.rad2deg(torch.acos(torch.nn.functional.cosine_similarity(a, b, dim=0))))


def draw(out: Path | None, model: gw.Generator, data: gw.Dataset) -> None:
    """The two parts of the loss as they came about; digits beside what 8 numbers keep of them; new digits."""
    page, axes = show.figure(1, 3)
    steps = [line["step"] for line in model.record["history"]]
    bottom = np.zeros(len(steps))
    for part, colour in zip(("reconstruction", "kl"), show.COLOURS, strict=False):
        values = np.array([line["parts"][part] for line in model.record["history"]])
        axes[0, 0].fill_between(steps, bottom, bottom + values, color=colour, alpha=0.6, lw=0, label=part)
        bottom = bottom + values
    axes[0, 0].plot(steps, [line["held_out"] for line in model.record["history"]], "k", lw=1, label="held-out, in all")
    axes[0, 0].set(xlabel="step", ylabel="nats per digit", ylim=(0, None))
    axes[0, 0].set_title("-ELBO = reconstruction + KL", fontsize=10)
    axes[0, 0].legend(fontsize=8)
    real = data.test.take(slice(0, 40))
    again = model.decode(model.encode(real))
    pairs = np.concatenate([part.columns["image"].reshape(5, 8, 8, 8, 1) for part in (real, again)], axis=1)
    show.images(axes[0, 1], pairs.reshape(80, 8, 8, 1), columns=8, title="test digits, and decoded again below")
    show.images(axes[0, 2], model.sample(80, seed=1).columns["image"], columns=8, title="new digits")
    show.save(page, out, "vae")


if __name__ == "__main__":
    show.command(main)
