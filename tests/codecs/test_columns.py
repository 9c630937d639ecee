"""ColumnsCodec: exact round trips, preserved marginals, partial rows, unseen values."""

import json
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, ks_2samp, kstest

from genwright.codecs import codec_from_json, fit_codec
from genwright.codecs.scalars import Atoms, Levels
from genwright.codecs.schema import to_numbers
from genwright.codecs.smooth import Smooth
from genwright.data.dataset import Category, Constant, Identifier, Number, Time
from genwright.data.read import read
from genwright.errors import DataError, StorageError
from genwright.spaces import Continuous, Discrete, Encoded
from tests.codecs.rows import assert_round_trip, independent, mixed, number, objects, rng, table

quick = settings(max_examples=40, deadline=None)


# ---- round trips ----------------------------------------------------------------------------------------------------


@quick
@given(st.lists(st.one_of(st.none(), st.integers(-(10**5), 10**5)), min_size=1, max_size=300))
def test_integers_come_back(values):
    assert_round_trip(number([np.nan if v is None else v for v in values]))


@quick
@given(st.integers(1, 5), st.lists(st.integers(-(10**5), 10**5), min_size=1, max_size=200))
def test_decimals_come_back_as_written(decimals, values):
    assert_round_trip(number([float(f"{v / 10**decimals:.{decimals}f}") for v in values], decimals=decimals))


@quick
@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=1, max_size=200))
@example([0.0, 0.0, 1.0, 168130.5])
def test_full_precision_comes_back_to_seven_digits_of_the_range(values):
    data = number([np.nan if v is None else v for v in values], decimals=None)
    codec = fit_codec(data, rng=rng())
    back = codec.decode(codec.encode(data, rng=rng()), rng=rng()).columns["x"]
    column = data.columns["x"]
    spread = np.ptp(column[~np.isnan(column)]) if (~np.isnan(column)).any() else 0
    np.testing.assert_allclose(back, column, atol=1e-6 * spread + 1e-300, rtol=1e-12)


@quick
@given(st.lists(st.integers(-(10**4), 10**4), min_size=3, max_size=200))
def test_full_precision_numbers_of_few_digits_come_back_exactly(values):
    assert_round_trip(number([v / 1000 for v in values], decimals=None))


@quick
@given(st.lists(st.one_of(st.none(), st.text(max_size=3)), min_size=1, max_size=100))
def test_categories_come_back(values):
    assert_round_trip(table((Category("c"), values)))


@pytest.mark.parametrize(
    "form, unit, span",
    [
        ("%Y-%m-%d", "D", 20_000),
        ("%-d.%-m.%Y %H:%M", "m", 10**6),
        ("%b %Y", "M", 600),
        ("%Y-%m-%dT%H:%M:%S", "s", 10**6),
    ],
)
def test_times_come_back_on_the_grid_of_their_format(form, unit, span):
    steps = np.random.default_rng(0).integers(0, span, 500)
    column = steps.astype(f"datetime64[{unit}]").astype("datetime64[us]")
    column[7] = np.datetime64("NaT")
    codec = assert_round_trip(table((Time("t", form), column)))
    drawn = codec.decode(Encoded(torch.randn(1000, 2, generator=rng()) * torch.tensor([0.0, 1.0])), rng=rng())
    moments = drawn.columns["t"]
    assert (moments.astype(f"datetime64[{unit}]").astype("datetime64[us]") == moments).all()


def test_a_common_step_is_kept():
    hours = np.arange("2020-01-01", "2020-02-01", dtype="datetime64[h]").astype("datetime64[us]")
    codec = assert_round_trip(table((Time("t", "%Y-%m-%d %H:%M:%S"), hours)))
    drawn = codec.decode(Encoded(torch.randn(500, 1, generator=rng())), rng=rng()).columns["t"]
    assert (drawn.astype("datetime64[h]") == drawn).all()


def test_all_kinds_together_keep_order_label_and_name():
    data = mixed()
    codec = assert_round_trip(data)
    back = codec.decode(codec.encode(data, rng=rng()), rng=rng())
    assert (back.name, back.label) == (data.name, data.label)
    names = [column.name for column in codec.space.columns]
    assert names == ["colour", "age", "income:state", "income", "day"]
    assert codec.encode(data, rng=rng()).x.dtype == torch.float32


