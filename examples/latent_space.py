"""Latent space: few numbers behind many pixels.

A latent model says that each image was made from a latent code z. Here a VAE squeezes 64 pixels into two numbers, so
its whole space can be drawn; nobody told it which digit is which. Flow matching has a latent too, the noise that its
path starts from: as large as the image, so nothing is lost, and nothing is sorted. Four things can be done with a
latent: encode, decode, interpolate between two, and traverse one coordinate at a time.

    python examples/latent_space.py

You should see the digits lie in islands by class in the VAE's plane (a nearest-neighbour vote of codes tells most of
them right, without labels in training); the VAE's decoded digits blurred but recognisable, the flow's nearly exact; and
walks between two random codes whose pictures half-way are nearer to real digits than the average of the two images is.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

import genwright as gw
import show

WALK = 9  # pictures on the way from one code to another

EXPECTED = {
    "class told by 2 codes, VAE": (0.5, 0.9),  # 0.64, where guessing gets 0.1
    "class told by the first 2 of 64 noises, flow": (0.05, 0.35),  # 0.20
    "decoded again, share of variance kept, VAE": (0.25, 0.6),  # 0.32
    "decoded again, share of variance kept, flow": (0.99, 1.0),  # 1.000
    "longest step of a walk / its mean step, VAE": (1.1, 2.5),  # 1.60
    "half-way, distance from real digits, codes": (0.8, 1.22),  # 1.14
    "half-way, distance from real digits, mixed pixels": (1.22, 1.5),  # 1.28
}


def main(out: Path | None = None) -> dict[str, float]:
    """Train both on digits without their labels, then encode, decode, interpolate and traverse."""
    labelled = gw.read("digits")
    data = replace(labelled.select(["image"]), fixed_split=labelled.split)  # the same rows to train on
    vae = gw.fit(data, family=gw.VAE(width=16, latent=2), steps=220)
    flow = gw.fit(data, family=gw.FlowMatching(width=16), steps=60)

    codes = vae.encode(data)
    train, test = labelled.split.train, labelled.split.test
    labels = labelled.columns["label"]
    some = data.test.take(slice(0, 60))
    noises = flow.encode(data.take(np.concatenate([train[:200], test]))).reshape(-1, 64)[:, :2]
    pixels = data.train.columns["image"].reshape(-1, 64).astype(float)
    walks = vae.interpolate(100, steps=WALK, seed=1).columns["image"].reshape(100, WALK, -1).astype(float)
    print("Two latent spaces of the same digits, learned without labels:")
    numbers = {
        "class told by 2 codes, VAE": vote(codes[train], labels[train], codes[test], labels[test]),
        "class told by the first 2 of 64 noises, flow": vote(
            noises[:200], labels[train[:200]], noises[200:], labels[test]
        ),
        "decoded again, share of variance kept, VAE": kept(some, vae.decode(vae.encode(some))),
        "decoded again, share of variance kept, flow": kept(some, flow.decode(flow.encode(some))),
        "longest step of a walk / its mean step, VAE": float(np.mean(jumps(walks))),
        "half-way, distance from real digits, codes": off_road(walks[:, WALK // 2], pixels),
        "half-way, distance from real digits, mixed pixels": off_road((walks[:, 0] + walks[:, -1]) / 2, pixels),
    }
    draw_plane(out, vae, codes, labels)
    draw_walks(out, vae, flow, data)
    return show.numbers(numbers, EXPECTED)


def vote(codes: np.ndarray, labels: np.ndarray, test_codes: np.ndarray, test_labels: np.ndarray) -> float:
    """Share of test digits whose class is that of most of the 15 nearest training codes."""
    return float(KNeighborsClassifier(15).fit(codes, labels).score(test_codes, test_labels))


def kept(before: gw.Dataset, after: gw.Dataset) -> float:
    """Share of the pixels' variance that encoding and decoding keeps."""
    a, b = (each.columns["image"].astype(float) for each in (before, after))
    return float(1 - np.square(a - b).sum() / np.square(a - a.mean(0)).sum())


def jumps(walks: np.ndarray) -> np.ndarray:
    """Longest step over mean step of each walk, in pixels' Euclidean distance: 1 for a walk at constant speed."""
    steps = np.linalg.norm(np.diff(walks, axis=1), axis=2)
    return steps.max(1) / steps.mean(1)


def off_road(pictures: np.ndarray, real: np.ndarray) -> float:
    """Mean distance of pictures from the nearest real digit, in units of that between real digits."""
    tree = NearestNeighbors(n_neighbors=2).fit(real)
    return float(tree.kneighbors(pictures, 1)[0].mean() / tree.kneighbors(real)[0][:, 1].mean())


def draw_plane(out: Path | None, vae: gw.Generator, codes: np.ndarray, labels: np.ndarray) -> None:
    """Where the digits lie, and what lies between them."""
    page, axes = show.figure(1, 2, width=5.0, height=4.6)
    for digit in sorted(set(labels)):
        own = codes[labels == digit]
        axes[0, 0].scatter(*own.T, s=5, alpha=0.6, color=f"C{digit}")
        axes[0, 0].annotate(digit, np.median(own, axis=0), fontsize=15, weight="bold", ha="center", va="center")
    axes[0, 0].set_title("two codes of each digit, coloured by a class the model never saw", fontsize=9)
    low, high = np.quantile(codes, 0.02, axis=0), np.quantile(codes, 0.98, axis=0)
    across, up = np.linspace(low[0], high[0], 15), np.linspace(high[1], low[1], 15)
    plane = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
    show.images(axes[0, 1], vae.decode(plane).columns["image"], columns=15, title="the same plane, decoded")
    show.save(page, out, "latent_plane")


def draw_walks(out: Path | None, vae: gw.Generator, flow: gw.Generator, data: gw.Dataset) -> None:
    """Walks between random codes, and one digit with each of its codes changed in turn."""
    page, axes = show.figure(1, 3)
    for axis, (name, model) in zip(axes[0], (("VAE", vae), ("flow", flow)), strict=False):
        walks = model.interpolate(8, steps=WALK, seed=2).columns["image"]
        show.images(axis, walks, columns=WALK, title=f"{name}: from one random code to another")
    code = vae.encode(data.test.take(slice(0, 4))).repeat(2 * WALK, axis=0).reshape(4, 2, WALK, 2)
    for k in range(2):
        code[:, k, :, k] += np.linspace(-2, 2, WALK)
    title = "VAE: first, then second code of a digit from -2 to +2"
    show.images(axes[0, 2], vae.decode(code.reshape(-1, 2)).columns["image"], columns=WALK, title=title)
    show.save(page, out, "latent_walks")


if __name__ == "__main__":
    show.command(main)
