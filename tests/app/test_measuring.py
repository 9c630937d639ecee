"""`genwright evaluate` and `compare` on real files: what they answer, and the exact error for bad input."""

import json
from functools import partial

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from sklearn.datasets import load_digits

import genwright as gw
from genwright.app.cli import main
from genwright.metrics import comparison, evaluate

PIXELS = (load_digits().images * 15).astype(np.uint8)


def genwright(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def answer(*arguments):
    done = genwright(*arguments, "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def pictures(folder, rows):
    folder.mkdir()
    for i in rows:
        Image.fromarray(PIXELS[i]).save(folder / f"{i}.png")


def table(path, n, seed, *, names=("a", "b", "c")):
    rows = np.random.default_rng(seed).normal(size=(n, len(names)))
    path.write_text(",".join(names) + "\n" + "".join(",".join(f"{v:.4f}" for v in row) + "\n" for row in rows))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("measured")
    pictures(folder / "real", range(120))
    pictures(folder / "fake", range(120, 180))
    pictures(folder / "few", range(3))
    pictures(folder / "broken", range(12))
    for bad in (5, 7):
        (folder / "broken" / f"{bad}.png").write_bytes(b"\x89PNG and no more")
    for name, n, seed in (
        ("real.csv", 100, 0),
        ("fake.csv", 80, 1),
        ("rival.csv", 80, 2),
        ("few.csv", 3, 3),
        ("large.csv", 300, 5),
    ):
        table(folder / name, n, seed)
    table(folder / "other.csv", 50, 4, names=("x", "y"))
    (folder / "words.csv").write_text("a,b,c\n" + "u,v,w\n" * 50)
    (folder / "empty.csv").write_text("")
    (folder / "real.txt").write_text("\n".join(f"Sentence {i} of the reference is here." for i in range(40)))
    (folder / "fake.txt").write_text("\n".join(f"Sentence {i} of the answer is there." for i in range(40)))
    (folder / "garbage.pth").write_bytes(b"garbage")
    return folder


REFUSED = {
    "images against a table": (("fake.csv", "--real", "real"), 3, ("fake.csv: no images, but", "holds images")),
    "a table against images": (("fake", "--real", "real.csv"), 3, ("fake: a folder, but the real data is a table",)),
    "other columns": (("other.csv", "--real", "real.csv"), 3, ("no column called 'a'", "there are x, y")),
    "words for numbers": (("words.csv", "--real", "real.csv"), 3, ("column 'a'", "not a number: 'u'")),
    "too few images": (("few", "--real", "real"), 3, ("3 records are too few to evaluate", "at least 10 are needed")),
    "too few rows": (("few.csv", "--real", "real.csv"), 3, ("3 records are too few", "at least 10 are needed")),
    "an empty file": (("empty.csv", "--real", "real.csv"), 3, ("the file is empty",)),
    "unreadable images": (
        ("broken", "--real", "real"),
        3,
        ("2 of 12 files", "5.png, 7.png: not an", "replace or remove"),
    ),
    "no such folder": (("absent", "--real", "real"), 3, ("no such file or folder",)),
    "pairs of other lengths": (
        ("fake.csv", "--real", "real.csv", "--paired"),
        3,
        ("80 generated records for 100 real ones", "without --paired"),
    ),
    "rows in pairs": (("fake.csv", "--real", "rival.csv", "--paired"), 3, ("not compared in pairs",)),
    "missing weights": (
        ("fake", "--real", "real", "--features", "inception=absent.safetensors"),
        3,
        (
            "absent.safetensors: no such",
            "downloads nothing",
            "pt_inception-2015-12-05-6726825d.pth",
            "6726825d0af5",
        ),
    ),
    "damaged weights": (
        ("fake", "--real", "real", "--features", "inception=garbage.pth"),
        3,
        ("garbage.pth: weights are read from .safetensors files", "python -c", "garbage.safetensors"),
    ),
    "an unknown network": (("fake", "--real", "real", "--features", "resnet=x.pth"), 2, ("KIND=PATH", "dinov2")),
    "a network without a path": (("fake", "--real", "real", "--features", "vgg16"), 2, ("KIND=PATH",)),
}


@pytest.mark.parametrize("what", REFUSED)
def test_evaluate_says_what_is_wrong(what, files, monkeypatch):
    monkeypatch.chdir(files)
    arguments, code, said = REFUSED[what]
    done = genwright("evaluate", *arguments)
    assert done.exit_code == code, done.output
    assert done.stdout == "" and "Traceback" not in done.stderr
    for words in said:
        assert words in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("fake.csv", "fake.csv"), 2, ("the same samples twice",)),
        (("fake.csv",), 2, ("give two or more to compare",)),
        (("fake.csv", "few.csv"), 3, ("3 records are too few to compare", "at least 10 of each")),
        (("fake.csv", "other.csv"), 3, ("no column called 'a'",)),
    ],
)
def test_compare_says_what_is_wrong(arguments, code, said, files, monkeypatch):
    monkeypatch.chdir(files)
    done = genwright("compare", *arguments, "--real", "real.csv")
    assert done.exit_code == code and done.stdout == ""
    for words in said:
        assert words in done.stderr


def test_small_tables_have_their_judge_and_what_was_not_measured_is_said(files, tmp_path):
    done = genwright("evaluate", files / "fake.csv", "--real", files / "real.csv", "--out", tmp_path / "page")
    assert done.exit_code == 0 and "80 generated records against 100 real ones" in done.stderr
    assert {"scores.html", "scores.json"} <= {path.name for path in (tmp_path / "page").iterdir()}
    assert "C2ST" in done.stdout and "without training records" in done.stderr
    assert "the same records" not in done.stderr and "finite" not in done.stderr


