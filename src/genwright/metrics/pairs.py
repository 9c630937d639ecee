"""Scores of records that answer real ones one by one, such as translations or restored images."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from genwright.data.dataset import Dataset, Image, Text
from genwright.errors import DataError
from genwright.metrics import bertscore, perceptual, references, signals
from genwright.metrics.collect import Found
from genwright.metrics.kind import Sides, Tools
from genwright.scores.score import Score

Metric = Callable[..., Score | tuple[Score, ...]]


def text_pairs(found: Found, sides: Sides, tools: Tools) -> None:
    """Overlap of words and characters; BERTScore with an encoder."""
    seed = tools.seed
    wanted, given = ([v or "" for v in d.columns[d.medium(Text).name]] for d in (sides.real, sides.fake))
    metrics: dict[str, Metric] = {
        "BLEU": references.bleu,
        "chrF": references.chrf,
        "chrF++": partial(references.chrf, word_order=2),
        "TER": references.ter,
        "ROUGE": references.rouge,
    }
    for name, metric in metrics.items():
        found.add(name, partial(metric, wanted, given, seed=seed))
    if tools.encoder is not None:
        found.add("BERTScore", partial(bertscore.bert_score, wanted, given, encoder=tools.encoder, seed=seed))


def image_pairs(found: Found, sides: Sides, tools: Tools) -> None:
    """Errors of pixels and structure; LPIPS with a network."""
    wanted, given = (_pixels(data) for data in (sides.real, sides.fake))
    if wanted.shape != given.shape:
        raise DataError(
            f"images of shape {given.shape[1:]} against {wanted.shape[1:]}",
            where=sides.fake.name,
            hint="paired images need one size: read both with size=(height, width)",
        )
    about: dict[str, Any] = {"data_range": float(max(sides.real.medium(Image).levels - 1, 1)), "seed": tools.seed}
    metrics: dict[str, Metric] = {"PSNR": signals.psnr, "SSIM": signals.ssim, "MS-SSIM": signals.ms_ssim}
    for name, metric in metrics.items():
        found.add(name, partial(metric, wanted, given, **about))
    if tools.network is not None:
        found.add("LPIPS", partial(perceptual.lpips, wanted, given, network=tools.network, **about))


def _pixels(data: Dataset) -> np.ndarray:
    """Images as one array; DataError where sizes differ."""
    column: np.ndarray = data.columns[data.medium(Image).name]
    if column.dtype == object:
        raise DataError(
            "images of different sizes", where=data.name, hint="bring them to one: read them with size=(height, width)"
        )
    return column.astype(np.float64)
