import pytest
import torch

from genwright.maths.samplers import ddim, ddpm, dpmpp_2m, heun
from genwright.maths.schedules import cosine, from_x, linear_beta, straight

MEAN, STD = 0.7, 0.4  # of Gaussian data, for which the exact denoiser is known


def exact(schedule):
    """E[x | x_t] for data N(MEAN, STD^2), and the noise that goes with it."""

    def model(x, t):
        alpha, sigma = schedule(t)
        gain = alpha * STD**2 / (alpha**2 * STD**2 + sigma**2)
        return from_x(x, MEAN + gain * (x - alpha * MEAN), alpha, sigma)

    return model


def flow_map(schedule, x, s, t):
    """The probability flow carries quantiles to quantiles: x_s to x_t, in closed form."""
    (alpha_s, sigma_s), (alpha_t, sigma_t) = schedule(s), schedule(t)
    std_s, std_t = ((a**2 * STD**2 + b**2).sqrt() for a, b in ((alpha_s, sigma_s), (alpha_t, sigma_t)))
    return alpha_t * MEAN + std_t * (x - alpha_s * MEAN) / std_s


def grid(*ends, steps):
    return torch.linspace(*ends, steps + 1, dtype=torch.float64)


def error(sampler, schedule, ends, steps):
    x = torch.linspace(-2, 2, 9, dtype=torch.float64)
    times = grid(*ends, steps=steps)
    drawn = sampler(exact(schedule), x, times, schedule, None)
    return (drawn - flow_map(schedule, x, times[0], times[-1])).abs().max().item()


@pytest.mark.parametrize("schedule,ends", [(cosine, (0.9, 0.1)), (straight, (0.1, 0.9)), (straight, (0.9, 0.1))])
@pytest.mark.parametrize("sampler,order", [(ddim, 1), (dpmpp_2m, 2)])
def test_order_of_convergence(sampler, order, schedule, ends):
    ratio = error(sampler, schedule, ends, 64) / error(sampler, schedule, ends, 128)
    assert ratio == pytest.approx(2**order, rel=0.15)


def test_heun_is_second_order_but_for_its_last_step():
    """Doubling the steps quarters the error of the trapezoid steps and of the single Euler step at the end alike."""
    ratio = error(heun, straight, (0.0, 0.9), 64) / error(heun, straight, (0.0, 0.9), 128)
    assert ratio == pytest.approx(4, rel=0.25)


@pytest.mark.parametrize("sampler", [ddim, heun, dpmpp_2m])
@pytest.mark.parametrize("schedule,ends", [(linear_beta, (1.0, 0.0)), (cosine, (0.998, 0.0)), (straight, (0.0, 1.0))])
def test_from_pure_noise_to_clean_data(sampler, schedule, ends):
    x = torch.linspace(-2, 2, 9, dtype=torch.float64)
    stops = grid(*ends, steps=200)
    clean_side = (1 - 1e-4) if ends[1] == 1 else 1e-4  # the exact eps needs sigma > 0; the samplers do not ask there
    drawn = sampler(exact(schedule), x, stops, schedule, None)
    expected = flow_map(schedule, x, stops[0], torch.tensor(clean_side, dtype=torch.float64))
    assert (drawn - expected).abs().max() < 0.05


def test_deterministic_samplers_go_back_and_forth():
    x = torch.linspace(-1, 2, 7, dtype=torch.float64)
    times = grid(0.9, 0.1, steps=400)
    noised = heun(exact(straight), x, times, straight, None)
    torch.testing.assert_close(heun(exact(straight), noised, times.flip(0), straight, None), x, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("schedule", [linear_beta, cosine])
def test_ancestral_sampling_draws_the_data_law(schedule):
    rng = torch.Generator().manual_seed(0)
    noise = torch.randn(4000, generator=rng, dtype=torch.float64)
    drawn = ddpm(exact(schedule), noise, grid(0.998, 0.0, steps=250), schedule, rng)
    assert drawn.mean().item() == pytest.approx(MEAN, abs=0.03) and drawn.std().item() == pytest.approx(STD, rel=0.05)


def test_ancestral_posterior_is_bayes_rule():
    """One step against the product of the two Gaussians q(x_t | x) and q(x_s | x_t), worked out by hand."""
    s, t = torch.tensor(0.6, dtype=torch.float64), torch.tensor(0.4, dtype=torch.float64)
    (alpha_s, sigma_s), (alpha_t, sigma_t) = cosine(s), cosine(t)
    clean, x_s = 0.8, 0.3
    keep, added = alpha_s / alpha_t, sigma_s**2 - (alpha_s / alpha_t) ** 2 * sigma_t**2
    precision = 1 / sigma_t**2 + keep**2 / added
    mean = (alpha_t * clean / sigma_t**2 + keep * x_s / added) / precision
    x = torch.full((100_000,), x_s, dtype=torch.float64)
    model = lambda x, t: (torch.full_like(x, clean), x)  # noqa: E731
    drawn = ddpm(model, x, torch.stack([s, t]), cosine, torch.Generator().manual_seed(0))
    assert drawn.mean().item() == pytest.approx(mean.item(), abs=0.01)
    assert drawn.std().item() == pytest.approx(precision.rsqrt().item(), rel=0.02)
