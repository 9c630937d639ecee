"""Losses of tuning against closed forms: optima and gradients that are known, divergences summed exactly."""

import pytest
import torch

from genwright.maths.tuning import (
    clipped_surrogate,
    dpo_loss,
    dpo_margin,
    group_advantages,
    kl_estimate,
    mean_over,
)


def test_only_what_is_scored_counts():
    values, scored = torch.tensor([[1.0, 2.0], [4.0, 8.0]]), torch.tensor([[True, False], [True, True]])
    assert mean_over(values, scored) == pytest.approx(13 / 3)
    assert mean_over(values, torch.zeros(2, 2, dtype=torch.bool)) == 0


def test_dpo_of_bradley_terry_preferences_ends_at_the_reference_reweighted_by_the_reward():
    beta, reward = 0.5, torch.tensor([1.0, 0.2, -0.7], dtype=torch.float64)
    reference = torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64).log()
    preferred = torch.sigmoid(reward[:, None] - reward[None])  # Bradley-Terry
    logits = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], max_iter=200, tolerance_grad=1e-12, tolerance_change=1e-14)

    def loss():
        optimizer.zero_grad()
        log_prob, total = logits.log_softmax(0), torch.zeros((), dtype=torch.float64)
        for i in range(3):
            for j in range(3):
                margin = dpo_margin(*(each[None] for each in (log_prob[i], log_prob[j], reference[i], reference[j])))
                total = total + preferred[i, j] * dpo_loss(margin, beta=beta)[0]
        total.backward()
        return total

    optimizer.step(loss)
    optimum = (reference + reward / beta).softmax(0)
    assert torch.allclose(logits.detach().softmax(0), optimum, atol=1e-6)


def test_advantages_are_standardised_within_each_prompt_and_none_where_all_answers_are_alike():
    rewards = torch.tensor([[1.0, 2.0, 3.0, 6.0], [4.0, 4.0, 4.0, 4.0]])
    advantages = group_advantages(rewards)
    assert advantages.mean(dim=1).abs().max() < 1e-6 and advantages[1].abs().max() == 0
    assert advantages[0].std(correction=0) == pytest.approx(1.0, abs=1e-3)
    assert torch.allclose(group_advantages(7 * rewards + 5)[0], advantages[0], atol=1e-3)


def test_the_gradient_of_the_surrogate_where_tokens_were_just_drawn_is_the_policy_gradient():
    log_prob = torch.tensor([[-1.0, -2.0], [-0.5, -3.0]], requires_grad=True)
    advantage = torch.tensor([1.5, -2.0])
    clipped_surrogate(log_prob, log_prob.detach(), advantage, clip=0.2).sum().backward()
    assert torch.equal(log_prob.grad, advantage[:, None].expand(2, 2))


@pytest.mark.parametrize(("advantage", "moved", "gain"), [(1.0, 1.0, 1.2), (1.0, -1.0, 0.368), (-1.0, -1.0, -0.8)])
def test_a_ratio_counts_no_further_than_the_clip_where_that_would_flatter(advantage, moved, gain):
    log_prob = torch.tensor([[-2.0 + moved]], requires_grad=True)
    value = clipped_surrogate(log_prob, torch.tensor([[-2.0]]), torch.tensor([advantage]), clip=0.2)
    assert value.item() == pytest.approx(gain, abs=1e-3)
    value.sum().backward()
    assert (log_prob.grad.item() == 0.0) == (gain in (1.2, -0.8))


def test_the_estimate_of_the_divergence_is_unbiased_and_never_negative():
    model, reference = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.3, 0.3, 0.4])
    each = kl_estimate(model.log()[None], reference.log()[None])[0]
    assert (each >= 0).all()
    assert (model * each).sum() == pytest.approx((model * (model / reference).log()).sum().item(), abs=1e-6)