def test_images_of_anyone_are_measured_and_features_kept(files, tmp_path, monkeypatch):
    wanted = ["Frechet distance", "kernel distance", "precision", "recall", "density", "coverage", "Vendi score"]
    monkeypatch.setattr(evaluate, "evaluate", partial(evaluate.evaluate, only=wanted))
    command = ("evaluate", files / "fake", "--real", files / "real", "--cache", tmp_path / "features")
    assert {score["name"] for score in answer(*command)["scores"]} == set(wanted)
    assert any((tmp_path / "features").iterdir())


def test_paired_texts(files):
    found = answer("evaluate", files / "fake.txt", "--real", files / "real.txt", "--paired", "--records", "lines")
    scores = {score["name"]: score["value"] for score in found["scores"]}
    assert {"BLEU", "chrF", "chrF++", "TER", "ROUGE-L"} <= set(scores)
    assert 0 < scores["BLEU"] < 100


def test_compare_ranks_with_intervals_and_says_what_cannot_be_told_apart(files, tmp_path):
    systems = files / "fake.csv", files / "rival.csv"
    told = genwright("compare", *systems, "--real", files / "real.csv", "--out", tmp_path).stdout
    assert "cannot tell apart" in told and told.startswith("by C2ST")
    assert {"scores.html", "scores.json"} <= {path.name for path in tmp_path.iterdir()}
    found = json.loads((tmp_path / "scores.json").read_text())
    assert found["rule"] == "C2ST, higher is better"
    (pair,) = found["pairs"]
    assert pair["interval"][0] <= pair["difference"] <= pair["interval"][1] and 0 <= pair["p"] <= 1
    assert len(found["best"]) == 2 and found["cannot_tell_apart"] == [[line["system"] for line in found["ranking"]]]


@pytest.fixture
def few_scores(monkeypatch):
    """Only two quick scores: what is said of the data does not hang on the others."""
    for module in (evaluate, comparison):
        monkeypatch.setattr(module, "evaluate", partial(evaluate.evaluate, only=["shape error", "trend error"]))


@pytest.mark.parametrize("copy", ["shuffled.csv", "real.txt"])
def test_the_same_records_on_both_sides_are_pointed_out(copy, files, few_scores):
    real = files / ("real.txt" if copy.endswith("txt") else "real.csv")
    if copy == "shuffled.csv":
        header, *rows = real.read_text().splitlines()
        (files / copy).write_text("\n".join([header, *sorted(rows)]) + "\n")
    how = ("--paired", "--records", "lines") if copy.endswith("txt") else ()
    done = genwright("evaluate", files / copy, "--real", real, *how)
    assert done.exit_code == 0
    assert f"note: {copy} and {real.name} hold the same records" in done.stderr


def test_a_column_that_is_infinite_throughout_is_pointed_out(files, few_scores):
    header, *rows = (files / "fake.csv").read_text().splitlines()
    infinite = [f"{row.rsplit(',', 1)[0]},inf" for row in rows]
    (files / "infinite.csv").write_text("\n".join([header, *infinite]) + "\n")
    generated = genwright("evaluate", files / "infinite.csv", "--real", files / "real.csv")
    assert generated.exit_code == 0 and "note: infinite.csv holds no finite number in 'c'" in generated.stderr
    real = genwright("evaluate", files / "fake.csv", "--real", files / "infinite.csv")
    assert real.exit_code == 0 and "holds one value or none in it: c" in real.stderr


def test_systems_are_compared_on_the_same_real_records_in_whatever_order_they_are_given(
    files, tmp_path, monkeypatch, few_scores
):
    """Two generators fitted to the data, one fitted to other data, and a file: all against the unseen test part."""
    data = gw.read(files / "large.csv")
    for name, seed, fitted in (("one", 0, data), ("two", 1, data), ("elsewhere", 2, gw.read(files / "real.csv"))):
        gw.fit(fitted, family=gw.Mixture(components=1), seed=seed).save(tmp_path / name)
    held = []
    real_compare = comparison.compare

    def spied(sets, *, real, train, **options):
        held.append((real.columns, train.columns, {name: len(made) for name, made in sets.items()}))
        return real_compare(sets, real=real, train=train, **options)

    monkeypatch.setattr(comparison, "compare", spied)
    systems = [tmp_path / "one", files / "fake.csv", tmp_path / "two", tmp_path / "elsewhere"]
    how = ("--real", files / "large.csv", "--by", "trend error")
    found = [answer("compare", *order, *how) for order in (systems, systems[::-1])]
    assert [found[0][key] for key in ("rule", "best")] == [found[1][key] for key in ("rule", "best")]
    assert [line["value"] for line in found[0]["ranking"]] == [line["value"] for line in found[1]["ranking"]]
    for real, train, sizes in held:
        np.testing.assert_array_equal(real["a"], data.test.columns["a"])
        np.testing.assert_array_equal(train["a"], data.train.columns["a"])
        assert sizes == held[0][2]
    alone = answer("evaluate", tmp_path / "two", "--real", files / "large.csv")
    (shape,) = (score for score in alone["scores"] if score["name"] == "shape error")
    assert f"|n={len(data.test)}+" in shape["signature"]
