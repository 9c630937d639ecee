"""A fit that is stopped after training goes on from what it kept, whatever stage it was stopped in."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import genwright as gw
from genwright.errors import ArgumentError, ResourceError
from genwright.signals import Interrupted
from genwright.train.stages import CHECKPOINT, PATTERN, STAGE


def table(rows: int) -> gw.Dataset:
    rng = np.random.default_rng(0)
    g = rng.choice(["a", "b", "c"], rows)
    return gw.read(pd.DataFrame({"g": g, "x": rng.normal(size=rows) + (g == "a"), "y": rng.exponential(size=rows)}))


def reviews() -> gw.Dataset:
    words = np.random.default_rng(0).choice(["good", "bad", "slow", "kind", "cheap", "dear", "warm", "cold"], (200, 6))
    frame = pd.DataFrame({"stars": np.arange(200) % 5, "text": [" ".join(row) + "." for row in words]})
    return gw.read(frame, schema={"text": "text"})


STOPPED_IN = {
    "the latent prior": (
        "genwright.train.fit._refit_prior",
        lambda: gw.read("digits").take(slice(200)),
        gw.VAE(),
        {"steps": 4},
    ),
    "the prior": ("genwright.model.fit.fit_prior", lambda: gw.read("digits").take(slice(200)), gw.VAE(), {"steps": 4}),
    "the correction": (
        "genwright.model.fit.learn_correction",
        lambda: table(2600),
        gw.Autoregressive(),
        {"minutes": 0.05},
    ),
    "the correction of EM": (
        "genwright.model.fit.learn_correction",
        lambda: table(2600),
        gw.Mixture(),
        {"minutes": 0.05},
    ),
    "texts": ("genwright.model.fit._fit_texts", reviews, gw.Mixture(), {"steps": 4}),
    "saving": ("genwright.model.saving.write_json", lambda: table(300), gw.Autoregressive(), {"steps": 4}),
    "saving texts": ("genwright.model.saving.replacing", reviews, gw.Autoregressive(), {"steps": 4}),
}


def stopped(*arguments, **more):
    raise Interrupted(2)


def weights(model: gw.Generator) -> list[torch.Tensor]:
    nets = [model.net, *(net for part in model.parts for net in part.nets.values())]
    return [tensor for net in nets for tensor in net.state_dict().values()]


@pytest.mark.parametrize("stage", STOPPED_IN)
def test_stopped_after_training_it_goes_on_without_training_again(tmp_path, monkeypatch, stage):
    place, read, family, limit = STOPPED_IN[stage]
    data = read()

    def fit(folder: Path) -> gw.Generator:
        made = gw.fit(data, family=family, seed=3, folder=folder, **limit)
        made.save(folder)
        return made

    with monkeypatch.context() as patch:
        patch.setattr(place, stopped)
        with pytest.raises(KeyboardInterrupt):
            fit(tmp_path)
    if stage != "the prior":
        trained = tmp_path / STAGE.format("stepped" if stage == "the latent prior" else "trained")
        assert trained.is_file()
        if stage != "texts":  # whose own training is yet to come
            monkeypatch.setattr("genwright.train.fit.train", lambda *_: pytest.fail("trained again"))
        monkeypatch.setattr(gw.Mixture, "fit", _only_the_prior(gw.Mixture.fit, stage))
    found = fit(tmp_path)
    assert not [*tmp_path.glob(PATTERN), *tmp_path.glob("texts/" + PATTERN)]
    for kept, saved in zip(weights(found), weights(gw.load(tmp_path)), strict=True):
        assert torch.equal(kept, saved)
    if "steps" in limit:
        monkeypatch.undo()
        for resumed, whole in zip(weights(found), weights(fit(tmp_path / "whole")), strict=True):
            assert torch.equal(resumed, whole)
    else:
        assert found.record["seconds"] < 60 * limit["minutes"] + 2


def _only_the_prior(fit, stage):
    def watched(*arguments, **more):
        assert stage.endswith("prior"), "fitted again"
        return fit(*arguments, **more)

    return watched


def test_another_fit_neither_takes_up_stages_nor_deletes_them(tmp_path, monkeypatch):
    data = table(300)
    with monkeypatch.context() as patch:
        patch.setattr("genwright.model.saving.replacing", stopped)
        with pytest.raises(KeyboardInterrupt):
            gw.fit(data, family=gw.Mixture(), steps=3, folder=tmp_path).save(tmp_path)
    other = gw.fit(data, family=gw.Mixture(), steps=3, seed=1)
    other.save(tmp_path)
    assert (tmp_path / STAGE.format("trained")).is_file()
    with pytest.raises(ArgumentError, match="another seed"):
        gw.fit(data, family=gw.Mixture(), steps=3, seed=1, folder=tmp_path)


def test_room_on_the_disk_is_asked_for_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("", (), {"free": 1000}))
    monkeypatch.setattr("genwright.train.fit.train", lambda *_: pytest.fail("trained"))
    with pytest.raises(ResourceError, match="MB are free"):
        gw.fit(table(300), family=gw.Autoregressive(), steps=3, folder=tmp_path)
    assert not (tmp_path / CHECKPOINT).exists()
