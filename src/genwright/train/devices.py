"""What this machine offers: device, threads, number formats, memory."""

import os
import re
import resource
import sys
from contextlib import suppress
from pathlib import Path

import torch

from genwright.errors import ArgumentError, ResourceError


def choose_device(name: str) -> torch.device:
    """`"auto"` is the first GPU if there is one, else the CPU; or a torch device name."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        first = str(error).splitlines()[0]
        raise ArgumentError(f"cannot use this device ({first})", where=f"device={name!r}", hint="try 'cpu'") from None
    return device


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether the processor multiplies bfloat16 natively (AVX512-BF16, AMX, or a GPU of compute capability 8)."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, check, bool)() for check in checks)


def peak_memory_mb() -> float:
    """The largest resident memory this process has had, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def free_memory() -> int:
    """Bytes of memory that programs could still have, as far as the system tells; else all that it has."""
    with suppress(OSError, IndexError, ValueError):
        return 1024 * int(re.findall(r"MemAvailable: +([0-9]+) kB", Path("/proc/meminfo").read_text())[0])
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def check_memory(size: int, *, what: str, hint: str) -> None:
    """Raise unless there is memory for `size` bytes."""
    if size > (free := free_memory()):
        told = f"{what} take about {size / 1e9:,.0f} GB of memory, and {free / 1e9:,.0f} GB are free"
        raise ResourceError(told, hint=hint)


def environment() -> dict[str, str | int]:
    """What a reader needs to know of the machine and software behind a number."""
    import platform

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "cores": cores(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
    }
