"""The generator framework: encoder, decoder, a learned distribution of latents, and generate.

Every latent generator is the same few parts: `encode` finds the latent of a record, `decode` makes a record from a
latent, and a prior says which latents to draw. Training a VAE asks latents to be N(0, I), but they never quite are; so
once the net is trained, the prior is refitted to where the latents of real records lie. What cannot be done says so at
once, with what was wrong, where, and a remedy. What can be done can be saved, and does the same after loading.

    python examples/generator_framework.py

You should see three error messages that say what to do; digits drawn from the refitted prior clearly nearer to real
ones (Fréchet distance) than digits from N(0, I), both compared with how near other real digits are; and a model that
draws the same digits after it was saved and loaded.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

import genwright as gw
import show
from genwright.extractors.features import fit_extractor
from genwright.metrics.frechet import frechet

EXPECTED = {
    "errors that say what to do": (3, 3),
    "nats by which the refitted prior knows test latents better": (0.8, 5.0),  # 2.33
    "Frechet distance, N(0, I)": (1.8, 6.0),  # 2.95
    "Frechet distance, refitted prior": (0.8, 2.7),  # 2.24
    "Frechet distance, other real digits": (0.0, 0.5),  # 0.18
    "N(0, I) / refitted": (1.1, 3.0),  # 1.32
    "digits that differ after save and load": (0, 0),
}


def main(out: Path | None = None) -> dict[str, float]:
    """Ask too early, then fit, compare priors, save and load."""
    data = gw.read("digits").select(["image"])
    print("Asked for what cannot be done:")
    helpful = sum(
        complaint(ask)
        for ask in (
            lambda: gw.load("nowhere"),  # nothing was fitted and saved there yet
            lambda: gw.fit(gw.read("python-stdlib"), family=gw.VAE(), steps=1),  # a VAE reads no text
            lambda: gw.fit(gw.read("wine"), family=gw.Mixture(), steps=5).decode(np.zeros((1, 2))),  # has no latents
        )
    )
    model = gw.fit(data, family=gw.VAE(width=16, latent=8), steps=260)

    latents = model.encode(data.train)
    rng = np.random.default_rng(0)
    plain = model.decode(rng.normal(size=(1000, 8)))  # latents from N(0, I), as training asked for
    refitted = model.sample(1000, seed=0)  # latents from the prior fitted to those of real digits
    look = fit_extractor(data.train, dimension=16, kind="pca")
    real, halves = look(data.train), rng.permutation(len(data.train))
    distances = {name: frechet(real, look(fake)) for name, fake in (("N(0, I)", plain), ("refitted prior", refitted))}
    middle = len(real) // 2
    print("One encoder and decoder, two priors:")
    numbers = {
        "errors that say what to do": helpful,
        "nats by which the refitted prior knows test latents better": gain(model, data.test),
        **{f"Frechet distance, {name}": value for name, value in distances.items()},
        "Frechet distance, other real digits": frechet(real[halves[:middle]], real[halves[middle:]]),
        "N(0, I) / refitted": distances["N(0, I)"] / distances["refitted prior"],
        "digits that differ after save and load": changed(model),
    }
    draw(out, latents, model, (plain, refitted))
    return show.numbers(numbers, EXPECTED)


def complaint(ask: Callable[[], object]) -> bool:
    """Whether `ask` fails with an error that has a hint; prints it."""
    try:
        ask()
    except gw.GenwrightError as error:
        print("  " + str(error).replace("\n", "\n  "))
        return bool(error.hint)
    return False


def gain(model: gw.Generator, test: gw.Dataset) -> float:
    """Mean log-density of test digits' latents under the refitted prior, less that under N(0, I)."""
    latents = torch.tensor(model.encode(test))
    plain = torch.distributions.Normal(0.0, 1.0).log_prob(latents).sum(dim=1)
    return float((model.net.prior.log_prob(latents, None) - plain).mean())


def changed(model: gw.Generator) -> int:
    """How many of 50 digits are other ones after the model was saved and loaded."""
    with tempfile.TemporaryDirectory() as folder:
        model.save(folder)
        again = gw.load(folder)
    before, after = (each.sample(50, seed=3).columns["image"] for each in (model, again))
    return int((before != after).reshape(50, -1).any(1).sum())


def draw(out: Path | None, latents: np.ndarray, model: gw.Generator, fakes: tuple[gw.Dataset, gw.Dataset]) -> None:
    """Where latents lie under each prior, and what comes of it."""
    page, axes = show.figure(1, 3)
    order = np.argsort(-latents.std(0))[:2]  # the two coordinates in most use
    ring = np.exp(1j * np.linspace(0, 2 * np.pi, 100))
    for radius in (1, 2):
        axes[0, 0].plot(radius * ring.real, radius * ring.imag, color="0.6", lw=1, label="N(0, I)" * (radius == 1))
    axes[0, 0].scatter(*latents[:, order].T, s=4, color=show.COLOURS[0], alpha=0.5, label="latents of real digits")
    means = model.net.prior.means.numpy()[np.isfinite(model.net.prior.log_weights.numpy())]
    axes[0, 0].scatter(
        *means[:, order].T, s=40, marker="x", color=show.COLOURS[1], label="centres of the refitted prior"
    )
    axes[0, 0].set_aspect("equal")
    axes[0, 0].legend(fontsize=7)
    axes[0, 0].set_title("two of eight latent coordinates", fontsize=10)
    for axis, fake, name in zip(axes[0, 1:], fakes, ("N(0, I)", "the refitted prior"), strict=True):
        show.images(axis, fake.columns["image"][:80], columns=10, title=f"digits from {name}")
    show.save(page, out, "generator_framework")


if __name__ == "__main__":
    show.command(main)
