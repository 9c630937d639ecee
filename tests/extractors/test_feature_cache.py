"""Features are computed once for each content and extractor, in memory or in a folder."""

from dataclasses import dataclass, field, replace

import numpy as np

from genwright.data.dataset import Dataset, Image
from genwright.extractors import feature_cache
from genwright.extractors.feature_cache import FeatureCache, content_key


@dataclass
class Counting:
    """Mean grey level as the only feature; counts how often it is asked."""

    signature: str = "mean"
    calls: list[int] = field(default_factory=list)

    def __call__(self, data):
        self.calls.append(len(data))
        return np.array([[float(image.mean())] for image in data.columns["image"]])


def images(seed, *, n=5, shape=(4, 4, 1)):
    pixels = np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)
    return Dataset((Image("image", shape, "L"),), {"image": pixels})


def test_the_same_content_is_computed_once_whatever_it_is_called():
    cache, counting = FeatureCache(), Counting()
    first = cache(counting, images(0))
    again = cache(counting, replace(images(0), name="other"))
    assert np.array_equal(first, again) and counting.calls == [5]
    cache(counting, images(1))
    cache(replace(counting, signature="another"), images(0))
    assert counting.calls == [5, 5, 5]


def test_order_and_shape_are_content():
    data, counting = images(0), Counting()
    keys = {
        content_key(counting, data),
        content_key(counting, data.take(np.arange(5)[::-1])),
        content_key(counting, images(0, shape=(2, 8, 1))),
    }
    assert len(keys) == 3


def test_images_of_different_sizes():
    column = np.empty(2, dtype=object)
    column[:] = [np.zeros((3, 3, 1), np.uint8), np.ones((5, 4, 1), np.uint8)]
    data = Dataset((Image("image", None, "L"),), {"image": column})
    cache, counting = FeatureCache(), Counting()
    assert cache(counting, data).tolist() == cache(counting, data).tolist() == [[0.0], [1.0]]
    assert counting.calls == [2]


def test_a_folder_keeps_features_and_damage_is_repaired(tmp_path):
    counting = Counting()
    first = FeatureCache(tmp_path)(counting, images(0))
    (path,) = tmp_path.iterdir()
    assert np.array_equal(FeatureCache(tmp_path)(counting, images(0)), first) and counting.calls == [5]
    path.write_bytes(b"garbage")
    assert np.array_equal(FeatureCache(tmp_path)(counting, images(0)), first) and counting.calls == [5, 5]
    assert np.array_equal(FeatureCache(tmp_path)(counting, images(0)), first) and counting.calls == [5, 5]


def test_memory_is_bounded_and_the_oldest_go_first(monkeypatch):
    monkeypatch.setattr(feature_cache, "MEMORY_BYTES", 2 * 5 * 8)
    cache, counting = FeatureCache(), Counting()
    for seed in (0, 1, 0, 2, 0):
        cache(counting, images(seed))
    assert len(counting.calls) == 3
    cache(counting, images(1))
    assert len(counting.calls) == 4


def test_nothing_is_written_unasked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    FeatureCache()(Counting(), images(0))
    assert not list(tmp_path.iterdir())
