"""What metrics need to know of a kind of data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from genwright.data.dataset import Dataset
from genwright.extractors.embedding import TextEncoder
from genwright.extractors.feature_cache import FeatureCache
from genwright.extractors.features import Extractor
from genwright.extractors.networks import Network
from genwright.metrics.collect import Found
from genwright.metrics.perceptual import Lpips
from genwright.metrics.two_sample import Look
from genwright.model.generator import Generator

MIN_ROWS = 10  # of each table or set of images, for anything at all to be measured
MAX_BASELINE = 10_000  # records of a baseline
Baseline = Callable[[Dataset, int, np.random.Generator], Dataset]


class Sides(NamedTuple):
    """Generated records, real ones they are held against, those fitted to, and those of a baseline."""

    fake: Dataset
    real: Dataset
    train: Dataset | None = None
    worst: Dataset | None = None


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What measures beside the records; see `genwright.metrics.evaluate.evaluate`."""

    generator: Generator | None = None
    extractor: Extractor | Network | None = None
    cache: FeatureCache = field(default_factory=FeatureCache)
    encoder: TextEncoder | None = None
    network: Lpips | None = None
    most_bytes: int | None = None
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How records of one kind are measured.

    `score` finds all scores but the judge's, `looks` is what judges see, `headlines` are the scores that decide where
    no judge can, `baselines` draw from next to no knowledge, `pairs` scores records that answer each other. `points`
    are sets of records in one space that distances mean something in,
    `traits` what trees tell them apart by, the same unless told. `size`:
    bytes of records, where equal amounts are equal numbers of bytes and real records are scored whole, however few are
    drawn. `drawn`: at least and at most so many records are drawn to be scored, as many as there are real ones;
    `judged`: the same where families are compared by the judge alone, as far as `max_cells` of their scalars allow.
    """

    score: Callable[[Found, Sides, Tools], None]
    looks: Callable[[Sides, int], Sequence[Look]]
    headlines: tuple[str, ...]
    baselines: Callable[[Dataset], Mapping[str, Baseline]]
    points: Callable[[Dataset, Sequence[Dataset]], list[np.ndarray]]
    traits: Callable[[Dataset, Sequence[Dataset]], list[np.ndarray]] | None = None
    pairs: Callable[[Found, Sides, Tools], None] | None = None
    size: Callable[[Dataset], int] | None = None
    drawn: tuple[int, int]
    judged: tuple[int, int]
    max_cells: float = np.inf
    min_records: int = MIN_ROWS
    max_baseline: int = MAX_BASELINE
