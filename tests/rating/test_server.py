"""The server: who may ask what, that nothing it sends tells the systems apart, and that kill -9 loses no answer."""

import io
import json
import os
import re
import signal
import sqlite3
import struct
import subprocess
import sys
import threading
import time
import wave
from collections import defaultdict
from http.client import HTTPException

import pytest
from click.testing import CliRunner

from genwright.app.cli import main
from genwright.errors import MissingDependencyError
from genwright.rating.pages import pages
from genwright.rating.records import ANSWERS, REAL
from genwright.rating.server import application
from genwright.rating.store import Store
from genwright.rating.study import take_up
from genwright.serve.listening import listening
from genwright.storage import read_json
from tests.rating.conftest import RATE, Server, a_study, call

ROUTES = [
    ("GET", "/api/session"),
    ("GET", "/api/trial"),
    ("GET", "/api/stimulus/{stimulus}"),
    ("POST", "/api/consent"),
    ("POST", "/api/seen"),
    ("POST", "/api/rating"),
    ("POST", "/api/undo"),
    ("POST", "/api/withdraw"),
]
MEDIA = ["image", "text", "audio", "row"]


@pytest.fixture(scope="module", params=MEDIA)
def medium(request):
    return request.param


@pytest.fixture
def study(tmp_path, systems):
    made = a_study(tmp_path / "study", systems)
    yield made
    made.store.close()


def walk(app, token: str) -> list[tuple[str, dict, bytes]]:
    """Everything a rater is sent from consent to the end: path, headers and body of every answer."""
    sent = []

    def ask(method, path, value=None):
        status, headers, body = call(app, method, path, value, token=token)
        assert status == 200, (path, body)
        sent.append((path, headers, body))
        return json.loads(body) if path.startswith("/api/") and "stimulus" not in path else body

    for path in pages():
        ask("GET", path)
    ask("GET", "/api/session")
    ask("POST", "/api/consent")
    while "trial" in (trial := ask("GET", "/api/trial")):
        for stimulus in trial["stimuli"]:
            ask("GET", f"/api/stimulus/{stimulus['id']}")
        ask("POST", "/api/seen", {"trial": trial["trial"]})
        ask("POST", "/api/rating", {"trial": trial["trial"], "answer": ANSWERS[trial["kind"]][0], "seconds": 1.0})
    ask("GET", "/api/session")
    ask("POST", "/api/withdraw")
    return sent


def structure(medium: str, raw: bytes) -> object:
    """All of a stimulus file that is not content: chunks and their lengths, header, or only its length."""
    if medium == "image":
        found, at = [raw[:8]], 8
        while at < len(raw):
            length, kind = struct.unpack(">I4s", raw[at : at + 8])
            found.append((kind, length, raw[at + 8 : at + 8 + length] if kind == b"IHDR" else b""))
            at += 12 + length
        return tuple(found)
    if medium == "audio":
        with wave.open(io.BytesIO(raw)) as file:
            return raw[:44], file.getparams(), len(raw)
    return len(raw)


def test_nothing_a_rater_is_sent_names_or_separates_the_systems(tmp_path, systems, medium):
    questions = ("preference", "real or generated", "coherence", "technical competence")
    opened = a_study(tmp_path / "a-folder", systems, medium, questions=questions, seed=3)
    stimuli = {stimulus.id: stimulus for stimulus in opened.store.study().stimuli}
    app = application(opened)
    words = ["alpha", "omega", "truth", "a-folder", str(tmp_path), "genwright rate", "attention", "expected", "repeat"]
    words += [str(int(path.stat().st_mtime)) for path in systems.iterdir()]
    alike = defaultdict(set)
    described = defaultdict(set)
    for invite in opened.store.invites():
        for path, headers, body in walk(app, invite.token):
            told = body + repr(headers).encode() + path.encode()
            if path.startswith("/api/"):
                for word in words:
                    assert word.encode() not in told, (path, word)
            if path == "/api/trial" and b"trial" in body:
                trial = json.loads(body)
                for each in trial["stimuli"]:
                    system = stimuli[each["id"]].system
                    described[system, trial["kind"]].add((each["medium"], tuple(trial), len(each["id"])))
            elif path.startswith("/api/stimulus/"):
                stimulus = stimuli[path.rsplit("/", 1)[1]]
                alike[stimulus.system].add((tuple(sorted(headers.items())), structure(stimulus.medium, body)))
    opened.store.close()
    assert set(alike) == {"alpha", "omega", REAL, ""}
    assert alike["alpha"] == alike["omega"] == alike[REAL] and len(alike[REAL]) == 1
    for kind in ("pair", "origin", "scale"):
        assert described["alpha", kind] == described["omega", kind] == described[REAL, kind]


