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


def check(family, *, label, steps, seed=0):
    """Levels of every column are in samples as often as in the data, by Pearson's test."""
    fake = gw.fit(gw.read(survey(), label=label), family=family, steps=steps, seed=seed).sample(N, seed=1).frame
    for name in ("class", "port"):
        real = survey()[name].value_counts()
        assert chisquare(fake[name].value_counts().reindex(real.index, fill_value=0), real).pvalue > 1e-4


@pytest.mark.parametrize("label", [None, "class"])
@pytest.mark.parametrize("family", [gw.Mixture(), gw.TreeMixture(), gw.Copula(), gw.Autoregressive()])
def test_levels_are_sampled_as_often_as_they_are(family, label):
    check(family, label=label, steps=200)


@pytest.mark.slow
@pytest.mark.parametrize(("label", "seed"), [(None, 0), ("class", 1), (None, 2)])
@pytest.mark.parametrize("family", [gw.VAE(), gw.GAN(), gw.FlowMatching(), gw.Diffusion()])
def test_levels_are_sampled_as_often_by_families_that_learn_from_noisy_gradients(family, label, seed):
    check(family, label=label, steps=600, seed=seed)
