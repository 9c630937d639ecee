"""A card that was measured is checked line by line and number by number; what is forged or missing is named."""

import json

import pytest
from click.testing import CliRunner

import genwright as gw
from genwright.app.cli import main
from genwright.errors import StorageError
from genwright.report.audited import with_section
from genwright.report.checked import verify_card, write_card


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A measured model of a small table."""
    folder = tmp_path_factory.mktemp("card") / "wine"
    data = gw.read("wine")
    model = gw.fit(data, family=gw.Mixture(components=2), steps=2)
    model.save(folder)
    write_card(model, data, folder)
    return folder


def test_a_card_holds_until_a_number_is_changed(folder):
    assert verify_card(folder).holds and verify_card(folder).lines > 20
    card, scores = folder / "README.md", folder / "scores.json"
    text, told = card.read_text(encoding="utf-8"), scores.read_text(encoding="utf-8")
    card.write_text(text + "\n| C2ST | higher | 1 | – | – |\n", encoding="utf-8")
    assert verify_card(folder).holds  # not among the scores
    row = next(line for line in text.splitlines() if line.startswith("| C2ST"))
    card.write_text(text.replace(row, row + "\n| C2ST | higher | 1 | – | – |"), encoding="utf-8")
    assert verify_card(folder).wrong == ("the card says what was not measured: | C2ST | higher | 1 | – | – |",)
    card.write_text(text.replace(row, ""), encoding="utf-8")
    assert row in verify_card(folder).wrong[0]
    result = CliRunner().invoke(main, ["card", "verify", str(folder), "--json"])
    assert result.exit_code == 1 and not json.loads(result.stdout)["holds"]
    card.write_text(text, encoding="utf-8")
    result = CliRunner().invoke(main, ["card", "verify", str(folder)])
    assert result.exit_code == 0 and "the card holds" in result.stdout
    scores.write_text(told.replace('"scores"', '"skores"', 1), encoding="utf-8")
    with pytest.raises(StorageError, match="'scores' is missing"):
        verify_card(folder)
    scores.write_text(told, encoding="utf-8")


def test_an_audit_is_written_into_the_card_once(folder):
    for seed in ("0", "1"):
        done = CliRunner().invoke(main, ["audit", str(folder), "--data", "wine", "--seed", seed, "--json"])
        assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert text.count("## Audit") == 1 and found["verdict"] in text
    assert text.index("## Audit") < text.index("## Licence")
    assert json.loads((folder / "audit.json").read_text(encoding="utf-8")) == found
    assert len(found["membership"]["attacks"]) >= 8 and verify_card(folder).holds


def test_a_section_stands_before_the_licence_or_at_the_end():
    card = "# x\n\n## Audit\n\nold\n\n## Licence\n\nnone\n"
    assert with_section(card, "## Audit\n\nnew") == "# x\n\n## Audit\n\nnew\n\n## Licence\n\nnone\n"
    assert with_section("# x\n", "## Audit\n\nnew") == "# x\n\n## Audit\n\nnew\n"
