"""Text training beside nanoGPT's configuration for a CPU: nats per character on the last tenth of tiny-shakespeare.

python -m benchmarks.text_peers --seeds 3
taskset -c 0 python -m benchmarks.text_peers --curve 0.5 1 5

Both see 2,000 batches of 768 characters on one thread, one after the other in one process: 4 layers, 4 heads of 32,
context 64, batches of 12, learned positions, LayerNorm, GELU, AdamW from 1e-3 by a cosine to 1e-4 (the flags of the
README of https://github.com/karpathy/nanoGPT, retrieved 2026-11) against `gw.Autoregressive` with no more
parameters. The held-out part is scored whole: nanoGPT's in windows of its context, as its own script does. One case
has the 300 steps that take ours to where nanoGPT is at its end. `--curve` draws bits per byte against seconds of one
core instead: of nanoGPT's run, of n-grams, and of fits by default to so many minutes, each from the start.
"""

import argparse
import json
import math
import time
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn

import genwright as gw
from benchmarks.common import RESULTS, ROOT, data_file, record
from benchmarks.text import usual_split
from genwright.codecs.tokenizers import BPE, single_bytes

STEPS, BATCH, CONTEXT, WIDTH, DEPTH, HEADS = 2000, 12, 64, 128, 4, 4
EVALUATIONS = 20
SYSTEMS = {
    "nanoGPT": "nanoGPT's configuration for a CPU, one run",
    "genwright": "gw.Autoregressive by default, each point a fit of its own",
    "n-grams": "gw.NGram",
}


