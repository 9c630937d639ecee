"""Samples have levels as often as the data, in tables of few distinct rows too."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chisquare

import genwright as gw

N = 1500


def survey():
    """Three answers in blocks of equal size, as many files are sorted, and one that does not depend on them."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {"class": np.repeat(["first", "second", "crew"], N // 3), "port": rng.choice(list("ABC"), N, p=[0.6, 0.3, 0.1])}
    )


def counts(family, label, steps):
    """How often each level of each column is found in samples, and in the data."""
    fake = gw.fit(gw.read(survey(), label=label), family=family, steps=steps).sample(N, seed=1).frame
    for name in ("class", "port"):
        real = survey()[name].value_counts()
        yield fake[name].value_counts().reindex(real.index, fill_value=0), real


@pytest.mark.parametrize("label", [None, "class"])
@pytest.mark.parametrize("family", [gw.Mixture(), gw.TreeMixture(), gw.Copula(), gw.Autoregressive()])
def test_levels_are_sampled_as_often_as_they_are(family, label):
    for found, real in counts(family, label, 200):
        assert chisquare(found, real).pvalue > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("label", [None, "class"])
@pytest.mark.parametrize("family", [gw.VAE(), gw.GAN(), gw.FlowMatching(), gw.Diffusion()])
def test_levels_are_sampled_nearly_as_often_by_families_that_learn_from_noisy_gradients(family, label):
    for found, real in counts(family, label, 600):
        assert np.abs(found - real).sum() / (2 * N) < 0.08  # of three equal levels torn apart by the split, 0.17