def test_ids_are_new_in_every_study(tmp_path, systems):
    ids = []
    for name in ("one", "two"):
        opened = a_study(tmp_path / name, systems)
        ids.append(set(opened.media) | {invite.token for invite in opened.store.invites()})
        opened.store.close()
    assert not ids[0] & ids[1]


def test_page_files_say_nothing_of_a_study(study):
    app = application(study)
    for path in pages():
        status, headers, body = call(app, "GET", path)
        assert status == 200 and study.protocol.study.encode() not in body
        assert headers[b"cache-control"] == b"no-store" and b"etag" not in headers and b"last-modified" not in headers
        policy = headers[b"content-security-policy"].decode()
        assert "unsafe" not in policy and "default-src 'none'" in policy
        if path == "/":
            assert not re.search(rb"<script(?![^>]*src=)|\son\w+=|style=", body)
            assert b'lang="en"' in body


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_route_wants_an_invite_before_it_reads_anything(study, method, path):
    app = application(study)
    for token in ("", "wrong", study.store.invites()[0].token[:-1]):
        status, headers, body = call(
            app, method, path.format(stimulus=next(iter(study.media))), body=b"{not json", token=token
        )
        assert status == 401 and json.loads(body) == {"error": "this link is not valid, or no longer"}
        assert headers[b"x-content-type-options"] == b"nosniff"


def test_these_are_all_routes(study):
    found = set()
    for route in application(study).routes:
        found |= {(method, route.path) for method in route.methods if method != "HEAD"}
    assert found == set(ROUTES) | {("GET", path) for path in pages()}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example:8350"}, 421),
        ({"host": "127.0.0.1.evil.example"}, 421),
        ({"host": "192.168.1.7:8350"}, 421),
        ({"host": ""}, 421),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost:9999"}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"content_type": "text/plain"}, 415),
        ({"content_type": "application/x-www-form-urlencoded"}, 415),
        ({"x_genwright": None}, 415),
        ({"content_length": "5000"}, 413),
        ({"content_length": "-1"}, 413),
        ({}, 200),
        ({"host": "127.0.0.1:8350", "origin": "http://127.0.0.1:8350", "sec_fetch_site": "same-origin"}, 200),
        ({"host": "[::1]:8350", "origin": "http://[::1]:8350"}, 200),
    ],
)
def test_requests_of_other_pages_and_for_other_hosts_are_refused(study, headers, status):
    token = study.store.invites()[0].token
    assert call(application(study), "POST", "/api/consent", token=token, **headers)[0] == status
    assert study.store.standing(study.store.rater(token)).consented == (status == 200)


def test_on_a_network_numeric_addresses_are_answered_and_unknown_names_are_not(study):
    app = application(study, names=("studio.local",), any_address=True)
    token = study.store.invites()[0].token
    for host, status in (("192.168.1.7:8350", 200), ("studio.local", 200), ("evil.example", 421)):
        assert call(app, "GET", "/api/session", token=token, host=host)[0] == status


def test_a_body_larger_than_it_said_is_cut_off(study):
    token = study.store.invites()[0].token
    status, _, _ = call(
        application(study), "POST", "/api/rating", body=b"{" * 100_000, token=token, content_length="10"
    )
    assert status == 413


