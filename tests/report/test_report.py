"""The report: one page that stands alone, shows every kind of data, and trusts no text from the data."""

import re
from dataclasses import replace

import numpy as np
import pytest

import genwright as gw
from genwright.data.dataset import Category, Dataset, Number, Text, Time
from genwright.report.report import Entry, Report, Walk
from genwright.scores.score import Score

HOSTILE = "<script>alert('&')</script>"


def score(name, value, direction, floor, interval):
    return Score(
        name=name, value=value, direction=direction, n=50, signature=f"{name}|test", floor=floor, interval=interval
    )


SCORES = (
    score("C2ST", 0.93, "higher", 0.99, (0.88, 0.97)),
    score("shape error", 9.1, "lower", 2.2, (8.5, 9.9)),
    score("density", 1.2, "target", 1.0, (0.9, 1.5)),
    score("bits per byte", 2.2, "lower", None, None),
)


def table():
    rng = np.random.default_rng(0)
    n = 60
    columns = {
        HOSTILE: np.where(rng.random(n) < 0.1, np.nan, np.round(rng.normal(size=n), 2)),
        "level": np.array([HOSTILE if i % 3 else None for i in range(n)], dtype=object),
        "day": np.datetime64("2024-01-01", "us") + rng.integers(0, 900, n) * np.timedelta64(1, "D"),
        "constant": np.full(n, 3.0),
    }
    fields = (Number(HOSTILE, decimals=2), Category("level", (HOSTILE,)), Time("day"), Number("constant", decimals=0))
    return Dataset(fields, columns, name=HOSTILE, notes=(HOSTILE,))


def texts():
    rows = [f"Chapter {i}: {HOSTILE} once upon a time, {i * 7919} words were said.\n\n" for i in range(60)]
    return Dataset((Text("text"),), {"text": np.array(rows, dtype=object)}, name="tales")


def report_of(data, **more):
    history = tuple({"step": s, "loss": 3.0 / s, "held_out": 3.1 / s} for s in range(1, 9))
    record = {"parameters": 12, "seed": 0, "history": history, "peak_memory_mb": 300, "environment": {"torch": "2"}}
    leaderboard = (
        Entry(family="mixture", seconds=1.0, headline=SCORES[0], scores=SCORES, history=history, chosen=True),
        Entry(family="gan", seconds=2.0, headline=replace(SCORES[0], value=0.2, interval=(0.1, 0.3)), preview=data),
        Entry(family="vae", seconds=0.1, failure=HOSTILE),
    )
    return Report(
        data=data,
        fake=data.take(np.arange(20)[::-1]),
        family="mixture",
        recipe="Mixture(components=2)",
        record=record,
        scores=SCORES,
        notes=(HOSTILE,),
        leaderboard=leaderboard,
        rule="The best C2ST wins.",
        seconds={"comparing families": 3.0, "training": 4.0},
        commands=("genwright run data",),
        **more,
    )


def assert_stands_alone(html):
    """Nothing is fetched, nothing runs, and every fragment link leads somewhere."""
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!data:image/png;base64,|#)""", html)
    assert not re.search(r"@import|@font-face", html)
    assert all(link.startswith(("#", "data:")) for link in re.findall(r"url\(([^)]*)\)", html))
    assert "<script" not in html
    ids = set(re.findall(r'\bid="([^"]+)"', html))
    assert set(re.findall(r'href="#([^"]+)"', html)) <= ids
    assert "None" not in re.sub(r"<[^>]*>", "", html) and ">nan<" not in html
    assert not re.search(r'<img(?![^>]*alt="[^"]+")', html)  # what cannot be seen is said
    assert all('scope="' in head for head in re.findall(r"<th[ >][^>]*", html))


def test_a_table_report_stands_alone_and_escapes_what_it_shows():
    html = report_of(table()).to_html()
    assert_stands_alone(html)
    assert html.count("&lt;script&gt;") > 5
    assert 'class="winner"' in html and "took no part" in html
    assert html == report_of(table()).to_html()


def test_the_label_is_among_the_columns_shown_and_what_is_left_out_is_named():
    columns = {f"c{i}": np.arange(60.0) * i % 7 for i in range(15)}
    fields = tuple(Number(name, decimals=0) for name in columns)
    html = report_of(Dataset(fields, columns, name="wide", label="c14")).to_html()
    heads = re.findall(r'<th scope="col">(c\d+)</th>', html)
    assert heads[:12] == [*(f"c{i}" for i in range(11)), "c14"]
    assert "12 of 15 columns; left out here: c11, c12, c13" in html


def luminance(colour):
    """Relative luminance of "#rrggbb" (WCAG 2.2)."""
    parts = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return float(np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722])


def test_letters_stand_out_from_every_ground_they_are_on():
    style = re.search(r"<style>(.*?)</style>", report_of(table()).to_html(), re.DOTALL)[1]
    looks = [
        dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", look)) for look in re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    ]
    assert sum(len(look) > 5 for look in looks) == 2  # light and dark
    for look in looks[:2]:
        pairs = [(a, b) for a in ("ink", "muted", "fake", "good", "fair", "poor") for b in ("bg", "card")]
        for letters, ground in [*pairs, ("ink", "soft"), ("ink", "mark"), ("muted", "soft")]:
            dark, light = sorted([luminance(look[letters]), luminance(look[ground])])
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (letters, ground)


def test_an_image_report_shows_classes_twins_and_walks():
    data = gw.read("digits")
    walks = tuple(Walk(name=str(k), records=data.take(slice(9 * k, 9 * k + 9))) for k in range(3))
    html = report_of(data, walks=walks).to_html()
    assert_stands_alone(html)
    assert "Between two latents" in html and "Closest to the training data" in html
    assert html.count("data:image/png") > 120


def test_a_copied_image_is_found_at_distance_zero():
    from genwright.report.images import twins

    data = gw.read("digits")
    closest = twins(data.train.take(slice(0, 30)), data.train, unseen=data.test)
    assert closest[0].distance == pytest.approx(0.0, abs=1e-3)
    assert closest[0].fake == closest[0].nearest


def test_a_text_report_marks_the_copied_run():
    from genwright.report.passages import marked

    html = report_of(texts()).to_html()
    assert_stands_alone(html)
    assert "<mark>" in html
    (passage,) = marked(["zz once upon a time zz"], "long ago, once upon a time there was")
    assert (passage.before, passage.copied, passage.after) == ("zz", " once upon a time ", "zz")


def test_nearest_rows_finds_the_row_itself_whatever_the_column_types():
    from genwright.report.columns import nearest_rows

    data = table()
    assert nearest_rows(data.take(slice(5, 25)), data).tolist() == list(range(5, 25))


def test_dependence_is_one_for_copies_and_near_zero_for_independent_columns():
    from genwright.report.columns import dependence

    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 6, 3000), rng.integers(0, 4, 3000)
    strengths = dependence([a, a, b])
    assert strengths[0, 1] == pytest.approx(1.0, abs=1e-6)
    assert strengths[0, 2] < 0.05


def test_the_verdict_names_what_is_weak_first():
    verdict = report_of(table()).verdict
    assert [finding.score.name for finding in verdict.findings] == ["C2ST", "shape error", "density"]
    assert [finding.grade for finding in verdict.findings] == ["fair", "fair", "fair"]  # none better than the judge
    assert verdict.summary.startswith("Usable, with a measurable distance") and "shape error" in verdict.summary
