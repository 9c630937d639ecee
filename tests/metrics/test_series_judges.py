"""Judges of series tell good ones from bad ones, with errors that count splits and series."""

import numpy as np
import pytest

from genwright.errors import DataError
from genwright.metrics.series import Records
from genwright.metrics.series_judges import Forecaster, SeriesJudge, discriminative_score, predictive_score
from tests.metrics.test_series import autoregressive


@pytest.mark.parametrize("judge", SeriesJudge)
def test_discriminative_score(judge):
    real = autoregressive(100, 0, steps=16)
    splits = 5 if judge is SeriesJudge.TREES else 2
    same = discriminative_score(real, autoregressive(100, 1, steps=16), judge=judge, splits=splits)
    apart = discriminative_score(real, autoregressive(140, 2, phi=-0.5, steps=16), judge=judge, splits=splits)
    assert same.value < 0.12 and same.interval[0] < 0.03 and len(same.replicates.fake) == 20
    assert apart.value > 0.35 and 0.3 < apart.interval[0] < apart.value < apart.interval[1] <= 0.5
    assert apart.n == 100 and judge.value in apart.signature and "accuracy" in apart.note


def test_discriminative_score_is_repeatable():
    real, fake = autoregressive(100, 0, steps=8), autoregressive(100, 1, steps=8)
    first, second = (discriminative_score(real, fake, splits=2, seed=5) for _ in range(2))
    assert first == second and first.replicates == second.replicates


@pytest.mark.parametrize("forecaster", Forecaster)
def test_predictive_score(forecaster):
    real, test = autoregressive(60, 0, steps=16), autoregressive(60, 3, steps=16)
    good, bad = (
        predictive_score(real, fake, test=test, forecaster=forecaster)
        for fake in (autoregressive(60, 1, steps=16), autoregressive(60, 1, phi=-0.7, steps=16))
    )
    assert good.value < 1.15 * good.floor and bad.value > 1.3 * bad.floor
    expected = np.sqrt(2 / np.pi) * np.sqrt(1 - 0.7**2)  # of the process itself: the noise cannot be foreseen
    assert np.isclose(good.floor, expected, rtol=0.25)
    assert bad.interval[0] > good.interval[1] and len(good.replicates.fake) == 5


def test_windows_are_split_in_blocks():
    long = autoregressive(1, 0, steps=600)[0]
    windows = np.lib.stride_tricks.sliding_window_view(long, 12, axis=0)[::4].transpose(0, 2, 1)
    fake = autoregressive(1, 1, steps=600)[0]
    others = np.lib.stride_tricks.sliding_window_view(fake, 12, axis=0)[::4].transpose(0, 2, 1)
    score = discriminative_score(windows, others, records=Records.WINDOWS, splits=4)
    assert score.value < 0.2 and "windows of one series" in score.signature


def test_copies_mislead_the_judge_and_are_told_of():
    real = autoregressive(100, 0, steps=8)
    score = discriminative_score(real, real.copy(), splits=4)
    assert score.value > 0.2 and "resemble single real ones" in score.note


def test_mistakes_are_named():
    with pytest.raises(DataError, match="99 series"):
        discriminative_score(autoregressive(99, 0), autoregressive(100, 1))
    with pytest.raises(DataError, match="against 12 steps"):
        predictive_score(autoregressive(50, 0), autoregressive(50, 1), test=autoregressive(50, 2, steps=12))
