"""Diffusion and flow matching: noise to digits, step by step.

The forward process needs no learning: x_t = alpha_t x + sigma_t eps, with alpha_t^2 = prod_i (1 - beta_i) for the
classic schedule of 1000 noises beta_i. A net learns to see through the noise; sampling starts from pure noise and
follows the net back. Ancestral sampling (DDPM) takes hundreds of small random steps; a second-order solver
(DPM-Solver++) goes the same way in twenty. Flow matching trains the same net on straight paths,
x_t = t x + (1 - t) eps, whose velocity is x - eps.

    python examples/diffusion.py

You should see a digit drown in noise; then digits come out of noise, most of them of the class that was asked for after
a few seconds of training, as judged by a classifier trained on real digits; the few-step solver about as good as
ancestral sampling in a sixth of its time; and flow matching ahead at the same number of training steps.
"""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from sklearn.svm import SVC

import genwright as gw
import show
from genwright.maths.samplers import ddpm
from genwright.maths.schedules import BETA_FIRST, BETA_LAST, cosine, linear_beta, log_snr, straight

EACH = 8  # digits drawn of each class
STEPS = 130  # of training, of each model

EXPECTED = {
    "alpha^2 at step 500 / product of (1 - beta)": (1 - 1e-6, 1 + 1e-6),  # 1
    "signal left at the end, linear beta": (0.006, 0.007),  # 0.00635
    "classifier on real test digits": (0.97, 1.0),  # 0.994
    "label agreement, diffusion, 20 steps": (0.65, 1.0),  # 0.75
    "label agreement, diffusion, ancestral 100 steps": (0.7, 1.0),  # 0.83
    "label agreement, flow matching, 10 steps": (0.85, 1.0),  # 0.98
    "label agreement, pure noise": (0.0, 0.25),  # 0.13
    "seconds, ancestral / few steps": (3.0, 10.0),  # 6.0
}


def main(out: Path | None = None) -> dict[str, float]:
    """Train both on labelled digits, draw digits of each class three ways, and let a classifier judge."""
    data = gw.read("digits")
    judge = SVC().fit(flat(data.train), data.train.columns["label"])
    diffusion = gw.fit(data, family=gw.Diffusion(width=16), steps=STEPS)
    flow = gw.fit(data, family=gw.FlowMatching(width=16), steps=STEPS)
    ancestral = replace(diffusion, how=gw.Sampling(sampler=ddpm, steps=100))

    drawn, seconds = {}, {}
    for name, model in (
        ("diffusion, 20 steps", diffusion),
        ("diffusion, ancestral 100 steps", ancestral),
        ("flow matching, 10 steps", flow),
    ):
        drawn[name], seconds[name] = draw_each_class(model)
    noise = np.random.default_rng(0).integers(0, 17, size=(10 * EACH, 64))
    beta = np.linspace(BETA_FIRST, BETA_LAST, 1000)
    middle, end = (float(linear_beta(torch.tensor(t, dtype=torch.float64))[0]) for t in (0.5, 1.0))
    print(f"{STEPS} training steps each, {10 * EACH} digits drawn:")
    numbers = {
        "alpha^2 at step 500 / product of (1 - beta)": middle**2 / np.prod(1 - beta[:500]),
        "signal left at the end, linear beta": end,
        "classifier on real test digits": judge.score(flat(data.test), data.test.columns["label"]),
        **{f"label agreement, {name}": agreement(judge, fake) for name, fake in drawn.items()},
        "label agreement, pure noise": np.mean(judge.predict(noise) == wanted()),
        "seconds, ancestral / few steps": seconds["diffusion, ancestral 100 steps"] / seconds["diffusion, 20 steps"],
    }
    draw_forward(out, data)
    draw_samples(out, drawn)
    return show.numbers(numbers, EXPECTED)


def flat(data: gw.Dataset) -> np.ndarray:
    """Images as rows of 64 pixels."""
    return data.columns["image"].reshape(len(data), -1)


def wanted() -> np.ndarray:
    """The labels asked for."""
    return np.repeat([str(k) for k in range(10)], EACH)


def draw_each_class(model: gw.Generator) -> tuple[gw.Dataset, float]:
    """EACH digits of every class, and the processor seconds that they took."""
    started = time.process_time()
    fake = model.sample(10 * EACH, given={"label": wanted()}, seed=1)
    return fake, time.process_time() - started


def agreement(judge: SVC, fake: gw.Dataset) -> float:
    """Share of digits that the classifier takes for what was asked for."""
    return float(np.mean(judge.predict(flat(fake)) == fake.columns["label"]))


def draw_forward(out: Path | None, data: gw.Dataset) -> None:
    """One digit on its way to noise along each schedule, and how much signal each leaves at each time."""
    page, axes = show.figure(1, 2, width=5.2, height=3.4)
    clean = torch.tensor(data.columns["image"][0], dtype=torch.float32) / 8 - 1
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    times = torch.linspace(0, 1, 11)
    rows = []
    for schedule, when in ((linear_beta, times), (cosine, times), (straight, 1 - times)):
        alpha, sigma = (each.view(-1, 1, 1, 1) for each in schedule(when))
        rows.append(alpha * clean + sigma * noise)
    pixels = torch.cat(rows).numpy() + 1
    title = "x_t at t = 0, .1, ..., 1: linear beta, cosine, and straight (t from 1 to 0)"
    show.images(axes[0, 0], np.clip(pixels, 0, 2), columns=11, title=title)
    inside = torch.linspace(0.01, 0.99, 99)
    for colour, schedule, when in (
        (show.COLOURS[0], linear_beta, inside),
        (show.COLOURS[1], cosine, inside),
        (show.COLOURS[2], straight, 1 - inside),
    ):
        axes[0, 1].plot(inside, log_snr(schedule, when), color=colour, label=schedule.__name__)
    axes[0, 1].set(xlabel="share of the way to noise", ylabel="log signal-to-noise ratio")
    axes[0, 1].legend(fontsize=8)
    show.save(page, out, "diffusion_forward")


def draw_samples(out: Path | None, drawn: dict[str, gw.Dataset]) -> None:
    """Eight digits of each class by each model and sampler."""
    page, axes = show.figure(1, 3)
    for axis, (name, fake) in zip(axes[0], drawn.items(), strict=True):
        pixels = fake.columns["image"].reshape(10, EACH, 8, 8, 1)
        show.images(axis, pixels.swapaxes(0, 1).reshape(80, 8, 8, 1), columns=10, title=name)
    show.save(page, out, "diffusion_samples")


if __name__ == "__main__":
    show.command(main)
