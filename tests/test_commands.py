"""Every command that `--help`, the README and the guides show works as pasted, in a folder that holds what it names.

Only how long it trains is changed, the database server is a file, raters are simulated where the page would wait for
people, and servers end at once.
"""

import json
import re
import shlex
import shutil
import sqlite3
from itertools import pairwise

import click
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from genwright.app import rating
from genwright.app.cli import main
from genwright.rating.records import ANSWERS
from tests.rating.conftest import sounds
from tests.test_docs import commands

ELSEWHERE = {
    "genwright publish": "needs a broker; tests/serve/test_publish.py has one",
    "inception=": "needs weights that do not ship",
    "--cache features": "needs weights that do not ship",
}
SHORT = {"--minutes": "0.005", "--draws": "2", "--trials": "8", "--raters": "2", "-n": "60", "--port": "0"}
SHORT |= {"--steps": "2"}
RNG = np.random.default_rng(0)


def examples() -> list[str]:
    """All commands shown, each once."""
    found: list[str] = []
    for words, verb in verbs(main, []):
        text = verb.get_help(click.Context(verb, info_name=" ".join(words), max_content_width=200, terminal_width=200))
        found += re.findall(r"^ +(genwright .*?)(?: {3,}.*)?$", text, re.MULTILINE)
    return list(dict.fromkeys(" ".join(each.split()) for each in [*found, *commands()]))


def verbs(command: click.Command, words: list[str]):
    """The program, its verbs, and theirs."""
    yield words, command
    for name, verb in getattr(command, "commands", {}).items():
        yield from verbs(verb, [*words, name])


def pictures(folder, n: int = 100, size: int = 8, kinds: tuple[str, ...] = ("cat", "dog")) -> None:
    for i in range(n):
        path = folder / kinds[i % len(kinds)] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((RNG.normal(100 + 60 * (i % 2), 20, (size, size))).clip(0, 255).astype("uint8")).save(path)


def patients(n: int = 3000) -> pd.DataFrame:
    level = lambda *of: RNG.choice(of, n)  # noqa: E731
    frame = pd.DataFrame({"sex": level("F", "M"), "age": RNG.integers(25, 60, n), "country": level("DE", "FR", "NO")})
    frame["weight"] = np.where(RNG.random(n) < 0.1, -200, RNG.normal(70, 9, n).round(1))
    frame["note"] = np.where(RNG.random(n) < 0.3, None, level("stable", "worse"))
    frame["died_on"] = np.where(RNG.random(n) < 0.5, None, level("2020-01-05", "2021-03-09", "2021-07-30"))
    return frame.assign(visits=RNG.integers(1, 9, n), outcome=level("well", "ill"))


def texts(n: int = 60) -> list[str]:
    words = np.array(["river", "stone", "light", "winter", "garden", "letter", "quiet", "morning", "window", "paper"])
    return [" ".join(RNG.choice(words, 9)) + "." for _ in range(n)]


def tables(folder) -> None:
    whole = patients()
    whole.to_csv(folder / "patients.csv", index=False)
    for i, name in enumerate(("train", "test", "held_out", "ours", "theirs", "a", "b", "new")):
        whole.sample(160, random_state=i).to_csv(folder / f"{name}.csv", index=False)
    (folder / "rules.json").write_text('[{"rule": "range", "column": "visits", "low": 1}]')
    whole.head(5).assign(weight=None, outcome=None).to_csv(folder / "partial.csv", index=False)
    orders = pd.DataFrame(
        {"id": range(1, 161), "customer": RNG.integers(1, 61, 160), "total": RNG.integers(1, 90, 160)}
    )
    orders.assign(visits=RNG.integers(1, 9, 160)).to_csv(folder / "orders.csv", index=False)
    incomes = pd.DataFrame({"age": RNG.integers(18, 80, 160), "income": RNG.choice(["<=50K", ">50K"], 160)})
    incomes.to_csv(folder / "adults.csv", index=False)
    customers = pd.DataFrame({"id": range(1, 61), "city": RNG.choice(["Oslo", "Rome"], 60)})
    with sqlite3.connect(folder / "shop.db") as shop:
        shop.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, city TEXT)")
        shop.execute(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customers (id), total INTEGER)"
        )
        customers.to_sql("customers", shop, if_exists="append", index=False)
        orders.to_sql("orders", shop, if_exists="append", index=False)
    (folder / "tables").mkdir()
    customers.to_csv(folder / "tables" / "customers.csv", index=False)
    orders.rename(columns={"customer": "customers_id"}).to_csv(folder / "tables" / "orders.csv", index=False)
    (folder / "tokens").write_text("a-token-of-some-length\n")
    (folder / "public.json").write_text(json.dumps({"age": {"low": 18, "high": 80}}))


