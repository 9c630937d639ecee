"""A net of the user's own: a function of the space and its conditions."""

import json
import math

import numpy as np
import pytest
from torch import nn

import genwright as gw
from genwright.errors import ArgumentError, StorageError, UnsupportedError
from genwright.nets.flow_net import FlowNet


class Smallest(FlowNet):
    """One linear map of all pixels."""

    def __init__(self, space, conditions, size=None):
        super().__init__()
        self.space, self.conditions = space, conditions
        numbers = math.prod(space.shape)
        self.map = nn.Linear(numbers, size or numbers)

    def forward(self, x, t, context=None, known=None):
        return self.map(x.flatten(1)).view(x.shape)


def smallest(space, conditions):
    return Smallest(space, conditions)


def smaller(space, conditions):
    return Smallest(space, conditions, size=3)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    images = np.random.default_rng(0).integers(0, 256, (40, 4, 4), dtype=np.uint8)
    folder = tmp_path_factory.mktemp("own") / "model"
    np.save(folder.parent / "images.npy", images)
    model = gw.fit(gw.read(folder.parent / "images.npy"), family=gw.FlowMatching(net=smallest), steps=3)
    model.save(folder)
    return model, folder


def test_it_is_trained_saved_by_name_and_given_again_to_load(fitted):
    model, folder = fitted
    recipe = json.loads((folder / "recipe.json").read_text())
    assert recipe["fields"]["net"] == {"function": f"{__name__}.smallest"}
    again = gw.load(folder, net=smallest)
    assert isinstance(again.net, Smallest) and again.family == model.family
    pixels = [m.sample(3, seed=1).columns["image"] for m in (model, again)]
    assert np.array_equal(*pixels)


def test_it_is_never_imported_from_a_file(fitted):
    _, folder = fitted
    with pytest.raises(ArgumentError, match="smallest") as caught:
        gw.load(folder)
    assert "net=" in caught.value.hint
    with pytest.raises(StorageError):
        gw.load(folder, net=smaller)


def test_what_the_family_cannot_train_is_refused(fitted, tmp_path):
    table = gw.read([{"a": 1.5 * k, "b": "xy"[k % 2]} for k in range(60)])
    for net, what in (
        (lambda space, conditions: nn.Linear(1, 1), "a Linear"),
        (smallest, "a Smallest"),
        (nn.Identity(), "no function"),
    ):
        with pytest.raises(ArgumentError, match=what) as caught:
            gw.fit(table, family=gw.FlowMatching(net=net), steps=1)
        assert "MixedNet" in caught.value.hint
    with pytest.raises(UnsupportedError, match="net of your own"):
        gw.fit(table, family=gw.TreeMixture(net=smallest), steps=1, privacy=gw.Privacy(epsilon=1.0, delta=1e-5))
    gw.fit(table, family=gw.Mixture(components=1), steps=1).save(tmp_path / "table")
    with pytest.raises(ArgumentError, match="its family") as caught:
        gw.load(tmp_path / "table", net=smallest)
    assert "leave net out" in caught.value.hint
