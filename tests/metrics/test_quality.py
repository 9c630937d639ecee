"""Ratings of single records, and what is kept by them."""

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import norm

import genwright as gw
from genwright.app.cli import main
from genwright.errors import ArgumentError, UnsupportedError
from genwright.metrics.quality import By, cost, rater


def numbers(n=400, seed=0):
    rng = np.random.default_rng(seed)
    kind = rng.choice(["a", "b"], n)
    return gw.read({"x": rng.normal(size=n).round(3) + 4 * (kind == "b"), "kind": kind}, label="kind")


@pytest.fixture(scope="module")
def model():
    return gw.fit(numbers(), family=gw.Mixture(components=2), steps=20)


def larger(data):
    return data.columns["x"]


def test_the_best_of_so_many_are_distributed_as_maxima_are(model):
    plain = model.sample(4000, given={"kind": "a"}, seed=1).columns["x"]
    best = model.sample(1000, best_of=4, by=larger, given={"kind": "a"}, seed=2)
    share = [(plain < np.quantile(best.columns["x"], q)).mean() for q in (0.25, 0.5, 0.75)]
    assert np.allclose(share, np.array([0.25, 0.5, 0.75]) ** 0.25, atol=0.03)  # P(max of 4 <= x) = F(x)^4
    assert "kept 1,000 of 4,000 drawn, the best of every 4 by larger" in best.notes[-1]
    again = gw.reproduce(best.origin, model, given={"kind": "a"})
    assert np.array_equal(again.columns["x"], best.columns["x"])


def test_draws_are_rated_until_each_reaches_a_bound_and_the_share_is_told(model):
    kept = model.sample(200, at_least=1.0, by=larger, given={"kind": ["a", "b"] * 100}, seed=1)
    assert kept.columns["x"].min() >= 1.0 and list(kept.columns["kind"]) == ["a", "b"] * 100
    drawn = int(kept.notes[-1].split(" of ")[1].split()[0].replace(",", ""))
    assert 200 / drawn == pytest.approx(2 / (1 / norm.sf(1.0) + 1), rel=0.35)
    with pytest.raises(UnsupportedError, match="draws are rated 100"):
        model.sample(5, at_least=100.0, by=larger)
    shares = model.sample(40, best_of=3, by=larger, given={"kind": gw.Shares({"a": 0.25, "b": 0.75})})
    assert list(shares.columns["kind"]).count("a") == 10  # choosing does not move what was asked for


def test_density_prefers_what_the_model_expects_and_costs_variety(model):
    data = numbers()
    drawn = model.sample(400, seed=3)
    kept = model.sample(100, best_of=4, seed=3)
    assert model.log_prob(kept).mean() > model.log_prob(drawn).mean() + 0.2
    found = cost(kept, drawn, real=data)
    assert found.kept < found.drawn and "% by choosing" in str(found)
    assert cost(drawn, drawn, real=data).kept == cost(drawn, drawn, real=data).drawn


def test_the_judge_the_label_and_novelty_each_find_what_they_look_for():
    data, rng = numbers(), np.random.default_rng(5)
    spoilt = gw.Dataset(data.fields, {**data.columns, "x": data.columns["x"] + rng.choice([0.0, 9.0], 400)}, "spoilt")
    judge = rater(data, by="judge", fake=spoilt)
    assert judge(numbers(seed=1)).mean() > judge(spoilt).mean() + 1
    swapped = gw.Dataset(
        data.fields, {**data.columns, "kind": np.where(data.columns["kind"] == "a", "b", "a")}, "swapped", label="kind"
    )
    clear = rater(data, by=By.LABEL)
    assert clear(numbers(seed=1)).mean() > 0.8 and clear(swapped).mean() < 0.2  # .96 and .04 with the true densities
    new = rater(data, by="novelty")
    assert (new(data) == 0).all() and (new(numbers(seed=1)) > 0).mean() > 0.9


@pytest.mark.parametrize("kind", ["images", "texts"])
def test_other_kinds_are_rated_too(kind):
    if kind == "images":
        data, rng = gw.read("digits").take(slice(300)), np.random.default_rng(0)
        noise = np.clip(data.columns["image"] + rng.integers(-4, 5, data.columns["image"].shape), 0, 16)
        fake = gw.Dataset(data.fields, {**data.columns, "image": noise.astype(np.uint8)}, "noisy", label="label")
        assert rater(data, by="label")(gw.read("digits").take(slice(300, 400))).mean() > 0.5
    else:
        words = np.random.default_rng(0).choice(["red", "blue", "green", "dark"], (300, 6))
        data, fake = (gw.read([" ".join(row[order]) for row in words]) for order in (slice(0, 6), [0, 0, 0, 1, 1, 1]))
    judge = rater(data.take(slice(200)), by="judge", fake=fake.take(slice(200)))
    assert judge(data.take(slice(200, 300))).mean() > judge(fake.take(slice(200, 300))).mean() + 1
    assert (rater(data, by="novelty")(data) < 1e-6).all() and rater(data, by="novelty")(fake).mean() > 0


def test_what_cannot_be_chosen_by_is_refused(model):
    flow = gw.fit(numbers(), family=gw.FlowMatching(width=8), steps=2)
    with pytest.raises(UnsupportedError, match="density"):
        flow.sample(2, best_of=2)
    for wrong in ({"best_of": 0}, {"best_of": 2, "at_least": 1.0}):
        with pytest.raises(ArgumentError):
            model.sample(2, **wrong)
    with pytest.raises(ArgumentError, match="a number for each record"):
        model.sample(2, best_of=2, by=lambda data: np.zeros(1))
    for wrong in ({"by": "taste"}, {"by": "judge"}, {"by": "density"}, {"real": gw.read("diabetes"), "by": "label"}):
        with pytest.raises(ArgumentError):
            rater(**{"real": numbers() if wrong == {"by": "judge"} else None} | wrong)


def test_the_command_line_chooses_and_tells_what_it_cost(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model.save(tmp_path / "m")
    gw.write(numbers(), tmp_path / "real.csv")

    def run(*words):
        result = CliRunner().invoke(main, ["sample", "m", "-n", "50", "--out", "out.csv", *words])
        return result.exit_code, result.output

    code, output = run("--best-of", "4", "--by", "label", "--real", "real.csv")
    assert code == 0 and "kept 50 of 200 drawn" in output and "effectively different" in output, output
    assert run("--best-of", "2")[0] == 0
    for words, message in ((("--by", "judge"), "--best-of"), (("--best-of", "2", "--by", "judge"), "--real DATA")):
        code, output = run(*words)
        assert code != 0 and message in output