def test_identifiers_are_new_and_constants_restored():
    data = table(
        (Identifier("id", "P{}", 3, start=8), ["P001", "P002", "P007"]),
        (Number("x", 0), np.array([1.0, 2.0, 1.0])),
        (Constant("c", "k"), ["k"] * 3),
        (Constant("void"), [None] * 3),
    )
    codec = fit_codec(data, rng=rng())
    back = codec.decode(codec.encode(data, rng=rng()), rng=rng())
    assert back.columns["id"].tolist() == ["P008", "P009", "P010"]
    assert back.columns["c"].tolist() == ["k"] * 3 and back.columns["void"].tolist() == [None] * 3
    assert [f.name for f in back.fields] == ["id", "x", "c", "void"]


def test_constant_columns_keep_their_type(tmp_path):
    rows = "x,whole,part,truth,code,word\n" + "".join(f"{i % 9}.5,7,2.50,True,007,k\n" for i in range(30))
    (tmp_path / "t.csv").write_text(rows)
    data = read(tmp_path / "t.csv")
    back = fit_codec(data, rng=rng()).decode(Encoded(torch.zeros(2, 1)), rng=rng()).frame
    assert [back[name].dtype.kind for name in ("whole", "part", "truth")] == ["i", "f", "b"]
    assert back.iloc[0].tolist()[1:] == [7, 2.5, True, "007", "k"]


@pytest.mark.parametrize(
    "values",
    [
        [5.0],
        [np.nan],
        [np.nan] * 50,
        [3.0] * 50,
        [1.0, 2.0],
        [1.0, 2.0, 3.0],
        [np.nan, 1.0, 2.0, 7.0],
        list(range(150)),
    ],
)
@pytest.mark.parametrize("decimals", [0, None])
def test_tiny_constant_and_empty_columns(values, decimals):
    data = number(values, decimals=decimals)
    codec = fit_codec(data, rng=rng())
    back = codec.decode(codec.encode(data, rng=rng()), rng=rng()).columns["x"]
    np.testing.assert_allclose(back, data.columns["x"], rtol=1e-6)


# ---- which encoding -------------------------------------------------------------------------------------------------


def coder(values, *, decimals=0):
    return fit_codec(number(values, decimals=decimals), rng=rng()).coders[0]


def test_few_values_are_atoms_and_many_are_smooth():
    draw = np.random.default_rng(0)
    assert coder(draw.integers(0, 90, 1000)) == Atoms(tuple(map(float, range(90))), missing=False)
    assert isinstance(coder(draw.integers(0, 500, 5000)), Smooth)
    assert isinstance(coder(draw.normal(size=60), decimals=None), Smooth)  # 60 rows, 60 values: atoms would be copies
    sparse = coder(draw.choice(draw.integers(0, 10**5, 150), 5000))
    assert isinstance(sparse, Atoms)


def test_spikes_bounds_and_missing_values_are_states():
    draw = np.random.default_rng(0)
    values = np.round(draw.gamma(3, 4000, 5000))
    values[:1000], values[1000:1300], values[1300:1600] = 0, 99_999, np.nan
    data = number(values)
    fitted = fit_codec(data, rng=rng())
    assert fitted.coders[0].spikes == (0.0, 99_999.0)
    assert fitted.space.columns == (Discrete("x:state", 4), Continuous("x", state=0))
    x = fitted.encode(data, rng=rng()).x
    assert [int((x[:, 0] == k).sum()) for k in range(4)] == [3400, 300, 1000, 300]
    assert (x[x[:, 0] > 0, 1] == 0).all() and torch.isfinite(x).all()
    assert_round_trip(data)


def test_a_steep_but_smooth_law_has_no_spikes():
    values = np.random.default_rng(0).geometric(0.03, 20_000)
    assert coder(values).spikes == ()


