"""The one place where torch's default generator is seeded, and given back as it was."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from genwright.errors import ArgumentError


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, torch's default generator starts from `seed`: initial weights and dropout draw from it."""
    seed = checked_seed(seed, where="seed")
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.default_generator.manual_seed(seed)
        if torch.cuda.is_available():
            torch.cuda.manual_seed_all(seed)
        yield


def checked_seed(seed: Any, *, where: str) -> int:
    """A whole number from 0 up that 63 bits hold; raises ArgumentError where `seed` is anything else."""
    whole = hasattr(seed, "__index__") and not isinstance(seed, bool)
    if not whole or not 0 <= int(seed) < 2**63:
        hint = "give a whole number from 0 up: the same one gives the same result"
        raise ArgumentError(f"seed={seed!r} is not a seed", where=where, hint=hint)
    return int(seed)
