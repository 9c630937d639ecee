"""Two stages: compress pictures, then generate what they are compressed to. Latent diffusion.

Most numbers of a picture are detail that its neighbours foretell. A first model, a VAE, learns to leave it out: its
encoder takes a picture to a small grid of latents, its decoder paints the picture from them. A second model, flow
matching, never sees a pixel: it learns the distribution of the latents, given the digit, and draws new ones, which the
decoder paints. Both are one model with one budget: `share` of the steps goes to the first.

    python examples/latent_diffusion.py

You should see pictures of 64 numbers go through 32 and come back nearly the same, latents of mean 0 and spread 1 in
each channel, as the second stage wants them, and new digits that a classifier of real ones reads as what was asked for.
"""

from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

import genwright as gw
import show

DRAWN = 300
STEPS = 240

EXPECTED = {
    "numbers of a picture": (64, 64),
    "numbers of its latents": (32, 32),
    "error of decoded pictures, grey levels of 16": (0.5, 1.5),  # 0.93
    "largest mean of a channel of latents": (0.0, 0.2),  # 0.004; test digits, the scale is of training ones
    "spread of latents": (0.85, 1.15),  # 0.97
    "real digits read rightly": (0.9, 1.0),  # 0.97
    "drawn digits read as asked for": (0.85, 1.0),  # 0.97
}


def main(out: Path | None = None) -> dict[str, float]:
    """Fit both stages to digits; decode what was encoded; draw digits that are asked for."""
    data = gw.read("digits")
    family = gw.TwoStage(
        first=gw.VAE(grid=4, latent=2, width=32, kl_weight=0.2), second=gw.FlowMatching(width=32), share=0.4
    )
    model = gw.fit(data, family=family, steps=STEPS)
    real = data.test
    rows = model.codec.encode(real, rng=torch.Generator().manual_seed(0))
    x = rows.unpacked(model.codec.space)
    first = model.family.first
    with torch.no_grad():
        z = first.encode(model.net.first, x, None)
        again = first.decode(model.net.first, z, None)
        latents = model.net.standard(z)
    asked = np.repeat(np.arange(10), DRAWN // 10).astype(str)
    drawn = model.sample(DRAWN, given={"label": asked.tolist()}, seed=1)

    reader = LogisticRegression(max_iter=2000).fit(flat(data.train), data.train.columns["label"])
    print(f"A VAE and flow matching over its latents, {STEPS} steps in all, on {len(data.train)} digits:")
    numbers = {
        "numbers of a picture": x[0].numel(),
        "numbers of its latents": z.shape[1],
        "error of decoded pictures, grey levels of 16": float((again - x).abs().mean()) * 8,
        "largest mean of a channel of latents": float(latents.mean((0, 2, 3)).abs().max()),
        "spread of latents": float(latents.std()),
        "real digits read rightly": reader.score(flat(real), real.columns["label"]),
        "drawn digits read as asked for": reader.score(flat(drawn), asked),
    }
    draw(out, real, again, latents, drawn)
    return show.numbers(numbers, EXPECTED)


def flat(data: gw.Dataset) -> np.ndarray:
    """Pictures as rows of pixels from 0 to 1."""
    return data.columns["image"].reshape(len(data), -1) / 16


def draw(out: Path | None, real: gw.Dataset, again: torch.Tensor, latents: torch.Tensor, drawn: gw.Dataset) -> None:
    """Pictures, what is left of them, and pictures again; then new ones."""
    page, axes = show.figure(1, 3)
    decoded = (np.moveaxis(again[:40].numpy(), 1, 3) + 1) * 8
    pairs = np.concatenate([part.reshape(5, 8, 8, 8, 1) for part in (real.columns["image"][:40], decoded)], axis=1)
    show.images(axes[0, 0], pairs.reshape(80, 8, 8, 1), columns=8, title="test digits, and decoded again below")
    shown = latents[:40].reshape(80, 4, 4, 1).numpy()
    show.images(axes[0, 1], shown - shown.min(), columns=8, title="their latents: two 4 x 4 grids each")
    show.images(axes[0, 2], drawn.columns["image"][::3], columns=10, title="drawn: ten of each digit")
    show.save(page, out, "latent_diffusion")


if __name__ == "__main__":
    show.command(main)
