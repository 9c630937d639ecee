"""Systems to rate, the command `genwright rate` as a process of its own, and a browser to rate in."""

import asyncio
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from genwright.data.like import read_like
from genwright.data.read import read
from genwright.rating.protocol import Protocol
from genwright.rating.records import REAL
from genwright.rating.study import Opened, set_up

RATE = [sys.executable, "-c", "from genwright.app.cli import main; main()", "rate"]
CHROMIUM = next((path for path in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(path).exists()), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-sync",
    "--disable-component-update",
    "--disable-quic",
]
DESKTOP = {"viewport": {"width": 1280, "height": 800}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}


def pictures(folder: Path, n: int, *, seed: int, size: int = 12) -> Path:
    """`n` random grey images, each with a name and a text chunk that tell where they are from."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for i in range(n):
        image = Image.fromarray(rng.integers(0, 256, (size, size), dtype=np.uint8))
        image.save(folder / f"{folder.name}-{i:03d}.png")
    return folder


def sounds(folder: Path, n: int, *, seed: int, seconds: float = 0.4, loudness: float = 0.3, rate: int = 8000) -> Path:
    """`n` tones of various pitch, each of a slightly different length."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for i in range(n):
        t = np.arange(int(rate * seconds * rng.uniform(1, 1.3))) / rate
        tone = loudness * np.sin(2 * np.pi * rng.uniform(200, 2000) * t)
        with wave.open(str(folder / f"{folder.name}-{i:03d}.wav"), "wb") as file:
            file.setparams((1, 2, rate, 0, "NONE", ""))
            file.writeframes((tone * 32767).astype("<i2").tobytes())
    return folder


def texts(path: Path, n: int, *, seed: int) -> Path:
    """`n` lines of random words, as JSON records."""
    rng = np.random.default_rng(seed)
    words = ["river", "stone", "light", "winter", "garden", "letter", "quiet", "morning", "window", "paper"]
    lines = [" ".join(rng.choice(words, 14)) + f" {seed * 1000 + i}." for i in range(n)]
    path.write_text("".join(json.dumps({"text": line}) + "\n" for line in lines), encoding="utf-8")
    return path


