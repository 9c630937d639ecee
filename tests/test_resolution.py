"""Last digits: models of float32 scores give back values with as many digits as the data, distributed as there."""

import numpy as np
import pytest
from scipy.stats import chi2_contingency

import genwright as gw
from genwright.codecs.schema import to_numbers
from genwright.data.dataset import Number, Time
from genwright.families import FAMILIES
from genwright.families.capabilities import models
from genwright.spaces import Columns
from tests.codecs.rows import table

ROWS = 600
TABULAR = [name for name in FAMILIES if models(FAMILIES[name](), Columns(()))]


def wide():
    """A table of seconds over 20 years, amounts up to 5e7 with cents, microseconds and six-decimal latitudes."""
    draw = np.random.default_rng(0)
    day = draw.random(ROWS)
    return table(
        (Time("at", "%Y-%m-%dT%H:%M:%S"), (1e9 + 6.3e8 * day).astype("datetime64[s]").astype("datetime64[ns]")),
        (
            Time("micro", "%Y-%m-%dT%H:%M:%S.%f"),
            (1e15 + 6.3e14 * day).astype("datetime64[us]").astype("datetime64[ns]"),
        ),
        (Number("amount", 2), draw.uniform(0, 5e7, ROWS).round(2)),
        (Number("lat", 6), (47 + 8 * day + draw.normal(0, 0.3, ROWS)).round(6)),
        (Number("long", 0), draw.integers(0, 10**12, ROWS).astype(float)),
    )


@pytest.mark.parametrize("name", TABULAR)
def test_last_digits_of_samples_are_those_of_the_data(name):
    data = wide()
    fake = gw.fit(data, family=FAMILIES[name](), steps=8).sample(2000, seed=1)
    for field in data.fields:
        counts = [
            np.bincount(to_numbers(field, rows.columns[field.name]).astype(np.int64) % 10, minlength=10)
            for rows in (fake, data)
        ]
        assert chi2_contingency(counts).pvalue > 1e-4, field.name


def test_given_values_keep_all_their_digits():
    given = {"long": 123_456_789_013, "lat": 51.477928, "at": "2013-05-06T07:08:09"}
    fake = gw.fit(wide(), family=gw.Mixture(components=2), steps=5).sample(20, given=given, seed=1).frame
    assert (fake["long"] == 123_456_789_013).all() and (fake["lat"] == 51.477928).all()
    assert (fake["at"].astype(str) == "2013-05-06 07:08:09").all()