def test_many_levels_share_a_rare_bucket_drawn_by_frequency():
    values = [f"common{k}" for k in range(254) for _ in range(5)] + [f"rare{k}" for k in range(30)] * 2 + ["rare0"] * 2
    values += ["x"] * 7 + [None] * 3
    data = table((Category("c"), objects(values)))
    codec = fit_codec(data, rng=rng())
    levels = codec.coders[0]
    assert isinstance(levels, Levels)
    assert codec.space.columns[0].levels == 256
    assert levels.frequent[0] == "x" and len(levels.rare) == 31
    bucket = len(levels.frequent)
    drawn = codec.decode(Encoded(torch.full((6400, 1), float(bucket))), rng=rng()).columns["c"]
    assert set(drawn) == set(levels.rare)
    share = levels.rare_counts[levels.rare.index("rare1")] / sum(levels.rare_counts)
    assert abs((drawn == "rare1").mean() - share) < 0.01
    assert (codec.decode(Encoded(torch.tensor([[255.0]])), rng=rng()).columns["c"] == [None]).all()


# ---- marginals ------------------------------------------------------------------------------------------------------


def total_variation(a, b):
    shares = (Counter(map(str, column)) for column in (a, b))
    p, q = ({level: count / len(a) for level, count in share.items()} for share in shares)
    return sum(abs(p.get(level, 0) - q.get(level, 0)) for level in p | q) / 2


LAWS = {
    "normal": lambda draw, n: (draw.normal(50, 9, n).round(3), 3),
    "heavy": lambda draw, n: (draw.pareto(1.3, n).round(2), 2),
    "counts": lambda draw, n: (draw.negative_binomial(2, 0.01, n), 0),
    "two modes": lambda draw, n: (np.where(draw.random(n) < 0.3, draw.normal(-9, 1, n), draw.normal(9, 0.1, n)), None),
    "rounded": lambda draw, n: (draw.normal(0, 60, n).round(1) * 10, 0),
    "repeats": lambda draw, n: (
        np.where(draw.random(n) < 0.5, draw.choice(draw.normal(size=300), n), draw.normal(size=n)),
        None,
    ),
}


@pytest.mark.parametrize("law", LAWS)
def test_encoded_values_are_standard_normal_and_samples_have_the_marginal(law):
    n = 20_000
    values, decimals = LAWS[law](np.random.default_rng(1), n)
    data = number(values, decimals=decimals)
    codec = fit_codec(data, rng=rng())
    x = codec.encode(data, rng=rng(1)).x
    z = x[codec.space.active(x)[:, -1], -1].numpy()
    assert kstest(z, "norm").statistic < 0.006
    fake = codec.decode(independent(codec, x, n), rng=rng()).columns["x"]
    assert ks_2samp(fake, data.columns["x"]).statistic < 0.018  # two real samples of this size: .014 (median .008)
    assert fake.min() >= values.min() and fake.max() <= values.max()


@pytest.mark.slow
def test_the_census_table_has_its_marginals_before_any_model():
    path = Path(__file__).parents[3] / "shared/data/table_adult/adult_train.csv.gz"
    if not path.exists():
        pytest.skip(f"needs {path}")
    data = read(path)
    codec = fit_codec(data, rng=rng())
    x = codec.encode(data, rng=rng()).x
    fake = codec.decode(independent(codec, x, len(x)), rng=rng())
    errors = [
        ks_2samp(fake.columns[f.name], data.columns[f.name]).statistic
        if isinstance(f, Number)
        else total_variation(fake.columns[f.name], data.columns[f.name])
        for f in data.fields
    ]
    assert np.mean(errors) < 0.005  # .0037; bootstrap samples of the table itself have about the same


SKEWED = {
    "normal": lambda draw, n: (draw.normal(size=n), None),
    "exponential": lambda draw, n: (draw.exponential(1, n), None),
    "tiny": lambda draw, n: (np.array([float(f"{v:.3e}") for v in draw.lognormal(-20, 3, n)]), None),
    "amounts": lambda draw, n: (draw.lognormal(0, 3, n).round(2), 2),
    "debts": lambda draw, n: (-draw.lognormal(5, 3, n).round(0), 0),
    "shifted": lambda draw, n: ((1e6 + draw.lognormal(0, 3, n)).round(3), 3),
    "Pareto": lambda draw, n: (draw.pareto(0.5, n).round(3), 3),
    "Cauchy": lambda draw, n: (draw.standard_cauchy(n).round(4), 4),
    "one wild value": lambda draw, n: (np.append(draw.normal(size=n - 1), 1e6).round(3), 3),
}


