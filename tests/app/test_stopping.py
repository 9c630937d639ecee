"""Signals, locks and --force: what is told, with which exit code, and what is still there afterwards."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.faults import disk_full_after

import genwright as gw
from genwright.__main__ import main as program
from genwright.app.cli import main
from genwright.app.exits import EXIT_CODES
from genwright.folders import OLD, locked
from genwright.signals import STOPPING
from genwright.train.step import take_step

DOCS = Path(__file__).parents[2] / "docs" / "guides"
CODES = dict(re.findall(r"^(\d+) +(.+)$", EXIT_CODES, re.MULTILINE))


def genwright(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def fit(folder, *words, family="mixture"):
    return genwright("fit", "wine", "--family", family, "--steps", 2, "--out", folder, *words)


@pytest.fixture
def handlers():
    before = {number: signal.getsignal(number) for number in STOPPING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("number", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_before_a_verb_has_begun_is_answered(monkeypatch, capsys, handlers, number, code):
    monkeypatch.setattr("genwright.app.cli.main", lambda **_: signal.raise_signal(getattr(signal, number)))
    with pytest.raises(SystemExit) as left:
        program()
    assert left.value.code == code and capsys.readouterr().err == "genwright: stopped before anything was done\n"


def test_a_signal_that_something_else_was_made_of_is_answered_still(monkeypatch, capsys, handlers):
    def importing(*arguments, **more):
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt:
            raise ImportError("an extension could not be loaded") from None

    monkeypatch.setattr("genwright.data.inspect.inspect", importing)
    monkeypatch.setattr("sys.argv", ["genwright", "inspect", "wine"])
    with pytest.raises(SystemExit) as left:
        program()
    assert left.value.code == 143 and capsys.readouterr().err == "genwright: stopped\n"


def test_a_stopped_fit_tells_what_is_kept_and_goes_on_from_there(tmp_path, monkeypatch):
    """Stopped as a process by SIGTERM; SIGHUP it is not to hear. Then taken up, and stopped by Ctrl-C."""
    words = ["fit", "wine", "--family", "autoregressive", "--steps", "100000", "--out", "a"]
    process = subprocess.Popen(
        [sys.executable, "-m", "genwright", *words],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),  # as nohup has it
    )
    assert any("training" in line for line in process.stderr), process.wait()
    process.send_signal(signal.SIGHUP)
    time.sleep(0.1)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    told = process.communicate(timeout=60)[1]
    monkeypatch.chdir(tmp_path)

    def interrupting(*given):
        signal.raise_signal(signal.SIGINT)
        return take_step(*given)

    monkeypatch.setattr("genwright.train.loop.take_step", interrupting)
    again = genwright(*words)
    assert "resumed at step" in again.stderr
    assert (process.returncode, again.exit_code) == (143, 130)
    for said in (told, again.stderr):
        assert "is kept in a; the same command goes on from there" in said and "Traceback" not in said
    assert {p.name for p in (tmp_path / "a").iterdir()} - {"log.jsonl"} == {"checkpoint.safetensors"}


def test_nothing_is_called_kept_that_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr("genwright.families.mixture.Mixture.fit", interrupted)
    done = fit(tmp_path / "a")
    assert done.exit_code == 130 and "nothing was kept" in done.stderr and not (tmp_path / "a").exists()


def interrupted(*arguments, **more):
    raise KeyboardInterrupt


def test_who_writes_to_a_folder_is_named(tmp_path):
    inside, leave = threading.Event(), threading.Event()

    def hold():
        with locked(tmp_path):
            inside.set()
            leave.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    inside.wait(60)
    for verb in (("fit", "wine"), ("run", "wine"), ("fit-database", shop_folder(tmp_path))):
        done = genwright(*verb, "--out", tmp_path, "--force")
        assert done.exit_code == 2 and f"process {os.getpid()} on " in done.stderr
    leave.set()
    holder.join()


def shop_folder(folder: Path) -> Path:
    (folder.parent / "shop").mkdir(exist_ok=True)
    (folder.parent / "shop" / "a.csv").write_text("x,y\n" + "".join(f"{i % 7},{i % 3}\n" for i in range(60)))
    return folder.parent / "shop"


def test_force_keeps_the_old_model_until_the_new_one_is_whole(tmp_path, monkeypatch):
    assert fit(tmp_path).exit_code == 0
    with monkeypatch.context() as patch:  # nothing of the new one is worth keeping
        patch.setattr("genwright.families.mixture.Mixture.fit", interrupted)
        assert fit(tmp_path, "--force").exit_code == 130
    assert (tmp_path / "recipe.json").is_file() and not (tmp_path / OLD).exists()
    with monkeypatch.context() as patch:  # its training is
        patch.setattr("genwright.model.saving.replacing", interrupted)
        done = fit(tmp_path, "--force", family="autoregressive")
        assert done.exit_code == 130 and "is kept" in done.stderr
    assert gw.load(tmp_path).family.name == "mixture" and not (tmp_path / "recipe.json").exists()
    assert fit(tmp_path, family="autoregressive").exit_code == 0
    assert gw.load(tmp_path).family.name == "autoregressive" and not (tmp_path / OLD).exists()


def test_force_gives_up_unfinished_work_of_another_call(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("genwright.model.saving.replacing", interrupted)
        assert fit(tmp_path, "--seed", 1).exit_code == 130
    assert fit(tmp_path, "--seed", 2).exit_code == 2
    done = fit(tmp_path, "--seed", 2, "--force")
    assert done.exit_code == 0 and gw.load(tmp_path).record["seed"] == 2
    (tmp_path / "recipe.json").unlink()
    (tmp_path / "run.json").write_text("{}")
    assert "a run that was stopped" in fit(tmp_path).stderr
    assert fit(tmp_path, "--force").exit_code == 0 and not (tmp_path / "run.json").exists()


def test_a_fit_with_free_text_is_replaced(tmp_path):
    rows = "".join(f"{i % 5},a word and {i} more that nobody else said {i * 7}\n" for i in range(80))
    (tmp_path / "t.csv").write_text("stars,text\n" + rows)
    words = ("fit", tmp_path / "t.csv", "--schema", "text=text", "--family", "mixture", "--steps", 1)
    for force in ((), ("--force",)):
        done = genwright(*words, "--out", tmp_path / "m", *force)
        assert done.exit_code == 0, done.stderr
    assert (tmp_path / "m" / "texts" / "log.jsonl").is_file()


def test_databases_are_replaced_by_force_alone(tmp_path):
    words = ("fit-database", shop_folder(tmp_path / "m"), "--steps", 1, "--out", tmp_path / "m")
    assert genwright(*words).exit_code == 0
    assert "--force" in genwright(*words).stderr
    assert genwright(*words, "--force").exit_code == 0


def test_hidden_files_and_parts_of_killed_writes_are_in_nobodys_way(tmp_path):
    for name in (".DS_Store", ".genwright-lock", ".genwright-00000000-1-00000000.part"):
        (tmp_path / name).touch()
    assert fit(tmp_path).exit_code == 0
    assert genwright("fit", "wine", "--family", "tree", "--steps", 1, "--out", tmp_path, "--force").exit_code == 0
    assert (tmp_path / ".DS_Store").exists()


@pytest.mark.parametrize("out", ["file", "file/below", "x" * 256])
def test_a_place_that_cannot_be_written_is_told_before_training(tmp_path, monkeypatch, out):
    (tmp_path / "file").touch()
    monkeypatch.setattr("genwright.families.mixture.Mixture.fit", lambda *_: pytest.fail("trained"))
    done = fit(tmp_path / out)
    assert done.exit_code == 2 and "hint" in done.stderr


def test_more_records_than_memory_are_refused_at_once(tmp_path):
    fit(tmp_path)
    for n in (10**12, 10**30):
        done = genwright("sample", tmp_path, "-n", n)
        assert done.exit_code == 8 and "GB are free" in done.stderr
    with pytest.raises(gw.ResourceError):
        gw.load(tmp_path).sample(10**12)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize(("into", "code"), [("> /dev/full", 8), ("| head -c 10; exit ${PIPESTATUS[0]}", 141)])
def test_an_output_that_cannot_be_written_is_no_bug(into, code):
    shell = f"{sys.executable} -m genwright ratings power --raters 12 --per-rater 40 --json {into}"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True)
    if code == 8:
        assert done.returncode == 8 and "standard output: cannot write" in done.stderr
    else:  # the pipe may have held all of it before its reader left
        assert done.returncode in (0, 141)
    assert "Traceback" not in done.stderr and "bug" not in done.stderr


def test_every_exit_code_is_in_the_help_and_the_guide():
    shown = genwright("--help").stdout
    guide = (DOCS / "stopping.md").read_text(encoding="utf-8")
    for code, meaning in CODES.items():
        assert re.search(rf"^ *{code} +{re.escape(meaning)}$", shown, re.MULTILINE)
        assert f"| {code} | {meaning} |" in guide


def test_a_full_disk_in_a_run_ends_it_and_does_not_blame_the_family(tmp_path):
    with disk_full_after(6, below=tmp_path):
        done = genwright("run", "wine", "--family", "mixture", "--minutes", 0.01, "--out", tmp_path / "r")
    assert done.exit_code == 8 and "No space left" in done.stderr