def readings(folder) -> None:
    hours = pd.date_range("2024-04-01", periods=480, freq="h")
    load = pd.DataFrame({"time": hours, "load": np.sin(np.arange(480) / 4), "heat": RNG.normal(size=480).round(2)})
    load.to_csv(folder / "load.csv", index=False)
    load[:24].assign(time=pd.date_range("2024-05-02", periods=24, freq="h")).to_csv(folder / "today.csv", index=False)
    pumps = pd.concat([load[i * 8 : i * 8 + 8].assign(device=f"pump {i}", site="east") for i in range(60)])
    pumps.to_csv(folder / "pumps.csv", index=False)


def examples_to_tune_to(folder) -> None:
    said = [{"prompt": f"{word} and", "completion": f" {other}."} for word, other in pairwise(texts()[0].split() * 3)]
    lines = {
        "pairs": said,
        "chats": [
            {"messages": [{"role": "user", "content": e["prompt"]}, {"role": "assistant", "content": e["completion"]}]}
            for e in said
        ],
        "preferences": [{"prompt": e["prompt"], "chosen": e["completion"], "rejected": " no."} for e in said],
        "prompts": [{"prompt": e["prompt"]} for e in said],
    }
    for name, each in lines.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in each))
    (folder / "taste.py").write_text("def brevity(prompt, completion):\n    return -len(completion)\n")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with every file that an example names, and the generators that were fitted to them."""
    folder = tmp_path_factory.mktemp("world")
    tables(folder)
    for name in ("photos", "pictures", "a", "b", "c", "fakes", "ours", "theirs", "restored", "originals"):
        pictures(folder / name)
    pictures(folder / "animals")
    pictures(folder / "birds", 10, kinds=("",))
    Image.fromarray(np.full((8, 8), 90, np.uint8)).save(folder / "photo.png")
    Image.fromarray(np.eye(8, dtype=np.uint8) * 255).save(folder / "hole.png")
    pictures(folder / "captioned")
    told = [
        {"file": f"{('cat', 'dog')[i % 2]}/{i}.png", "caption": f"a {('dark', 'light')[i % 2]} one"} for i in range(100)
    ]
    (folder / "captioned" / "captions.jsonl").write_text("".join(json.dumps(each) + "\n" for each in told))
    for seed, name in enumerate(("voices_a", "voices_b")):
        sounds(folder / name, 30, seed=seed)
    for name in ("a", "b", "texts", "generated"):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts()))
    for name in ("reference", "translated", "prose"):
        (folder / f"{name}.txt").write_text("\n".join(texts()) + "\n")
    examples_to_tune_to(folder)
    readings(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for data in ("patients.csv", "adults.csv", "orders.csv", "prose.txt", "digits", "wine"):
            family = "autoregressive" if data == "prose.txt" else "mixture"
            done("fit", data, "--family", family, "--steps", "2", "--out", f"runs/{data.split('.')[0]}")
        done("fit", "pumps.csv", "--series", "time=time,entity=device", "--steps", "2", "--out", "runs/pumps")
        done(
            "fit",
            "load.csv",
            "--series",
            "time=time,window=12",
            "--family",
            "flow",
            "--steps",
            "2",
            "--out",
            "runs/load",
        )
        done("sample", "runs/pumps", "-n", "20", "--out", "readings.csv")
        done("fit", "patients.csv", "--family", "vae", "--steps", "2", "--out", "runs/first")
        done("fit", "animals", "--family", "flow", "--steps", "2", "--out", "runs/animals")
        done("fit", "animals", "--family", "diffusion", "--net", "portable", "--steps", "2", "--out", "runs/portable")
        for family in ("vae", "flow"):
            done("sample", "runs/digits", "-n", "60", "--seed", len(family), "--out", f"runs/{family}/samples")
        done("sample", "runs/digits", "-n", "60", "--out", "other_fakes")
    return folder


def done(*words: object) -> None:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 0, f"genwright {shlex.join(map(str, words))}\n{result.output}"


def shortened(command: str) -> list[str]:
    """The words of a command after `genwright`, with less to train and a file for a database server."""
    words = shlex.split(command.replace("postgresql://ann@host/shop", "sqlite:///shop.db"))[1:]
    words = [word.replace("postgresql://localhost/studies", "studies.sqlite") for word in words]
    words = [SHORT.get(before, word) for before, word in zip(["", *words], words, strict=False)]
    if words[0] in ("tune", "adapt"):  # by steps: nothing is calibrated
        at = words.index("--minutes") if "--minutes" in words else len(words)
        return [*words[:at], *words[at + 2 :], "--steps", "2", "--force"]
    if words[0] in ("run", "fit", "fit-database"):
        words += [] if {"--minutes", "--steps"} & {*words} else ["--minutes", SHORT["--minutes"]]
        words += ["--force"]
        words += ["--family", "mixture"] if words[0] == "run" and "--family" not in words else []
    return words


def people(study, bound, *, told, **rest) -> list[str]:
    """In place of a server that waits: every rater answers all questions."""
    links = [f"http://localhost/#{invite.token}" for invite in study.store.invites()]
    told(links, [])
    for invite in study.store.invites():
        rater = study.store.rater(invite.token)
        study.store.consent(rater)
        while trial := study.store.current(rater):
            study.store.show(trial.id)
            study.store.rate(rater, trial.id, str(RNG.choice(ANSWERS[trial.kind])), seconds=3.0, minimum=0.0)
    return links


def cleared(words: list[str], folder) -> None:
    """Take away what an earlier example wrote where this one writes, as in a fresh folder."""
    given = dict(pairwise(words))
    out = given.get("--out", given.get("-o", "")).removeprefix("sqlite:///")
    gone = [given.get("--store", "")]
    if words[0] in ("keys", "sample", "sample-database", "impute", "ratings", "export", "adapters"):
        gone.append("" if out == "shop.db" else out)
    elif words[0] == "rate" and not words[1].startswith("-"):
        gone.append(out or "runs/rating")
    for path in (folder / each for each in gone if each):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


WRITE = ("keys", "fit", "run", "fit-database", "tune", "adapt", "adapters")
ORDER = (*WRITE, "chat", "export", "sample", "sample-database", "impute", "rate")


SLOW = ("run", "compare", "evaluate", "card")  # each scores by everything; tests of these verbs run in any case


@pytest.mark.parametrize("slow", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_every_command_shown_works_as_pasted(world, monkeypatch, slow):
    monkeypatch.chdir(world)
    monkeypatch.setattr(rating, "serve_study", people)
    monkeypatch.setattr("genwright.serve.listening.run", lambda *_, **__: 0)  # in place of waiting for a signal
    shown = [each for each in examples() if not any(part in each for part in ELSEWHERE)]
    some = [each for each in shown if (each.split()[1] in SLOW and "--paired" not in each) == slow]
    assert len(shown) > 60 and len(some) > 8
    failed = []
    for command in sorted(some, key=_turn):
        words = shortened(command)
        cleared(words, world)
        result = CliRunner().invoke(main, words)
        if result.exit_code != 0:
            failed.append(f"{command}\n{result.output[-600:]}\n{result.exception!r}")
    assert not failed, "\n\n".join(failed)


def _turn(command: str) -> tuple[int, bool, bool]:
    """What writes goes before what reads it."""
    verb = command.split()[1]
    turn = ORDER.index(verb) if verb in ORDER else len(ORDER)
    return turn, "ratings export r" not in command, verb == "rate" and "--store" not in command