@pytest.mark.parametrize("rows", [100, 400, 1500])
@pytest.mark.parametrize("name", SKEWED)
def test_a_smaller_sample_keeps_its_marginal_too(name, rows):
    values, decimals = SKEWED[name](np.random.default_rng(0), rows)
    codec = fit_codec(number(values, decimals=decimals), rng=rng())
    z = torch.randn(20_000, len(codec.space.columns), generator=rng())
    z[:, codec.space.discrete] = 0.0
    fake = codec.decode(Encoded(z), rng=rng()).columns["x"]
    assert ks_2samp(fake, values).statistic < 1.2 / np.sqrt(rows)  # as nine fresh samples in ten
    for end in (values.min(), values.max()):  # the very first and last value no oftener than the data has them
        assert (fake == end).mean() < 1.5 * (values == end).mean()


# ---- JSON -----------------------------------------------------------------------------------------------------------


def test_json_is_compact_and_bit_exact():
    data = number(np.random.default_rng(0).normal(size=50_000), decimals=None)
    codec = fit_codec(data, rng=rng())
    text = json.dumps(codec.to_json(), allow_nan=False)
    again = codec_from_json(json.loads(text))
    assert again == codec and len(codec.coders[0].knots) <= 1000 and len(text) < 40_000
    assert torch.equal(again.encode(data, rng=rng(3)).x, codec.encode(data, rng=rng(3)).x)


@pytest.mark.parametrize(
    "damaged", [{}, {"kind": "columns"}, {"kind": "spaceship"}, {"kind": []}, {"kind": "text", "text": 1}]
)
def test_damaged_json_is_a_storage_error(damaged):
    with pytest.raises(StorageError, match="codec"):
        codec_from_json(damaged)


def test_a_coder_of_unknown_kind_is_a_storage_error():
    described = fit_codec(mixed(50), rng=rng()).to_json()
    described["coders"][0]["kind"] = "os.system"
    with pytest.raises(StorageError):
        codec_from_json(described)


# ---- unseen values --------------------------------------------------------------------------------------------------


def test_unseen_values_take_the_nearest_known_one_with_a_warning():
    seen, data = mixed(400), mixed(10, seed=1)
    codec = fit_codec(seen, rng=rng())
    columns = {name: column.copy() for name, column in data.columns.items()}
    columns["colour"][0] = "octarine"
    columns["age"][0], columns["age"][1], columns["income"][0] = 99, np.nan, 1e9
    columns["day"][0] = np.datetime64("2050-01-01")
    odd = type(data)(data.fields, columns)
    with pytest.warns(UserWarning, match="colour: 1 of 10, such as 'octarine' to 'blue'; age: 2"):
        back = codec.decode(codec.encode(odd, rng=rng()), rng=rng())
    assert back.columns["colour"][0] == "blue" and back.columns["age"][0] == 70
    assert back.columns["income"][0] == np.nanmax(seen.columns["income"])
    assert back.columns["day"][0] == seen.columns["day"].max()


def test_what_cannot_be_fitted():
    with pytest.raises(DataError, match="no rows"):
        fit_codec(mixed().take(slice(0, 0)), rng=rng())
    with pytest.raises(DataError, match="no number, category or time"):
        fit_codec(table((Constant("c", "k"), ["k"])), rng=rng())
    for beyond in (np.inf, -1e200):
        with pytest.raises(DataError, match="infinite numbers, or beyond"):
            fit_codec(number([1.0, beyond]), rng=rng())


SECONDS = 1.0e9 + 6.3e8 * np.random.default_rng(3).random(6000)  # twenty years
WIDE = {
    "epoch seconds": (np.floor(SECONDS), 0),
    "epoch microseconds": (np.floor(SECONDS * 1e6), 0),
    "12-digit integers": (np.random.default_rng(0).integers(0, 10**12, 6000).astype(float), 0),
    "amounts with cents": (np.random.default_rng(1).uniform(0, 5e7, 6000).round(2), 2),
    "latitudes": (np.random.default_rng(2).uniform(47, 55, 6000).round(6), 6),
    "heaped cents": (np.random.default_rng(1).integers(0, 10**9, 6000) * 0.05, 2),
}


