"""The server against the engine by itself: 16 streams, seconds until the first token, memory.

python -m benchmarks.text_serving --parameters 10

Both write the same texts in turns, with as many threads; ratios of one run are what counts. Processor seconds are told
beside, since on a busy machine they mean more than its clock.
"""

import argparse
import json
import os
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

import genwright as gw
from benchmarks.common import data_file, record
from genwright.model.streaming import TextEngine, prompt

SIZES = {1: (128, 4), 10: (384, 6)}  # width and depth by million parameters
STREAMS = 16
WRITTEN = 'genwright_tokens_total{model="m",kind="completion"}'


def fitted(parameters: int, folder: Path) -> gw.Generator:
    """A model of this size; a few steps are enough to write letters, and how fast it writes does not depend on it."""
    width, depth = SIZES[parameters]
    family = gw.Autoregressive(width=width, depth=depth, batch=4)
    model = gw.fit(gw.read(data_file("text_tinyshakespeare/input.txt")), family=family, steps=12)
    model.save(folder)
    return model


def offline(model: gw.Generator, tokens: int) -> tuple[float, float]:
    """Wall and processor seconds for all texts, by the engine alone."""
    engine = TextEngine(model, slots=STREAMS)
    how = gw.Sampling(max_tokens=tokens, stop=("\0",))
    for seed in range(STREAMS):
        engine.submit(prompt(model, "First Citizen:\n", how=how, seed=seed))
    began, busy, written = time.perf_counter(), time.process_time(), 0
    while not engine.idle:
        written += sum(len(delta.tokens) for delta in engine.step())
    return (time.perf_counter() - began) / written, (time.process_time() - busy) / written


class Server:
    """`genwright serve` as a process of its own."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "genwright", "serve", f"m={folder}", "--port", "0", "--json"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        told = "".join(iter(self.process.stdout.readline, "}\n")) + "}"
        host, port = json.loads(told)["address"].removeprefix("http://").split(":")
        self.at = host, int(port)

    def busy(self) -> float:
        """Processor seconds it has taken."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def metric(self, start: str) -> float:
        """The sum of the numbers of /metrics whose lines begin so."""
        with socket.create_connection(self.at) as connection:
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            raw = b"".join(iter(lambda: connection.recv(65536), b""))
        return sum(float(line.split()[-1]) for line in raw.decode().splitlines() if line.startswith(start))

    def streams(self, number: int, tokens: int) -> tuple[float, float, float]:
        """`number` streams at once: wall and processor seconds per token, median seconds until the first event."""
        written, busy = self.metric(WRITTEN), self.busy()
        waiting, began, first = selectors.DefaultSelector(), time.perf_counter(), []
        for seed in range(number):
            connection = socket.create_connection(self.at)
            asked = {"model": "m", "prompt": "First Citizen:\n", "seed": seed, "max_tokens": tokens, "stop": ["\0"]}
            body = json.dumps(asked | {"stream": True}).encode()
            head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            waiting.register(connection, selectors.EVENT_READ, [time.perf_counter(), b""])
        while waiting.get_map():
            for key, _ in waiting.select():
                raw = key.fileobj.recv(65536)
                sent, seen = key.data
                if sent and b"data: " in raw:
                    first.append(time.perf_counter() - sent)
                    key.data[0] = 0.0
                key.data[1] = (seen + raw)[-64:]
                if not raw or b"[DONE]" in key.data[1]:
                    waiting.unregister(key.fileobj)
                    key.fileobj.close()
        seconds = time.perf_counter() - began
        many = self.metric(WRITTEN) - written
        return seconds / many, (self.busy() - busy) / many, float(np.median(first))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parameters", type=int, default=10, choices=list(SIZES), help="of the model, in millions")
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", type=Path, help="a saved model of text instead")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = gw.load(options.model) if options.model else fitted(options.parameters, Path(folder, "m"))
        server = Server(options.model or Path(folder, "m"))
        try:
            server.streams(STREAMS, 10)
            rounds = [
                (offline(model, options.tokens), server.streams(STREAMS, options.tokens)) for _ in range(options.rounds)
            ]
            before = server.busy()
            alone = [server.streams(1, 1)[2] for _ in range(20)]
            first = (server.busy() - before) / len(alone)
            resident = server.metric("process_resident_memory_bytes")
        finally:
            server.process.terminate()
            server.process.wait()
    ratios = [by_engine[0] / by_server[0] for by_engine, by_server in rounds]
    busy = [by_engine[1] / by_server[1] for by_engine, by_server in rounds]
    measured = {
        "offline_tokens_per_second": round(1 / min(by_engine[0] for by_engine, _ in rounds)),
        "served_tokens_per_second": round(1 / min(by_server[0] for _, by_server in rounds)),
        "share_of_offline": [round(each, 3) for each in ratios],
        "share_of_offline_by_processor_seconds": [round(each, 3) for each in busy],
        "first_token_ms": round(1000 * float(np.median(alone)), 1),
        "first_token_processor_ms": round(1000 * first, 1),
        "first_token_of_16_ms": round(1000 * float(np.median([by_server[2] for _, by_server in rounds])), 1),
        "resident_mb": round(resident / 2**20),
        "load": [round(each, 1) for each in os.getloadavg()],
        "threads": torch.get_num_threads(),
    }
    settings = {key: value for key, value in vars(options).items() if key != "model"}
    record("text serving", settings, measured)


if __name__ == "__main__":
    main()
