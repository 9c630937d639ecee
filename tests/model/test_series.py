"""Series through the families: lengths, gaps, calendars, levels; the past and gaps that are given."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from tests.data.test_series import pumps

import genwright as gw
from genwright.codecs import fit_codec
from genwright.codecs.series import Scale
from genwright.spaces import Encoded

DEVICES = "time=time,entity=device"


@pytest.fixture(scope="module")
def devices() -> gw.Dataset:
    return gw.read(pumps(), series=DEVICES)


def waves(n: int = 240) -> gw.Dataset:
    """A day's wave and its negative, hour by hour."""
    hours = pd.date_range("2024-01-01", periods=n, freq="h")
    x = np.sin(2 * np.pi * np.arange(n) / 24) + 0.01 * np.random.default_rng(0).normal(size=n)
    return gw.read(pd.DataFrame({"when": hours, "up": x.round(3), "down": -x.round(3)}), series="time=when,window=12")


def test_codecs_give_records_back_with_their_times_gaps_and_levels(devices):
    rng = torch.Generator().manual_seed(0)
    codec = fit_codec(devices, rng=rng)
    encoded = codec.encode(devices, rng=rng)
    assert (
        codec.space.lengths
        and codec.space.gaps
        and encoded.lengths.tolist() == [len(x) for x in devices.columns["series"]]
    )
    again = Encoded.packed(codec.space, encoded.unpacked(codec.space), encoded.context)
    assert torch.equal(again.lengths, encoded.lengths)
    back = codec.decode(again, rng=rng)
    for one, other in zip(back.columns["series"], devices.columns["series"], strict=True):
        assert np.allclose(one, other, equal_nan=True, rtol=0, atol=1e-9)
    told = type(codec).from_json(codec.to_json())
    assert told == codec


def test_scales_are_not_moved_by_outliers_and_are_inverted_exactly():
    values = np.append(np.random.default_rng(0).normal(5, 2, 5000), [1e6, -1e5])
    scale = Scale.of(values)
    assert abs(scale.centre - 5) < 0.2 and abs(scale.spread - 2) < 0.1
    assert np.allclose(scale.decode(scale.encode(values)), values) and abs(scale.encode(values)).max() < 10
    assert Scale.of(np.full(9, 3.0)).encode(np.array([3.0])).item() == 0


@pytest.mark.parametrize("family", [gw.FlowMatching(width=8), gw.Diffusion(width=8), gw.VAE(width=8), gw.GAN(width=8)])
def test_families_draw_records_like_those_of_entities(devices, family, tmp_path):
    gw.fit(devices, family=family, steps=3, seed=0).save(tmp_path / "model")
    fake = gw.load(tmp_path / "model").sample(20, seed=1, given={"site": "north"})
    assert set(fake.columns["site"]) == {"north"} and len(set(fake.columns["device"])) == 20
    assert {len(rows) for rows in fake.columns["series"]} <= set(range(8, 13))
    for rows in fake.columns["series"]:
        assert (np.diff(rows[:, 0]) == 3600).all() and set(rows[:, 2]) <= {0.0, 1.0}
    frame = fake.frame
    assert list(frame) == ["device", "site", "time", "temperature", "state"]


def test_a_mixture_of_windows_forecasts_by_their_exact_distribution():
    data = waves()
    model = gw.fit(data, family=gw.Mixture(components=1, rank=4), steps=8, seed=0)
    past = data.test.take(slice(0, 1)).frame.drop(columns="series")
    drawn = model.sample(40, given={"series": past, "until": past["when"][5], "horizon": 6}, seed=0)
    ahead = np.stack([rows[6:, 1] for rows in drawn.columns["series"]])
    assert np.abs(ahead.mean(0) - past["up"][6:]).max() < 0.25  # of waves between -1 and 1
    assert drawn.frame["when"][:12].tolist() == past["when"].tolist()
    assert np.allclose(drawn.frame["up"][:6], past["up"][:6], atol=1e-3)


def test_gaps_are_filled_and_what_was_measured_stays():
    data = waves()
    model = gw.fit(data, family=gw.FlowMatching(width=8), steps=3, seed=0)
    holes = data.test.take(slice(0, 1)).columns["series"][0][:, 1:].copy()
    holes[4:8, 0] = np.nan
    rows = model.sample(2, given={"series": holes}, seed=0).columns["series"][1]
    hours = np.concatenate([each[:, 0] for each in data.train.columns["series"]])
    assert hours.min() - 86400 <= rows[0, 0] <= hours.max() + 86400  # arrays do not say when; models do
    assert np.isfinite(rows).all() and np.allclose(
        rows[~np.isnan(holes[:, 0]), 1], holes[~np.isnan(holes[:, 0]), 0], atol=1e-3
    )


@pytest.mark.parametrize(
    "given, what",
    [
        ({"until": "2024-01-02 00:00:00"}, "what came before is not known"),
        ({"series": pd.DataFrame({"x": [1]}), "horizon": 2}, "no column called 'when'"),
        ({"series": np.zeros((12, 2)), "until": "soon"}, "no time"),
        ({"series": np.zeros((12, 2)), "horizon": 12}, "no number of readings"),
        ({"series": np.zeros((99, 2))}, "at most 12"),
        ({"series": 7}, "holds no readings"),
    ],
)
def test_a_past_that_does_not_fit_is_told_exactly(given, what, wave_model):
    with pytest.raises(gw.GenwrightError, match=what):
        wave_model.sample(1, given=given)


@pytest.fixture(scope="module")
def wave_model() -> gw.Generator:
    return gw.fit(waves(), family=gw.VAE(width=8), steps=2, seed=0)


def test_calendars_tell_the_hour_of_the_start():
    data = waves(2000)
    rng = torch.Generator().manual_seed(0)
    codec = fit_codec(data, rng=rng)
    assert codec.calendar.periods == (86400.0, 604800.0)
    x = codec.encode(data.take(slice(0, 40)), rng=rng)
    noisy = replace(x, x=x.x + 0.05 * torch.randn(x.x.shape, generator=rng))
    back = codec.decode(noisy, rng=rng)
    hours = [(a[0, 0] - b[0, 0]) % 86400 for a, b in zip(back.columns["series"], data.columns["series"])]
    assert np.mean(np.array(hours) == 0) > 0.9
