"""Private fits from end to end: what they store, what they promise, what they refuse, and what they learn."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import genwright as gw
from genwright.app.cli import main
from genwright.constraints import Range
from genwright.metrics.tables import shape_error, trend_error
from genwright.privacy.accountant import Exponential, Gaussian, SampledGaussian, Threshold, spent
from genwright.privacy.budget import Budget
from genwright.privacy.coding import nearest_shares, shown_range
from genwright.report.card import model_card
from tests.privacy.tables import frame, table

FAMILIES = {
    "tree": gw.TreeMixture(states=8),
    "mixture": gw.Mixture(components=8),
    "autoregressive": gw.Autoregressive(width=8, bins=4, bumps=2, batch=32),
}
KINDS = {each.__name__: each for each in (Gaussian, SampledGaussian, Exponential, Threshold)}


def fitted(name="tree", epsilon=3.0, steps=4, data=None, **more):
    privacy = gw.Privacy(epsilon=epsilon, **({"noise_seed": 1} | more))
    return gw.fit(table() if data is None else data, family=FAMILIES[name], privacy=privacy, steps=steps)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("epsilon", [1.0, 8.0])
def test_no_more_is_spent_than_was_asked_for_and_the_record_proves_it(name, epsilon):
    record = fitted(name, epsilon).record["privacy"]
    assert 0.9 * epsilon < record["epsilon"] <= epsilon
    assert record["delta"] == pytest.approx(1500**-1.1)
    mechanisms = [KINDS[each.pop("kind")](**each) for each in json.loads(json.dumps(record["mechanisms"]))]
    assert spent(mechanisms, delta=record["delta"]) == pytest.approx(record["epsilon"], abs=1e-6)


@pytest.mark.parametrize("name", FAMILIES)
def test_samples_look_like_the_table_and_come_back_after_saving(name, tmp_path):
    model = fitted(name)
    model.save(tmp_path)
    fake = gw.load(tmp_path).sample(20, seed=3)
    assert fake.frame.equals(model.sample(20, seed=3).frame)
    assert list(fake.frame.columns) == list(frame(2).columns)
    assert set(fake.columns["kind"]) <= {"a", "b", "c", None} and set(fake.columns["site"]) == {"only"}
    assert np.isfinite(model.log_prob(fake)).all()
    given = model.sample(5, given={"kind": "a"})
    assert set(given.columns["kind"]) == {"a"}


def test_nothing_of_single_rows_is_stored(tmp_path):
    rows = frame()
    rows.loc[3, ["amount", "kind"]] = [987654.32, "a name of one"]
    rows.loc[4, "age"] = 133
    fitted(data=gw.read(rows)).save(tmp_path)
    stored = (tmp_path / "codec.json").read_text() + (tmp_path / "recipe.json").read_text()
    for trace in ("987654.32", "98765432.0", "a name of one", "patient"):
        assert trace not in stored
    assert gw.load(tmp_path).codec.fields[1].high < 133
    assert '"start": 1' in stored  # new keys, counted from one


def test_noise_is_new_each_time_unless_its_seed_is_given():
    a, b, c = (fitted(noise_seed=seed).net.state_dict() for seed in (None, None, 1))
    assert (
        not a["leaves.logits"].equal(b["leaves.logits"]) if a["leaves.logits"].shape == b["leaves.logits"].shape else 1
    )
    assert fitted().net.state_dict()["transitions"].equal(c["transitions"])


def test_with_a_huge_epsilon_a_private_fit_is_as_good_as_any():
    data, fresh = table(3000), table(3000, seed=1)
    free = fitted(data=data, epsilon=1000.0, steps=300).sample(3000)
    private = fitted(data=data, epsilon=1.0, steps=300).sample(3000)
    assert shape_error(fresh, free).value < 3.5 < shape_error(fresh, private).value
    assert trend_error(fresh, free).value < trend_error(fresh, private).value


@pytest.mark.parametrize("beside", [{}, {"g": ["a", "b"] * 400}], ids=["alone", "beside another"])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_public_range_is_kept_and_one_column_is_enough(name, beside):
    draw = np.random.default_rng(0)
    for age in (draw.integers(18, 60, 800), draw.uniform(18, 60, 800).round(3), draw.choice([20, 30, 50], 800)):
        data = gw.read(pd.DataFrame({"age": age, **beside}))
        made = fitted(name, data=data, steps=2, public={"age": gw.Between(18, 40)}).sample(400).frame["age"]
        assert made.min() >= 18 and made.max() <= 40


def test_what_is_public_is_used_and_not_paid_for():
    public = {
        "age": gw.Between(18, 90),
        "amount": gw.Between(0, 1000),
        "ratio": gw.Between(-4, 6),
        "kind": gw.OneOf("a", "b", "c", "never seen", None),
        "day": gw.Between("2023-01-01", "2024-02-05"),
        "site": gw.OneOf("only"),
    }
    model = fitted(public=public)
    assert [each["what"] for each in model.record["privacy"]["mechanisms"]].count("ranges") == 0
    assert model.codec.fields[4].levels == ("a", "b", "c", "never seen")
    days = model.sample(200).frame["day"]
    assert str(days.min()) >= "2023-01-01" and str(days.max()) < "2024-02-06"


@pytest.mark.parametrize(
    ("public", "what"),
    [
        ({"aeg": gw.Between(0, 1)}, "no column called 'aeg'"),
        ({"age": gw.Between(5, 1)}, "two ends"),
        ({"age": gw.Between(0, None)}, "two ends"),
        ({"kind": gw.Between(0, 1)}, "does not describe a category"),
        ({"kind": gw.OneOf(None)}, "does not describe a category"),
    ],
)
def test_public_knowledge_that_does_not_suit_is_refused(public, what):
    with pytest.raises(gw.ArgumentError, match=what):
        fitted(public=public)


@pytest.mark.parametrize("epsilon", [0.0, -1.0, math.nan, 1e6])
def test_epsilon_must_make_sense(epsilon):
    with pytest.raises(gw.ArgumentError, match="epsilon must be above 0"):
        gw.Privacy(epsilon=epsilon)


def test_delta_must_hide_a_row():
    with pytest.raises(gw.ArgumentError, match="delta must lie"):
        gw.Privacy(epsilon=1.0, delta=0.0)
    with pytest.raises(gw.ArgumentError, match="allows a row out of 1,500 to be published"):
        fitted(delta=0.01)


def test_what_cannot_be_fitted_privately_is_refused_with_a_way_out():
    privacy = gw.Privacy(epsilon=1.0)
    with pytest.raises(gw.DataError, match="50 rows are too few"):
        gw.fit(table(50), privacy=privacy)
    with pytest.raises(gw.UnsupportedError, match="vae is not fitted privately") as error:
        gw.fit(table(), family=gw.VAE(), privacy=privacy)
    assert "gw.TreeMixture" in error.value.hint
    with pytest.raises(gw.UnsupportedError, match="no private fit of images"):
        gw.fit(gw.read("digits"), privacy=privacy)
    with pytest.raises(gw.DataError, match="too few rows to find its range") as error:
        gw.fit(table(120), privacy=gw.Privacy(epsilon=0.1))
    assert "gw.Between(low, high)" in error.value.hint
    with pytest.raises(gw.UnsupportedError, match="constraints"):
        gw.fit(table(), privacy=privacy, constraints=[Range("age", low=18)])


def test_card_and_command_line_state_what_is_promised(tmp_path):
    rows, out = tmp_path / "rows.csv", tmp_path / "model"
    frame().to_csv(rows, index=False)
    public = tmp_path / "public.json"
    public.write_text('{"age": {"low": 18, "high": 90}, "kind": ["a", "b", "c", null]}')
    command = [
        "fit",
        str(rows),
        "--epsilon",
        "2",
        "--delta",
        "1e-5",
        "--public",
        str(public),
        "--steps",
        "3",
        "-o",
        str(out),
    ]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    assert "δ = 1e-05" in result.output and "not protected" in result.output
    card = model_card(gw.load(out))
    assert "## Privacy" in card and "**Not protected:**" in card and "normal noise of" in card
    assert "Samples keep the promise stated under Privacy" in card
    refused = CliRunner().invoke(main, ["fit", str(rows), "--delta", "1e-5", "-o", str(tmp_path / "b")])
    assert refused.exit_code == 2 and "without --epsilon" in refused.output


def test_shares_and_ranges_from_noisy_counts():
    rng = np.random.default_rng(0)
    shares = nearest_shares(rng.normal(0, 5, 100) + np.r_[np.zeros(90), np.full(10, 100.0)])
    assert shares.sum() == pytest.approx(1.0) and shares.min() == 0.0 and shares[:90].sum() < 0.1
    counts = rng.normal(0, 5, 1000)
    counts[400:500] += 30
    found = shown_range(counts, 5.0)
    assert found is not None and 380 <= found.start <= 405 and 495 <= found.stop <= 520
    assert shown_range(rng.normal(0, 5, 1000), 5.0) is None


def test_an_audit_by_a_canary():
    """Whether a row was there is told from exact counts without fail, and from private ones as rarely as promised."""
    others, rounds, delta = np.full(20, 5.0), 4000, 1e-3
    with_row = others + np.eye(20)[7]
    for epsilon in (0.5, 2.0):
        budget = Budget(epsilon, delta, noise_seed=3)
        scale = budget.scale(1, share=1.0)
        noise = np.random.default_rng(0).normal(0, scale, (2, rounds))
        present, absent = with_row[7] + noise[0], others[7] + noise[1]
        for threshold in np.quantile(absent, np.linspace(0.01, 0.99, 25)):
            hit, false = (present > threshold).mean(), (absent > threshold).mean()
            slack = 4 * math.sqrt(0.25 / rounds)
            assert hit <= math.exp(epsilon) * (false + slack) + delta + slack
    assert with_row[7] > others[7]  # without noise, the count says it


@pytest.mark.slow
def test_an_audit_of_whole_fits_by_a_canary():
    """The likelihood of a row that stands out, with and without it in the data: the best test stays within epsilon."""
    rng = np.random.default_rng(0)
    epsilon, rounds, canary = 1.0, 60, 250
    rows = frame(canary + 1)
    rows.loc[canary, ["age", "amount", "ratio", "kind"]] = [90, 900.0, 6.0, "a"]
    public = {"age": gw.Between(18, 90), "amount": gw.Between(0, 1000), "ratio": gw.Between(-4, 6)}
    public |= {"kind": gw.OneOf("a", "b", "c"), "day": gw.Between("2023-01-01", "2024-02-05"), "site": gw.OneOf("only")}
    seen = gw.read(rows)
    index = np.r_[: canary + 1], np.r_[:canary, 0]
    scores = np.array(
        [
            [
                fitted(
                    data=seen.take(rows_), epsilon=epsilon, public=public, noise_seed=int(rng.integers(2**31)), steps=30
                ).log_prob(seen.take(np.array([canary])))[0]
                for _ in range(rounds)
            ]
            for rows_ in index
        ]
    )
    for threshold in np.quantile(scores, np.linspace(0.05, 0.95, 19)):
        hit, false = (scores > threshold).mean(axis=1)
        assert hit <= math.exp(2 * epsilon) * (false + 0.1) + 0.1  # one row for another is two changes


def test_scores_of_a_private_fit_come_with_a_note(tmp_path):
    rows, out = tmp_path / "rows.csv", tmp_path / "model"
    frame().to_csv(rows, index=False)
    assert CliRunner().invoke(main, ["fit", str(rows), "--epsilon", "3", "--steps", "3", "-o", str(out)]).exit_code == 0
    result = CliRunner().invoke(main, ["evaluate", str(out), "--real", str(rows)])
    assert result.exit_code == 0, result.output
    assert "not covered by that" in result.output
    assert "1,500 real ones" in result.output  # all of them: a private fit holds none out
