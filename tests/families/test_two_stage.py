"""Two stages: what the second learns are the latents of the first, and both together are one model."""

import time
from copy import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

import genwright as gw
from genwright.errors import ArgumentError, StorageError, UnsupportedError
from genwright.families.family import Work
from genwright.families.recipe import recipe_from_json, recipe_to_json
from genwright.randomness import seeded
from genwright.spaces import Encoded, Given, Reals
from genwright.train.fit import fit_family
from genwright.train.plan import estimate_memory_mb
from genwright.train.stages import Stages

SMALL = gw.TwoStage(first=gw.VAE(width=8, grid=4, batch=16), second=gw.FlowMatching(width=16, batch=16))
SIGNALS = Reals((2, 24), axes=("channel", "time"))


def rows(space, n=128, *, lengths=None):
    """Records that are high or low as a whole."""
    rng = torch.Generator().manual_seed(0)
    sign = torch.randint(2, (n, *[1] * len(space.shape)), generator=rng).float() - 0.5
    return Encoded(sign + 0.1 * torch.randn(n, *space.shape, generator=rng), None, lengths)


def fitted(family, data, *, steps, space=SIGNALS, **ways):
    work, device = Work(rows=len(data), steps=steps), torch.device("cpu")
    return fit_family(
        family, space, None, data, data, work=work, seed=0, started=time.monotonic(), device=device, **ways
    )


@pytest.fixture(scope="module")
def model():
    return fitted(SMALL, rows(SIGNALS), steps=40)


def test_latents_are_standard_in_each_channel_and_lead_back(model):
    rng = torch.Generator().manual_seed(1)
    z = model.family.compressed(model.net, rows(SIGNALS), rng).x
    assert z.shape[1:] == model.net.latents.shape == (4, 3) and model.net.latents.axes == ("channel", "time")
    records = model.net.standard(z.flatten(1))
    assert records.mean((0, 2)).abs().max() < 0.3 and (records.std((0, 2)) - 1).abs().max() < 0.3
    assert torch.allclose(model.net.latent(records), z.flatten(1), atol=1e-5)


def test_the_record_tells_of_both_stages(model):
    both = model.record["first"]["history"], model.record["history"]
    assert [history[-1]["step"] <= most for history, most in zip(both, (14, 26), strict=True)] == [True, True]
    assert model.record["parameters"] == sum(p.numel() for p in model.net.parameters())


def test_work_is_shared_out():
    assert [w.steps for w in SMALL.work(Work(rows=9, steps=100))] == [35, 65]
    assert [w.minutes for w in replace(SMALL, share=0.25).work(Work(rows=9, minutes=4.0))] == [1.0, 3.0]
    assert [w.steps for w in SMALL.work(Work(rows=9, steps=1))] == [1, 1]


def test_a_recipe_holds_both_recipes():
    sized = SMALL.sized(SIGNALS, Work(rows=100, steps=10))
    told = recipe_to_json(sized)
    assert told["fields"]["first"]["fields"]["grid"] == 4 and recipe_from_json(told) == sized
    told["fields"]["first"], told["fields"]["second"] = told["fields"]["second"], told["fields"]["first"]
    with pytest.raises(StorageError, match="first"):
        recipe_from_json(told)
    assert "grid" not in recipe_to_json(gw.VAE())["fields"]  # as recipes were before


@pytest.mark.parametrize(("name", "value"), [("first", gw.FlowMatching()), ("second", "flow"), ("share", 1.0)])
def test_what_makes_no_two_stages_is_refused(name, value):
    made = copy(SMALL)
    object.__setattr__(made, name, value)
    with pytest.raises(ArgumentError, match=name) as caught:
        made.__post_init__()
    assert caught.value.hint


def test_parts_of_a_record_cannot_be_given(model):
    partial = torch.full((2, *SIGNALS.shape), torch.nan)
    with pytest.raises(UnsupportedError, match="parts of a record"):
        model.family.sample(model.net, 2, given=Given(partial), rng=torch.Generator())


def test_records_have_lengths():
    space = replace(SIGNALS, lengths=(6, 24))
    data = rows(space, lengths=torch.tensor([6, 24]).repeat(64))
    done = fitted(SMALL, data, steps=4, space=space)
    rng = torch.Generator().manual_seed(0)
    drawn = done.family.sample(done.net, 2, given=Given(lengths=torch.tensor([6, 24])), rng=rng)
    assert space.lengths_of(drawn).tolist() == [6, 24]


def test_a_fit_goes_on_after_its_first_stage(tmp_path, monkeypatch):
    whole = fitted(SMALL, rows(SIGNALS), steps=8)
    stages = Stages(tmp_path, "this fit")

    def stop(family, *arguments, **ways):
        if family.name == "flow":
            raise KeyboardInterrupt
        return estimate_memory_mb(family, *arguments, **ways)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("genwright.train.fit.estimate_memory_mb", stop)
        fitted(SMALL, rows(SIGNALS), steps=8, stages=stages)
    assert (tmp_path / "checkpoint-first.safetensors").exists()
    again = fitted(SMALL, rows(SIGNALS), steps=8, stages=stages)
    for name, tensor in whole.net.state_dict().items():
        assert torch.equal(tensor, again.net.state_dict()[name]), name


def test_images_by_label_through_the_front_door(tmp_path):
    rng = np.random.default_rng(0)
    label = rng.choice(["dark", "light"], 200)
    pixels = (rng.integers(0, 60, (200, 12, 12)) + 180 * (label == "light")[:, None, None]).astype(np.uint8)
    data = gw.read({"images": pixels, "labels": label})
    family = gw.TwoStage(first=gw.VAE(width=8, grid=3), second=gw.Diffusion(width=8))
    made = gw.fit(data, family=family, steps=60)
    drawn = {name: made.sample(20, given={"label": name}, seed=1).columns["image"].mean() for name in ("dark", "light")}
    assert drawn["light"] > drawn["dark"] + 30
    made.save(tmp_path / "made")
    same = gw.load(tmp_path / "made")
    assert np.array_equal(made.sample(4, seed=3).columns["image"], same.sample(4, seed=3).columns["image"])
    assert made.encode(data.take(slice(0, 3))).shape == (3, 4, 3, 3) and len(made.interpolate(2, steps=3)) == 6


def test_a_grid_of_latents_without_a_second_stage_is_drawn_from_the_normal():
    family = gw.VAE(grid=4, width=8, latent=2)
    done = fitted(family, rows(SIGNALS), steps=10)
    rng = torch.Generator().manual_seed(0)
    z = done.family.draw_latent(done.net, 4000, rng)
    assert z.shape == (4000, 6) and z.std() == pytest.approx(1.0, abs=0.03)
    normal = torch.distributions.Normal(0.0, 1.0)
    assert torch.allclose(done.net.prior.log_prob(z, None), normal.log_prob(z).sum(1), atol=1e-4)
    with seeded(0):
        bounds = done.family.log_prob(done.net, rows(SIGNALS, n=5).x, None, rng)
    assert bounds.shape == (5,) and bounds.isfinite().all()
    with pytest.raises(UnsupportedError, match="grid"):
        family.can(Reals((3,)))
