"""The command `genwright serve`: whom it serves, what it refuses to start with, and how signals end it."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest
from click.testing import CliRunner

import genwright as gw
from genwright.app.cli import main
from genwright.serve.listening import listening, run
from genwright.serve.service import Limits, Service, application


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "wine"
    gw.fit(gw.read("wine"), family=gw.Mixture(components=2), steps=2).save(folder)
    return folder


@pytest.fixture
def refused(monkeypatch):
    """The command in this process, up to where it would serve."""
    monkeypatch.setattr("genwright.serve.listening.run", lambda *_, **__: 0)

    def told(*words):
        result = CliRunner().invoke(main, ["serve", *map(str, words), "--port", "0"])
        return result.exit_code, result.stdout, result.stderr

    return told


def test_who_starts_it_without_tokens_serves_this_computer_only(refused, folder, tmp_path):
    code, _, told = refused(folder, "--host", "0.0.0.0")
    assert code == 2 and "without tokens, only this computer is served" in told and "--token-file" in told
    (tmp_path / "tokens").write_text("0123456789abcdef\n")
    assert refused(folder, "--host", "0.0.0.0", "--token-file", tmp_path / "tokens")[0] == 0
    assert refused(folder, "--token-file", tmp_path / "nowhere")[0] == 2


def test_generators_have_names_of_their_own(refused, folder, tmp_path):
    code, out, _ = refused(folder, f"other={folder}", "--json")
    assert code == 0 and json.loads(out)["generators"] == ["wine", "other"]
    assert "two generators called 'wine'" in refused(folder, folder)[2]
    shutil.copytree(folder, tmp_path / "a b")
    assert "cannot stand in an address" in refused(tmp_path / "a b")[2]
    assert refused(tmp_path / "nothing")[0] == 5


@pytest.mark.parametrize("missing", ["fastapi", "uvicorn"])
def test_what_is_not_installed_is_told_first(refused, folder, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    code, _, told = refused(folder)
    assert code == 7 and f"needs {missing}" in told and "pip install 'genwright[serve]'" in told


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signals_are_answered_alike_and_requests_under_way_are_answered_first(loopback, folder, name):
    """In this process: the server has a thread, the signal comes to this one."""
    model, number = gw.load(folder), getattr(signal, name)
    service = Service(models={"wine": model}, limits=Limits(seconds=20))
    answered = []

    def slow(listener):
        os.kill(os.getpid(), number)
        time.sleep(0.4)
        answered.append(service.stopping.is_set())
        return b"", ()

    def ask(address):
        connection = http.client.HTTPConnection(*address, timeout=20)
        connection.request("POST", "/v1/generators/wine/sample", "{}", {"Content-Type": "application/json"})
        answered.append(connection.getresponse().status)

    take = service.turns.take
    object.__setattr__(service.turns, "take", lambda work: take(slow))
    with listening("127.0.0.1", 0) as bound:
        client = threading.Thread(target=ask, args=(bound.getsockname(),))
        client.start()
        came = run(application(service), bound, grace=5, stopping=service.stopping)
        client.join()
    assert came == number and answered == [True, 200]


def test_a_process_that_is_terminated_says_so_with_its_exit_code(folder):
    code = "from genwright.__main__ import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "serve", str(folder), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline().startswith("http://127.0.0.1:")
    process.send_signal(signal.SIGTERM)
    told = process.communicate(timeout=60)[1]
    assert process.returncode == 143 and told.endswith("genwright: stopped\n") and "Traceback" not in told
