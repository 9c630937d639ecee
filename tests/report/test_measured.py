"""Pages of evaluate and compare: every score has its words, every group its picture, every ranking its doubts."""

import json
from dataclasses import replace

import numpy as np
import pytest

import genwright as gw
from genwright.data.dataset import Category, Dataset, Number, Text
from genwright.extractors.features import fit_extractor
from genwright.metrics.comparison import ranked
from genwright.metrics.evaluate import Evaluation, evaluate_pairs
from genwright.metrics.meanings import meaning_of
from genwright.rating.protocol import QUESTIONS
from genwright.report.evidence import Records, suspects
from genwright.report.kinds import picture
from genwright.report.measured import comparison_page, evaluation_page, places, write_comparison, write_evaluation
from genwright.report.reading import read
from genwright.scores.intervals import Replicates
from genwright.scores.score import Score
from tests.report.test_report import HOSTILE, assert_stands_alone

WORDS = np.array(["the", "a", "cat", "dog", "house", "sees", "likes", "green", "small", "runs", "and", "then", "it"])


def table(n, *, seed, name="table"):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    columns = {
        "x": x,
        "y": x + rng.normal(size=n),
        HOSTILE: np.where(x + rng.normal(size=n) > 0, HOSTILE, "no").astype(object),
    }
    return Dataset((Number("x"), Number("y"), Category(HOSTILE, (HOSTILE, "no"))), columns, name=name, label=HOSTILE)


def texts(n, *, seed):
    rng = np.random.default_rng(seed)

    def sentence():
        return " ".join(rng.choice(WORDS, 9)).capitalize() + f" ${rng.integers(99)}. "

    rows = ["".join(sentence() for _ in range(8)) for _ in range(n)]
    return Dataset((Text("text"),), {"text": np.array(rows, dtype=object)}, name=HOSTILE)


@pytest.fixture(scope="module")
def rows():
    """Real, generated and training rows, and their evaluation."""
    real, fake, train = (table(120, seed=seed) for seed in range(3))
    return real, fake, train, gw.evaluate(fake, real=real, train=train)


@pytest.fixture(scope="module")
def digits():
    data = gw.read("digits")
    real, fake, train = data.test.take(slice(60)), data.valid.take(slice(60)), data.train.take(slice(150))
    extractor = fit_extractor(data.train.take(slice(150, 300)), kind="pca", dimension=8)  # learned ones take seconds
    return real, fake, train, gw.evaluate(fake, real=real, train=train, extractor=extractor)


@pytest.fixture(scope="module")
def stories():
    real, fake, train = (texts(40, seed=seed) for seed in range(3))
    return real, fake, train, gw.evaluate(fake, real=real, train=train)


@pytest.mark.parametrize("kind", ["rows", pytest.param("digits", marks=pytest.mark.slow), "stories"])
def test_every_score_that_evaluate_yields_has_a_meaning(kind, request):
    scores = request.getfixturevalue(kind)[3].scores
    assert len(scores) >= 8
    assert [score.name for score in scores if meaning_of(score.name) is None] == []


def test_every_score_of_pairs_ratings_series_and_likelihood_has_a_meaning(digits):
    real, fake, _, _ = digits
    scores = evaluate_pairs(fake, real=real).scores
    scores += evaluate_pairs(texts(3, seed=0), real=texts(3, seed=1)).scores
    names = [score.name for score in scores]
    names += [f"{word}: {q}" for q in QUESTIONS for word in ("agreement", "self-consistency")]
    names += [f"{measure}: some system" for measure in (*QUESTIONS[2:], "strength", "called real", "told from real")]
    names += ["win rate against real: a", "ties", "left side chosen", "negative IWAE-50", "negative ELBO", "NLL", "ECE"]
    names += ["CRPS", "ACF error", "PACF error", "cross-correlation error", "spectral distance", "predictive score"]
    names += ["discriminative score", "MAUVE", "MAUVE*", "embedding coherence", "BERTScore F1", "LPIPS", "path length"]
    names += ["perplexity per word", "bits per byte", "Frechet distance at infinity", "MS-SSIM", "SSIM"]
    names += ["C_T", "Inception Score", "label agreement", "Frechet distance (pca)", "Frechet distance (random)"]
    assert [name for name in names if meaning_of(name) is None] == []


def score(name, value, floor, *, direction="lower", group="fidelity", unit="", interval=None):
    return Score(
        name=name, value=value, direction=direction, n=50, signature=name, floor=floor, group=group, unit=unit,
        interval=interval,
    )  # fmt: skip


def test_scores_that_only_describe_are_never_graded_as_good():
    at_the_floor = [
        score("distance to closest record", 2.0, 2.0, direction="target", group="novelty"),
        score("authenticity", 0.5, 0.5, direction="higher", group="novelty"),
        score("nearest training image", 0.5, 0.5, direction="target", group="novelty"),
    ]
    assert [read(each).grade for each in at_the_floor] == ["fact"] * 3
    assert all("no proof of privacy" in read(each).sentence for each in at_the_floor)
    assert read(replace(at_the_floor[2], value=1.0)).grade == "poor"


def test_only_one_side_of_the_copying_test_speaks_of_copying():
    def graded(value):
        return read(score("C_T", value, 0.0, direction="target", group="novelty")).grade

    assert [graded(value) for value in (-5.0, -3.0, 0.0, 5.0)] == ["poor", "poor", "good", "good"]