def rows(path: Path, n: int, *, seed: int, decimals: int = 2) -> Path:
    """A table of `n` rows with a number, a decimal, a category, and a key."""
    rng = np.random.default_rng(seed)
    lines = [
        f"{path.stem}-{i:04d},{rng.integers(18, 90)},{rng.normal(50, 9):.{decimals}f},{rng.choice(['city', 'village'])}"
        for i in range(n)
    ]
    path.write_text("id,age,weight,home\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


class Server:
    """`genwright rate` listening on a loopback port."""

    def __init__(self, process: subprocess.Popen[str], facts: dict) -> None:
        self.process, self.facts, self.links = process, facts, facts["links"]
        address, self.token = self.links[0].split("/#")
        self.host = address.removeprefix("http://")
        self.tokens = [link.split("#")[1] for link in self.links]

    def ask(self, method: str, path: str, value: object = None, *, token: str | None = None, **headers: str):
        """One request as the page sends it: status, headers, body."""
        connection = http.client.HTTPConnection(self.host, timeout=20)
        try:
            sent = {"Authorization": f"Bearer {token or self.token}", "X-Genwright": "1"}
            body = None
            if method == "POST":
                body = json.dumps(value if value is not None else {})
                sent["Content-Type"] = "application/json"
            connection.request(method, path, body, sent | headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def json(self, method: str, path: str, value: object = None, *, token: str | None = None):
        """The answer's JSON; the status must be 200."""
        status, _, body = self.ask(method, path, value, token=token)
        assert status == 200, (status, body)
        return json.loads(body)

    def kill(self) -> None:
        """As `kill -9` does it."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> str:
        """As Ctrl-C does it; what was said on standard error."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.communicate(timeout=20)[1]


def start(*arguments: object) -> Server:
    """The command with `arguments`, once it listens."""
    command = [*RATE, "--port", "0", *map(str, arguments), "--json", "--debug"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=tempfile.gettempdir()
    )
    told = ""
    while not told.endswith("}\n"):
        line = process.stdout.readline()
        if not line:
            raise AssertionError(f"the server did not start: {process.communicate()[1]}")
        told += line
    return Server(process, json.loads(told))


@pytest.fixture
def serving(loopback):
    """Starts servers that end with the test."""
    started: list[Server] = []

    def begin(*arguments: object) -> Server:
        started.append(start(*arguments))
        return started[-1]

    yield begin
    for server in started:
        server.kill()
        server.process.communicate()


@pytest.fixture(scope="session")
def systems(tmp_path_factory) -> Path:
    """Two systems and real data of every medium."""
    folder = tmp_path_factory.mktemp("systems")
    for seed, name in enumerate(("alpha", "omega", "truth")):
        pictures(folder / f"{name}-images", 40, seed=seed)
        sounds(folder / f"{name}-sounds", 30, seed=seed)
        texts(folder / f"{name}.jsonl", 40, seed=seed)
        rows(folder / f"{name}.csv", 40, seed=seed)
    return folder


@pytest.fixture(scope="module")
def chromium():
    """A headless browser; not for longer than its module, as its driver keeps an event loop running in this thread."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright for Python is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A throw-away PostgreSQL cluster that listens on a Unix socket only."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin")) if Path("/usr/lib/postgresql").exists() else []
    binaries = found[-1] if found else Path(shutil.which("pg_ctl") or "/nonexistent/pg_ctl").parent
    if not (binaries / "initdb").exists():
        pytest.skip("there is no PostgreSQL (initdb, pg_ctl) on this machine")
    with _cluster(binaries) as url:
        yield url


@contextmanager
def _cluster(binaries: Path) -> Iterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="gw-pg-"))  # a short path: a socket's may have 107 bytes
    drop: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        import pwd

        names = {entry.pw_name for entry in pwd.getpwall()}
        user = "postgres" if "postgres" in names else "nobody"
        if shutil.which("setpriv") is None:
            pytest.skip("PostgreSQL does not run as root, and there is no setpriv to become another user")
        drop = ["setpriv", f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--clear-groups"]
        shutil.chown(folder, user)
    options = f"-k {folder} -c listen_addresses='' -c shared_buffers=16MB -c max_connections=40"
    run = lambda *words: subprocess.run(  # noqa: E731
        [*drop, *words], check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        run(str(binaries / "initdb"), "-D", str(folder / "data"), "-U", "rater", "-A", "trust", "-N")
        run(
            str(binaries / "pg_ctl"),
            "-D",
            str(folder / "data"),
            "-w",
            "-o",
            options,
            "-l",
            str(folder / "log"),
            "start",
        )
        yield f"postgresql://rater@/postgres?host={folder}"
        run(str(binaries / "pg_ctl"), "-D", str(folder / "data"), "-m", "immediate", "-W", "stop")  # waits for nobody
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sources(systems: Path, medium: str) -> dict:
    """The systems of one medium, as a study takes them."""
    if medium == "audio":
        return {name: systems / f"{name}-sounds" for name in ("alpha", "omega")} | {REAL: systems / "truth-sounds"}
    suffix = {"image": "-images", "text": ".jsonl", "row": ".csv"}[medium]
    real = read(str(systems / f"truth{suffix}"))
    named = {name: systems / f"{name}{suffix}" for name in ("alpha", "omega")}
    alike = {name: read_like(str(path), real) if medium == "row" else read(str(path)) for name, path in named.items()}
    return {**alike, REAL: real}


def a_study(folder: Path, systems: Path, medium: str = "image", *, store: str | None = None, **changes) -> Opened:
    """A study of two systems and real data, set up in `folder`."""
    given = {"questions": ("preference", "real or generated"), "raters": 2, "per_question": 6, "seed": 0}
    given["minimum_seconds"] = 0.0
    found = sources(systems, medium)
    protocol = Protocol(systems=tuple(found), medium=medium, **{**given, **changes})
    return set_up(folder, found, protocol, version="0", store=store)


def call(app, method: str, path: str, value: object = None, *, token: str = "", body: bytes | None = None, **headers):
    """One request to an application in this process: status, headers, body."""
    sent = {"host": "localhost:8350"}
    if token:
        sent["authorization"] = f"Bearer {token}"
    if method == "POST":
        body = json.dumps({} if value is None else value).encode() if body is None else body
        sent |= {"content-type": "application/json", "x-genwright": "1", "content-length": str(len(body))}
    sent |= {name.replace("_", "-"): each for name, each in headers.items()}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.encode(), each.encode()) for name, each in sent.items() if each is not None],
        "server": ("127.0.0.1", 8350),
        "client": ("127.0.0.1", 1),
    }
    answered: dict = {"body": b""}
    waiting = [{"type": "http.request", "body": body or b"", "more_body": False}]

    async def receive():
        return waiting.pop(0) if waiting else await asyncio.Event().wait()  # a client that stays

    async def send(message):
        if message["type"] == "http.response.start":
            answered.update(status=message["status"], headers=dict(message["headers"]))
        else:
            answered["body"] += message.get("body", b"")

    asyncio.run(app(scope, receive, send))
    return answered["status"], answered["headers"], answered["body"]
