"""One or two calls where there were a dozen: jumps learned along a model's own ways."""

import pytest
import torch

import genwright as gw
from genwright.errors import ArgumentError, UnsupportedError
from genwright.maths.samplers import ddim
from genwright.model.few_steps import _Ways
from genwright.spaces import Given


@pytest.fixture(scope="module", params=[gw.FlowMatching, gw.Diffusion])
def model(request):
    return gw.fit(gw.read("digits"), family=request.param(width=8, batch=32), steps=25)


def test_ways_end_where_the_sampler_does_and_pass_its_stops(model):
    ways = _Ways.of(model, model.net, 2)
    noise, context = torch.randn(3, 1, 8, 8), torch.tensor([[0.0], [3.0], [torch.nan]])
    found = ways.drawn(model.net, noise, context).unflatten(1, (-1, 1, 8, 8))
    assert found.shape[1] == len(ways.times) == 13 and torch.equal(found[:, 0], noise)
    process = model.family.process(model.net, gw.Sampling(steps=12))
    end = process._records(model.net, process._run(model.net, noise, Given(None, context)))
    assert torch.allclose(found[:, -1].clamp(-1, 1), end, atol=1e-5)


def test_a_jump_is_a_step_of_ddim(model):
    ways = _Ways.of(model, model.net, 2)
    noise, context = torch.randn(2, 1, 8, 8), torch.tensor([[1.0], [2.0]])
    start = torch.tensor([0, 0])
    found, _ = ways.jump(model.net, noise, context, start, start + 6)
    how = gw.Sampling(steps=2, sampler=ddim, guidance=1.0)
    process = model.family.process(model.net, how)
    times = process.times[:2]
    alpha, sigma = process.schedule(times[0])
    clean, eps = process.prediction(noise, model.net(noise, times[:1].expand(2), context, None), alpha, sigma)
    alpha, sigma = process.schedule(times[1])
    assert torch.allclose(found, alpha * clean + sigma * eps, atol=1e-5)


def test_two_calls_come_nearer_to_where_many_led_and_are_kept(model, tmp_path):
    fast = gw.few_steps(model, calls=2, steps=60)
    told = fast.record["few_steps"]
    assert told["after"] < 0.8 * told["before"] and told["ways"] == 1024
    fast.save(tmp_path)
    loaded = gw.load(tmp_path)
    assert loaded.how.steps == 2 and loaded.how.guidance == 1.0
    assert (loaded.sample(4, seed=2).columns["image"] == fast.sample(4, seed=2).columns["image"]).all()
    assert not (model.sample(4, seed=2).columns["image"] == fast.sample(4, seed=2).columns["image"]).all()


def test_what_has_no_steps_or_too_many_is_told(model):
    with pytest.raises(ArgumentError, match="9 calls are not few"):
        gw.few_steps(model, calls=9, steps=1)
    with pytest.raises(UnsupportedError, match="does not go by steps"):
        gw.few_steps(gw.fit(gw.read("wine"), family=gw.FlowMatching(width=8), steps=1), steps=1)
