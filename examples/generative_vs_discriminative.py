"""Generative and discriminative models of the same labelled data.

A discriminative model learns only P(y|x): which side of a boundary a record lies on. A generative model learns P(x, y),
how records of each class come about, and gets the boundary from it by Bayes' rule. So it can also say how usual a
record is, P(x), and make new ones. Here both learn to tell apart the wines of three growers by two chemical
measurements.

    python examples/generative_vs_discriminative.py

You should see that both are right about equally often; that sum_y P(x, y) = P(x), which integrates to 1; that new wines
drawn from the model are as far from real ones as real ones are from each other; and that for a wine unlike any other
the discriminative model is as sure of itself as ever, while the generative one says that it has never seen such a wine.
"""

from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import genwright as gw
import show
from genwright.maths.divergences import energy_distance

FEATURES = ("flavanoids", "color_intensity")
ODD_WINE = np.array([[5.5, 14.0]])  # more of both than any of the 178 wines has

EXPECTED = {
    "accuracy, generative": (0.85, 0.96),  # 0.90
    "accuracy, discriminative": (0.85, 0.96),  # 0.90
    "largest |sum_y P(x, y) - P(x)|": (0.0, 1e-9),  # 4e-17
    "integral of P(x) over the plane": (0.99, 1.01),  # 1.000
    "energy distance, new wines to real": (-0.05, 0.1),  # -0.002
    "energy distance, one grower's wines to all": (0.3, 1.0),  # 0.62
    "certainty about an odd wine, discriminative": (0.95, 1.0),  # 1.00
    "real wines less usual than the odd one": (0.0, 0.01),  # none of 178, or one
}


def main(out: Path | None = None) -> dict[str, float]:
    """Fit both models, compare them, and draw what each knows."""
    table = gw.read("wine").frame
    x, y = table[list(FEATURES)].to_numpy(float), table["class"].to_numpy(str)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.5, stratify=y, random_state=0)

    generative = gw.Classifier(gw.Mixture(components=1, rank=2), steps=30).fit(x_train, y_train)
    discriminative = make_pipeline(StandardScaler(), LogisticRegression()).fit(x_train, y_train)

    joint = np.exp(generative.log_joint(x_test))  # P(x, y), one column per class
    marginal = np.exp(generative.log_density(x_test))  # P(x)
    new_x, new_y = generative.sample(len(x_test), seed=1)  # what no discriminative model can do
    plane, cell = grid(300)
    print("Three growers, two measurements; half of the wines to learn from, half to test on:")
    numbers = {
        "accuracy, generative": generative.score(x_test, y_test),
        "accuracy, discriminative": discriminative.score(x_test, y_test),
        "largest |sum_y P(x, y) - P(x)|": np.abs(joint.sum(1) - marginal).max(),
        "integral of P(x) over the plane": np.exp(generative.log_density(plane)).sum() * cell,
        "energy distance, new wines to real": distance(new_x, x_test),
        "energy distance, one grower's wines to all": distance(x_test[y_test == "class_0"], x_test),
        "certainty about an odd wine, discriminative": discriminative.predict_proba(ODD_WINE).max(),
        "real wines less usual than the odd one": np.mean(generative.log_density(x) < generative.log_density(ODD_WINE)),
    }
    draw(out, generative, discriminative, (x_train, y_train), (new_x, new_y))
    return show.numbers(numbers, EXPECTED)


def grid(n: int) -> tuple[np.ndarray, float]:
    """n x n points over and around the data, shape (n * n, 2), and the area that each stands for."""
    flavanoids, colour = np.linspace(-1.5, 7.5, n), np.linspace(-3.0, 18.0, n)
    points = np.stack(np.meshgrid(flavanoids, colour), axis=-1).reshape(-1, 2)
    return points, (flavanoids[1] - flavanoids[0]) * (colour[1] - colour[0])


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Energy distance between two sets of wines, each number in units of its spread; about 0 if they are alike."""
    scale = b.std(0)
    return float(energy_distance(torch.tensor(a / scale), torch.tensor(b / scale)))


def draw(
    out: Path | None,
    generative: gw.Classifier,
    discriminative: object,
    real: tuple[np.ndarray, np.ndarray],
    new: tuple[np.ndarray, np.ndarray],
) -> None:
    """Left: the boundary is all that a discriminative model has. Middle: P(x) and its boundary. Right: new wines."""
    page, axes = show.figure(1, 3)
    n = 300
    plane, _ = grid(n)
    horizontal, vertical = plane[:n, 0], plane[::n, 1]
    density = generative.log_density(plane).reshape(n, n)
    levels = density.max() - np.array([8.0, 6.0, 4.5, 3.0, 2.0, 1.0, 0.4])
    for k, model in enumerate((discriminative, generative)):
        regions = model.predict_proba(plane).argmax(1).reshape(n, n)
        axes[0, k].contourf(
            horizontal, vertical, regions, levels=[-0.5, 0.5, 1.5, 2.5], colors=show.COLOURS[:3], alpha=0.15
        )
        scatter(axes[0, k], *real)
    for k in (1, 2):
        axes[0, k].contour(
            horizontal, vertical, density, levels=levels, colors="0.35", linewidths=0.7, linestyles="solid"
        )
    scatter(axes[0, 2], *new)
    titles = ("discriminative: P(y|x) and nothing else", "generative: P(x, y), hence P(x) and P(y|x)", "new wines")
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=10)
        axis.set(xlim=(0, 6), ylim=(0, 15), xlabel="flavanoids", ylabel="colour intensity")
    for axis in axes[0, :2]:
        axis.plot(*ODD_WINE[0], "k*", markersize=11)
        axis.annotate("odd wine", ODD_WINE[0], (-6, -14), textcoords="offset points", ha="center", fontsize=8)
    show.save(page, out, "generative_vs_discriminative")


def scatter(axis: Axes, x: np.ndarray, y: np.ndarray) -> None:
    """Wines by grower."""
    for colour, grower in zip(show.COLOURS, ("class_0", "class_1", "class_2"), strict=False):
        axis.scatter(*x[y == grower].T, s=12, color=colour, label=grower)
    axis.legend(fontsize=7, loc="lower right")


if __name__ == "__main__":
    show.command(main)
