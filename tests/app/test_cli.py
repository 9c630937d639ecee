"""Every verb of the command line: what goes to standard output, what to standard error, and the exit codes."""

import csv
import io
import json
import runpy
import sys

import pytest
from click.testing import CliRunner

from genwright import __version__
from genwright.__main__ import main as program
from genwright.app.cli import FAMILY_NAMES, FamilyName, main
from genwright.app.exits import last_words
from genwright.families import FAMILIES

VERBS = ["run", "fit", "sample", "impute", "evaluate", "inspect"]


def genwright(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def answer(*arguments):
    """Standard output of a command that must succeed, as JSON."""
    done = genwright(*arguments, "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


@pytest.fixture(scope="module")
def wine(tmp_path_factory):
    """A folder with a mixture fitted to wine."""
    folder = tmp_path_factory.mktemp("fitted") / "wine"
    done = genwright("fit", "wine", "--family", "mixture", "--steps", 10, "--out", folder)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.strip() == str(folder)
    return folder


@pytest.mark.parametrize("verb", VERBS)
def test_help_explains_itself_with_examples(verb):
    done = genwright(verb, "--help")
    assert done.exit_code == 0
    assert f"  genwright {verb} " in done.stdout
    assert "--json" in done.stdout
    assert f"  {verb}" in genwright("--help").stdout


def test_the_package_is_the_command_too(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["genwright", "--version"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("genwright", run_name="__main__")
    assert ended.value.code == 0 and __version__ in capsys.readouterr().out


def test_inspect_tells_people_and_programs_what_is_there():
    assert "178 rows" in genwright("inspect", "wine").stdout
    found = answer("inspect", "wine")
    assert found["rows"] == 178 and found["label"] == "class"


def test_reading_options_reach_the_reader(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b,c\n" + "".join(f"{i % 7},{-200 if i % 5 == 0 else i},{i % 3}\n" for i in range(60)))
    found = answer("inspect", path, "--missing", "-200", "--label", "c", "--schema", "a=category")
    fields = {field["name"]: field for field in found["fields"]}
    assert fields["b"]["missing"] == pytest.approx(0.2)
    assert fields["a"]["kind"] == "category"
    assert found["label"] == "c"


def test_fit_writes_a_folder_with_a_card_and_refuses_to_overwrite_it(wine):
    names = {each.name for each in wine.iterdir()}
    assert {"recipe.json", "codec.json", "weights.safetensors", "README.md"} <= names
    card = (wine / "README.md").read_text()
    assert card.startswith("---\nlibrary_name:") and "142" in card
    again = genwright("fit", "wine", "--family", "mixture", "--steps", 10, "--out", wine)
    assert again.exit_code == 2 and "--force" in again.stderr


def test_force_replaces_only_what_genwright_wrote(tmp_path):
    folder = tmp_path / "fitted"
    command = ["fit", "wine", "--family", "mixture", "--steps", 2, "--out", folder, "--force"]
    assert answer(*command)["family"] == "mixture"
    assert answer(*command)["folder"] == str(folder)
    (folder / "thesis.docx").write_text("mine")
    done = genwright(*command)
    assert done.exit_code == 2 and "thesis.docx" in done.stderr
    assert (folder / "recipe.json").is_file()


def test_samples_go_to_standard_output_as_csv_and_the_same_seed_gives_the_same(wine):
    first, second = (genwright("sample", wine, "-n", 7, "--seed", 3, "--given", "class=class_1") for _ in range(2))
    assert first.stdout == second.stdout
    rows = list(csv.DictReader(io.StringIO(first.stdout)))
    assert len(rows) == 7 and {row["class"] for row in rows} == {"class_1"}


def rows_of(done):
    assert done.exit_code == 0, done.stderr
    return list(csv.DictReader(io.StringIO(done.stdout)))


def test_conditions_are_written_as_ranges_sets_and_shares(wine):
    given = ["--given", "alcohol=12.5..13", "--given", "class in {class_0, class_1}", "--given", "ash = 2.."]
    for row in rows_of(genwright("sample", wine, "-n", 40, *given)):
        assert 12.5 <= float(row["alcohol"]) <= 13 and float(row["ash"]) >= 2 and row["class"] in ("class_0", "class_1")
    rows = rows_of(genwright("sample", wine, "-n", 20, "--given", "class: class_0=75%, class_2=.25"))
    assert sorted(row["class"] for row in rows) == ["class_0"] * 15 + ["class_2"] * 5


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("alcohol=13..12", "give the smaller one first: 12..13"),
        ("alcohol=missing", "is never missing"),
        ("class in {class_7}", "did you mean 'class_"),
        ("class: class_0=half", "no share of 'class'"),
        ("class: class_0=.5", "add up to 0.5"),
        ("alkohol=12..13", "did you mean 'alcohol'"),
        ("alcohol", "is no condition"),
    ],
)
def test_conditions_that_make_no_sense_are_explained(wine, given, told):
    done = genwright("sample", wine, "-n", 3, "--given", given)
    assert done.exit_code == 2 and told in done.stderr, done.stderr


def test_impute_fills_what_is_missing_and_keeps_the_rest(wine, tmp_path):
    partial = tmp_path / "partial.csv"
    partial.write_text("class,alcohol,ash\nclass_1,12.345,?\n,,2.3\n-,13.9,2\n")
    rows = rows_of(genwright("impute", wine, partial, "--draws", 2, "--missing", "-"))
    assert len(rows) == 6 and all(row[name] for row in rows for name in row)
    assert [row["alcohol"] for row in rows[:2]] == ["12.345"] * 2 and rows[0]["class"] == "class_1"
    assert [float(row["ash"]) for row in rows[2:]] == [2.3, 2.3, 2, 2]
    told = answer("impute", wine, partial, "--out", tmp_path / "done.csv")
    assert told["n"] == 3 and (tmp_path / "done.csv").read_text().count("\n") == 4


def test_samples_are_written_by_suffix(wine, tmp_path):
    for name in ("fake.csv", "fake.parquet", "fake.jsonl"):
        assert answer("sample", wine, "-n", 5, "--out", tmp_path / name)["n"] == 5
        assert answer("inspect", tmp_path / name)["rows"] == 5
    drawn = answer("sample", wine, "-n", 2, "--seed", 5)
    assert (drawn["n"], drawn["seed"], len(drawn["records"])) == (2, 5, 2)
    assert all(set(record) >= {"alcohol", "class"} for record in drawn["records"])


@pytest.mark.parametrize("spelling", ["masked diffusion", "masked-diffusion", "MaskedDiffusion", "Masked_Diffusion"])
def test_families_may_be_spelled_as_they_are_shown(spelling):
    assert FamilyName(FAMILY_NAMES).convert(spelling, None, None) == "masked diffusion"
    assert [FamilyName(FAMILY_NAMES).convert(cls.__name__, None, None) for cls in FAMILIES.values()] == [*FAMILIES]
    shown = [name.replace(" ", "-") for name in FAMILY_NAMES]  # in --help
    assert [FamilyName(FAMILY_NAMES).convert(name, None, None) for name in shown] == FAMILY_NAMES
    refused = genwright("fit", "wine", "--family", "masked")
    assert refused.exit_code == 2 and "choose from auto, mixture" in refused.stderr


@pytest.mark.parametrize("words", [["inspect", "nothing.csv", "--json"], ["inspect", "--json", "--nonsense"]])
def test_failures_are_json_too_where_json_was_asked_for(words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["genwright", *words])
    with pytest.raises(SystemExit) as ended:
        program()
    out, err = capsys.readouterr()
    told = json.loads(out)["error"]
    assert told["exit_code"] == ended.value.code != 0
    assert told["what"] in err and told["what"]


def test_evaluate_scores_a_folder(wine):
    of_folder = answer("evaluate", wine, "--real", "wine")
    assert {score["name"] for score in of_folder["scores"]} >= {"shape error", "trend error"}


def test_images_are_fitted_and_drawn_into_a_folder(tmp_path):
    folder, fake = tmp_path / "digits", tmp_path / "fake"
    assert genwright("fit", "digits", "--family", "mixture", "--steps", 2, "--out", folder).exit_code == 0
    assert genwright("sample", folder, "-n", 3, "--given", "label=4", "--out", fake).exit_code == 0
    assert (fake / "labels.csv").read_text().splitlines()[0] == "file,label"
    assert len(list(fake.glob("*.png"))) == 3
    assert genwright("sample", folder, "-n", 3).exit_code == 2  # images do not go to standard output


def test_text_is_fitted_and_continued_from_a_prompt(tmp_path):
    source = tmp_path / "tale.txt"
    source.write_text("\n".join(f"Once upon a time {i} bears sat on {i} chairs." for i in range(40)))
    for family, name in (("autoregressive", "autoregressive"), ("diffusion", "masked diffusion")):
        folder = tmp_path / family
        command = ["fit", source, "--family", family, "--steps", 1, "--out", folder]
        assert answer(*command)["family"] == name
    drawn = genwright("sample", tmp_path / "autoregressive", "-n", 1, "--given", "text=Once upon")
    assert json.loads(drawn.stdout)["text"].startswith("Once upon")


@pytest.mark.parametrize(
    "arguments, code, told",
    [
        (["inspect", "nothing.csv"], 3, "nothing.csv"),
        (["inspect", "wine", "--label", "price"], 2, "price"),
        (["inspect", "wine", "--size", "huge"], 2, "--size"),
        (["inspect", "wine", "--schema", "class"], 2, "NAME=VALUE"),
        (["fit", "python-stdlib", "--family", "gan", "--steps", 1, "--out", "gan"], 4, "gan"),
        (["fit", "wine", "--minutes", 0, "--out", "none"], 2, "minutes"),
        (["fit", "wine", "--minutes", 1, "--steps", 1, "--out", "none"], 2, "both"),
        (["sample", "nowhere"], 5, "nowhere"),
        (["evaluate", "nothing.csv", "--real", "wine"], 3, "nothing.csv"),
        (["evaluate", "wine"], 2, "--real"),
        (["fit", "wine", "--family", "llama"], 2, "llama"),
    ],
)
def test_mistakes_end_in_one_message_with_a_hint_and_their_exit_code(arguments, code, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = genwright(*arguments)
    assert done.exit_code == code, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.output and not done.stdout


def test_a_wrong_value_for_given_names_the_right_ones(wine):
    done = genwright("sample", wine, "--given", "class=riesling")
    assert done.exit_code == 2 and "class_0" in done.stderr


def test_debug_shows_where_an_error_comes_from():
    done = genwright("inspect", "nothing.csv", "--debug")
    assert done.exit_code == 1 and done.exception.what == "no such file or folder"


def test_ctrl_c_leaves_with_130_and_says_how_to_go_on(tmp_path, monkeypatch):
    def interrupted(*arguments, folder, **more):
        folder.mkdir(exist_ok=True)
        (folder / "checkpoint.safetensors").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr("genwright.model.fit.fit", interrupted)
    done = genwright("fit", "wine", "--out", tmp_path / "fitted")
    assert done.exit_code == 130
    assert "the same command goes on" in done.stderr


def test_a_bug_of_ours_is_called_one(monkeypatch):
    def broken(*arguments, **more):
        raise TypeError("no")

    monkeypatch.setattr("genwright.data.inspect.inspect", broken)
    done = genwright("inspect", "wine")
    assert done.exit_code == 70 and "a bug in genwright" in done.stderr and "Traceback" not in done.output


@pytest.mark.parametrize(
    "words", ["not enough memory: you tried", "err == 0. DefaultCPUAllocator: can't allocate memory"]
)
def test_memory_that_torch_does_not_get_is_no_bug(words, capsys):
    assert last_words(RuntimeError(words)) == 8
    assert "there is not enough memory" in capsys.readouterr().err
