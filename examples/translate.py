"""Translation: a model of texts learns to answer a sentence with its translation, also one that it never saw.

The pairs are made by a little grammar, so that right and wrong can be told exactly: English adjectives stand before the
noun and never change, Spanish ones follow it and agree with its gender, and so do articles. Of all sentences a part is
held out; translating these takes the rule, not the memory. The baseline is a memory: the translation of the training
sentence that is most alike. For pairs of your own: `genwright tune DIR --pairs FILE`, and `benchmarks/translation.py`.

    python examples/translate.py

You should see the tuned model translate most held-out sentences letter by letter, and the memory hardly any.
"""

import difflib
import random
from pathlib import Path

import genwright as gw
import show
from genwright.metrics.references import chrf

VERBS = {"I see": "veo", "we buy": "compramos", "she sells": "vende", "they want": "quieren"}
NOUNS = {"house": "casa", "dog": "perro", "table": "mesa", "book": "libro", "shop": "tienda", "car": "carro"}
ADJECTIVES = {"red": "roj", "old": "viej", "white": "blanc", "new": "nuev", "small": "pequeñ"}
ARTICLES = {"the": ("el", "la"), "a": ("un", "una")}
HELD_OUT = 40

EXPECTED = {
    "exact translations, before tuning": (0.0, 0.05),
    "exact translations, nearest neighbour": (0.0, 0.05),
    "exact translations, tuned": (0.7, 1.0),
    "chrF, nearest neighbour": (40.0, 85.0),
    "chrF, tuned": (88.0, 100.0),
    "nats per token gained on held-out pairs": (1.0, 6.0),
}


def sentences() -> dict[str, str]:
    """Every sentence of the grammar, with its translation."""
    found = {}
    for verb, says in VERBS.items():
        for article, forms in ARTICLES.items():
            for adjective, stem in ADJECTIVES.items():
                for noun, name in NOUNS.items():
                    female = name.endswith("a")
                    spanish = f"{says} {forms[female]} {name} {stem}{'oa'[female]}"
                    found[f"{verb} {article} {adjective} {noun}"] = spanish
    return found


def main(out: Path | None = None) -> dict[str, float]:
    """A model of both languages, then of what is said in one given the other."""
    pairs = sentences()
    order = random.Random(0).sample(sorted(pairs), len(pairs))
    asked, known = order[:HELD_OUT], order[HELD_OUT:]
    texts = [text for english in known for text in (english, pairs[english])]
    base = gw.fit(gw.read([f"{text:<48}" for text in texts]), family=gw.Autoregressive(width=64, depth=2), steps=100)
    examples = [{"prompt": f"{english} = ", "completion": pairs[english]} for english in known]
    model = gw.tune(base, examples, method=gw.SFT(learning_rate=2e-3, batch=16), steps=360)

    def right(found: list[str]) -> float:
        return sum(pairs[english] == each for english, each in zip(asked, found, strict=True)) / HELD_OUT

    memory = [pairs[difflib.get_close_matches(english, known, n=1, cutoff=0.0)[0]] for english in asked]
    before, after = translated(base, asked), translated(model, asked)
    for english, each in list(zip(asked, after, strict=True))[:5]:
        print(f"  {english} = {each}")
    references = [[pairs[english]] for english in asked]
    step = model.record["tuned"][-1]
    numbers = {
        "exact translations, before tuning": right(before),
        "exact translations, nearest neighbour": right(memory),
        "exact translations, tuned": right(after),
        "chrF, nearest neighbour": chrf(references, memory).value,
        "chrF, tuned": chrf(references, after).value,
        "nats per token gained on held-out pairs": step["before"] - step["after"],
    }
    return show.numbers(numbers, EXPECTED)


def translated(model: gw.Generator, asked: list[str]) -> list[str]:
    """What a model goes on with after each sentence, always the likeliest letter."""
    prompts = [f"{english} = " for english in asked]
    drawn = model.sample(len(asked), given={"text": prompts}, how=gw.Sampling(temperature=0.0, max_tokens=40))
    return [text.removeprefix(prompt) for text, prompt in zip(drawn.columns["text"], prompts, strict=True)]


if __name__ == "__main__":
    show.command(main)
