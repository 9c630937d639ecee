"""An encoder of series of one's own: a small convolutional net that learned to tell what it was not shown of them."""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from genwright.errors import DataError
from genwright.randomness import seeded
from genwright.scores.score import signature

WIDTH, CODE = 32, 16
STEPS, BATCH = 300, 64
SHOWN = 0.6  # of the times of a series, as it learns
MIN_FITTED = 40  # series
RATE = 4e-3


class _Net(nn.Module):
    """Two convolutions and their means and maxima to a code, and from the code to the whole series."""

    def __init__(self, steps: int, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(channels + 1, WIDTH, 5, padding=2),
            nn.SiLU(),
            nn.Conv1d(WIDTH, WIDTH, 5, padding=4, dilation=2),
            nn.SiLU(),
        )
        self.code = nn.Linear(2 * WIDTH, CODE)
        self.back = nn.Sequential(nn.Linear(CODE, 4 * WIDTH), nn.SiLU(), nn.Linear(4 * WIDTH, steps * channels))

    def codes(self, x: Float[Tensor, "n c t"], shown: Float[Tensor, "n 1 t"]) -> Float[Tensor, "n k"]:
        h = self.body(torch.cat([x * shown, shown], dim=1))
        return self.code(torch.cat([h.mean(2), h.amax(2)], dim=1))


@dataclass(frozen=True, eq=False)
class SeriesEncoder:
    """What makes codes of whole series; `signature` names it and what it learned from."""

    net: _Net
    signature: str

    @torch.inference_mode()
    def codes(self, series: Float[np.ndarray, "n t c"]) -> Float[np.ndarray, "n k"]:
        """The code of each."""
        x = torch.tensor(series, dtype=torch.float32).transpose(1, 2)
        parts = [self.net.codes(part, torch.ones(len(part), 1, x.shape[2])) for part in x.split(1024)]
        return torch.cat(parts).double().numpy()


_known: dict[str, SeriesEncoder] = {}


def encoder_of(series: Float[np.ndarray, "n t c"], *, seed: int) -> SeriesEncoder:
    """The encoder that learned from these, with random times hidden, to tell all of each; remembered, for it is the
    same each time. Raises DataError for fewer than 40.
    """
    if len(series) < MIN_FITTED:
        raise DataError(f"{len(series)} series are too few for an encoder to learn from", where="series")
    digest = hashlib.sha256(np.ascontiguousarray(series).tobytes()).hexdigest()[:8]
    name = signature("series encoder", protocol=f"{STEPS} steps on {digest}", n=(len(series),) * 2, seed=seed)
    if name not in _known:
        while len(_known) >= 4:
            _known.pop(next(iter(_known)))
        _known[name] = SeriesEncoder(_fitted(series, seed), f"own codes of {CODE} numbers, {digest}, seed {seed}")
    return _known[name]


def _fitted(series: Float[np.ndarray, "n t c"], seed: int) -> _Net:
    rng = torch.Generator().manual_seed(seed)
    x = torch.tensor(series, dtype=torch.float32).transpose(1, 2)
    with seeded(seed):
        net = _Net(x.shape[2], x.shape[1])
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, fused=True)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS)
    for _ in range(STEPS):
        batch = x[torch.randint(len(x), (min(BATCH, len(x)),), generator=rng)]
        shown = (torch.rand(len(batch), 1, x.shape[2], generator=rng) < SHOWN).float()
        loss = (net.back(net.codes(batch, shown)) - batch.flatten(1)).square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        rate.step()
    return net.eval()
