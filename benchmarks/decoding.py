"""Milliseconds of processor time per token of one thread: genwright's engine beside transformers' `generate`, on the
same weights, side by side in one run; and what a grammar costs. Needs `pip install transformers`.

    python -m benchmarks.decoding [--tokens 128] [--repeats 3]
    ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 python -m benchmarks.decoding    # as on most laptops
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

import genwright as gw
from benchmarks.common import record
from genwright.codecs.text import TextCodec
from genwright.codecs.tokenizers import single_bytes
from genwright.export.huggingface import write_huggingface
from genwright.export.portable import portable
from genwright.model.generator import Generator
from genwright.model.streaming import Prompt, TextEngine
from genwright.nets.quantised import measured

SIZES = {"1M": (128, 4), "10M": (384, 6)}  # width, depth
POSITIONS = 512
ITEM = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "n": {"type": "integer"}},
    "required": ["name", "n"],
}
LEAST = 30  # tokens of such an item, about: lists of so many are about as long as the texts without a grammar


def model_of(width: int, depth: int) -> Generator:
    """A model of bytes with random weights that never ends a text by itself: one number of the stream is always large,
    and the score of the end mark is its negative.
    """
    torch.manual_seed(0)
    data = gw.read(["a text " * 200] * 8)
    codec = TextCodec.fit(data, rng=torch.Generator().manual_seed(0), length=POSITIONS, tokenizer=single_bytes)
    family = gw.Autoregressive(width=width, depth=depth, heads=width // 64, batch=8)
    net: Any = family.build(codec.space, None).eval()
    with torch.no_grad():
        for weight in net.parameters():
            if weight.ndim == 2:
                weight.normal_(std=0.05)
        net.sequence.embed_tokens.weight[:, 0] = 2.0
        head = net.sequence.lm_head.weight
        head[:, 0] = 0.0
        head[256:] = torch.eye(width)[0] * -20.0
    return Generator(codec=codec, family=family, net=net, record={})


def ours(model: Generator, batch: int, tokens: int, **how: Any) -> float:
    """Seconds of processor time per step of all texts, drawn, in characters, with their log-probabilities."""
    engine = TextEngine(model, slots=batch)
    for seed in range(batch):
        engine.submit(Prompt(tokens=(), how=gw.Sampling(max_tokens=tokens, **how), seed=seed))
    engine.step()
    start, written = time.process_time(), 0
    while not engine.idle:
        written += sum(len(delta.tokens) for delta in engine.step())
    return (time.process_time() - start) / (written / batch)


def theirs(net: Any, batch: int, tokens: int, end: int) -> float:
    """The same of `generate`, with its cache and sampling as they are by default."""
    inputs = torch.full((batch, 1), end)
    more = {"do_sample": True, "min_new_tokens": tokens, "max_new_tokens": tokens, "pad_token_id": end}
    start = time.process_time()
    net.generate(inputs, attention_mask=torch.ones_like(inputs), **more)
    return (time.process_time() - start) / tokens


def main() -> None:
    """Print and record a line for each size and batch."""
    from transformers import AutoModelForCausalLM

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    told = parser.parse_args()
    torch.set_num_threads(1)
    for size, (width, depth) in SIZES.items():
        model = model_of(width, depth)
        net: Any = model.net
        with tempfile.TemporaryDirectory() as folder:
            write_huggingface(portable(model), Path(folder))
            peer = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        end = model.codec.space.end  # type: ignore[attr-defined]
        x = torch.randint(0, 256, (2, 64))
        x[:, 0] = end
        with torch.no_grad():
            apart = float((peer(x).logits[..., :256] - net.sequence.logits(x, None)[..., :256]).abs().max())
        assert apart < 1e-3, apart
        lost, seconds = measured(net.sequence)
        for batch in (1, 16):
            grammar = {"type": "array", "minItems": told.tokens // LEAST, "items": ITEM}
            ways: dict[str, Callable[[], float]] = {
                "ours": partial(ours, model, batch, told.tokens),
                "grammar": partial(ours, model, batch, told.tokens, grammar=grammar),
                "transformers": partial(theirs, peer, batch, told.tokens, end),
            }
            taken: dict[str, list[float]] = {way: [] for way in ways}
            for _ in range(told.repeats):
                for way, run in ways.items():
                    taken[way].append(run())
            ms = {way: round(1000 * statistics.median(each), 3) for way, each in taken.items()}
            best = {way: min(each) for way, each in taken.items()}
            record(
                "decoding",
                {"size": size, "batch": batch, "tokens": told.tokens, "cpu": torch.backends.cpu.get_cpu_capability()},
                {f"{way} ms": each for way, each in ms.items()}
                | {
                    "times faster": round(best["transformers"] / best["ours"], 2),
                    "grammar slower by": round(best["grammar"] / best["ours"] - 1, 3),
                    "max |logit|": apart,
                    "int8 loses nats": round(lost, 5),
                    "int8 step of": round(seconds[1] / seconds[0], 2),
                },
            )


if __name__ == "__main__":
    main()
