"""The latent prior is refitted to as many rows as there is time for."""

import time

import numpy as np
import pandas as pd
import pytest

import genwright as gw


@pytest.mark.parametrize(
    ("work", "rows"), [({"steps": 2}, [1120]), ({"minutes": 0.02}, [500])], ids=["all", "those there is time for"]
)
def test_rows_of_the_prior_follow_the_clock(monkeypatch, work, rows):
    seen, refit = [], gw.VAE.refit_prior

    def slow(self, net, x, context, rng):
        seen.append(len(x))
        time.sleep(0.3)  # a quarter of the time there is
        refit(self, net, x, context, rng)

    monkeypatch.setattr(gw.VAE, "refit_prior", slow)
    x = np.random.default_rng(0).normal(size=(1400, 2)).round(3)
    gw.fit(gw.read(pd.DataFrame({"a": x[:, 0], "b": x[:, 1]})), family=gw.VAE(), **work)
    assert seen == rows
