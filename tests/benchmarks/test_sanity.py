"""The sanity battery finds what it should, on small sets, and is not fooled by metrics that see nothing."""

import json
from dataclasses import replace

import numpy as np
import pytest
from benchmarks.sanity import battery as sanity
from benchmarks.sanity.subjects import image_subject, series_subject, table_subject, text_subject

import genwright as gw
from genwright.errors import DataError
from tests.metrics.records import table

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def digits() -> sanity.Subject:
    return image_subject(gw.read("digits"), n=100)


def limited(subject: sanity.Subject, names: set[tuple[str, ...]], mistakes: set[str]) -> sanity.Subject:
    """Only some measures and mistakes."""
    measures = {k: v for k, v in subject.measures.items() if k in names}
    return replace(subject, measures=measures, mistakes=tuple(m for m in subject.mistakes if m.name in mistakes))


def words(n: int) -> list[str]:
    """Passages of ten sentences from a small vocabulary."""
    rng = np.random.default_rng(0)
    known = np.array([f"{a}{b}" for a in "bdfgk" for b in ("alo", "eri", "omu", "una")])
    return [" ".join(" ".join(rng.choice(known, 9)).capitalize() + "." for _ in range(10)) for _ in range(n)]


def test_designated_metrics_follow_the_amount_on_tables():
    subject = table_subject(table(600), n=150)
    wanted = {("shape error",), ("trend error",), ("mutual information error",), ("near copies",)}
    found = sanity.battery(limited(subject, wanted, {"dependence broken", "training copies"}), draws=2)
    assert not found.failed
    curves = {(c.corruption, c.metric): c for c in found.curves}
    assert curves["dependence broken", "trend error"].spearman >= sanity.MONOTONE
    assert curves["dependence broken", "shape error"].expected == "stays"
    assert curves["training copies", "near copies"].values[-1] > 45
    assert json.loads(json.dumps(found.to_json()))["curves"][0]["values"]


def test_designated_metrics_follow_the_amount_on_images(digits):
    wanted = {("kernel distance",), ("near copies",), ("exact copies",)}
    found = sanity.battery(limited(digits, wanted, {"modes dropped", "training copies"}), draws=1)
    assert [c.metric for c in found.curves if not c.passed] == []


def test_text_and_series_are_measured():
    passages = words(90)
    subject = text_subject(passages, [str(i % 10) for i in range(90)], name="words", n=30)
    found = sanity.battery(limited(subject, {("distinct-2",), ("seq-rep-4",)}, {"phrases repeated"}), draws=1)
    assert not found.failed
    x = np.random.default_rng(0).normal(size=(150, 16, 2)).cumsum(axis=1)
    subject = series_subject(x, name="walks", n=50)
    wanted = {("spectral distance",), ("ACF error",), ("cross-correlation error",)}
    found = sanity.battery(limited(subject, wanted, {"time shuffled", "narrowed"}), draws=2)
    assert not found.failed and len(found.still) == 2


def test_what_cannot_be_measured_says_why():
    found = sanity.battery(limited(table_subject(table(200), n=8), {("C2ST",)}, {"noise"}), draws=1)
    assert "C2ST needs 10 records" in found.curves[0].problem
    assert not found.curves[0].passed and not found.failed


def test_a_metric_that_sees_nothing_fails():
    subject = limited(table_subject(table(300), n=60), {("shape error",)}, {"rows invented"})
    real = subject.measures["shape error",]
    blind = replace(subject, measures={("shape error",): lambda fake, *, seed: real(subject.real, seed=seed)})
    found = sanity.battery(blind, draws=1)
    assert found.curves[0].spearman == 0.0 and found.failed == (found.curves[0],)


def test_monotone_is_spearman():
    assert sanity.monotone([0.0, 1.0, 3.0, 9.0], expected="rises") == 1.0
    assert sanity.monotone([0.0, 2.0, 1.0, 3.0, 4.0, 5.0], expected="rises") == pytest.approx(1 - 6 * 2 / (6 * 35))
    assert sanity.monotone([0.0, 1.0], expected="falls") == -1.0


def test_every_designated_metric_is_measured(digits):
    subjects = (
        digits,
        table_subject(table(200), n=60),
        text_subject(words(60), ["a", "b"] * 30, name="words", n=20),
        series_subject(np.random.default_rng(0).normal(size=(90, 12, 2)), name="noise", n=30),
    )
    embedded = {"MAUVE", "embedding coherence"}
    for subject in subjects:
        known = {name for names in subject.measures for name in names}
        for mistake in subject.mistakes:
            assert set(mistake.metrics) <= known | embedded
            assert mistake.name in {*subject.spoils, "modes dropped"}


def test_too_few_records():
    with pytest.raises(DataError, match="100 records"):
        series_subject(np.zeros((100, 12, 1)), name="few", n=50)
