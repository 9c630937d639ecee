"""`genwright run`: the comparison, the choice, and everything in the run folder."""

import json
from functools import partial

import pytest
from click.testing import CliRunner

import genwright as gw
from genwright.app.cli import main
from genwright.codecs import expected_space
from genwright.families.capabilities import suitable
from genwright.metrics.evaluate import evaluate
from genwright.report.report import Entry
from genwright.runs.folder import claim
from genwright.runs.ranking import Contestant, choose, ranked
from genwright.scores.score import Score
from genwright.spaces import Columns

FITTED = {"mixture", "vae"}
FILES = {
    "run.json",
    "recipe.json",
    "codec.json",
    "weights.safetensors",
    "README.md",
    "scores.json",
    "leaderboard.json",
    "report.html",
    "samples.csv",
    "log.jsonl",
    "comparison",
}

ROWS = Columns(())  # of any table


def contestant(family, value, interval):
    score = Score(name="C2ST", value=value, direction="higher", n=9, signature="test", interval=interval)
    density = family.can(ROWS).density.value
    return Contestant(Entry(family=family.name, seconds=1.0, headline=score, density=density), family, None)


def failed(family):
    return Contestant(Entry(family=family.name, seconds=1.0, failure="the loss stopped being finite"), family, None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A finished run over wine, which one of the families cannot model."""
    out = tmp_path_factory.mktemp("run") / "wine"
    families = [word for family in ("mixture", "vae", "masked diffusion") for word in ("--family", family)]
    done = CliRunner().invoke(main, ["run", "wine", "--minutes", "0.06", *families, "--out", str(out)])
    assert done.exit_code == 0, done.stderr
    assert str(out / "report.html") in done.stdout
    return out


def test_the_run_folder_holds_all_of_it(folder):
    assert {each.name for each in folder.iterdir()} == FILES
    assert json.loads((folder / "scores.json").read_text())["scores"]
    board = json.loads((folder / "leaderboard.json").read_text())
    assert {entry["family"] for entry in board if not entry["baseline"]} == {*FITTED, "masked diffusion"}
    assert [entry["family"] for entry in board if entry["baseline"]] == ["columns drawn independently"]
    assert sum(entry["chosen"] for entry in board) == 1
    n, report = len(gw.read(folder / "samples.csv")), (folder / "report.html").read_text()
    assert n == 1000 or f"Scored on {n:,} records" in report  # as many as a slow machine has time for
    assert "shape error" in (folder / "README.md").read_text()
    assert "Families compared" in report


def test_the_generator_and_the_losers_can_be_loaded(folder):
    assert len(gw.load(folder).sample(3)) == 3
    assert len(gw.load(folder / "comparison" / "vae").sample(3)) == 3


def test_the_same_run_is_taken_up_and_another_refused(folder, monkeypatch):
    families = [gw.Mixture(), gw.VAE(), gw.MaskedDiffusion()]
    monkeypatch.setattr("genwright.runs.arena.evaluate", partial(evaluate, only=["C2ST"]))
    again = gw.run(gw.read("wine"), out=folder, minutes=0.06, families=families)
    assert again.folder == folder and again.generator.family.name in FITTED
    with pytest.raises(gw.ArgumentError, match="something else"):
        gw.run(gw.read("wine"), out=folder, minutes=0.06, seed=1, families=families)


def test_a_family_that_cannot_take_part_stays_on_the_leaderboard_with_its_reason(folder):
    families = [entry for entry in json.loads((folder / "leaderboard.json").read_text()) if not entry["baseline"]]
    assert families[-1]["family"] == "masked diffusion" and "does not model" in families[-1]["failure"]
    assert "does not model" in (folder / "report.html").read_text()


def test_when_every_family_fails_the_error_says_why(tmp_path):
    with pytest.raises(gw.TrainingError, match="does not model"):
        gw.run(gw.read("wine"), out=tmp_path / "none", minutes=0.02, families=[gw.MaskedDiffusion()])


def test_a_run_is_recognised_by_another_process(tmp_path):
    claim(tmp_path, gw.read("wine"), minutes=1.0, seed=0, families=suitable(expected_space(gw.read("wine"))))
    assert "0x" not in (tmp_path / "run.json").read_text()  # the address of a function is new in every process


def test_suitable_families_are_those_that_model_the_space():
    rows, text = (suitable(expected_space(gw.read(name))) for name in ("wine", "python-stdlib"))
    assert {family.name for family in rows} >= {"mixture", "vae", "gan", "flow", "autoregressive"}
    assert {family.name for family in text} == {"autoregressive", "masked diffusion", "n-gram"}


def test_the_best_value_wins_unless_the_score_cannot_tell():
    far = [contestant(gw.GAN(), 0.9, (0.88, 0.92)), contestant(gw.Mixture(), 0.5, (0.4, 0.6))]
    assert choose(far) is far[0]
    near = [contestant(gw.GAN(), 0.9, (0.7, 1.0)), contestant(gw.Mixture(), 0.8, (0.6, 0.95)), failed(gw.VAE())]
    assert choose(near) is near[1]  # as good for all that can be told, and with an exact likelihood
    equals = [contestant(gw.Diffusion(), 0.8, (0.6, 1.0)), contestant(gw.FlowMatching(), 0.85, (0.6, 1.0))]
    assert choose(equals) is equals[1]


def test_failures_rank_last():
    entries = [failed(gw.VAE()), contestant(gw.Mixture(), 0.1, (0.0, 0.2)), contestant(gw.GAN(), 0.2, (0.1, 0.3))]
    assert [c.entry.family for c in ranked(entries)] == ["gan", "mixture", "vae"]