def last_digits(data):
    """How often each last digit of the column x occurs."""
    field, column = data.field("x"), data.columns["x"]
    return np.bincount(to_numbers(field, column).astype(np.int64) % 10, minlength=10)


@pytest.mark.parametrize("rows", [400, 6000])
@pytest.mark.parametrize("name", WIDE)
def test_last_digits_are_distributed_as_in_the_data(name, rows):
    values, decimals = WIDE[name]
    data = number(values[:rows], decimals=decimals)
    codec = fit_codec(data, rng=rng())
    back = codec.decode(codec.encode(data, rng=rng()), rng=rng()).columns["x"]
    np.testing.assert_allclose(back, data.columns["x"], atol=1e-5 * np.ptp(values))
    drawn = codec.decode(Encoded(torch.randn(4000, 1, generator=rng())), rng=rng())
    counts = np.stack([last_digits(drawn), last_digits(data)])
    assert chi2_contingency(counts[:, counts.sum(0) > 0]).pvalue > 0.001


def test_significant_digits_are_those_of_the_data():
    values = np.array([float(f"{v:.3e}") for v in np.random.default_rng(0).lognormal(-20, 3, 400)])
    codec = fit_codec(number(values, decimals=None), rng=rng())
    drawn = codec.decode(Encoded(torch.randn(2000, 1, generator=rng())), rng=rng()).columns["x"]
    assert all(v == float(f"{v:.3e}") for v in drawn) and len(np.unique(drawn)) > 1500


def test_the_same_seed_gives_the_same_bytes():
    a, b = (fit_codec(mixed(), rng=rng(4)).encode(mixed(), rng=rng(5)).x for _ in range(2))
    assert torch.equal(a, b)


def test_thirty_thousand_rows_take_less_than_a_second():
    data = mixed(30_000)
    started = time.perf_counter()
    codec = fit_codec(data, rng=rng())
    encoded = codec.encode(data, rng=rng())
    codec.decode(encoded, rng=rng())
    assert time.perf_counter() - started < 2  # about .15 s on an idle core


@pytest.mark.parametrize("copies", [1, 3, 40])
@pytest.mark.parametrize("odd", ["9999-12-31", "0001-01-01", "1900-01-01"])
def test_nothing_is_drawn_between_an_odd_date_and_the_others(odd, copies):
    days = np.random.default_rng(0).integers(15_340, 19_340, 300).astype("datetime64[D]").astype("datetime64[us]")
    days[:copies] = np.datetime64(odd)
    codec = assert_round_trip(table((Time("t"), days)))
    x = torch.stack([torch.zeros(2000), torch.randn(2000, generator=rng())], dim=1)  # state 0: an ordinary value
    drawn = codec.decode(Encoded(x), rng=rng()).columns["t"]
    assert drawn.min() >= np.datetime64("2012-01-01") and drawn.max() <= np.datetime64("2022-12-31")
    x[:, 0] = 1
    assert (codec.decode(Encoded(x), rng=rng()).columns["t"] == np.datetime64(odd)).all()


def test_a_mark_among_numbers_is_no_end_of_their_range():
    values = np.random.default_rng(0).normal(50, 10, 300).round(2)
    values[:5] = 99_999
    codec = assert_round_trip(table((Number("x", 2), values)))
    x = torch.stack([torch.zeros(2000), torch.randn(2000, generator=rng())], dim=1)
    assert codec.decode(Encoded(x), rng=rng()).columns["x"].max() < 100


def test_the_map_of_a_coarse_grid_rises_and_keeps_its_ends():
    """Hundreds with a few odd values: the cells of the outermost hundreds reach beyond the values themselves."""
    rng = np.random.default_rng(0)
    values = np.where(rng.random(300) < 0.9, 100.0 * rng.integers(2, 9, 300), rng.integers(200, 828, 300))
    coder = Smooth.fit(values, step=1.0, rng=torch.Generator().manual_seed(0))
    assert coder.coarse == 100.0 and np.all(np.diff(coder.knots) >= 0) and np.all(np.diff(coder.scores) >= 0)
    back = coder.decode(coder.encode(values, torch.Generator().manual_seed(1)), torch.Generator().manual_seed(2))
    np.testing.assert_allclose(back, values)
