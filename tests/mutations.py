"""Files changed as an attacker who knows their structure would, and the bounds that reading them must keep."""

import copy
import json
import random
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 17, 12_000, 10**9, 2**62, 2**63, 10**30, 10**400, -(10**18), 0.5, -0.5, 1e-300),
    *(1e100, 1e308, float("nan"), float("inf"), -float("inf"), "", "a", "0", "%", "%99999999d", "{}", "{0.__class__}"),
    *("\0", "x" * 10_000, "(a+)+b", "os.system", [], {}, [[]], [None], [1], ["a"], {"a": 1}, {"tuple": [1]}),
    {"function": "genwright.maths.samplers.heun"},
    {"function": "genwright.families.recipe.recipe_from_json"},
)
TYPES = {"F32": np.float32, "F64": np.float64, "I64": np.int64}
KINDS = (*TYPES, "F16", "BF16", "I32", "U8", "BOOL", "F8_E4M3", "C64", "X", "", 3, None)
SHAPES: tuple[Any, ...] = ([], [0], [1], [2**31], [2**62], [-1], [10**6] * 2, [0, 2**62], [1] * 99, "a", None, [2.5])
NUMBERS = (0, 1, -1, float("nan"), float("inf"), -float("inf"), 1e38, -1e38, 1e-45, 1e6, 2.0**62)
CLEAR = Path("/proc/self/clear_refs")


@contextmanager
def within(*, seconds: float, megabytes: float) -> Iterator[None]:
    """Fails where more time of the processor, or at its peak more memory, is taken."""
    if CLEAR.exists():
        CLEAR.write_text("5")  # the peak begins anew
    before, began = _memory("VmRSS"), time.process_time()
    yield
    took, grown = time.process_time() - began, _memory("VmHWM") - before
    assert took < seconds and grown < megabytes, f"{took:.1f} s, {grown:.0f} MB"


def _memory(name: str) -> float:
    """Megabytes of this process; 0 where the system does not tell."""
    if not CLEAR.exists():
        return 0.0
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """The paths of all values, of a long list those of some."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, each in value.items():
            yield from places(each, (*path, key))
    elif isinstance(value, list):
        for i in range(len(value)) if len(value) < 10 else (0, 1, len(value) // 2, len(value) - 1):
            yield from places(value[i], (*path, i))


def at(value: Any, path: tuple) -> Any:
    for key in path:
        value = value[key]
    return value


def mutated(value: Any, paths: list[tuple], rng: random.Random) -> Any:
    """One value replaced, left out, doubled, turned around, or taken from elsewhere."""
    value, path = copy.deepcopy(value), rng.choice(paths)
    parent, key = at(value, path[:-1]), path[-1]
    match rng.randrange(6):
        case 0:
            del parent[key]
        case 1:
            parent[key] = copy.deepcopy(at(value, rng.choice(paths)))
        case 2 if isinstance(parent[key], list):
            parent[key] = parent[key][::-1] * rng.choice([1, 2, 100])
        case 3 if type(parent[key]) in (int, float):
            parent[key] *= rng.choice([-1, 1000, 10**9])
        case _:
            parent[key] = copy.deepcopy(rng.choice(VALUES))
    return value


def mutated_weights(raw: bytes, rng: random.Random) -> bytes:
    """A safetensors file with another header, other values, or cut short."""
    length = struct.unpack("<Q", raw[:8])[0]
    head, body = json.loads(raw[8 : 8 + length]), bytearray(raw[8 + length :])
    names = [name for name in head if name != "__metadata__"]
    name, other = rng.choice(names), rng.choice(names)
    ends = [[0, 0], [0, 2**63], [-1, 4], [4, 0], [0, len(body)], [len(body), len(body) + 4], [0], "a", None, [0.5, 4]]
    match rng.randrange(12):
        case 0:
            return struct.pack("<Q", rng.choice([0, length - 1, length + 1, 2**31, 2**64 - 1, len(raw)])) + raw[8:]
        case 1:
            return raw[: rng.randrange(len(raw))]
        case 2:
            return raw + bytes(rng.choice([1, 8, 10**6]))
        case 3:
            head[name]["dtype"] = rng.choice(KINDS)
        case 4:
            head[name]["shape"] = rng.choice(SHAPES)
        case 5:
            head[name]["data_offsets"] = rng.choice(ends)
        case 6:
            head[rng.choice([f"{name}x", "net/", "", "a" * 10_000, "__metadata__"])] = head.pop(name)
        case 7:
            head["__metadata__"] = rng.choice([{"a": 1}, [], None, "x", {"a": "b" * 10**6}])
        case 8:
            head[name], head[other] = head[other], head[name]
        case 9:
            for _ in range(rng.choice([1, 10, 100])):
                body[rng.randrange(len(body))] = rng.randrange(256)
        case _ if head[name]["dtype"] in TYPES:
            begin, end = head[name]["data_offsets"]
            values = np.frombuffer(bytes(body[begin:end]), TYPES[head[name]["dtype"]]).copy()
            with np.errstate(all="ignore"):
                values[slice(None) if rng.random() < 0.5 else slice(0, 1)] = np.float64(rng.choice(NUMBERS))
            body[begin:end] = values.tobytes()
    header = json.dumps(head).encode()
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + bytes(body)
