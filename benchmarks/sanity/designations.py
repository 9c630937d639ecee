"""Which metric is designated to see which mistake, and what it gives for equal sets: one table per kind of data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Expected = Literal["rises", "falls", "stays"]
RISES: Expected = "rises"
FALLS: Expected = "falls"
STAYS: Expected = "stays"  # a designated blind spot, or a fault of another kind than the metric's own


@dataclass(frozen=True)
class Mistake:
    """A corruption, its strength at amount 1, and what each designated metric must do as the amount rises."""

    name: str
    most: float
    metrics: Mapping[str, Expected]


APART = {"Frechet distance": RISES, "kernel distance": RISES}
FAR = {**APART, "Frechet distance at infinity": RISES}
IMAGES = (
    Mistake("noise", 0.5, {**FAR, "precision": FALLS, "density": FALLS, "coverage": FALLS}),
    Mistake("blur", 1.0, APART),
    Mistake("patches shuffled", 1.0, {**APART, "precision": FALLS, "density": FALLS}),
    Mistake(
        "modes dropped",
        0.8,
        {**APART, "recall": FALLS, "coverage": FALLS, "Vendi score": FALLS, "Inception Score": FALLS},
    ),
    Mistake("modes invented", 1.0, {**APART, "precision": FALLS, "density": FALLS}),
    Mistake(
        "training copies",
        1.0,
        {
            "authenticity": FALLS,
            "C_T": FALLS,
            "near copies": RISES,
            "exact copies": RISES,
            "nearest training image": RISES,
            "Frechet distance": STAYS,
            "precision": STAYS,
        },
    ),
    Mistake("labels shuffled", 1.0, {"label agreement": FALLS, "Frechet distance": STAYS}),
)
TABLES = (
    Mistake(
        "noise",
        1.0,
        {"shape error": RISES, "trend error": RISES, "C2ST": FALLS, "logistic C2ST": FALLS, "alpha-precision": FALLS},
    ),
    Mistake(
        "dependence broken",
        1.0,
        {
            "trend error": RISES,
            "mutual information error": RISES,
            "C2ST": FALLS,
            "logistic C2ST": STAYS,
            "shape error": STAYS,
        },
    ),
    Mistake("modes dropped", 0.8, {"shape error": RISES, "trend error": RISES, "C2ST": FALLS, "beta-recall": FALLS}),
    Mistake(
        "rows invented",
        1.0,
        {
            "shape error": RISES,
            "trend error": RISES,
            "C2ST": FALLS,
            "alpha-precision": FALLS,
        },
    ),
    Mistake("narrowed", 1.0, {"shape error": RISES, "C2ST": FALLS, "alpha-precision": FALLS, "beta-recall": FALLS}),
    Mistake(
        "training copies",
        0.5,
        {
            "authenticity": FALLS,
            "C_T": FALLS,
            "near copies": RISES,
            "exact copies": RISES,
            "nearest training row": RISES,
            "distance to closest record": FALLS,
            "shape error": STAYS,
        },
    ),
)
TEXTS = (
    Mistake("words shuffled", 1.0, {"byte 4-gram divergence": RISES}),
    Mistake(
        "sentences shuffled",
        1.0,
        {
            "lexical coherence": FALLS,
            "embedding coherence": FALLS,
            "byte 4-gram divergence": STAYS,
            "distinct-2": STAYS,
        },
    ),
    Mistake(
        "characters at random",
        0.5,
        {
            "byte 4-gram divergence": RISES,
            "MAUVE": FALLS,
            "distinct-2": RISES,
            "self-BLEU": FALLS,
            "compression ratio": FALLS,
        },
    ),
    Mistake(
        "phrases repeated",
        0.8,
        {
            "distinct-2": FALLS,
            "seq-rep-4": RISES,
            "self-BLEU": RISES,
            "repetition rate": RISES,
            "compression ratio": RISES,
        },
    ),
    Mistake("modes dropped", 0.8, {"byte 4-gram divergence": RISES, "MAUVE": FALLS}),
    Mistake(
        "training copies",
        1.0,
        {"longest copied run": RISES, "exact copies": RISES, "byte 4-gram divergence": STAYS, "MAUVE": STAYS},
    ),
)
SERIES = (
    Mistake(
        "noise",
        1.0,
        {
            "ACF error": RISES,
            "PACF error": RISES,
            "spectral distance": RISES,
            "discriminative score": RISES,
            "predictive score": RISES,
        },
    ),
    Mistake(
        "time shuffled",
        0.8,
        {
            "ACF error": RISES,
            "PACF error": RISES,
            "spectral distance": RISES,
            "discriminative score": RISES,
            "predictive score": RISES,
        },
    ),
    Mistake("slowed", 1.0, {"ACF error": RISES, "PACF error": RISES, "spectral distance": RISES}),
    Mistake(
        "channels unlinked",
        1.0,
        {
            "cross-correlation error": RISES,
            "ACF error": STAYS,
            "PACF error": STAYS,
            "spectral distance": STAYS,
        },
    ),
    Mistake("modes dropped", 0.8, {"discriminative score": RISES}),
    Mistake("narrowed", 0.5, {"spectral distance": RISES, "discriminative score": RISES, "ACF error": STAYS}),
)
BELOW = -1.0  # stands for at most 0: estimates without bias for independent sets, which equal ones are not
IDENTICAL = {  # what a metric of a real set against itself must give; those with a target: the floor, not listed
    "Frechet distance": 0.0,
    "Frechet distance at infinity": BELOW,
    "kernel distance": BELOW,
    **dict.fromkeys(("precision", "recall", "coverage", "C2ST", "logistic C2ST", "MAUVE"), 1.0),
    "density": 1.2,  # k + 1 of k = 5: a record is within its own reach too
    **dict.fromkeys(("shape error", "trend error", "mutual information error", "byte 4-gram divergence"), 0.0),
    **dict.fromkeys(("ACF error", "PACF error", "cross-correlation error", "spectral distance"), 0.0),
}
