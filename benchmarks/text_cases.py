"""Three questions about models of text, each answered by small fits of its own.

python -m benchmarks.text_cases epochs      # is a small text learned by heart that is read over and over?
python -m benchmarks.text_cases masked      # masked diffusion beside the autoregressive model: same body, same steps
python -m benchmarks.text_cases code        # the next line of Python's standard library, exactly, beside n-grams

`epochs`: the first tenth of tiny-shakespeare as bytes, with dropout as by default and with none; how far the held-out
loss of the averaged weights rises above its lowest in the 5 passes after that. `masked`: bits per byte of the last
tenth (for masked diffusion an upper bound), and network calls for a window of tokens. `code`: the likeliest next lines
at 200 places of unseen files.
"""

import argparse
import math
import time
from dataclasses import replace
from typing import Any

import numpy as np

import genwright as gw
from benchmarks.common import data_file, record
from benchmarks.text import usual_split
from genwright.codecs.tokenizers import single_bytes
from genwright.data.text import running_text

PASSES = 5  # after the lowest held-out loss
PLACES = 200  # at which the next line is asked for
BEFORE = 400  # characters that are given


def bits(model: gw.Generator, data: gw.Dataset) -> float:
    """Bits per byte of a text."""
    found, sizes = model.score_text(data)
    return round(float(-found.sum() / sizes.sum() / math.log(2)), 4)


def epochs(steps: int, seed: int) -> None:
    """How far held-out loss rises after its minimum."""
    text = data_file("text_tinyshakespeare/input.txt").read_text(encoding="utf-8")
    data = running_text(text[: len(text) // 10], name="a tenth of tiny-shakespeare")
    for dropout in (None, 0.0):
        family = gw.Autoregressive(dropout=dropout)
        model = gw.fit(data, family=family, steps=steps, seed=seed, tokenizer=single_bytes)
        history, size = model.record["history"], len("".join(data.train.columns["text"]))
        each = model.family.batch * model.codec.length / size  # passes of a step
        lowest = min(history, key=lambda line: line["held_out"])
        after = [line for line in history if 0 <= (line["step"] - lowest["step"]) * each <= PASSES]
        rise = max(line["held_out"] for line in after) - lowest["held_out"]
        told = {"passes": round(history[-1]["step"] * each, 1), "lowest_at": round(lowest["step"] * each, 1)}
        told |= {"lowest_bits": round(lowest["held_out"] / math.log(2), 4), "rise_bits": round(rise / math.log(2), 4)}
        told |= {"passes_after": round((after[-1]["step"] - lowest["step"]) * each, 1)}
        record("text epochs", {"dropout": model.family.dropout, "steps": steps, "seed": seed}, told)


def masked(steps: int, seed: int) -> None:
    """Both families on the same bytes."""
    data = gw.read(data_file("text_tinyshakespeare/input.txt"))
    data = replace(data, fixed_split=usual_split(len(data)))
    for family in (gw.Autoregressive(), gw.MaskedDiffusion()):
        began = time.process_time()
        model = gw.fit(data, family=family, steps=steps, seed=seed, tokenizer=single_bytes)
        seconds = round(time.process_time() - began)
        calls = model.codec.length if isinstance(family, gw.Autoregressive) else 64
        told = {"bits": bits(model, data.test), "cpu_seconds": seconds, "calls": calls, "tokens": model.codec.length}
        record("text masked", {"family": family.name, "steps": steps, "seed": seed}, told)


def code(minutes: float, seed: int) -> None:
    """Bits per byte and next lines of unseen files, of both models."""
    data = gw.read("python-stdlib")
    prompts, answers = _places(data.test, np.random.default_rng(seed))
    for family in (gw.Autoregressive(), gw.NGram()):
        began = time.process_time()
        model = gw.fit(data, family=family, minutes=minutes, seed=seed)
        seconds = round(time.process_time() - began)
        how = (
            gw.Sampling(temperature=0.0)
            if isinstance(family, gw.NGram)
            else gw.Sampling(temperature=0.0, max_tokens=40)
        )
        drawn = model.sample(len(prompts), given={"text": prompts}, how=how, seed=seed).columns["text"]
        lines = [_line_after(text, prompt) for text, prompt in zip(drawn, prompts, strict=True)]
        right = np.mean([line == answer for line, answer in zip(lines, answers, strict=True)])
        told: dict[str, Any] = {"bits": bits(model, data.test), "next_line": round(float(right), 4)}
        told |= {"lines": len(answers), "cpu_seconds": seconds}
        record("text code", {"family": family.name, "minutes": minutes, "seed": seed}, told)
        for prompt, line, answer in list(zip(prompts, lines, answers, strict=True))[:5]:
            print(repr(prompt[-60:]), "->", repr(line), "| was", repr(answer))


def _places(data: gw.Dataset, rng: np.random.Generator) -> tuple[list[str], list[str]]:
    """Texts that end at the end of a line, and the next line, which is not blank."""
    found = []
    for text in data.columns[data.fields[0].name]:
        lines = text.splitlines(keepends=True)
        starts = np.cumsum([0, *map(len, lines)])
        found += [
            (text[max(0, a - BEFORE) : a], line.rstrip("\n")) for a, line in zip(starts[1:], lines[1:]) if line.strip()
        ]
    some = rng.permutation(len(found))[:PLACES]
    return [found[i][0] for i in some], [found[i][1] for i in some]


def _line_after(text: str, prompt: str) -> str:
    """The rest of the line that was written after a prompt."""
    return text.removeprefix(prompt).split("\n")[0] if text.startswith(prompt) else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=["epochs", "masked", "code"])
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.case == "code":
        code(options.minutes, options.seed)
    else:
        {"epochs": epochs, "masked": masked}[options.case](options.steps, options.seed)


if __name__ == "__main__":
    main()
