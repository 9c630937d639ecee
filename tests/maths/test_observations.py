"""Observation models: probabilities sum to one, draws follow them, missing entries are marginalised."""

import itertools

import pytest
import torch
from torch.distributions import Normal

from genwright.errors import UnsupportedError
from genwright.maths.observations import (
    bounded_log_scale,
    draw,
    fit_columns,
    log_likelihood,
    most_likely,
    parameters,
)
from genwright.spaces import Columns, Continuous, Discrete, Reals, Tokens

MIXED = Columns((Discrete("state", 3), Continuous("income", state=0), Discrete("sex", 2), Continuous("age")))


@pytest.mark.parametrize("levels", [2, 3, 17, 256])
@pytest.mark.parametrize("spread", [0.1, 3.0])
def test_probabilities_of_all_levels_sum_to_one(levels, spread):
    space = Reals((1,), levels)
    params = spread * torch.randn(20, parameters(space), generator=torch.Generator().manual_seed(levels))
    every = space.unpack(torch.arange(levels))[:, None]
    total = torch.stack([log_likelihood(space, params, x.expand(20, 1)) for x in every]).logsumexp(0)
    torch.testing.assert_close(total, torch.zeros(20), atol=1e-5, rtol=0)


def test_probabilities_of_all_discrete_rows_sum_to_one():
    space = Columns((Discrete("a", 3), Discrete("b", 4)))
    params = torch.randn(5, parameters(space), generator=torch.Generator().manual_seed(0))
    rows = [torch.tensor([[float(a), float(b)]]).expand(5, 2) for a, b in itertools.product(range(3), range(4))]
    total = torch.stack([log_likelihood(space, params, x) for x in rows]).logsumexp(0)
    torch.testing.assert_close(total, torch.zeros(5), atol=1e-6, rtol=0)


def test_gaussian_density_agrees_with_torch():
    space = Reals((2, 3), axes=("channel", "time"))
    params = torch.randn(7, parameters(space), generator=torch.Generator().manual_seed(0))
    x = torch.randn(7, 2, 3, generator=torch.Generator().manual_seed(1))
    law = Normal(params[:, :6], bounded_log_scale(params[:, 6:]).exp())
    torch.testing.assert_close(log_likelihood(space, params, x), law.log_prob(x.flatten(1)).sum(1))


def test_a_discretised_logistic_keeps_gradients_far_from_its_mean():
    space = Reals((1,), 256)
    params = torch.tensor([[-1.0, -20.0]], requires_grad=True)
    log_likelihood(space, params, torch.tensor([[1.0]])).sum().backward()
    assert params.grad.isfinite().all() and params.grad[0, 0] > 1


def test_inactive_and_missing_entries_take_no_part():
    params = torch.randn(1, parameters(MIXED), generator=torch.Generator().manual_seed(0))
    whole = torch.tensor([[0.0, 1.3, 1.0, -0.4]])
    unseen = whole.clone()
    unseen[0, 1] = torch.nan
    inactive = torch.tensor([[1.0, 0.0, 1.0, -0.4]])
    others = log_likelihood(MIXED, params, torch.tensor([[torch.nan, torch.nan, 1.0, -0.4]]))
    state = params[:, :3].log_softmax(1)
    torch.testing.assert_close(log_likelihood(MIXED, params, unseen), others + state[:, 0])
    torch.testing.assert_close(log_likelihood(MIXED, params, inactive), others + state[:, 1])
    assert log_likelihood(MIXED, params, whole) != log_likelihood(MIXED, params, unseen)


def test_draws_follow_the_probabilities():
    space = Reals((1,), 5)
    params = torch.tensor([[0.2, -0.5]])
    every = space.unpack(torch.arange(5))[:, None]
    expected = log_likelihood(space, params.expand(5, 2), every).exp()
    x = draw(space, params.expand(20_000, 2), torch.Generator().manual_seed(0))
    shares = space.pack(x)[:, 0].long().bincount(minlength=5) / 20_000
    assert (shares - expected).abs().max() < 0.015


def test_draws_of_mixed_rows_follow_the_parameters_and_zero_what_is_inactive():
    params = torch.tensor([[0.0, 1.0, -1.0, 2.0, -1.0, 0.5, 0.0, -3.0, 0.0]])
    x = draw(MIXED, params.expand(20_000, -1), torch.Generator().manual_seed(0))
    shares = x[:, 0].long().bincount(minlength=3) / 20_000
    assert (shares - params[0, :3].softmax(0)).abs().max() < 0.015
    assert (x[x[:, 0] != 0, 1] == 0).all()
    active = x[x[:, 0] == 0, 1]
    assert abs(active.mean() - 2.0) < 0.03
    assert abs(active.std() - bounded_log_scale(torch.tensor(-1.0)).exp()) < 0.03


def test_the_most_likely_record_is_at_least_as_likely_as_any_draw():
    for space in (Reals((3,), 2), Reals((3,)), Columns((Discrete("a", 3), Continuous("b")))):
        params = torch.randn(50, parameters(space), generator=torch.Generator().manual_seed(0))
        best = log_likelihood(space, params, most_likely(space, params))
        other = log_likelihood(space, params, draw(space, params, torch.Generator().manual_seed(1)))
        assert (best >= other - 1e-4).all()


def test_the_centre_of_a_discretised_logistic_is_its_median():
    space = Reals((1,), 17)
    params = torch.tensor([[0.3, 0.5]])
    x = draw(space, params.expand(9999, 2), torch.Generator().manual_seed(0))
    assert (x.median() - most_likely(space, params)).abs() <= 2 / 16 + 1e-6


def test_columns_fitted_by_weights_recover_each_group():
    rng = torch.Generator().manual_seed(0)
    truth = torch.tensor(
        [[2.0, 0.0, 0.0, 1.0, 0.0, -1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 2.0, -1.0, 0.5, 1.0, -1.0, 3.0, -2.0]]
    )
    group = torch.arange(8000) % 2
    x = draw(MIXED, truth[group], rng)
    x[::7, 2] = torch.nan
    fitted = fit_columns(MIXED, x, torch.nn.functional.one_hot(group).float())
    for own in range(2):
        mine = x[group == own]
        params, best = fitted[own].expand(len(mine), -1), truth[own].expand(len(mine), -1)
        assert log_likelihood(MIXED, params, mine).mean() > log_likelihood(MIXED, best, mine).mean() - 1e-3


def test_tokens_have_no_observation_model():
    with pytest.raises(UnsupportedError, match="Tokens"):
        parameters(Tokens(8, 256, 0))
