"""The kinds of data that metrics know."""

from collections.abc import Mapping
from types import NoneType

from genwright.data.dataset import ByKind, Dataset, Image, Series, Text
from genwright.extractors.encoding import row_points
from genwright.metrics.baselines import image_baselines, table_baselines, text_baselines
from genwright.metrics.image_judges import image_looks, image_points, image_traits
from genwright.metrics.image_scores import score_images
from genwright.metrics.judges import table_look
from genwright.metrics.kind import Baseline, Kind
from genwright.metrics.pairs import image_pairs, text_pairs
from genwright.metrics.series_baselines import series_baselines
from genwright.metrics.series_looks import series_looks, series_points, series_traits
from genwright.metrics.series_scores import score_series
from genwright.metrics.table_scores import score_tables
from genwright.metrics.text_judges import text_looks, text_points
from genwright.metrics.text_scores import score_texts, text_bytes

KINDS = ByKind[Kind](
    {
        Image: Kind(
            score=score_images,
            looks=lambda sides, seed: image_looks(sides.real, sides.fake, seed=seed),
            headlines=("Frechet distance", "kernel distance", "nearest training image"),
            baselines=image_baselines,
            points=image_points,
            traits=image_traits,
            pairs=image_pairs,
            drawn=(50, 2000),
            judged=(50, 500),
        ),
        Text: Kind(
            score=score_texts,
            looks=lambda sides, seed: text_looks(sides.real, sides.fake, train=sides.train, seed=seed),
            headlines=("bits per byte", "byte 4-gram divergence", "distinct-1"),
            baselines=text_baselines,
            points=text_points,
            pairs=text_pairs,
            size=text_bytes,
            drawn=(16, 32),  # passages are slow to draw
            judged=(16, 32),
            min_records=1,  # one text holds many words
            max_baseline=64,
        ),
        Series: Kind(
            score=score_series,
            looks=series_looks,
            headlines=("discriminative score", "ACF error", "marginal error"),
            baselines=series_baselines,
            points=series_points,
            traits=series_traits,
            drawn=(50, 2000),
            judged=(50, 500),
        ),
        NoneType: Kind(
            score=score_tables,
            looks=lambda sides, seed: [table_look(sides.real, sides.fake, seed=seed)],
            headlines=("trend error", "shape error"),
            baselines=table_baselines,
            points=row_points,
            drawn=(1000, 20_000),  # rows cost next to nothing, and more of them steady the scores
            judged=(300, 5000),
            max_cells=100_000,
        ),
    }
)


def baselines(train: Dataset) -> Mapping[str, Baseline]:
    """By name, what draws n records from next to no knowledge of `train`, the strictest first.

    >>> import numpy as np
    >>> import genwright as gw
    >>> wine = gw.read("wine")
    >>> [len(draw(wine, 5, np.random.default_rng(0))) for draw in baselines(wine).values()]
    [5]
    """
    return KINDS[train.kind].baselines(train)
