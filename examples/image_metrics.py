"""Metrics of images: what each sees of a good generator and of several damaged ones.

    Inception Score        is a classifier sure of each image, and are all classes there? real images play no part
    Frechet distance (FID) squared distance of two Gaussians fitted to the features of real and generated images
    kernel distance (KID)  the same question without a Gaussian, and without bias from small sets
    precision, recall      generated images within reach of real ones; real ones within reach of generated ones
    density, coverage      the same, robust to outliers
    perceptual distance    of two images: are they alike to a network that knows such images? (LPIPS)

Nothing is downloaded: features come from a network fitted here to digits that take no part in the comparison. So FID,
KID and Inception Score rank generators of digits, but do not compare with numbers in papers; for those, see the
`--features` option of `genwright evaluate`. LPIPS is defined by two published files; if you have them,

    python examples/image_metrics.py
    python examples/image_metrics.py --lpips alexnet-owt-7be5be79.pth alex.pth

also says how far it agrees with the in-domain distance. You should see the mixture and the VAE somewhat off from real
digits, and each damage in the metrics that should see it: blur loses precision, noise density; five digits of ten keep
precision and lose recall, coverage and half the Inception Score; ten images shown over and over keep precision and
Inception Score, and lose recall and coverage. To the fitted network two hands' fours are alike, to pixels hardly.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

import genwright as gw
import show
from genwright.data.dataset import Dataset
from genwright.extractors.features import Extractor, fit_extractor
from genwright.metrics.diversity import inception_score
from genwright.metrics.frechet import frechet_distance
from genwright.metrics.kernel import kernel_distance
from genwright.metrics.neighbours import density_coverage, precision_recall
from genwright.metrics.perceptual import load_lpips, lpips_values
from genwright.scores.score import Score

N = 400  # images of each set
ARROW = {"lower": "↓", "higher": "↑", "target": "→ 1"}
ORDER = ("real", "mixture", "VAE", "noise", "blur", "five classes", "ten images")

EXPECTED = {
    "Frechet distance, real": (0.0, 0.25),  # 0.08
    "Frechet distance, mixture / real": (1.2, 8),  # 2.1
    "Frechet distance, VAE / real": (1.5, 12),  # 2.9
    "Frechet distance, noise / real": (5, 60),  # 13
    "Frechet distance, five classes / real": (10, 150),  # 34
    "kernel distance, real: interval holds 0": (1, 1),
    "Inception Score, real": (8.3, 9.8),  # 9.0
    "Inception Score, five classes": (4.3, 5.5),  # 4.9
    "precision, blur": (0.4, 0.8),  # 0.69
    "precision, five classes": (0.9, 1),  # 1.00
    "precision, ten images": (0.9, 1),  # 1.00
    "recall, real": (0.75, 0.97),  # 0.88
    "recall, five classes": (0.3, 0.62),  # 0.49
    "recall, ten images": (0, 0.15),  # 0.03
    "density, noise": (0.4, 0.8),  # 0.61
    "density, real": (0.8, 1.15),  # 0.96
    "coverage, real": (0.88, 1.0),  # 0.96
    "coverage, five classes": (0.35, 0.6),  # 0.50
    "coverage, ten images": (0.05, 0.3),  # 0.17
    "pixels: same digit / other digit": (0.5, 0.8),  # 0.64
    "perceptual distance: same digit / other digit": (0.03, 0.25),  # 0.09
}


def main(out: Path | None = None, *, lpips_files: tuple[str, str] | None = None) -> dict[str, float]:
    """Score seven sets of digits against the same real ones, then distances between single images."""
    digits = gw.read("digits")
    rows = np.random.default_rng(0).permutation(len(digits))
    train, real, other = (digits.take(rows[part]) for part in (slice(0, 990), slice(990, 1390), slice(1390, 1790)))
    extractor = fit_extractor(train.take(slice(0, 700)), dimension=8)
    sets = generated(train, real) | {"real": other}
    scores = {name: measured(extractor, real, sets[name]) for name in ORDER}
    table(scores)
    alike = perception(extractor, real, other)
    if lpips_files is not None:
        published(lpips_files, real, other, alike)
    draw(out, sets, scores)
    return show.numbers(read_off(scores) | ratios(alike, real, other), EXPECTED)


def generated(train: Dataset, real: Dataset) -> dict[str, Dataset]:
    """Two generators fitted here, and real digits damaged in four ways."""
    rng = np.random.default_rng(1)
    images, labels = real.columns["image"].astype(float), real.columns["label"].astype(int)
    models = {
        "mixture": gw.fit(train, family=gw.Mixture()),
        "VAE": gw.fit(train, family=gw.VAE(width=16, latent=8), steps=120),
    }
    few, ten = np.flatnonzero(labels < 5), [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
    return {name: model.sample(N, seed=0) for name, model in models.items()} | {
        "noise": with_images(real, images + 5 * rng.normal(size=images.shape)),
        "blur": with_images(real, gaussian_filter(images, (0, 0.8, 0.8, 0))),
        "five classes": real.take(rng.choice(few, N)),
        "ten images": real.take(np.array(ten * (N // 10))),
    }


def with_images(data: Dataset, images: np.ndarray) -> Dataset:
    """`data` with its images replaced, in whole grey levels from 0 to 16."""
    return replace(data, columns={**data.columns, "image": np.clip(images, 0, 16).round().astype(np.uint8)})


def measured(extractor: Extractor, real: Dataset, fake: Dataset) -> dict[str, Score]:
    """All scores of one set by name."""
    sets, name = (extractor(real), extractor(fake)), extractor.signature
    classes = extractor.classify(real), extractor.classify(fake)
    found = [
        inception_score(*classes, classifier=name),
        frechet_distance(*sets, features=name),
        kernel_distance(*sets, features=name),
        *precision_recall(*sets, features=name),
        *density_coverage(*sets, features=name),
    ]
    return {score.name: score for score in found}


def table(scores: dict[str, dict[str, Score]]) -> None:
    """One line per set; the first are other real digits, so the floor of everything."""
    names = list(scores["real"])
    print(f"  {'':13}" + "".join(f"{name:>18}" for name in names))
    for name, each in scores.items():
        print(f"  {name:13}" + "".join(f"{score.value:18.3f}" for score in each.values()))
    low, high = scores["real"]["Frechet distance"].interval or (np.nan, np.nan)
    print(f"  the Frechet distance of real digits has the interval [{low:.3f}, {high:.3f}]")


def perception(extractor: Extractor, real: Dataset, other: Dataset) -> dict[str, np.ndarray]:
    """Distance of each real digit to another one, by the features of the network and by its pixels."""
    x, y = (torch.tensor(d.columns["image"]).permute(0, 3, 1, 2).float() / 8 - 1 for d in (real, other))
    with torch.inference_mode():
        seen = (extractor.net.features(x) - extractor.net.features(y)).square().mean(1).numpy()
    return {"perceptual distance": seen, "pixels": ((x - y) ** 2).mean((1, 2, 3)).numpy()}


def ratios(alike: dict[str, np.ndarray], real: Dataset, other: Dataset) -> dict[str, float]:
    """Mean distance to the same digit by another hand, as a share of that to another digit."""
    same = real.columns["label"] == other.columns["label"]
    return {f"{name}: same digit / other digit": float(d[same].mean() / d[~same].mean()) for name, d in alike.items()}


def published(files: tuple[str, str], real: Dataset, other: Dataset, alike: dict[str, np.ndarray]) -> None:
    """LPIPS of the same pairs, enlarged to what its network needs."""
    network = load_lpips(files[0], files[1], kind="alexnet")
    large = (d.columns["image"].repeat(8, axis=1).repeat(8, axis=2) for d in (real, other))
    values = lpips_values(*large, network=network, data_range=16)
    together = np.corrcoef(values, alike["perceptual distance"])[0, 1]
    print(f"  LPIPS ({network.signature}): mean {values.mean():.4f}")
    for name, ratio in ratios({"LPIPS": values}, real, other).items():
        print(f"  {name} {ratio:.3f}; correlation with the perceptual distance fitted here {together:.2f}")


def read_off(scores: dict[str, dict[str, Score]]) -> dict[str, float]:
    """The numbers that say what should be seen."""
    floor = scores["real"]["Frechet distance"].value
    low, high = scores["real"]["kernel distance"].interval or (np.nan, np.nan)
    found = {"Frechet distance, real": floor}
    for name in ("mixture", "VAE", "noise", "five classes"):
        found[f"Frechet distance, {name} / real"] = scores[name]["Frechet distance"].value / floor
    found["kernel distance, real: interval holds 0"] = float(low <= 0 <= high)
    picked = {"Inception Score": ("real", "five classes"), "precision": ("blur", "five classes", "ten images"),
              "recall": ("real", "five classes", "ten images"), "density": ("noise", "real"),
              "coverage": ("real", "five classes", "ten images")}  # fmt: skip
    return found | {f"{metric}, {name}": scores[name][metric].value for metric in picked for name in picked[metric]}


def draw(out: Path | None, sets: dict[str, Dataset], scores: dict[str, dict[str, Score]]) -> None:
    """Some images of each set above every score of it."""
    page, axes = show.figure(2, len(ORDER), width=1.9, height=2.1)
    for axis, name in zip(axes[0], ORDER, strict=True):
        show.images(axis, sets[name].columns["image"][:25], columns=5, title=name)
    for axis, metric in zip(axes[1], scores["real"], strict=True):
        each = [scores[name][metric] for name in ORDER]
        heights = np.array([score.value for score in each])
        bounds = np.array([score.interval or (np.nan, np.nan) for score in each]).T
        axis.barh(range(len(ORDER)), heights, color=[show.COLOURS[k] for k in (2, 0, 0, 1, 1, 1, 1)],
                  xerr=np.abs(bounds - heights), error_kw={"lw": 0.8})  # fmt: skip
        axis.axvline(heights[0], color="k", lw=0.8, ls="--")
        axis.set_yticks(range(len(ORDER)), ORDER if axis is axes[1, 0] else [], fontsize=8)
        axis.tick_params(axis="x", labelsize=7)
        axis.invert_yaxis()
        axis.set_title(f"{metric} {ARROW[each[0].direction]}", fontsize=9)
    show.save(page, out, "image_metrics")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("out", nargs="?", type=Path, help="folder for the picture")
    parser.add_argument("--lpips", nargs=2, metavar=("ALEXNET", "HEADS"), help="two published files of weights")
    given = parser.parse_args()
    main(given.out, lpips_files=given.lpips)