class PlainBlock(nn.Module):
    """LayerNorm, attention, LayerNorm, GELU."""

    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH, bias=False) for _ in range(2))
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH, bias=False), nn.Linear(4 * WIDTH, WIDTH, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        b, t, w = x.shape
        q, k, v = self.qkv(self.norms[0](x)).view(b, t, 3, HEADS, w // HEADS).permute(2, 0, 3, 1, 4)
        x = x + self.out(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(b, t, w))
        return x + self.down(F.gelu(self.up(self.norms[1](x))))


class PlainNet(nn.Module):
    """The configuration of nanoGPT: learned positions, tied embedding."""

    def __init__(self, symbols: int) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(symbols, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(*(PlainBlock() for _ in range(DEPTH)))
        self.norm = nn.LayerNorm(WIDTH, bias=False)
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                nn.init.normal_(weight, std=0.02 / math.sqrt(2 * DEPTH) if "out" in name or "down" in name else 0.02)

    def forward(self, x: Tensor) -> Tensor:
        h = self.tokens(x) + self.positions.weight[: x.shape[1]]
        return self.norm(self.blocks(h)) @ self.tokens.weight.T


def nanogpt(train: np.ndarray, test: np.ndarray, *, seed: int) -> dict[str, Any]:
    """Its loss after the last step, the seconds it took, and held-out losses on the way."""
    torch.manual_seed(seed)
    symbols, stream = np.unique(train, return_inverse=True)
    held_out = torch.from_numpy(np.searchsorted(symbols, test))
    tokens, net = torch.from_numpy(stream), PlainNet(len(symbols))
    decayed, others = [[p for p in net.parameters() if (p.ndim >= 2) is which] for which in (True, False)]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99), fused=True)
    rng, curve, seconds = torch.Generator().manual_seed(seed), [], 0.0
    for step in range(STEPS):
        began = time.process_time()
        rise, fall = (step + 1) / 100, 0.5 * (1 + math.cos(math.pi * step / STEPS))
        optimizer.param_groups[0]["lr"] = optimizer.param_groups[1]["lr"] = min(1e-3 * rise, 1e-4 + 9e-4 * fall)
        at = torch.randint(len(tokens) - CONTEXT - 1, (BATCH, 1), generator=rng) + torch.arange(CONTEXT + 1)
        x = tokens[at]
        loss = F.cross_entropy(net(x[:, :-1]).flatten(0, 1), x[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        seconds += time.process_time() - began
        if (step + 1) % (STEPS // EVALUATIONS) == 0:
            curve.append((round(seconds, 2), round(_held_out(net, held_out), 4)))
    return {"nats": curve[-1][1], "cpu_seconds": round(seconds, 1), "curve": curve} | _parameters(net)


@torch.no_grad()
def _held_out(net: PlainNet, tokens: Tensor) -> float:
    """Mean nats per character of windows that do not overlap."""
    rows = tokens[: (len(tokens) - 1) // CONTEXT * CONTEXT].view(-1, CONTEXT)
    after = tokens[1 : rows.numel() + 1].view(-1, CONTEXT)
    losses = [F.cross_entropy(net(x).flatten(0, 1), y.flatten()) for x, y in zip(rows.split(256), after.split(256))]
    weights = torch.tensor([float(len(x)) for x in rows.split(256)])
    return float((torch.stack(losses) * weights).sum() / weights.sum())


def _parameters(net: nn.Module) -> dict[str, int]:
    return {"parameters": sum(p.numel() for p in net.parameters())}


def genwright(data: gw.Dataset, *, seed: int, **ways: Any) -> dict[str, Any]:
    """The same of our model: its seconds include calibration and held-out evaluations, nanoGPT's do not."""
    began, clock = time.process_time(), time.monotonic()
    model = gw.fit(data, seed=seed, **ways)
    times = {"cpu_seconds": round(time.process_time() - began, 1), "seconds": round(time.monotonic() - clock, 1)}
    found, sizes = model.score_text(data.test)
    told = {"nats": round(-found.sum() / sizes.sum(), 4)} | times
    if not isinstance(model.family, gw.Autoregressive):
        return told
    size, stream = (sum(map(len, data.train.columns["text"])), len(model.codec.windows(data.train, stride=1)))
    steps = model.record["history"][-1]["step"]
    characters = steps * model.family.batch * model.codec.length * size / stream
    return told | {"parameters": model.record["parameters"], "characters": round(characters), "took_steps": steps}


def ours() -> dict[str, dict[str, Any]]:
    """What is fitted, by name: about 768 characters a step and no more parameters than nanoGPT's."""
    family = gw.Autoregressive(width=WIDTH, depth=DEPTH, heads=HEADS)
    pieces = partial(BPE.trained, vocabulary=512)
    return {
        "genwright, bytes": {
            "family": replace(family, hidden=288, batch=BATCH),
            "tokenizer": single_bytes,
            "context": CONTEXT,
            "steps": STEPS,
        },
        "genwright, BPE of 512": {
            "family": replace(family, hidden=256, batch=4),
            "tokenizer": pieces,
            "context": 96,
            "steps": STEPS,
        },
        "genwright, BPE of 1,024, tied, 300 steps": {
            "family": replace(family, hidden=256, batch=4, tied=True),
            "tokenizer": partial(BPE.trained, vocabulary=1024),
            "context": 96,
            "steps": 300,
        },
    }


def curve(data: gw.Dataset, train: np.ndarray, test: np.ndarray, minutes: list[float]) -> None:
    """Measure what no earlier call has, and fits of so many minutes, by default settings; then draw all there is."""
    known = {line["system"] for line in recorded("text curve", "text peers")}
    if "nanoGPT" not in known:
        record("text peers", {"system": "nanoGPT", "seed": 0, "threads": 1}, nanogpt(train, test, seed=0))
    if "n-grams" not in known:
        record(
            "text curve",
            {"system": "n-grams"},
            genwright(data, seed=0, family=gw.NGram(), tokenizer=single_bytes, minutes=1.0),
        )
    for each in minutes:
        found = genwright(data, seed=0, family=gw.Autoregressive(), minutes=each)
        record("text curve", {"system": "genwright", "minutes": each}, found)
    found = recorded("text curve", "text peers")
    _draw({name: [line for line in found if line["system"] == name] for name in SYSTEMS})


def recorded(*benchmarks: str) -> list[dict[str, Any]]:
    """The results of these so far, of which a later one of the same settings replaces an earlier one."""
    lines = [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]
    found = [line for line in lines if line["benchmark"] in benchmarks]
    return list({(line["system"], line.get("minutes")): line for line in found}.values())


def _draw(systems: dict[str, list[dict[str, Any]]]) -> None:
    """Bits per byte against seconds of the processor, of one core."""
    bits = 1 / math.log(2)
    [plain], [counted] = systems["nanoGPT"], systems["n-grams"]
    ours = sorted((line["cpu_seconds"], bits * line["nats"]) for line in systems["genwright"])
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    axes.plot(*zip(*((at, bits * nats) for at, nats in plain["curve"])), color="0.5", label=SYSTEMS["nanoGPT"])
    axes.plot(*zip(*ours), "o-", color="C0", label=SYSTEMS["genwright"])
    axes.plot(counted["cpu_seconds"], bits * counted["nats"], "s", color="C1", label=SYSTEMS["n-grams"])
    axes.axhline(bits * counted["nats"], color="C1", lw=0.8, ls=":")
    axes.set(xscale="log", ylim=(1.7, 3.6), xlabel="seconds of one core", ylabel="bits per byte")
    axes.set_title("tiny-shakespeare, the last tenth", fontsize="medium")
    axes.legend(frameon=False, loc="lower left")
    figure.savefig(ROOT / "docs" / "evidence" / "text.png", dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--systems", nargs="*", choices=["nanoGPT", *ours()], help="of the table; by default all")
    parser.add_argument("--curve", type=float, nargs="*", metavar="MINUTES", help="fits to add to the plot")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = gw.read(data_file("text_tinyshakespeare/input.txt"), records="running")
    data = replace(data, fixed_split=usual_split(len(data)))
    train, test = (np.frombuffer("".join(part.columns["text"]).encode(), np.uint8) for part in (data.train, data.test))
    if options.curve is not None:
        curve(data, train, test, options.curve)
        return
    wanted = options.systems or ["nanoGPT", *ours()]
    for seed in range(options.seeds):
        settings = {"seed": seed, "threads": 1}
        if "nanoGPT" in wanted:
            record("text peers", settings | {"system": "nanoGPT"}, nanogpt(train, test, seed=seed))
        for name, ways in ours().items():
            if name in wanted:
                record("text peers", settings | {"system": name}, genwright(data, seed=seed, **ways))


if __name__ == "__main__":
    main()
