"""Classifiers from densities: naive Bayes, factor analysers and a VAE beside logistic regression.

Any density becomes a classifier: learn p(x|y) for each class, then P(y|x) = p(x|y) P(y) / p(x). How good it is depends
on the density. Naive Bayes takes all 64 pixels of a digit to be independent; it counts what neighbouring pixels both
say twice and grows far too sure of itself. A factor analyser knows which pixels go together. A VAE has a neural network
in place of its linear factors, and only a bound of the likelihood.

    python examples/bayes_classifier.py

Accuracy is the share of right answers; log-loss the mean of -log P(true class), which punishes sure mistakes;
calibration error how far stated probabilities are from the share of right answers among them. You should see the factor
analyser right more often than logistic regression and naive Bayes less often; and logistic regression best by log-loss,
which is what it is trained on: the densities, naive Bayes above all, are too sure of their mistakes.
"""

from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import genwright as gw
import show

BINS = 10
FEWEST = 5  # answers in a bin that is drawn

EXPECTED = {
    "accuracy, naive Bayes": (0.86, 0.92),  # 0.891
    "accuracy, factor analyser": (0.95, 0.99),  # 0.962
    "accuracy, VAE": (0.84, 0.98),  # 0.892
    "accuracy, logistic regression": (0.92, 0.95),  # 0.940
    "log-loss, naive Bayes": (1.5, 2.3),  # 1.86
    "log-loss, factor analyser": (0.4, 1.2),  # 0.85
    "log-loss, VAE": (0.3, 1.4),  # 0.90
    "log-loss, logistic regression": (0.13, 0.2),  # 0.164
    "calibration error, naive Bayes": (0.08, 0.13),  # 0.103
    "calibration error, factor analyser": (0.01, 0.05),  # 0.038
    "calibration error, VAE": (0.02, 0.13),  # 0.091
    "calibration error, logistic regression": (0.0, 0.03),  # 0.016
}


def main(out: Path | None = None) -> dict[str, float]:
    """Fit four classifiers to half of the digits and measure them on the other half."""
    data = gw.read("digits")
    x, y = pixels(data), data.columns["label"].astype(str)
    train, test = np.arange(len(x)) % 2 == 0, np.arange(len(x)) % 2 == 1
    models = {
        "naive Bayes": gw.Classifier(gw.Mixture(components=1, rank=0), steps=10),
        "factor analyser": gw.Classifier(gw.Mixture(components=1, rank=16), steps=20),
        "VAE": gw.Classifier(gw.VAE(latent=8, width=64, depth=1, batch=32), steps=60),
        "logistic regression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
    }
    probabilities = {name: model.fit(x[train], y[train]).predict_proba(x[test]) for name, model in models.items()}
    right = {name: p.argmax(1).astype(str) == y[test] for name, p in probabilities.items()}
    print(f"{train.sum()} digits to learn from, {test.sum()} to test on:")
    numbers = {f"accuracy, {name}": right[name].mean() for name in models}
    numbers |= {f"log-loss, {name}": log_loss(y[test], np.clip(p, 1e-12, 1)) for name, p in probabilities.items()}
    numbers |= {
        f"calibration error, {name}": calibration_error(p.max(1), right[name]) for name, p in probabilities.items()
    }
    draw(out, {name: (p.max(1), right[name]) for name, p in probabilities.items()})
    return show.numbers(numbers, EXPECTED)


def pixels(data: gw.Dataset) -> np.ndarray:
    """Images as rows of 64 numbers, each grey level spread evenly over its width, so that densities are finite."""
    grey = data.columns["image"].reshape(len(data), -1).astype(float)
    return grey + np.random.default_rng(0).uniform(size=grey.shape)


def reliability(certainty: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean certainty, share of right answers, and share of all answers, for each bin of certainty in use."""
    bins = np.minimum((certainty * BINS).astype(int), BINS - 1)
    used = [bins == b for b in range(BINS) if (bins == b).any()]
    columns = [(certainty[u].mean(), right[u].mean(), u.mean()) for u in used]
    return tuple(np.array(column) for column in zip(*columns, strict=True))


def calibration_error(certainty: np.ndarray, right: np.ndarray) -> float:
    """Expected calibration error: mean |certainty - share right| of bins. Guo et al. 2017, arXiv:1706.04599, eq. 3."""
    stated, share, weight = reliability(certainty, right)
    return float(np.abs(stated - share) @ weight)


def draw(out: Path | None, answers: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Reliability diagram, and how certain each classifier is of its wrong answers."""
    page, axes = show.figure(1, 2, width=4.6)
    axes[0, 0].plot([0, 1], [0, 1], color="0.7", lw=1, label="perfectly calibrated")
    for colour, (name, (certainty, right)) in zip(show.COLOURS, answers.items(), strict=False):
        points = np.stack(reliability(certainty, right))
        stated, share, weight = points[:, points[2] * len(right) >= FEWEST]
        axes[0, 0].plot(stated, share, "-", color=colour, lw=1.2, label=name)
        axes[0, 0].scatter(stated, share, s=8 + 150 * weight, color=colour, alpha=0.7, lw=0)
        axes[0, 1].hist(certainty[~right], bins=BINS, range=(0, 1), histtype="step", lw=1.6, color=colour, label=name)
    axes[0, 0].set(xlabel="stated probability", ylabel="share of right answers", xlim=(0, 1.03), ylim=(0, 1.03))
    axes[0, 0].set_title("reliability (larger dots: more answers)", fontsize=10)
    axes[0, 0].legend(fontsize=7)
    axes[0, 1].set(xlabel="stated probability", ylabel="wrong answers", yscale="log")
    axes[0, 1].set_title("certainty of wrong answers", fontsize=10)
    axes[0, 1].legend(fontsize=7, loc="upper left")
    show.save(page, out, "bayes_classifier")


if __name__ == "__main__":
    show.command(main)
