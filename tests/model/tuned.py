"""A small model of short sentences, fitted once, for what goes on from it."""

from functools import cache

import pandas as pd

import genwright as gw

ADJECTIVES = ("old", "red", "cold", "tall", "wet", "dark")
NOUNS = ("fox", "hill", "lamp", "road", "sea", "tree")


@cache
def sentences_model() -> gw.Generator:
    """Sentences such as "the red fox." """
    texts = [f"the {a} {n}." for a in ADJECTIVES for n in NOUNS] * 6
    data = gw.read(pd.DataFrame({"text": texts}), schema={"text": "text"})
    padded = gw.Autoregressive(width=32, depth=1, heads=2, batch=16)
    return gw.fit(data, family=padded, steps=60, target="text")


def pairs() -> list[dict[str, str]]:
    return [{"prompt": f"{a} {n[:2]}", "completion": f"{n[2:]}!"} for a in ADJECTIVES for n in NOUNS]


def preferences() -> list[dict[str, str]]:
    return [{"prompt": f"the {a} ", "chosen": "sea.", "rejected": f"{n}."} for a in ADJECTIVES for n in NOUNS[:4]]