@pytest.mark.parametrize(
    "value",
    [
        [],
        "x",
        {},
        {"trial": 1, "answer": "left", "seconds": 1},
        {"trial": "a", "answer": "left"},
        {"trial": "a", "answer": "left", "seconds": "soon"},
        {"trial": "a", "answer": "left", "seconds": -1},
        {"trial": "a", "answer": "left", "seconds": 1, "system": "x"},
        {"trial": "a" * 100, "answer": "left", "seconds": 1},
    ],
)
def test_malformed_answers_are_refused_without_an_echo(study, value):
    token = study.store.invites()[0].token
    status, _, body = call(application(study), "POST", "/api/rating", value, token=token)
    assert (status, json.loads(body)) == (422, {"error": "not a request of this page"})


HOPS = ["../", "..\\", "%2e%2e/", "%2e%2e%2f", "..%5c", "%252e%252e%252f", "....//", "/", "//", "\x00", "C:\\", "~/"]
AIMS = ["etc/passwd", "protocol.json", "study.sqlite", "stimuli", "style.css", "page/index.html"]


@pytest.mark.parametrize("base", ["/", "/api/stimulus/", "/api/", "/stimuli/", "/api/stimulus/x/"])
def test_no_path_escapes(study, base):
    app, token = application(study), study.store.invites()[0].token
    known = {page.raw for page in pages().values()}
    for hop in HOPS:
        for aim in AIMS:
            for depth in (1, 4):
                status, _, body = call(app, "GET", base + hop * depth + aim, token=token)
                assert status == 404 or body in known
                assert b"Traceback" not in body and b"/genwright" not in body and b"protocol" not in body


def test_only_the_current_stimuli_can_be_seen_and_timed_ones_once(tmp_path, systems):
    opened = a_study(tmp_path / "study", systems, questions=("real or generated",), exposure_seconds=1.0)
    app, token = application(opened), opened.store.invites()[0].token
    first = next(iter(opened.media))
    assert call(app, "GET", f"/api/stimulus/{first}", token=token)[0] == 404  # not before consent
    call(app, "POST", "/api/consent", token=token)
    trial = json.loads(call(app, "GET", "/api/trial", token=token)[2])
    (shown,) = trial["stimuli"]
    assert trial["exposure"] == 1.0 and trial["hidden"] is False
    for other in set(opened.media) - {shown["id"]}:
        assert call(app, "GET", f"/api/stimulus/{other}", token=token)[0] == 404
    assert call(app, "GET", f"/api/stimulus/{shown['id']}", token=token)[0] == 200
    assert call(app, "POST", "/api/seen", {"trial": trial["trial"]}, token=token)[0] == 200
    assert call(app, "GET", f"/api/stimulus/{shown['id']}", token=token)[0] == 404
    assert json.loads(call(app, "GET", "/api/trial", token=token)[2])["hidden"] is True
    opened.store.close()


def test_least_times_and_first_answers_are_held_by_the_server(tmp_path, systems):
    opened = a_study(tmp_path / "study", systems, minimum_seconds=0.3)
    app, token = application(opened), opened.store.invites()[0].token
    call(app, "POST", "/api/consent", token=token)
    trial = json.loads(call(app, "GET", "/api/trial", token=token)[2])
    answers = ANSWERS[trial["kind"]]
    given = {"trial": trial["trial"], "answer": answers[0], "seconds": 9.0}
    assert call(app, "POST", "/api/rating", given, token=token)[0] == 409
    call(app, "POST", "/api/seen", {"trial": trial["trial"]}, token=token)
    assert call(app, "POST", "/api/rating", given, token=token)[0] == 409
    time.sleep(0.31)
    assert call(app, "POST", "/api/rating", given, token=token)[0] == 200
    assert call(app, "POST", "/api/rating", given, token=token)[0] == 200
    status, _, body = call(app, "POST", "/api/rating", given | {"answer": answers[1]}, token=token)
    assert status == 409 and "first answer counts" in json.loads(body)["error"]
    assert len(opened.store.study().ratings) == 1
    opened.store.close()


