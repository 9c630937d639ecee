"""Holes in pictures: ours in few network calls beside resampling in ten times as many.

`python -m benchmarks.inpainting`: digits and Fashion-MNIST (`../shared/data`), halves and middles of test pictures
whose label is not told. One flow matching model each: ours draws with it as it is, which was trained to see pictures in
part; resampling (Lugmayr et al. 2022, "RePaint", arXiv:2201.09865, Algorithm 1) uses the same net without telling it
what is given. Writes docs/evidence/inpainting.md.
"""

import argparse
import gzip
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

import genwright as gw
from benchmarks.common import ROOT
from genwright.extractors.features import Extractor, fit_extractor
from genwright.spaces import Given

DATA = ROOT.parent / "shared" / "data" / "images_fashion_mnist"
PAGE = ROOT / "docs" / "evidence" / "inpainting.md"
SHOWN = 100  # test pictures
JUMPS = 10  # times that each step is taken again, as published
HEAD = (
    "| data, hole | how | calls | error in the hole | perceptual distance | between draws | seconds |\n"
    "|---|---|---|---|---|---|---|\n"
)


@dataclass(frozen=True)
class Drawn:
    """Filled pictures, twice, what they cost, and how."""

    how: str
    first: Tensor
    second: Tensor
    calls: int
    seconds: float


class Calls:
    """Counts for how many pictures a net was asked."""

    def __init__(self, net: torch.nn.Module) -> None:
        self.count = 0
        net.register_forward_hook(lambda module, inputs, out: self.counted(inputs[0]))

    def counted(self, x: Tensor) -> None:
        """One more for each picture."""
        self.count += len(x)


def fashion() -> gw.Dataset:
    """Fashion-MNIST's first 10,000 training pictures."""
    images, labels = (
        np.frombuffer(gzip.decompress((DATA / f"train-{kind}-ubyte.gz").read_bytes()), np.uint8, offset=offset)
        for kind, offset in (("images-idx3", 16), ("labels-idx1", 8))
    )
    return gw.read({"images": images.reshape(-1, 28, 28)[:10_000], "labels": labels[:10_000]})


