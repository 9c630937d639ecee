"""What the service counts, in Prometheus' text format (version 0.0.4)."""

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from genwright.train.devices import peak_memory_mb

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass
class Counter:
    """A number that only grows, for each combination of labels."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    values: dict[tuple[str, ...], float] = field(default_factory=dict)

    def add(self, amount: float, *labels: str) -> None:
        """Count on, in the event loop's thread."""
        self.values[labels] = self.values.get(labels, 0.0) + amount

    def lines(self) -> Iterator[str]:
        """As Prometheus reads it."""
        yield from _head(self.name, self.help, "counter")
        for labels, value in sorted(self.values.items()):
            yield f"{self.name}{_braces(self.labels, labels)} {value:g}"


@dataclass
class Histogram:
    """How many of some durations were at most so long, for each combination of labels."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    counts: dict[tuple[str, ...], list[float]] = field(default_factory=dict)  # by bucket, beyond them, the sum

    def add(self, seconds: float, *labels: str) -> None:
        """Count one."""
        counts = self.counts.setdefault(labels, [0.0] * (len(SECONDS) + 2))
        counts[bisect_left(SECONDS, seconds)] += 1
        counts[-1] += seconds

    def lines(self) -> Iterator[str]:
        """As Prometheus reads it."""
        yield from _head(self.name, self.help, "histogram")
        for labels, (*counts, total) in sorted(self.counts.items()):
            seen = 0.0
            for bound, count in zip([f"{bound:g}" for bound in SECONDS] + ["+Inf"], counts, strict=True):
                seen += count
                yield f"{self.name}_bucket{_braces((*self.labels, 'le'), (*labels, bound))} {seen:g}"
            yield f"{self.name}_sum{_braces(self.labels, labels)} {total:.6f}"
            yield f"{self.name}_count{_braces(self.labels, labels)} {seen:g}"


@dataclass
class Gauge:
    """A number that is asked for when it is read."""

    name: str
    help: str
    read: Callable[[], Sequence[tuple[str, float]]]  # by model; "" for the service

    def lines(self) -> Iterator[str]:
        """As Prometheus reads it."""
        yield from _head(self.name, self.help, "gauge")
        for model, value in self.read():
            yield f"{self.name}{_braces(('model',) * bool(model), (model,) * bool(model))} {value:.10g}"


class Metrics:
    """All that is counted."""

    def __init__(self) -> None:
        self.requests = Counter("genwright_requests_total", "Requests answered.", ("route", "model", "status"))
        self.refusals = Counter("genwright_refusals_total", "Requests refused.", ("status",))
        self.seconds = Histogram("genwright_request_seconds", "Seconds until the last byte.", ("route",))
        self.first = Histogram("genwright_first_token_seconds", "Seconds until the first token.", ("model",))
        self.tokens = Counter("genwright_tokens_total", "Tokens read and written.", ("model", "kind"))
        self.records = Counter("genwright_records_total", "Records drawn.", ("model",))
        self.gauges = [
            Gauge("process_resident_memory_bytes", "Memory in use.", lambda: [("", memory())]),
            Gauge("process_threads", "Threads of the process.", lambda: [("", threading.active_count())]),
        ]

    def gauge(self, name: str, help: str, read: Callable[[], Sequence[tuple[str, float]]]) -> None:
        """Have a number read whenever they all are."""
        self.gauges.append(Gauge(name, help, read))

    def text(self) -> str:
        """All of them, as they stand."""
        counted: tuple[Counter | Histogram | Gauge, ...] = (self.requests, self.refusals, self.seconds, self.first)
        counted += (self.tokens, self.records)
        return "\n".join(line for each in (*counted, *self.gauges) for line in each.lines()) + "\n"


def memory() -> float:
    """Bytes of memory in use; where the system does not tell, the most that ever were."""
    with suppress(OSError, IndexError, ValueError):
        import resource

        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    return peak_memory_mb() * 2**20


def _head(name: str, help: str, kind: str) -> tuple[str, str]:
    return f"# HELP {name} {help}", f"# TYPE {name} {kind}"


def _braces(names: Sequence[str], values: Sequence[str]) -> str:
    told = ",".join(f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True))
    return f"{{{told}}}" if told else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
