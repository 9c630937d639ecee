"""Code completion: what comes next, and what stands in a gap, given the code on both sides of it.

A language model goes on from left to right. To fill a gap it is tuned to see the text after the gap first: passages are
cut in three, at random or around a name, and written as prefix, suffix, middle, with special tokens between (Bavarian
et al. 2022). Here the code is many small functions whose names say what they do, so that the right name for a body can
be told exactly. For a folder of code: `genwright fit CODE/`, then `genwright tune DIR --pairs FILE` with prompt, suffix
and completion, which `genwright.data.examples.middles` cuts.

    python examples/code_completion.py

You should see the model write the body that a name asks for, and find the name that a body behind the gap asks for;
without what stands behind the gap, it can only guess.
"""

import random
from pathlib import Path

import genwright as gw
import show
from genwright.data.examples import middles
from genwright.model.chat import around
from genwright.model.streaming import Prompt, TextEngine

NAMES = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
LETTERS = "abcdefgh"
SIZE = 27  # characters of every function

EXPECTED = {
    "bodies completed as the name says": (0.8, 1.0),
    "names found from the body behind the gap": (0.6, 1.0),
    "names found without it": (0.0, 0.5),  # of four names
    "nats per token of gaps gained by tuning": (0.3, 6.0),
}


def main(out: Path | None = None) -> dict[str, float]:
    """A model of code, and the same tuned to fill gaps."""
    rng = random.Random(0)
    pairs = [(a, b) for a in LETTERS for b in LETTERS if a != b]
    rng.shuffle(pairs)
    asked, known = pairs[:10], pairs[10:]
    code = [function(name, *pair) for pair in known for name in NAMES]
    base = gw.fit(gw.read([f"{each:<34}" for each in code]), family=gw.Autoregressive(width=64, depth=2), steps=150)
    gaps = middles(code, 400, size=SIZE)
    gaps += [{"prompt": each[:4], "completion": each[4:7], "suffix": each[7:]} for each in code]
    filling = gw.tune(base, gaps, method=gw.SFT(learning_rate=2e-3), steps=320)
    tasks = [(name, pair) for name in NAMES for pair in asked]
    bodies = completed(base, [function(name, *pair)[:24] for name, pair in tasks])
    after = [function(name, *pair)[7:] for name, pair in tasks]
    found = filled(filling, [("def ", suffix) for suffix in after])
    blind = filled(filling, [("def ", "") for _ in after])
    print(f"  def [{found[0]}]{after[0]}".replace("\n", "\n  "))
    step = filling.record["tuned"][-1]
    numbers = {
        "bodies completed as the name says": share(
            body.strip() == f"{NAMES[name]} {pair[1]}" for body, (name, pair) in zip(bodies, tasks, strict=True)
        ),
        "names found from the body behind the gap": share(f == name for f, (name, _) in zip(found, tasks, strict=True)),
        "names found without it": share(f[:3] == name for f, (name, _) in zip(blind, tasks, strict=True)),
        "nats per token of gaps gained by tuning": step["before"] - step["after"],
    }
    return show.numbers(numbers, EXPECTED)


def function(name: str, a: str, b: str) -> str:
    return f"def {name}({a}, {b}): return {a} {NAMES[name]} {b}"


def completed(model: gw.Generator, prompts: list[str]) -> list[str]:
    """What comes next, always the likeliest."""
    how = gw.Sampling(temperature=0.0, max_tokens=8)
    drawn = model.sample(len(prompts), given={"text": prompts}, how=how).columns["text"]
    return [text[len(prompt) :] for text, prompt in zip(drawn, prompts, strict=True)]


def filled(model: gw.Generator, gaps: list[tuple[str, str]]) -> list[str]:
    """What stands between two pieces of code, always the likeliest."""
    engine, how = TextEngine(model), gw.Sampling(temperature=0.0, max_tokens=8)
    tokens = [tuple(around(*gap, model.codec.tokenizer)) for gap in gaps]
    numbers = [engine.submit(Prompt(tokens=each, how=how, seed=0)) for each in tokens]
    found = dict.fromkeys(numbers, "")
    while not engine.idle:
        for delta in engine.step():
            found[delta.id] += delta.text
    return list(found.values())


def share(right) -> float:
    told = list(right)
    return sum(told) / len(told)


if __name__ == "__main__":
    show.command(main)
