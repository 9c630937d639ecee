"""A small model of text, and `genwright serve` as a process of its own."""

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import openai
import pytest

import genwright as gw
from genwright.data.dataset import Dataset, Text
from genwright.model.streaming import Prompt, TextEngine

SERVE = [sys.executable, "-c", "from genwright.__main__ import main; main()", "serve"]


class Server:
    """`genwright serve` listening on a loopback port."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process, told = process, ""
        while not told.endswith("}\n"):
            line = process.stdout.readline()
            assert line, f"the server did not start: {process.communicate()[1]}"
            told += line
        self.address = json.loads(told)["address"]
        self.host = self.address.removeprefix("http://")

    def ask(self, method: str, path: str, value: object = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """One request: status, headers, body."""
        connection = http.client.HTTPConnection(self.host, timeout=60)
        try:
            body = None if value is None else json.dumps(value)
            sent = {} if value is None else {"Content-Type": "application/json"}
            connection.request(method, path, body, sent | headers)
            answer = connection.getresponse()
            return answer.status, {name.lower(): each for name, each in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def metric(self, name: str) -> float:
        """What /metrics says of one number."""
        lines = self.ask("GET", "/metrics")[2].decode().splitlines()
        return next(float(line.split()[-1]) for line in lines if line.startswith(name))

    def stop(self) -> str:
        """As `kill` does it; what was said on standard error."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.communicate(timeout=60)[1]


def serving(*words: object) -> Server:
    """The command with these words, once it listens."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [*SERVE, *map(str, words), "--port", "0", "--json"]
    return Server(
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=tempfile.gettempdir(),
        )
    )


@pytest.fixture(scope="session")
def prose() -> gw.Generator:
    """A model of texts that has learned little, which is enough to see that it is the one that writes."""
    rng, words = np.random.default_rng(0), ["river", "stone", "light", "winter", "garden", "letter", "morning"]
    texts = np.array([" ".join(rng.choice(words, 90))[:511] for _ in range(24)], dtype=object)
    data = Dataset((Text("text"),), {"text": texts}, "prose")
    return gw.fit(data, family=gw.Autoregressive(width=32, depth=1), steps=12)


@pytest.fixture(scope="session")
def server(prose, tmp_path_factory) -> Iterator[Server]:
    """The model as `prose`, and one of a table as `wine`."""
    folder: Path = tmp_path_factory.mktemp("served")
    prose.save(folder / "prose")
    gw.fit(gw.read("wine"), family=gw.Mixture(components=2), steps=2).save(folder / "wine")
    started = serving(folder / "prose", folder / "wine", "--slots", 8, "--queue", 24)
    yield started
    started.stop()


@pytest.fixture
def client(server: Server) -> openai.OpenAI:
    """OpenAI's own client of the server."""
    return openai.OpenAI(base_url=f"{server.address}/v1", api_key="none", max_retries=0, timeout=60)


def directly(model, begun: Prompt):
    """The text that the engine writes by itself: text, tokens, log-probabilities, why it ended."""
    engine, found = TextEngine(model), []
    engine.submit(begun)
    while not engine.idle:
        found += engine.step()
    tokens, log_probs = [t for d in found for t in d.tokens], [p for d in found for p in d.log_probs]
    return "".join(d.text for d in found), tokens, log_probs, found[-1].finished


def refused(server: Server, route: str, value: dict, status: int, code: str | None, told: str) -> None:
    """Check that this is refused so, in a few words."""
    found, _, body = server.ask("POST", f"/v1/{route}", {"model": "prose", **value})
    error = json.loads(body)["error"]
    assert (found, error["code"], told in error["message"]) == (status, code, True), error
    assert set(error) == {"message", "type", "param", "code"} and len(error["message"]) < 300
