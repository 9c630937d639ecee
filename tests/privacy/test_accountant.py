"""The accountant: closed forms, bounds, monotonicity, and agreement with Opacus."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import gammaln, logsumexp, ndtr

from genwright.privacy.accountant import (
    ORDERS,
    Exponential,
    Gaussian,
    SampledGaussian,
    Threshold,
    concentrated,
    noise_for,
    spent,
)

DELTA = 1e-5


def binomial_rdp(order: int, rate: float, noise: float) -> float:
    """Mironov, Talwar & Zhang 2019, section 3.3, for whole orders."""
    k = np.arange(order + 1)
    chosen = gammaln(order + 1) - gammaln(k + 1) - gammaln(order - k + 1)
    terms = chosen + (order - k) * math.log1p(-rate) + k * math.log(rate) + (k * k - k) / (2 * noise**2)
    return float(logsumexp(terms)) / (order - 1)


def exact_delta(noise: float, epsilon: float) -> float:
    """Balle & Wang 2018, theorem 8: the smallest delta of one Gaussian release."""
    a, b = 1 / (2 * noise), epsilon * noise
    return float(ndtr(a - b) - math.exp(epsilon) * ndtr(-a - b))


@pytest.mark.parametrize(
    ("order", "rate", "noise"), [(2, 0.01, 1.0), (8, 0.03, 0.7), (32, 0.01, 2.0), (60, 0.1, 4.0), (3, 0.5, 0.5)]
)
def test_sampled_noise_has_its_closed_form_at_whole_orders(order, rate, noise):
    found = SampledGaussian("", noise, rate).rdp(np.array([float(order)]))[0]
    assert found == pytest.approx(binomial_rdp(order, rate, noise), rel=1e-9)


def test_a_whole_sample_is_no_sample():
    orders = np.array([1.5, 4.0, 64.0])
    whole = SampledGaussian("", 2.0, 1.0, 7).rdp(orders)
    assert whole == pytest.approx(7 * orders / 8)
    nearly = SampledGaussian("", 2.0, 1 - 1e-9, 7).rdp(orders)
    assert nearly == pytest.approx(whole, rel=1e-6)


@given(noise=st.floats(0.4, 40.0), delta=st.floats(1e-9, 1e-3))
@settings(max_examples=25, deadline=None)
def test_one_gaussian_is_never_stated_as_more_private_than_it_is(noise, delta):
    epsilon = spent([Gaussian("", noise)], delta=delta)
    assert exact_delta(noise, epsilon) <= delta * (1 + 1e-6)
    assert epsilon < 1.35 * _exact_epsilon(noise, delta) + 0.02


def _exact_epsilon(noise: float, delta: float) -> float:
    low, high = 0.0, 200.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if exact_delta(noise, middle) > delta else (low, middle)
    return high


@given(noise=st.floats(0.6, 10.0), rate=st.floats(0.001, 0.5), times=st.integers(1, 500))
@settings(max_examples=5, deadline=None)
def test_more_noise_and_smaller_samples_and_fewer_steps_spend_less(noise, rate, times):
    base = spent([SampledGaussian("", noise, rate, times)], delta=DELTA)
    assert spent([SampledGaussian("", 1.2 * noise, rate, times)], delta=DELTA) <= base
    assert spent([SampledGaussian("", noise, rate / 2, times)], delta=DELTA) <= base
    assert spent([SampledGaussian("", noise, rate, times + 1)], delta=DELTA) >= base
    assert spent([SampledGaussian("", noise, rate, times)], delta=DELTA / 10) >= base
    assert base <= spent([Gaussian("", noise, times)], delta=DELTA) + 1e-9


def test_what_is_asked_twice_costs_as_one_answer_with_half_the_variance():
    twice = spent([Gaussian("", 4.0), Gaussian("", 4.0)], delta=DELTA)
    assert twice == pytest.approx(spent([Gaussian("", 4.0 / math.sqrt(2))], delta=DELTA))
    assert twice == pytest.approx(spent([Gaussian("", 4.0, 2)], delta=DELTA))


def test_a_choice_costs_no_more_than_its_epsilon_and_less_than_that_many_times():
    assert Exponential("", 3.0).rdp(np.array([1e6])) == 3.0
    assert spent([Exponential("", 0.1, 100)], delta=DELTA) < 5.0  # 10 by plain addition


def test_thresholds_take_from_delta():
    mechanisms = [Gaussian("", 4.0), Threshold("", DELTA / 2)]
    assert spent(mechanisms, delta=DELTA) == pytest.approx(spent([Gaussian("", 4.0)], delta=DELTA / 2))
    assert spent([Threshold("", DELTA)], delta=DELTA) == math.inf


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 3.0, 10.0])
def test_noise_is_found_that_just_fits(epsilon):
    rho = concentrated(epsilon, delta=DELTA)
    assert spent([Gaussian("", math.sqrt(1 / (2 * rho)))], delta=DELTA) == pytest.approx(epsilon, rel=1e-6)
    before = [Gaussian("", 2 / math.sqrt(2 * rho))]
    mechanism = noise_for(before, what="", rate=0.05, times=50, epsilon=epsilon, delta=DELTA)
    together = spent([*before, mechanism], delta=DELTA)
    assert 0.99 * epsilon < together <= epsilon


def test_frozen_values_of_opacus():
    """opacus 1.6.0, RDP at the same orders: (rate, noise, steps) -> epsilon at delta 1e-5."""
    frozen = {(0.03, 1.0, 600): 5.225025513, (0.01, 0.8, 1000): 3.695428833, (0.5, 5.0, 100): 4.862240846}
    for (rate, noise, times), epsilon in frozen.items():
        assert spent([SampledGaussian("", noise, rate, times)], delta=DELTA) == pytest.approx(epsilon, rel=1e-7)


@pytest.mark.slow  # importing opacus alone takes seconds
def test_parity_with_opacus():
    analysis = pytest.importorskip("opacus.accountants.analysis.rdp")
    orders = [float(order) for order in ORDERS if order <= 256]
    for rate, noise, times in [(0.02, 1.3, 200), (0.2, 3.0, 30)]:
        theirs = analysis.compute_rdp(q=rate, noise_multiplier=noise, steps=times, orders=orders)
        ours = SampledGaussian("", noise, rate, times).rdp(np.array(orders))
        assert ours == pytest.approx(theirs, rel=1e-5)
