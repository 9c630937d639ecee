"""PSNR, SSIM and MS-SSIM of pairs, against closed forms and brute force."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from genwright.errors import ArgumentError, DataError
from genwright.metrics import signals
from genwright.metrics.signals import ms_ssim, ms_ssim_values, psnr, ssim, ssim_values


def noisy(spread, *, n=12, side=24, seed=0):
    rng = np.random.default_rng(seed)
    real = rng.uniform(50, 200, (n, side, side, 1)).astype(np.float32)
    return real, np.clip(real + rng.normal(0, spread, real.shape), 0, 255).astype(np.float32)


def test_psnr_by_hand():
    real = np.zeros((3, 4, 4, 1))
    fake = real + np.array([1.0, 2.0, 4.0])[:, None, None, None]
    by_image = 10 * np.log10(255**2 / np.array([1.0, 4.0, 16.0]))
    assert np.isclose(psnr(real, fake, data_range=255).value, by_image.mean())
    assert np.isclose(psnr(real, fake, data_range=255, pooling="pooled").value, 10 * np.log10(255**2 / 7))


def test_identical_images():
    real, _ = noisy(1, side=180, n=2)
    assert psnr(real, real, data_range=255).value == np.inf
    assert psnr(real, real, data_range=255).interval is None and "identical" in psnr(real, real, data_range=255).note
    assert psnr(real, real, data_range=255, pooling="pooled").value == np.inf
    for convention in ("wang", "torchmetrics"):
        assert np.isclose(ssim(real, real, data_range=255, convention=convention).value, 1)
        assert np.isclose(ms_ssim(real, real, data_range=255, convention=convention).value, 1)


def test_ssim_of_one_window():
    """11 x 11 pixels hold the window once: the formula of Wang et al. 2004 as it stands."""
    real, fake = (v[:1].astype(np.float64) for v in noisy(20, side=11))
    place = np.arange(11) - 5
    weight = np.exp(-(place[:, None] ** 2 + place**2) / (2 * 1.5**2))
    weight /= weight.sum()
    x, y = real[0, :, :, 0], fake[0, :, :, 0]
    mx, my = (weight * x).sum(), (weight * y).sum()
    vx, vy, vxy = (weight * (x - mx) ** 2).sum(), (weight * (y - my) ** 2).sum(), (weight * (x - mx) * (y - my)).sum()
    c1, c2 = 2.55**2, 7.65**2
    expected = (2 * mx * my + c1) * (2 * vxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    assert np.isclose(ssim_values(real, fake, data_range=255)[0], expected, rtol=1e-10)


def test_one_scale_is_ssim():
    real, fake = noisy(20, side=40)
    for convention in ("wang", "torchmetrics"):
        single = ms_ssim_values(real, fake, data_range=255, convention=convention, weights=(1.0,))
        assert np.allclose(single, ssim_values(real, fake, data_range=255, convention=convention))


def test_more_noise_is_worse():
    spreads = np.arange(1, 40, 4)
    pairs = [noisy(s, side=48) for s in spreads]
    for metric in (psnr, ssim, lambda *a, **k: ms_ssim(*a, weights=(0.5, 0.5), **k)):
        values = [metric(*each, data_range=255).value for each in pairs]
        assert spearmanr(spreads, values).statistic < -0.999


def test_integers_and_chunks(monkeypatch):
    real, fake = (np.round(v).astype(np.uint8) for v in noisy(20))
    whole = ssim_values(real, fake, data_range=255)
    assert np.allclose(whole, ssim_values(real.astype(np.float64), fake.astype(np.float64), data_range=255))
    monkeypatch.setattr(signals, "CHUNK_PIXELS", 1000)
    assert np.array_equal(whole, ssim_values(real, fake, data_range=255))
    assert np.isclose(psnr(np.uint8([[[[0]]]]), np.uint8([[[[255]]]]), data_range=255).value, 0)  # no wrap-around


def test_intervals_and_pairing():
    real, near = noisy(10, n=40)
    _, far = noisy(11, n=40)
    for metric in (psnr, ssim):
        a, b = metric(real, near, data_range=255, seed=3), metric(real, far, data_range=255, seed=3)
        assert a.interval[0] < a.value < a.interval[1] and a.n == 40
        apart = np.array(a.replicates.real) - np.array(b.replicates.real)  # the same pairs are left out of both
        assert len(apart) == 20 and a.replicates.fake == ()
    assert psnr(real[:1], near[:1], data_range=255).interval is None
    pooled = psnr(real, near, data_range=255, pooling="pooled")
    assert pooled.interval[0] < pooled.value < pooled.interval[1]


def test_interval_covers():
    """The mean SSIM of many pairs lies in the interval from 40 of them about 95 times in 100."""
    real, fake = noisy(20, n=4000, side=12)
    fake += np.random.default_rng(1).normal(0, 15, (4000, 1, 1, 1)).astype(np.float32)
    fake = fake.clip(0, 255)
    truth = ssim(real, fake, data_range=255).value
    parts = [slice(i, i + 40) for i in range(0, 4000, 40)]
    inside = [(low <= truth <= high) for low, high in (ssim(real[p], fake[p], data_range=255).interval for p in parts)]
    assert 89 <= sum(inside) <= 100


def test_refusals():
    real, fake = noisy(1)
    for metric in (psnr, ssim, ms_ssim):
        with pytest.raises(DataError, match="paired"):
            metric(real, fake[:5], data_range=255)
        with pytest.raises(DataError, match="no images"):
            metric(real[:0], fake[:0], data_range=255)
        with pytest.raises(DataError, match="not finite"):
            metric(np.where(real > 199, np.nan, real), fake, data_range=255)
        with pytest.raises(DataError, match="span more"):
            metric(real, fake, data_range=1.0)
        with pytest.raises(ArgumentError, match="range"):
            metric(real, fake, data_range=0.0)
    with pytest.raises(DataError, match="176 x 176"):
        ms_ssim(real, fake, data_range=255)
    with pytest.raises(DataError, match="11 x 11"):
        ssim(real[:, :8], fake[:, :8], data_range=255)
    assert ssim(real[:, :8], fake[:, :8], data_range=255, convention="torchmetrics").value < 1
