"""Serving: three generators behind HTTP, asked as programs ask them.

    start     `genwright serve` with a table, images and texts, for callers with a token
    records   a table as CSV and JSON, under conditions; images as a zip; the same seed gives the same bytes
    texts     OpenAI's routes: a completion, eight streams at once, JSON by a schema
    refusals  no token, no such level, too many records: a status and one sentence, and the server goes on
    metrics   what Prometheus reads

    python examples/serve.py

You should see every row of the class that was asked for, streams that are the same together as alone, JSON that is
always valid though the model has seen none, three refusals by their statuses, and all requests counted.
"""

import io
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

import genwright as gw
import show
from genwright.data.dataset import Dataset, Text

TOKEN = "not-a-secret-in-an-example"
STREAMS = 8
SHAPE = {
    "type": "object",
    "properties": {
        "place": {"enum": ["sea", "lake", "harbour"]},
        "boats": {"type": "integer", "minimum": 0, "maximum": 9},
    },
    "required": ["place", "boats"],
    "additionalProperties": False,
}

EXPECTED = {
    "rows of the class asked for, %": (100, 100),
    "bytes alike for the same seed": (1, 1),
    "images in the zip": (24, 24),
    "streams together as alone": (STREAMS, STREAMS),
    "events of a stream": (5, 40),  # a token each, as far as it is a letter
    "JSON valid by its schema, %": (100, 100),
    "status without a token": (401, 401),
    "status of a level there is not": (400, 400),
    "status of too many records": (400, 400),
    "requests counted": (31, 31),
}


def main(out: Path | None = None) -> dict[str, float]:
    """Fit three small generators, serve them, ask."""
    with tempfile.TemporaryDirectory() as name, serving(Path(name)) as ask:
        told = json.loads(ask("/v1/generators")[1])
        print(", ".join(f"{each['name']} draws {each['draws']}" for each in told["data"]))
        numbers, images = records(ask)
        more, seconds = texts(ask)
        numbers |= more | refusals(ask)
        raw = ask("/metrics")[1].decode()
        counted = [line for line in raw.splitlines() if line.startswith("genwright_requests_total")]
        numbers["requests counted"] = sum(float(line.split()[-1]) for line in counted)
    draw(out, images, seconds)
    return show.numbers(numbers, EXPECTED)


def fitted(folder: Path) -> list[str]:
    """A table, images and texts, each fitted for a moment."""
    rng = np.random.default_rng(0)
    words = ["the", "boat", "river", "sea", "harbour", "sails", "to", "and", "from", "wind"]
    lines = np.array([" ".join(rng.choice(words, 12)) for _ in range(300)], dtype=object)
    prose = Dataset((Text("text"),), {"text": lines}, "tales")
    gw.fit(gw.read("wine"), family=gw.Mixture(components=4), steps=20).save(folder / "wine")
    gw.fit(gw.read("digits"), family=gw.Mixture(), steps=20).save(folder / "digits")
    gw.fit(prose, family=gw.Autoregressive(width=48, depth=2), steps=250).save(folder / "tales")
    return [str(folder / name) for name in ("wine", "digits", "tales")]


