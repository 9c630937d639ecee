"""evaluate_pairs: scores of records that answer real ones one by one, such as translations or restored images."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from genwright.data.dataset import Dataset, Image, Text
from genwright.errors import DataError
from genwright.metrics import bertscore, perceptual, references, signals
from genwright.metrics.align import same_records
from genwright.metrics.collect import Found
from genwright.metrics.embedding import TextEncoder
from genwright.metrics.evaluate import Evaluation
from genwright.metrics.perceptual import Lpips
from genwright.metrics.score import Score

Metric = Callable[..., Score | tuple[Score, ...]]


def evaluate_pairs(
    fake: Dataset, *, real: Dataset, encoder: TextEncoder | None = None, network: Lpips | None = None, seed: int = 0
) -> Evaluation:
    """Hold record i of `fake` against record i of `real`, the reference.

    Texts: BLEU, chrF, chrF++, TER and ROUGE; BERTScore with `encoder`. Images: PSNR, SSIM and MS-SSIM; LPIPS with
    `network`. These have no floor, for there is only one reference. Raises DataError for sets that differ in length,
    images that differ in size, and tables.
    """
    if len(fake) != len(real):
        raise DataError(
            f"{len(fake)} generated records for {len(real)} real ones",
            where=fake.name,
            hint="records in pairs correspond one by one; if yours do not, use evaluate (without --paired)",
        )
    found = Found()
    if fake.media is not None and same_records(fake, real):
        found.notes.append(f"{fake.name} and {real.name} hold the same records")
    match real.media:
        case Text():
            _texts(found, fake, real, encoder, seed)
        case Image():
            _images(found, fake, real, network, seed)
        case _:
            raise DataError(
                "rows of tables are not compared in pairs", where=real.name, hint="use evaluate (without --paired)"
            )
    return Evaluation(tuple(found.scores), tuple(found.notes))


def _texts(found: Found, fake: Dataset, real: Dataset, encoder: TextEncoder | None, seed: int) -> None:
    assert real.media is not None and fake.media is not None
    wanted, given = ([v or "" for v in d.columns[d.media.name]] for d in (real, fake) if d.media is not None)
    metrics: dict[str, Metric] = {
        "BLEU": references.bleu,
        "chrF": references.chrf,
        "chrF++": partial(references.chrf, word_order=2),
        "TER": references.ter,
        "ROUGE": references.rouge,
    }
    for name, metric in metrics.items():
        found.add(name, partial(metric, wanted, given, seed=seed))
    if encoder is not None:
        found.add("BERTScore", partial(bertscore.bert_score, wanted, given, encoder=encoder, seed=seed))


def _images(found: Found, fake: Dataset, real: Dataset, network: Lpips | None, seed: int) -> None:
    wanted, given = (_pixels(data) for data in (real, fake))
    if wanted.shape != given.shape:
        raise DataError(
            f"images of shape {given.shape[1:]} against {wanted.shape[1:]}",
            where=fake.name,
            hint="paired images need one size: read both with size=(height, width)",
        )
    assert isinstance(real.media, Image)
    about: dict[str, Any] = {"data_range": float(max(real.media.levels - 1, 1)), "seed": seed}
    metrics: dict[str, Metric] = {"PSNR": signals.psnr, "SSIM": signals.ssim, "MS-SSIM": signals.ms_ssim}
    for name, metric in metrics.items():
        found.add(name, partial(metric, wanted, given, **about))
    if network is not None:
        found.add("LPIPS", partial(perceptual.lpips, wanted, given, network=network, **about))


def _pixels(data: Dataset) -> np.ndarray:
    """Images as one array; DataError where sizes differ."""
    if not isinstance(data.media, Image):
        raise DataError("no images", where=data.name)
    column: np.ndarray = data.columns[data.media.name]
    if column.dtype == object:
        raise DataError(
            "images of different sizes", where=data.name, hint="bring them to one: read them with size=(height, width)"
        )
    return column.astype(np.float64)
