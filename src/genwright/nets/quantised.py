"""Matrices in 8 bits for decoding on a CPU, where reading them takes the time, and whether they are worth it."""

import time
import warnings
from collections.abc import Callable
from typing import final
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float
from torch import Tensor

from genwright.maths import decoding
from genwright.nets.causal import CausalSequence
from genwright.nets.decoding import CausalDecoder, Dense, Product

SMALLEST_NET = 2**21  # numbers in matrices, below which calling int8 products costs more than they save,
SMALLEST_MATRIX = 2**17  # and in one of them
MAX_LOST = 0.01  # nats per token
ROWS, STEPS, SECONDS = 8, 24, 0.4  # of the trial: texts side by side, tokens of each, and about how long at most

_worth: WeakKeyDictionary[CausalSequence, tuple[int, bool]] = WeakKeyDictionary()


@final
class Int8:
    """A matrix of whole numbers with a scale for each row; what it multiplies is rounded to 8 bits as it comes.

    Processors without VNNI add products of bytes in 16 bits, which 8 bits of both overflow: there weights have 7.
    """

    def __init__(self, weight: Float[Tensor, "o i"]) -> None:
        scale = (weight.abs().amax(dim=1).double() / (63 if _overflows() else 127)).clamp_min(1e-12)
        zeros = torch.zeros(len(weight), dtype=torch.long)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its being moved to another package one day
            whole = torch.quantize_per_channel(weight, scale, zeros, 0, torch.qint8)
            self.packed = torch.ops.quantized.linear_prepack(whole, None)
        self.product = torch.ops.quantized.linear_dynamic.default

    def __call__(self, x: Float[Tensor, "n i"]) -> Float[Tensor, "n o"]:
        found: Tensor = self.product(x, self.packed)
        return found

    def onto(self, stream: Float[Tensor, "n o"], x: Float[Tensor, "n i"]) -> Float[Tensor, "n o"]:
        return stream + self.product(x, self.packed)


def compressed(weight: Float[Tensor, "o i"]) -> Product:
    """A large matrix in 8 bits, a small one as it is."""
    return Int8(weight) if weight.numel() >= SMALLEST_MATRIX else Dense(weight)


def fitting(net: CausalSequence) -> Callable[[Tensor], Product]:
    """How to lay out the matrices of a net: in 8 bits where that is faster here, and costs at most `MAX_LOST` nats.

    Both are measured on texts that the net writes, once for its weights as they are.
    """
    size = sum(weight.numel() for weight in net.model.parameters() if weight.ndim == 2)
    weight = net.lm_head.weight
    if size < SMALLEST_NET or net.length < 2 or weight.device.type != "cpu" or weight.dtype != torch.float32:
        return Dense
    version = sum(each._version for each in net.parameters())
    if net not in _worth or _worth[net][0] != version:
        _worth[net] = version, _worthwhile(net)
    return compressed if _worth[net][1] else Dense


@torch.inference_mode()
def _worthwhile(net: CausalSequence) -> bool:
    """Whether 8 bits are faster and close enough: nats lost per token are the divergence of the two distributions."""
    lost, seconds = measured(net)
    return lost <= MAX_LOST and seconds[1] < seconds[0]


@torch.inference_mode()
def measured(net: CausalSequence) -> tuple[float, tuple[float, float]]:
    """Nats that 8 bits lose per token, and the shortest time of a step in seconds without and with them."""
    unknown = None if net.conditions is None else net.conditions.unknown(ROWS, net.lm_head.weight.device)
    rng, decoders = (
        torch.Generator().manual_seed(0),
        [CausalDecoder(net, slots=ROWS, product=p) for p in (Dense, compressed)],
    )
    scores = [each.admit([[]] * ROWS, unknown) for each in decoders]
    divergences, shortest, start = [], [float("inf")] * 2, time.perf_counter()
    for _ in range(min(STEPS, net.length - 1)):
        exact, rounded = (each.double().log_softmax(dim=-1) for each in scores)
        divergences.append((exact.exp() * (exact - rounded)).sum(dim=-1).mean())
        if time.perf_counter() - start > SECONDS and len(divergences) > 2:
            break
        tokens = decoding.draw(scores[0], rng)[:, None]
        for i, decoder in enumerate(decoders):
            before = time.perf_counter()
            scores[i] = decoder.step(tokens)[:, -1]
            shortest[i] = min(shortest[i], time.perf_counter() - before)
    return float(torch.stack(divergences).mean()), (shortest[0], shortest[1])


def _overflows() -> bool:
    """Whether sums of 8-bit products are cut off on this processor."""
    return torch.backends.quantized.engine in ("x86", "fbgemm") and not torch.cpu._is_vnni_supported()
