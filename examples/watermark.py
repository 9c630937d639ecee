"""Watermarks: text that tells whoever has the key where it comes from, and nobody else, without a trace in its quality.

While a text is drawn, a keyed function of the last few tokens decides the chance in each choice. Over keys, tokens come
as often as the model says; with the key, the choices are seen not to be chance. The test's p-value is exact: it is the
probability that a text without the mark looks so much like one with it.

    python examples/watermark.py

You should see marked texts found with p-values far below one in a billion, also after every tenth word was replaced;
other people's texts and other keys not; and bits per byte of marked and unmarked texts within the noise of each other.
"""

from pathlib import Path

import numpy as np

import genwright as gw
from genwright.provenance.text_mark import find, marked

SECRET, OTHER = bytes(range(32)), bytes(range(1, 33))  # yours is made by `genwright keys new`
SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]

EXPECTED = {
    "texts": (20, 20),
    "marked texts found at one in 100,000": (18, 20),
    "found after every tenth word was replaced": (17, 20),
    "unmarked texts found": (0, 0),
    "marked texts found with another key": (0, 0),
    "bits per byte, marked over unmarked": (0.97, 1.03),
}


def main(out: Path | None = None) -> dict[str, float]:
    """Texts of a small model, with the mark and without."""
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(SYLLABLES, rng.integers(2, 4))) for _ in range(1000)]
    lines = [" ".join(rng.choice(words, 40)) for _ in range(300)]
    model = gw.fit(gw.read(lines), family=gw.Autoregressive(width=32, depth=1, heads=1), steps=150)
    how, tokenizer = gw.Sampling(max_tokens=300), model.codec.tokenizer
    plain, own = (m.sample(20, how=how, seed=1) for m in (model, marked(model, SECRET)))
    plain_texts, texts = (list(each.columns["text"]) for each in (plain, own))
    print(f"marked:   {texts[0][:90]}")
    print(f"unmarked: {plain_texts[0][:90]}")

    def count(texts: list[str], secret: bytes) -> float:
        found = [find([text], secret, tokenizer).p_value for text in texts]
        return float(sum(p is not None and p < 1e-5 for p in found))

    bits = [bits_per_byte(model, data) for data in (own, plain)]
    numbers = {
        "texts": float(len(texts)),
        "marked texts found at one in 100,000": count(texts, SECRET),
        "found after every tenth word was replaced": count([edited(text, words, rng) for text in texts], SECRET),
        "unmarked texts found": count(plain_texts, SECRET),
        "marked texts found with another key": count(texts, OTHER),
        "bits per byte, marked over unmarked": bits[0] / bits[1],
    }
    for name, value in numbers.items():
        print(f"{name}: {value:.4g}")
    return numbers


def edited(text: str, words: list[str], rng: np.random.Generator) -> str:
    """The text with every tenth word replaced by another one."""
    return " ".join(str(rng.choice(words)) if i % 10 == 5 else word for i, word in enumerate(text.split(" ")))


def bits_per_byte(model: gw.Generator, data: gw.Dataset) -> float:
    """Of texts under the model that they were drawn from."""
    log_probs, sizes = model.score_text(data)
    return float(-log_probs.sum() / np.log(2) / sizes.sum())


if __name__ == "__main__":
    main()