def test_one_rater_cannot_answer_or_see_for_another(study):
    app = application(study)
    mine, theirs = (invite.token for invite in study.store.invites())
    for token in (mine, theirs):
        call(app, "POST", "/api/consent", token=token)
    trial = json.loads(call(app, "GET", "/api/trial", token=theirs)[2])
    assert call(app, "POST", "/api/seen", {"trial": trial["trial"]}, token=mine)[0] == 409
    given = {"trial": trial["trial"], "answer": "left", "seconds": 1.0}
    assert call(app, "POST", "/api/rating", given, token=mine)[0] == 409


def test_a_failing_database_is_told_as_try_again_and_nothing_more(study, monkeypatch):
    app, token = application(study), study.store.invites()[0].token
    call(app, "POST", "/api/consent", token=token)
    trial = json.loads(call(app, "GET", "/api/trial", token=token)[2])
    call(app, "POST", "/api/seen", {"trial": trial["trial"]}, token=token)

    def failing(*_, **__):
        raise sqlite3.OperationalError("disk I/O error at /home/someone/study.sqlite")

    monkeypatch.setattr("genwright.rating.store._insert", failing)
    given = {"trial": trial["trial"], "answer": ANSWERS[trial["kind"]][0], "seconds": 1.0}
    status, _, body = call(app, "POST", "/api/rating", given, token=token)
    assert (status, json.loads(body)) == (503, {"error": "nothing was saved; please try again"})
    monkeypatch.undo()
    assert call(app, "POST", "/api/rating", given, token=token)[0] == 200


def test_without_fastapi_it_says_what_to_install(study, monkeypatch):
    monkeypatch.setitem(sys.modules, "fastapi", None)
    with pytest.raises(MissingDependencyError, match=r"genwright\[serve\]"):
        application(study)


RATERS = 10


def rate_until_killed(server: Server, token: str, acknowledged: dict[str, str]) -> None:
    """Answer as fast as the server takes it, and note what it acknowledged."""
    try:
        server.json("POST", "/api/consent", token=token)
        while "trial" in (trial := server.json("GET", "/api/trial", token=token)):
            server.json("POST", "/api/seen", {"trial": trial["trial"]}, token=token)
            answer = ANSWERS[trial["kind"]][len(acknowledged) % 2]
            given = {"trial": trial["trial"], "answer": answer, "seconds": 0.01}
            server.json("POST", "/api/rating", given, token=token)
            acknowledged[trial["trial"]] = answer
    except (OSError, ValueError, HTTPException):
        pass  # killed in the middle of it


@pytest.mark.parametrize("where", ["sqlite", "postgres"])
def test_kill_9_with_ten_raters_loses_no_acknowledged_answer(tmp_path, systems, serving, where, request):
    url = None if where == "sqlite" else request.getfixturevalue("postgres_url")
    at = ["--store", url] if url else []
    folder = tmp_path / "study"
    a_study(folder, systems, store=url, raters=RATERS, per_question=3).store.close()
    acknowledged: dict[str, str] = {}
    for goal in (30, None):  # killed in the middle, then to the end
        server = serving("--out", folder, *at)
        own: list[dict[str, str]] = [{} for _ in range(RATERS)]
        threads = [
            threading.Thread(target=rate_until_killed, args=(server, token, mine))
            for token, mine in zip(server.tokens, own, strict=True)
        ]
        for thread in threads:
            thread.start()
        while goal is not None and sum(map(len, own)) < goal and any(thread.is_alive() for thread in threads):
            time.sleep(0.002)
        if goal is not None:
            server.kill()
        for thread in threads:
            thread.join()
        for mine in own:
            acknowledged |= mine
        protocol = read_json(folder / "protocol.json")
        store = Store(url or folder / "study.sqlite", study=protocol["study"])
        kept = {rating.trial: rating.answer for rating in store.study().ratings}
        total = sum(store.standing(rater.id).total for rater in store.study().raters)
        store.close()
        assert acknowledged.items() <= kept.items()
        assert len(kept) <= len(acknowledged) + RATERS * 2  # at most those under way when it was killed
    assert len(kept) == total
    take_up(folder, store=url).store.close()
    assert f"{len(kept)} answers" not in server.stop()  # with --json it says nothing more