def holes(n: int, side: int) -> dict[str, np.ndarray]:
    """Where pictures are drawn anew: halves by turns, or the middle."""
    half = np.zeros((n, side, side), dtype=bool)
    half[0::4, : side // 2], half[1::4, side // 2 :] = True, True
    half[2::4, :, : side // 2], half[3::4, :, side // 2 :] = True, True
    middle = np.zeros((n, side, side), dtype=bool)
    middle[:, side // 4 : -(side // 4), side // 4 : -(side // 4)] = True
    return {"a half": half, "the middle": middle}


@torch.no_grad()
def resampled(net: torch.nn.Module, x: Tensor, hole: Tensor, *, steps: int, seed: int) -> Tensor:
    """Each step from noise to data is taken `JUMPS` times, with what is known noised anew, on the straight path."""
    rng = torch.Generator().manual_seed(seed)
    noise = lambda: torch.randn(x.shape, generator=rng)  # noqa: E731
    unknown = None if net.conditions is None else net.conditions.unknown(len(x), x.device)
    y, times = noise(), torch.linspace(0.0, 1.0, steps + 1)
    for t, s in pairwise(times):
        last = bool(s >= 1)
        for jump in range(1 if last else JUMPS):
            clean = y + (1 - t) * net(y, t.expand(len(y)), unknown, torch.zeros_like(y))
            if last:
                y = torch.where(hole, clean, x)
                break
            keep = t / s  # y at t is keep times y at s, with noise added
            added = ((1 - t) ** 2 - (keep * (1 - s)) ** 2).clamp(min=0.0)
            mean = (keep * (1 - s) ** 2 * y + s * added * clean) / (1 - t) ** 2
            drawn = mean + added.sqrt() * (1 - s) / (1 - t) * noise()
            y = torch.where(hole, drawn, s * x + (1 - s) * noise())
            if jump < JUMPS - 1:
                y = keep * y + added.sqrt() * noise()
    return y.clamp(-1.0, 1.0)


def ways(model: gw.Generator, x: Tensor, hole: Tensor) -> Iterator[Drawn]:
    """Every way to fill the holes."""
    net = model.net
    counter = Calls(net)
    partial = torch.where(hole, torch.nan, x)
    unknown = None if net.conditions is None else net.conditions.unknown(len(x), x.device)

    def ours(steps: int, temperature: float, seed: int) -> Tensor:
        how = gw.Sampling(steps=steps, temperature=temperature)
        rng = torch.Generator().manual_seed(seed)
        return model.family.sample(net, len(x), given=Given(partial, unknown), how=how, rng=rng)

    cases = [(f"ours, temperature {t:g}", lambda seed, t=t: ours(6, t, seed)) for t in (1.0, 0.4, 0.0)]
    cases.append((f"resampling, 12 steps by {JUMPS}", lambda seed: resampled(net, x, hole, steps=12, seed=seed)))
    for name, draw in cases:
        counter.count, started = 0, time.process_time()
        first = draw(1)
        calls, seconds = counter.count // len(x), time.process_time() - started
        yield Drawn(name, first, draw(2), calls, seconds)


def line(name: str, drawn: Drawn, x: Tensor, hole: Tensor, test: gw.Dataset, seen: Extractor, space: object) -> str:
    """A row of the page: means over pictures with 95 % intervals."""
    inside = hole.float().sum((1, 2, 3))
    error = ((drawn.first - x).square() * hole).sum((1, 2, 3)).div(inside).sqrt().numpy()
    apart = ((drawn.first - drawn.second).square() * hole).sum((1, 2, 3)).div(inside).sqrt().numpy()
    pixels = [np.moveaxis(space.pack(each).numpy(), 1, 3) for each in (drawn.first, x)]
    features = [seen(gw.Dataset(test.fields, {**test.columns, "image": each}, "filled")) for each in pixels]
    far = np.sqrt(np.square(features[0] - features[1]).mean(1))
    told = " | ".join(f"{v.mean():.3f} ± {1.96 * v.std(ddof=1) / len(v) ** 0.5:.3f}" for v in (error, far))
    return f"| {name} | {drawn.how} | {drawn.calls} | {told} | {apart.mean():.3f} | {drawn.seconds:.1f} |"


def main() -> None:
    """Fit, fill, measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, nargs=2, default=(1500, 1500), help="of training, for each of the two")
    parser.add_argument("--data", nargs="+", default=["digits", "Fashion-MNIST"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    lines = []
    for name in options.data:
        data, steps = (gw.read("digits"), options.steps[0]) if name == "digits" else (fashion(), options.steps[1])
        width = 16 if name == "digits" else 32
        model = gw.fit(data, family=gw.FlowMatching(width=width), steps=steps, seed=0)
        test = data.test.take(slice(SHOWN))
        seen = fit_extractor(data.train, dimension=16)
        space = model.codec.space
        x = space.unpack(model.codec.encode(test, rng=torch.Generator().manual_seed(0)).x)
        for place, where in holes(len(test), x.shape[-1]).items():
            hole = torch.from_numpy(where)[:, None].expand_as(x)
            for drawn in ways(model, x, hole):
                lines.append(line(f"{name}, {place}", drawn, x, hole, test, seen, space))
                print(lines[-1], flush=True)
        write(lines, options)


def write(lines: list[str], options: argparse.Namespace) -> None:
    """The page, as far as it has come."""
    steps, data = (" ".join(map(str, each)) for each in (options.steps, options.data))
    command = f"python -m benchmarks.inpainting --data {data} --steps {steps}"
    page = (
        f"# Holes in pictures\n\n`{command}`: {SHOWN} test pictures at most, whose label is not told; flow matching of "
        "the given steps, one core, seed 0. Calls of the network are counted per picture, guidance included. The error "
        "is the root mean square difference from the true picture in the hole, in units of half the grey range; the "
        "perceptual distance that of 16 features fitted to training pictures (each of variance 1), over the whole "
        "picture; between draws: how far two draws are apart, so what is left of variety. At temperature 1 ours draws "
        "from what the model has learned; below it starts from less noise, and comes to the likelier fillings, as "
        "resampling does too, which is less varied than the model as well.\n\n"
    )
    PAGE.write_text(page + HEAD + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
