"""Which generated images look least real, where their grey levels give them away, and which classes they miss."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from genwright.data.dataset import Dataset, Image
from genwright.maths.distances import nearest_of, nearest_others
from genwright.metrics.image_judges import mosaics
from genwright.metrics.quality import looks_real
from genwright.report import images
from genwright.report.evidence import Records, spread

_LARGEST = 160  # pixels of the map
_CANDIDATES = 500  # images of each that are looked at
_FEWEST = 40  # images of each, for a judge of single ones
_NEIGHBOURS = 5


@dataclass(frozen=True)
class Judged:
    """Generated images that look most and least real to a judge, and where their grey levels give them away.

    `covered`: by class, the share of unseen real images that have a generated one as near as their fifth real one, and
    the same for other real images.
    """

    best: list[str]
    worst: list[str]
    faults: str
    covered: list[tuple[str, float, float]]


def judged(records: Records, *, shown: int = 10) -> Judged | None:
    """What a judge says of single images; None where there are too few to learn from."""
    real, fake = spread(records.unseen, _CANDIDATES), spread(records.fake, _CANDIDATES)
    field = images.image_field(records.real)
    if min(len(real), len(fake)) < _FEWEST or not records.pixels:
        return None
    order = np.argsort(looks_real(real, fake), kind="stable")
    best, worst = (images.tiles(fake.take(rows), field) for rows in (order[::-1][:shown], order[:shown]))
    return Judged(best, worst, _faults(real, fake), _covered(real, fake))


def _faults(real: Dataset, fake: Dataset) -> str:
    """A map of how well the grey level of each place alone tells generated from real: dark where it does."""
    a, b = (mosaics(data, like=real) for data in (real, fake))
    together = np.concatenate([a, b]).reshape(len(a) + len(b), -1)
    ranks = rankdata(together, axis=0)[len(a) :].sum(axis=0)
    auc = (ranks - len(b) * (len(b) + 1) / 2) / (len(a) * len(b))
    shade = np.rint(255 * (1 - 2 * np.abs(auc - 0.5))).astype(np.uint8).reshape(a.shape[1:]).min(axis=0)
    times = max(1, _LARGEST // max(shade.shape))
    return images.uri(shade.repeat(times, axis=0).repeat(times, axis=1)[:, :, None], Image("faults"))


def _covered(real: Dataset, fake: Dataset) -> list[tuple[str, float, float]]:
    """The coverage of each class, by generated images and by the other half of the real ones (Naeem et al. 2020,
    arXiv:2002.09797, eq. 9, with five neighbours).
    """
    classes = images.classes_of(real)
    if not classes or real.label is None:
        return []
    x, y = (mosaics(data, like=real).reshape(len(data), -1) for data in (real, fake))
    half, label = np.arange(len(x)) % 2 == 0, real.columns[real.label]
    near = nearest_others(x[half], min(_NEIGHBOURS, half.sum() - 1))[0][:, -1]
    reached = [nearest_of(x[half], other)[0] <= near for other in (y[: len(x[~half])], x[~half])]
    own = {level: label[half] == level for level in classes}
    ours, others = reached
    return [
        (level, float(ours[rows].mean()), float(others[rows].mean())) for level, rows in own.items() if rows.sum() > 1
    ]
