"""Why samples came out so: copies are seen, and conditions move as much as they say."""

import numpy as np
import pytest

import genwright as gw
from genwright.errors import ArgumentError
from genwright.metrics.explain import explain


def places(n=600):
    """x follows its kind, y nothing."""
    rng = np.random.default_rng(0)
    kind = rng.choice(["a", "b"], n)
    return gw.read(
        {"x": rng.normal(size=n).round(3) + 40 * (kind == "b"), "kind": kind, "other": rng.choice(["u", "v"], n)}
    )


def test_a_condition_moves_what_follows_it_and_no_other_does():
    data = places()
    model = gw.fit(data, family=gw.Mixture(components=4), steps=20)
    found = explain(model, 200, train=data.train, given={"kind": "a", "other": "u"})
    assert found.influence["kind"].mean() > 0.5  # half of the other values are the same
    assert found.influence["kind"].mean() > 5 * found.influence["other"].mean()
    assert str(found).splitlines()[1].startswith("kind")
    assert 0.3 < np.median(found.distances[:, 0]) < 3


def test_nearest_training_records_of_pictures_are_those_and_copies_are_seen():
    digits = gw.read("digits").take(slice(400))
    model = gw.fit(digits, family=gw.Mixture(components=10), steps=5)
    found = explain(model, 12, train=digits.train, given={"label": "3"}, k=2)
    assert found.nearest.shape == (12, 2) and (np.diff(found.distances, axis=1) >= 0).all()
    pixels = found.train.columns["image"][found.nearest[:, 0]].astype(float)
    sample = found.samples.columns["image"].astype(float)
    other = found.train.columns["image"][::-1][:12].astype(float)
    assert np.square(pixels - sample).mean() < np.square(other - sample).mean()
    assert list(found.influence) == ["label"] and found.influence["label"].mean() > 0.3
    with pytest.raises(ArgumentError, match="training records"):
        explain(model, 2, train=digits.take(slice(2)))