@contextmanager
def serving(folder: Path) -> Iterator[Any]:
    """A function that asks the server: a path, and what to send, give a status and a body."""
    (folder / "tokens").write_text(TOKEN, encoding="utf-8")
    command = [sys.executable, "-m", "genwright", "serve", *fitted(folder), "--port", "0", "--json"]
    command += ["--token-file", str(folder / "tokens")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    told = "".join(iter(process.stdout.readline, "}\n")) + "}"
    host = json.loads(told)["address"].removeprefix("http://")

    def ask(path: str, value: Any = None, *, token: str = TOKEN, accept: str = "*/*") -> tuple[int, bytes]:
        connection = HTTPConnection(host, timeout=60)
        headers = {"Authorization": f"Bearer {token}", "Accept": accept}
        headers |= {} if value is None else {"Content-Type": "application/json"}
        connection.request("GET" if value is None else "POST", path, value and json.dumps(value), headers)
        answer = connection.getresponse()
        try:
            return answer.status, answer.read()
        finally:
            connection.close()

    try:
        yield ask
    finally:
        process.terminate()
        process.communicate()


def records(ask: Any) -> tuple[dict[str, float], np.ndarray]:
    """A table and images, as files and as JSON."""
    asked = {"n": 200, "given": {"class": "class_1", "alcohol": {"between": [12, 13]}}, "seed": 7}
    first, again = (ask("/v1/generators/wine/sample", asked)[1] for _ in range(2))
    rows = pd.read_csv(io.BytesIO(first))
    kept = (rows["class"] == "class_1") & rows["alcohol"].between(12, 13)
    _, raw = ask("/v1/generators/digits/sample", {"n": 24, "given": {"label": 7}, "seed": 1})
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        names = [name for name in archive.namelist() if name.endswith(".png")]
        images = np.stack([np.asarray(Image.open(archive.open(name)), dtype=float)[..., None] for name in names])
    numbers = {
        "rows of the class asked for, %": 100 * kept.mean(),
        "bytes alike for the same seed": float(first == again),
        "images in the zip": len(images),
    }
    return numbers, images


def texts(ask: Any) -> tuple[dict[str, float], np.ndarray]:
    """Streams alone and together, and JSON by a schema; beside the numbers, seconds of either."""
    asked = {"model": "tales", "prompt": "the river ", "max_tokens": 40, "stream": True}

    def stream(seed: int) -> tuple[list[str], float]:
        began = time.perf_counter()
        lines = ask("/v1/completions", asked | {"seed": seed})[1].split(b"\n\n")
        events = [json.loads(line.removeprefix(b"data: ")) for line in lines if line and b"[DONE]" not in line]
        return [event["choices"][0]["text"] for event in events], time.perf_counter() - began

    alone = [stream(seed) for seed in range(STREAMS)]
    began = time.perf_counter()
    with ThreadPoolExecutor(STREAMS) as pool:
        together = list(pool.map(stream, range(STREAMS)))
    seconds = np.array([sum(each for _, each in alone), time.perf_counter() - began])
    print(f"  {''.join(alone[0][0])!r}")
    wanted = {"type": "json_schema", "json_schema": {"name": "trip", "schema": SHAPE}}
    chat = {
        "model": "tales",
        "messages": [{"role": "user", "content": "a"}],
        "max_tokens": 60,
        "response_format": wanted,
    }
    answers = [json.loads(ask("/v1/chat/completions", chat | {"seed": seed})[1]) for seed in range(STREAMS)]
    found = [json.loads(answer["choices"][0]["message"]["content"]) for answer in answers]
    print(f"  {found[0]}")
    valid = [each["place"] in ("sea", "lake", "harbour") and 0 <= each["boats"] <= 9 for each in found]
    numbers = {
        "streams together as alone": sum(
            "".join(a) == "".join(b) for (a, _), (b, _) in zip(alone, together, strict=True)
        ),
        "events of a stream": float(np.mean([len(events) for events, _ in alone])),
        "JSON valid by its schema, %": 100 * float(np.mean(valid)),
    }
    return numbers, seconds


def refusals(ask: Any) -> dict[str, float]:
    """What cannot be is told by a status and a sentence."""
    asked = {
        "status without a token": ({"n": 1}, "wrong"),
        "status of a level there is not": ({"given": {"class": "class_9"}}, TOKEN),
        "status of too many records": ({"n": 10**7}, TOKEN),
    }
    numbers = {}
    for name, (value, token) in asked.items():
        status, raw = ask("/v1/generators/wine/sample", value, token=token)
        print(f"  {status}: {json.loads(raw)['error']['message']}")
        numbers[name] = status
    return numbers


def draw(out: Path | None, images: np.ndarray, seconds: np.ndarray) -> None:
    """Images as they came, and how long the streams took one after the other and together."""
    page, axes = show.figure(1, 2, width=3.4, height=2.6)
    show.images(axes[0, 0], images, columns=8, title="POST /v1/generators/digits/sample")
    axes[0, 1].barh(["together", "one by one"], seconds[::-1], color=show.COLOURS[:2])
    axes[0, 1].set_title(f"seconds of {STREAMS} streams", fontsize=10)
    show.save(page, out, "serve")


if __name__ == "__main__":
    show.command(main)