@pytest.mark.parametrize(
    ("kind", "groups"),
    [
        ("rows", {"fidelity", "diversity", "novelty", "utility"}),
        ("digits", {"fidelity", "diversity", "novelty"}),
        ("stories", {"fidelity", "diversity", "novelty"}),
    ],
)
def test_every_group_has_a_picture_and_the_page_stands_alone(kind, groups, request):
    real, fake, train, evaluation = request.getfixturevalue(kind)
    html = evaluation_page(evaluation, fake=fake, real=real, train=train, name=HOSTILE)
    assert_stands_alone(html)
    assert all(f'<section id="{group}">' in html for group in groups)
    assert html.count('class="card evidence"') == len(groups)
    assert all(each.name in html for each in evaluation.scores)
    if kind == "rows":
        assert html == evaluation_page(evaluation, fake=fake, real=real, train=train, name=HOSTILE)


def test_without_training_records_no_picture_pretends_to_know_them(rows):
    real, fake, _, evaluation = rows
    records = Records(real=real, unseen=real, fake=fake)
    assert picture("novelty", scores=evaluation.scores, records=records) is None
    assert picture("utility", scores=evaluation.scores, records=records) is None
    assert suspects(records) == []
    untrained = gw.evaluate(fake, real=real, only=["shape error", "trend error"])
    html = evaluation_page(untrained, fake=fake, real=real, name="no training data")
    assert_stands_alone(html)
    assert "Closest to the training data" not in html and "nearest</td>" not in html


def test_a_copied_row_is_the_first_suspect(rows):
    real, fake, train, _ = rows
    copied = train.take(np.array([7])), fake
    columns = {f.name: np.concatenate([d.columns[f.name] for d in copied]) for f in real.fields}
    found = suspects(Records(real=real, unseen=real, fake=replace(fake, columns=columns), train=train))
    assert (found[0].fake, found[0].train, found[0].distance) == (0, 7, 0.0)
    assert found[1].distance > 0


def test_likelihood_and_human_scores_have_pictures_too():
    records = Records(real=texts(30, seed=0), unseen=texts(30, seed=1), fake=texts(30, seed=2))
    bits = score("bits per byte", 2.0, None, group="likelihood")
    assert "bzip2" in picture("likelihood", scores=[bits], records=records).chart
    rated = [
        score(
            f"strength: {name}", 1500.0, 1600.0, direction="higher", group="human", unit=" Elo", interval=(1400, 1600)
        )
        for name in ("a", HOSTILE)
    ]
    shown = picture("human", scores=rated, records=records)
    assert "<script" not in shown.chart
    html = evaluation_page(Evaluation((bits, *rated)), fake=records.fake, real=records.real, name="rated")
    assert '<section id="human">' in html and '<section id="likelihood">' in html


def system(value, *, spread=0.01, copies=0.0):
    """An evaluation with one score whose replicates scatter by `spread`."""
    around = value + spread * np.linspace(-1, 1, 20)
    headline = replace(
        score("C2ST", value, 0.98, direction="higher", interval=(value - 0.1, value + 0.1)),
        replicates=Replicates(tuple([value] * 20), tuple(around)),
    )
    return Evaluation((headline, score("exact copies", copies, 0.0, group="novelty", unit="%")))


def test_the_leaderboard_says_what_cannot_be_told_apart():
    found = ranked({"near": system(0.90), HOSTILE: system(0.901), "far": system(0.3, copies=50.0)})
    names = [(place.name, place.alike, place.copied) for place in places(found)]
    assert names == [(HOSTILE, ("near",), ()), ("near", (HOSTILE,), ()), ("far", (), ("exact copies",))]
    sets = {name: table(30, seed=1) for name in found.evaluations}
    html = comparison_page(found, systems=sets, real=table(30, seed=0))
    assert_stands_alone(html)
    assert "Cannot tell apart:" in html and "may be best" in html and "may copy its training data" in html
    assert "Tables are ranked by C2ST" in html and "Holm" in html


@pytest.mark.parametrize("data", [gw.read("digits").test, texts(20, seed=0)], ids=["images", "text"])
def test_a_comparison_shows_images_and_texts(data):
    found = ranked({"a": system(0.9), "b": system(0.2)})
    html = comparison_page(found, systems={"a": data, "b": data}, real=data)
    assert_stands_alone(html)
    assert "told apart from all others" in html
    assert html.count("data:image/png") == (30 if data.media.name != "text" else 0)


def test_files_are_written_whole(tmp_path, rows):
    real, fake, _, evaluation = rows
    write_evaluation(evaluation, fake=fake, real=real, out=tmp_path / "one", name="one")
    saved = json.loads((tmp_path / "one" / "scores.json").read_text())
    assert [each["name"] for each in saved["scores"]] == [each.name for each in evaluation.scores]
    found = ranked({"a": system(0.9), "b": system(0.2)})
    write_comparison(found, systems={"a": fake, "b": real}, real=real, out=tmp_path / "two")
    assert json.loads((tmp_path / "two" / "scores.json").read_text())["best"] == ["a"]
    for folder in ("one", "two"):
        assert sorted(path.name for path in (tmp_path / folder).iterdir()) == ["scores.html", "scores.json"]
