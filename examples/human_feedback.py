"""Human feedback: people compare two answers, and the model is moved towards what they prefer.

A model of short remarks learns to say kind and unkind things alike. Raters see two of its own remarks at a time and
choose one: the kinder, though not always, for raters err (Bradley and Terry 1952). From their choices alone the remarks
are ranked, and the model is tuned (direct preference optimisation, Rafailov et al. 2023): chosen remarks become
likelier than they were, against the rejected ones. A second way needs no pairs but a reward that scores any remark.
`genwright rate` collects choices of real people; `genwright tune --method dpo` takes them.

    python examples/human_feedback.py

You should see the model say kinder things after either way of tuning than before, and still in whole words; and tell
the preferred of two new remarks better than chance.
"""

import math
import random
import re
from pathlib import Path

import genwright as gw
import show

KIND = ("kind", "warm", "wise", "fair")
UNKIND = ("rude", "dull", "mean", "cold")
PEOPLE = ("anna", "omar", "lena", "tom")
PROMPTS = [f"{name} is " for name in PEOPLE]
PAIRS = 240

EXPECTED = {
    "kind remarks, before": (0.3, 0.7),
    "kind remarks, after preferences (DPO)": (0.75, 1.0),
    "kind remarks, after reward (GRPO)": (0.75, 1.0),
    "whole sentences, before": (0.8, 1.0),
    "whole sentences, after preferences (DPO)": (0.75, 1.0),
    "preference accuracy on held-out pairs": (0.6, 1.0),
    "kind words among the four that win most often": (4, 4),
}


def main(out: Path | None = None) -> dict[str, float]:
    """The same model before and after feedback."""
    rng = random.Random(0)
    remarks = [f"{name} is {rng.choice(KIND + UNKIND)} and {rng.choice(KIND + UNKIND)}." for name in PEOPLE * 150]
    base = gw.fit(gw.read(remarks), family=gw.Autoregressive(width=64, depth=1, heads=2, batch=32), steps=240)
    choices = feedback(base, rng)
    preferred = gw.tune(base, choices, method=gw.DPO(learning_rate=3e-4), steps=80)
    rewarded = gw.tune(base, [{"prompt": each} for each in PROMPTS], method=gw.GRPO(reward=kindness), steps=16)
    said = {name: remarks_of(model) for name, model in (("before", base), ("dpo", preferred), ("grpo", rewarded))}
    for name, some in said.items():
        print(f"  {name}: {' '.join(some[:4])}")
    numbers = {
        "kind remarks, before": kind_share(said["before"]),
        "kind remarks, after preferences (DPO)": kind_share(said["dpo"]),
        "kind remarks, after reward (GRPO)": kind_share(said["grpo"]),
        "whole sentences, before": whole_share(said["before"]),
        "whole sentences, after preferences (DPO)": whole_share(said["dpo"]),
        "preference accuracy on held-out pairs": preferred.record["tuned"][-1]["after"],
        "kind words among the four that win most often": len(set(ranked(choices)[:4]) & set(KIND)),
    }
    return show.numbers(numbers, EXPECTED)


def kindness(prompt: str, completion: str) -> float:
    """Kind words less unkind ones; less for what is no remark."""
    words = re.findall("[a-z]+", completion)
    return sum((w in KIND) - (w in UNKIND) for w in words) - 2.0 * (re.fullmatch(r"\w+ and \w+\.", completion) is None)


def feedback(model: gw.Generator, rng: random.Random) -> list[dict[str, str]]:
    """Pairs of remarks of a model, of which raters chose one."""
    found = []
    prompts = PROMPTS * (PAIRS // len(PROMPTS))
    drawn = [model.sample(len(prompts), given={"text": prompts}, seed=seed).columns["text"] for seed in (1, 2)]
    for prompt, one, two in zip(prompts, *drawn, strict=True):
        answers = [one.removeprefix(prompt), two.removeprefix(prompt)]
        apart = kindness(prompt, answers[0]) - kindness(prompt, answers[1])
        if rng.random() > 1.0 / (1.0 + math.exp(-2.0 * apart)):
            answers.reverse()
        if apart and all(answers):  # raters leave out what they find alike
            found.append({"prompt": prompt, "chosen": answers[0], "rejected": answers[1]})
    return found


def ranked(choices: list[dict[str, str]]) -> list[str]:
    """Words by how much more often they stand in a remark that was chosen than in one that was rejected."""
    wins = dict.fromkeys(KIND + UNKIND, 0)
    for choice in choices:
        for word in wins:
            wins[word] += (word in choice["chosen"]) - (word in choice["rejected"])
    return sorted(wins, key=lambda word: -wins[word])


def remarks_of(model: gw.Generator) -> list[str]:
    prompts = PROMPTS * 30
    return model.sample(len(prompts), given={"text": prompts}, seed=9).columns["text"].tolist()


def kind_share(remarks: list[str]) -> float:
    """Of all words of either kind, the kind ones."""
    kind, unkind = (sum(remark.count(word) for remark in remarks for word in words) for words in (KIND, UNKIND))
    return kind / max(1, kind + unkind)


def whole_share(remarks: list[str]) -> float:
    """Remarks of known words alone."""
    known = "|".join(KIND + UNKIND)
    return sum(re.fullmatch(rf"\w+ is ({known}) and ({known})\.", remark) is not None for remark in remarks) / len(
        remarks
    )


if __name__ == "__main__":
    show.command(main)
