"""One picture for each group of scores, drawn from the records themselves: what the numbers say, to be seen."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from jaxtyping import Float, Int

from genwright.data.dataset import Dataset
from genwright.extractors.encoding import row_points
from genwright.extractors.features import pixels
from genwright.maths.distances import nearest_of, nearest_others
from genwright.report import images, learning, plots, words
from genwright.report.plots import Picture
from genwright.scores.score import Group, Score

MOST = 1000  # records of each set that are measured for a picture
DOTS = 400  # records of each set on a map
SIDE = 16  # pixels a side at which images are compared for a picture
FRAMED = 14  # images shown on a map

Points = dict[str, Float[np.ndarray, "_ d"]]  # by set: real, unseen, fake and, where it is known, train
Chosen = dict[str, Int[np.ndarray, "_"]]
Flat = dict[str, Float[np.ndarray, "_ 2"]]
Framed = tuple[float, float, bool, np.ndarray]  # place on the map, whether real, and pixels


@dataclass(frozen=True)
class Suspect:
    """A generated row, the training row nearest to it, and their distance as a share of the usual distance."""

    fake: int
    train: int
    distance: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Records:
    """What pictures are drawn from: `real` records to look at, `unseen` ones that took no part in fitting, generated
    ones, and those fitted to, if they are known. All have the same fields.
    """

    real: Dataset
    unseen: Dataset
    fake: Dataset
    train: Dataset | None = None

    @property
    def _sets(self) -> dict[str, Dataset]:
        """Some of each set."""
        sets = {"real": self.real, "unseen": self.unseen, "fake": self.fake}
        sets = {name: spread(data, MOST) for name, data in sets.items()}
        if self.train is not None:
            sets["train"] = spread(self.train, 10 * MOST)
        return sets

    @cached_property
    def pixels(self) -> Points:
        """Images as points of one space; empty for grey ones against coloured ones."""
        points = {name: _pixel_points(data, self.real) for name, data in self._sets.items()}
        return points if len({each.shape[1] for each in points.values()}) == 1 else {}

    @cached_property
    def rows(self) -> Points:
        """Rows of tables as points of one space; empty where there is nothing to place."""
        sets = self._sets
        if not self.real.scalars or min(map(len, sets.values())) < 2:
            return {}
        return dict(zip(sets, row_points(sets.get("train", sets["real"]), list(sets.values())), strict=True))


def spread(data: Dataset, most: int) -> Dataset:
    """At most `most` records, evenly spread over the set."""
    return data.take(_spread(len(data), most))


def suspects(records: Records, *, shown: int = 5) -> list[Suspect]:
    """The generated rows nearest to a training row, nearest first; numbers of rows in `spread` sets."""
    if records.train is None or not records.rows:
        return []
    distance, nearest = nearest_of(records.rows["fake"], records.rows["train"])
    usual = float(np.median(nearest_of(records.rows["unseen"], records.rows["train"])[0]))
    order = np.argsort(distance, kind="stable")[:shown]
    return [Suspect(int(i), int(nearest[i]), float(distance[i]) / max(usual, 1e-9)) for i in order]


def _map(points: Points, frame: Callable[[Chosen, Flat], list[Framed]] | None = None) -> Picture | None:
    """The first two principal components of the real records, with the generated ones in the same plane."""
    if not points or points["real"].shape[1] < 2 or len(points["real"]) < 3:
        return None
    chosen = {name: _spread(len(points[name]), DOTS) for name in ("real", "fake")}
    centre = points["real"].mean(0)
    _, scale, axes = np.linalg.svd(points["real"] - centre, full_matrices=False)
    flat = {name: (points[name][rows] - centre) @ axes[:2].T for name, rows in chosen.items()}
    share = float((scale[:2] ** 2).sum() / max((scale**2).sum(), 1e-300))
    framed = [] if frame is None else frame(chosen, flat)
    caption = (
        f"Each {'image' if framed else 'row'} as a point: the two directions in which real records differ most "
        f"({share:.0%} of their variance), by {'pixels' if framed else 'columns'}. The clouds should cover the same "
        "ground; dependence in other directions does not show here."
    )
    title = "Map of real and generated records"
    return Picture(plots.point_map(flat["real"], flat["fake"], title=title, thumbnails=framed), caption)


def _framed(records: Records, chosen: Chosen, flat: Flat) -> list[Framed]:
    """Images far apart on the map, with their places."""
    where = np.concatenate([flat["real"], flat["fake"]])
    of = images.image_field(records.real)
    sets = [spread(records.real, MOST).take(chosen["real"]), spread(records.fake, MOST).take(chosen["fake"])]
    n = len(sets[0])
    framed = []
    for k in _far_apart(where, FRAMED):
        data, row = (sets[0], k) if k < n else (sets[1], k - n)
        x, y = where[k].tolist()
        framed.append((x, y, k < n, images.small(data.columns[of.name][row], of)))
    return framed


def _variety(placed: Points) -> Picture | None:
    """How far records lie from the nearest of their own set, sets of one size."""
    if not placed:
        return None
    n = min(len(placed["real"]), len(placed["fake"]))
    if n < 5:
        return None
    sets = placed["real"], placed["fake"]
    own = [nearest_others(points[_spread(len(points), n)])[0][:, 0] for points in sets]
    caption = (
        f"How far each of {n} real and {n} generated records is from the nearest other of its own set; dashes mark the "
        "medians. Generated records further left repeat each other, further right are more scattered than real ones."
    )
    chart = plots.distances(*own, label="distance to the nearest of the same set", title="Variety within each set")
    return Picture(chart, caption)


def _nearness(points: Points) -> Picture | None:
    """How far generated and unseen real records lie from the nearest training record."""
    if "train" not in points:
        return None
    to_train = [nearest_of(points[name], points["train"])[0] for name in ("unseen", "fake")]
    caption = (
        "How far generated records, and real ones that were never fitted to, are from their nearest training record; "
        "dashes mark the medians. A heap of generated records at 0 would be copies. This proves no privacy."
    )
    chart = plots.distances(
        *to_train, label="distance to the nearest training record", title="Distance to the training records"
    )
    return Picture(chart, caption)


def _human(scores: Sequence[Score]) -> Picture:
    """The first measure of all systems, as intervals."""
    kind = scores[0].name.split(":")[0]
    alike = [score for score in scores if score.name.split(":")[0] == kind]
    chart = plots.interval_lines(alike, title="Human ratings with intervals")
    return Picture(chart, "What raters said, with 95 % intervals; the line is what real records get.", coloured=False)


def _pixel_points(data: Dataset, like: Dataset) -> Float[np.ndarray, "n p"]:
    """Images as rows of pixels in [0, 1], all at the size of the first of `like`, at most 16 a side."""
    size = [min(SIDE, side) for side in pixels(like.take(slice(0, 1))).shape[2:]]
    levels = images.image_field(like).levels
    return (pixels(data, size=size).flatten(1) / max(levels - 1, 1)).double().numpy()


def _far_apart(points: Float[np.ndarray, "n 2"], most: int) -> list[int]:
    """Points chosen one after the other, each the farthest from those before (Gonzalez 1985)."""
    chosen = [int(np.linalg.norm(points - points.mean(0), axis=1).argmin())]
    apart = np.linalg.norm(points - points[chosen[0]], axis=1)
    while len(chosen) < min(most, len(points)):
        chosen.append(int(apart.argmax()))
        apart = np.minimum(apart, np.linalg.norm(points - points[chosen[-1]], axis=1))
    return chosen


def _spread(n: int, most: int) -> Int[np.ndarray, "_"]:
    return np.unique(np.linspace(0, n - 1, min(most, n)).round().astype(np.int64))


Drawing = Callable[[Records, Sequence[Score]], Picture | None]
ALL: dict[Group, Drawing] = {
    "utility": lambda of, scores: learning.trained_on(of.train, of.fake, test=of.unseen, scores=scores),
    "human": lambda of, scores: _human(scores),
}
ROWS: Mapping[Group, Drawing] = ALL | {
    "fidelity": lambda of, scores: _map(of.rows),
    "diversity": lambda of, scores: _variety(of.rows),
    "novelty": lambda of, scores: _nearness(of.rows),
}
IMAGES: Mapping[Group, Drawing] = ALL | {
    "fidelity": lambda of, scores: _map(of.pixels, partial(_framed, of)),
    "diversity": lambda of, scores: _variety(of.pixels),
    "novelty": lambda of, scores: _nearness(of.pixels),
}
TEXTS: Mapping[Group, Drawing] = ALL | {
    "fidelity": lambda of, scores: words.frequencies(of.real, of.fake),
    "diversity": lambda of, scores: words.variety(scores),
    "novelty": lambda of, scores: words.copied(of.fake, of.unseen, of.train),
    "likelihood": lambda of, scores: words.code_lengths(of.unseen, scores),
}
