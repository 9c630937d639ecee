"""What a watched fit keeps and shows: the record, the file it is saved in, the card, and the words of each surface."""

import click

import genwright as gw
from genwright.app.cli import main
from genwright.app.wording import in_options
from genwright.report.card import model_card


def test_a_watched_fit_is_saved_with_what_was_seen(tmp_path):
    model = gw.fit(gw.read("wine"), family=gw.VAE(width=16, depth=1), steps=120)
    assert len(model.record["looks"]) >= 20
    model.save(tmp_path / "kept")
    assert gw.load(tmp_path / "kept").record["diagnoses"] == model.record["diagnoses"]
    assert "### How training went" in model_card(model)
    alone = gw.fit(gw.read("wine"), family=gw.VAE(width=16, depth=1), steps=120, doctor=None)
    assert "looks" not in alone.record and "How training went" not in model_card(alone)


def test_the_command_line_speaks_of_the_doctor_in_options():
    with click.Context(main):
        assert in_options("try doctor=gw.Doctor(act=True), or less") == "try --doctor act, or less"
