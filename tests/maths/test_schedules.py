import math

import pytest
import torch

from genwright.maths import schedules as s


def at(schedule, t: float) -> tuple[float, float]:
    alpha, sigma = schedule(torch.tensor(t, dtype=torch.float64))
    return alpha.item(), sigma.item()


@pytest.mark.parametrize("schedule", [s.linear_beta, s.cosine])
def test_diffusion_schedules_preserve_variance_and_run_from_data_to_noise(schedule):
    t = torch.linspace(0, 1, 2001, dtype=torch.float64)
    alpha, sigma = schedule(t)
    torch.testing.assert_close(alpha**2 + sigma**2, torch.ones_like(t))
    assert (alpha.diff() < 0).all() and (sigma.diff() > 0).all()
    assert alpha[0] == 1 and sigma[0] == 0 and alpha[-1] < 0.01


def test_linear_beta_is_the_product_of_its_steps():
    alpha_bar = 1.0
    for i in range(1000):
        alpha_bar *= 1.0 - (1e-4 + i * (0.02 - 1e-4) / 999)
        if i + 1 in (1, 10, 500, 1000):
            assert at(s.linear_beta, (i + 1) / 1000)[0] ** 2 == pytest.approx(alpha_bar, rel=1e-9)
    assert alpha_bar == pytest.approx(4.036e-5, rel=1e-3)


def test_straight_path():
    assert at(s.straight, 0.0) == (0.0, 1.0) and at(s.straight, 1.0) == (1.0, 0.0)
    assert at(s.straight, 0.25) == (0.25, 0.75)


def test_karras_sigmas_are_evenly_spaced_in_their_seventh_root():
    sigmas = s.karras_sigmas(18).double()
    assert len(sigmas) == 19 and sigmas[-1] == 0
    assert sigmas[0].item() == pytest.approx(80, rel=1e-5) and sigmas[17].item() == pytest.approx(0.002, rel=1e-3)
    gaps = (sigmas[:-1] ** (1 / 7)).diff()
    torch.testing.assert_close(gaps, gaps.mean().expand(17), rtol=1e-3, atol=1e-5)


def test_log_snr_of_the_straight_path():
    assert s.log_snr(s.straight, torch.tensor(0.75)).item() == pytest.approx(2 * math.log(3))


def test_logit_normal_has_the_law_it_names():
    t = s.logit_normal(20000, torch.Generator().manual_seed(0), mean=-0.5, scale=1.3)
    logits = torch.logit(t.double())
    assert logits.mean().item() == pytest.approx(-0.5, abs=0.01) and logits.std().item() == pytest.approx(1.3, abs=0.01)


def test_uniform_is_stratified():
    t = s.uniform(64, torch.Generator().manual_seed(0))
    assert sorted((t * 64).floor().tolist()) == list(range(64))


@pytest.mark.parametrize("t", [0.05, 0.5, 0.95])
def test_predictions_invert(t):
    rng = torch.Generator().manual_seed(1)
    x, eps = torch.randn(2, 5, 3, generator=rng, dtype=torch.float64)
    for schedule in (s.cosine, s.straight):
        alpha, sigma = schedule(torch.tensor(t, dtype=torch.float64))
        x_t = alpha * x + sigma * eps
        pairs = [s.from_x(x_t, x, alpha, sigma), s.from_eps(x_t, s.to_eps(x_t, x, alpha, sigma), alpha, sigma)]
        if schedule is s.cosine:
            pairs.append(s.from_v(x_t, s.to_v(x, eps, alpha, sigma), alpha, sigma))
        else:
            pairs.append(s.from_velocity(x_t, s.to_velocity(x, eps), alpha, sigma))
        for pair in pairs:
            torch.testing.assert_close(pair, (x, eps))


def test_min_snr_weight_in_the_three_predictions():
    """min(SNR, g) on the error in x is min(SNR, g)/(SNR + 1) in v and min(SNR, g)/SNR in eps."""
    alpha, sigma = s.cosine(torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64))
    snr, error = (alpha / sigma) ** 2, 0.3
    weight, x_t = s.min_snr_weight(alpha, sigma), torch.zeros(3, dtype=torch.float64)
    for recover, factor in ((s.from_v, 1 / (snr + 1)), (s.from_eps, 1 / snr)):
        in_x = recover(x_t, torch.full_like(x_t, error), alpha, sigma)[0]
        torch.testing.assert_close(weight * in_x**2, snr.clamp(max=5) * factor * error**2)