def test_the_command_says_where_to_go_and_how_to_go_on(tmp_path, systems, loopback):
    command = [*RATE, str(systems / "alpha-images"), str(systems / "omega-images"), "--trials", "4", "--raters", "2"]
    command += ["--out", str(tmp_path / "study"), "--port", "0", "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ})
    links = [process.stdout.readline().strip() for _ in range(2)]
    assert all(re.fullmatch(r"http://127\.0\.0\.1:\d+/#[\w-]{32}", link) for link in links)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 0 and "Traceback" not in told
    assert "0 answers of 0 raters" in told and f"genwright ratings {tmp_path / 'study'}" in told
    assert f"genwright rate --out {tmp_path / 'study'}" in told


@pytest.fixture
def rate(monkeypatch, tmp_path):
    """The command in this process, up to where it would serve; its exit code and what it says."""
    monkeypatch.setattr("genwright.app.rating.serve_study", lambda *_, **__: [])

    def run(*words: object):
        result = CliRunner().invoke(main, ["rate", *map(str, words), "--port", "0", "--out", str(tmp_path / "study")])
        return result.exit_code, result.stderr

    return run


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ((), 2, "there is no study to go on with"),
        (("alpha-images",), 2, "a preference needs two systems"),
        (("alpha-images", "alpha-images"), 2, "the same system twice"),
        (("alpha-images", "omega.jsonl"), 3, "omega.jsonl: texts, but alpha-images holds images"),
        (("alpha-images", "nowhere"), 3, "no such file or folder"),
        (("alpha-images", "omega-images", "--questions", "beauty"), 2, "no question called 'beauty'"),
        (("alpha-images", "omega-images", "--questions", "real"), 2, "cannot be asked without both"),
        (("alpha-images", "omega-images", "--questions", "all", "--trials", "7"), 2, "too few for 8 questions"),
        (("alpha-images", "omega-images", "--trials", "90"), 3, "40 different stimuli, but each rater must see 90"),
        (("alpha-images", "omega-images", "--exposure", "500"), 2, "--exposure: applies to images whose origin"),
        (("alpha.jsonl", "omega.jsonl", "--minimum", "-1"), 2, "between 0 and 60"),
        (("alpha.csv", "omega-sounds"), 3, "sounds, but alpha.csv holds table rows"),
    ],
)
def test_what_cannot_be_studied_is_told_before_anything_starts(rate, systems, monkeypatch, tmp_path, words, code, told):
    monkeypatch.chdir(systems)
    exit_code, said = rate(*words)
    assert (exit_code, told in said) == (code, True), said
    assert not (tmp_path / "study" / "protocol.json").exists()


def test_the_same_command_goes_on_and_another_protocol_is_refused(rate, systems, tmp_path):
    words = [systems / "alpha-images", systems / "omega-images", "--trials", "6", "--seed", "4"]
    assert rate(*words)[0] == 0
    before = (tmp_path / "study" / "protocol.json").read_text()
    assert rate(*words)[0] == 0 and rate()[0] == 0
    assert (tmp_path / "study" / "protocol.json").read_text() == before
    for change in (["--trials", "8"], ["--raters", "3"], ["--seed", "5"], ["--questions", "coherence"]):
        code, said = rate(*words, *change)
        assert code == 2 and "its protocol is fixed" in said
    code, said = rate(systems / "alpha-images", systems / "truth-images")
    assert code == 2 and "the study there is about alpha-images, omega-images" in said


def test_a_port_in_use_is_told(systems, tmp_path):
    with listening("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(main, ["rate", str(systems / "alpha-images"), "--port", str(port)])
    assert result.exit_code == 2 and f"127.0.0.1:{port}: cannot listen there" in result.stderr


@pytest.mark.parametrize("missing", ["fastapi", "uvicorn"])
def test_what_is_not_installed_is_told_first(rate, systems, tmp_path, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    code, said = rate(systems / "alpha-images", systems / "omega-images")
    assert code == 7 and f"needs {missing}" in said and "pip install 'genwright[serve]'" in said
    assert not (tmp_path / "study").exists()
