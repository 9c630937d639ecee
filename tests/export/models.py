"""Small text models with random weights, of every shape that is exported, and texts of all kinds."""

from functools import cache

import numpy as np
import torch

from genwright.codecs.columns import ColumnsCodec
from genwright.codecs.text import TextCodec
from genwright.codecs.tokenizers import BPE, END, Bytes
from genwright.data.dataset import Text
from genwright.families.autoregressive import Autoregressive
from genwright.families.family import Work
from genwright.model.generator import Generator

LENGTH = 256
QWEN = Autoregressive(width=64, depth=2, heads=2)
GROUPED = Autoregressive(width=64, depth=2, heads=4, kv_heads=2, head_width=32, hidden=96, rope_base=1e6, tied=True)
LLAMA = Autoregressive(width=64, depth=2, heads=4, kv_heads=2, hidden=96, rope_base=5e5, norm_eps=1e-5, qk_norm=False)
WORDS = np.array(["the", "It's", "naïve", "Straße", "12", "3.14159", "x=[1,2]", "don't", "東京", "Привет", "!?", "#"])
BLANKS = np.array([" ", "  ", "\n", "\n\n", "\t", " \r\n", "\u00a0", ""])


@cache
def learned() -> BPE:
    return BPE.trained([text.encode() for text in texts(400, seed=7)], vocabulary=400)


def cases() -> dict[str, Generator]:
    return {
        "bytes, qwen3": generator(QWEN, Bytes()),
        "bytes of the first schema, llama": generator(LLAMA, Bytes((END,))),
        "bpe, qwen3": generator(GROUPED, learned()),
        "bpe, llama": generator(LLAMA, learned()),
    }


def generator(family: Autoregressive, tokenizer: Bytes | BPE, *, length: int = LENGTH) -> Generator:
    """A model whose blocks are not the identity, whose likeliest tokens are never special ones."""
    torch.manual_seed(0)
    codec = TextCodec(Text("text"), length, ColumnsCodec((), (), "texts"), ("text",), tokenizer=tokenizer)
    family = family.sized(codec.space, Work(rows=1, steps=1))
    net = family.build(codec.space, None)
    for name, weight in net.named_parameters():
        torch.nn.init.normal_(weight, mean=float(weight.ndim == 1), std=0.15 if ".layers." in name else 0.5)
    with torch.no_grad():
        net.sequence.lm_head.weight[list(tokenizer.special.values())] = 0.0
    return Generator(codec=codec, family=family, net=net.eval().requires_grad_(False), record={})


def texts(n: int, *, seed: int = 0) -> list[str]:
    """Valid Unicode: words with all kinds of blanks between them, and characters from anywhere."""
    rng = np.random.default_rng(seed)
    found = []
    for i in range(n):
        if i % 2:
            parts = zip(rng.choice(WORDS, 8), rng.choice(BLANKS, 8), strict=True)
            found.append("".join(map("".join, parts)))
            continue
        top = (0x80, 0x500, 0x3000, 0x10000, 0x20000)[i // 2 % 5]
        codes = rng.integers(1, top, 12)
        found.append("".join(chr(code) for code in codes if not 0xD800 <= code < 0xE000))
    return found
