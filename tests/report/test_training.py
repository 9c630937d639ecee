"""The section that says how training went."""

from dataclasses import asdict, replace

from genwright.report.training import watched
from genwright.train.diagnoses import REMEDIES, Diagnosis
from genwright.train.looks import Look
from tests.report.test_report import HOSTILE, assert_stands_alone, report_of, table

LOOKS = [
    asdict(
        Look(
            step=10 * i,
            held_out=1.0,
            gradients={"critic": (0.1, 0.2, 0.0), "generator": (1e-6, 0.3)},
            drawn=64,
            missing=0.1 * i,
            spread=1.0,
            copied=0.0,
            usual=0.0,
        )
    )
    for i in range(1, 4)
]


def test_diagnoses_and_the_curves_they_were_made_by_are_shown():
    ill = Diagnosis("mode collapse", 30, f"samples miss {HOSTILE}", REMEDIES["mode collapse"], done="back to step 10")
    report = report_of(table())
    report = replace(report, record=report.record | {"looks": LOOKS, "diagnoses": [asdict(ill)]})
    html = report.to_html()
    assert_stands_alone(html)
    assert "How training went" in html and "<strong>Mode collapse</strong> at step 30: samples miss &lt;script" in html
    assert "Back to step 10." in html and "objective=relativistic" in html and len(watched(report.record)) == 3


def test_a_healthy_run_is_said_to_be_one_and_an_unwatched_one_is_not_mentioned():
    report = report_of(table())
    assert "How training went" not in report.to_html() and not watched(report.record)
    assert "memorisation was found" in replace(report, record=report.record | {"diagnoses": []}).to_html()
