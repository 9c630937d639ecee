"""Stories: a model of texts goes on with the beginning of a tale, for as long as you ask.

The tales are made by a little grammar, so that a good continuation can be told from a bad one exactly: who is in the
first sentence stays who it is to the end, and what was lost is found. A model of n-grams, which sees seven tokens
back, writes good words and forgets whom it writes about; a transformer looks back to the beginning. For a text of your
own: `genwright fit book.txt`, then `genwright sample DIR -n 1 --given text="It was a dark"`.

    python examples/story.py

You should see a transformer that needs hardly more bits for a tale than the grammar itself; continuations that keep
their hero and find what was lost, in nearly all where the transformer writes and in few where n-grams do; and a tale
letter by letter, as it is written.
"""

import math
import random
from pathlib import Path

import genwright as gw
import show
from genwright.codecs.tokenizers import bpe
from genwright.model.streaming import TextEngine, prompt

HEROES = ("Anna", "Ben", "Clara", "David", "Emma", "Felix", "Greta", "Hugo")
THINGS = ("a silver key", "an old map", "a red balloon", "a wooden boat", "a golden ring", "a blue umbrella")
PLACES = ("by the sea", "in the mountains", "near the forest", "at the edge of town", "on a small farm")
FRIENDS = ("a grey cat", "a talking crow", "a friendly dog", "a shy fox")
BEGINNINGS = ("Once upon a time {hero} lived {place}.", "There was a child called {hero} who lived {place}.")
MIDDLES = ("One morning {hero} lost {thing} and looked for it all day.", "One night {hero} missed {thing}.")
HELPERS = (
    "Then {friend} came along and helped {hero} to search.",
    "In the evening {friend} said: I will help you, {hero}.",
)
ENDS = ("At last they found {thing}, and {hero} was happy again.", "Before long {thing} was found, and {hero} laughed.")
TALES, ASKED = 1500, 40

EXPECTED = {
    "bits per tale, the grammar's own": (13.9, 13.91),  # 4 choices of 2, and of 8, 6, 5 and 4
    "bits per tale, n-grams": (18.0, 40.0),  # 25.6
    "bits per tale, transformer": (13.4, 16.0),  # 13.9
    "hero kept to the end, n-grams": (0.0, 0.5),
    "hero kept to the end, transformer": (0.8, 1.0),
    "lost thing found, n-grams": (0.0, 0.6),
    "lost thing found, transformer": (0.8, 1.0),
    "letters written one after the other": (60.0, 400.0),
}


def tale(rng: random.Random) -> dict[str, str]:
    """One story, and who and what is in it."""
    cast = {"hero": rng.choice(HEROES), "thing": rng.choice(THINGS)}
    cast |= {"place": rng.choice(PLACES), "friend": rng.choice(FRIENDS)}
    parts = [rng.choice(some).format(**cast) for some in (BEGINNINGS, MIDDLES, HELPERS, ENDS)]
    return cast | {"beginning": " ".join(parts[:2]), "text": " ".join(parts)}


def main(out: Path | None = None) -> dict[str, float]:
    """The same beginnings, continued by n-grams and by a transformer."""
    rng = random.Random(0)
    data = gw.read([tale(rng)["text"] for _ in range(TALES)])
    asked = [tale(rng) for _ in range(ASKED)]
    families = {"n-grams": gw.NGram(order=7), "transformer": gw.Autoregressive(width=96, depth=2, batch=8)}
    choices = (HEROES, THINGS, PLACES, FRIENDS, BEGINNINGS, MIDDLES, HELPERS, ENDS)
    numbers = {"bits per tale, the grammar's own": math.log2(math.prod(map(len, choices)))}
    for name, family in families.items():
        model = gw.fit(data, family=family, tokenizer=bpe, steps=500)
        nats, _ = model.score_text(data.test)
        told = model.sample(ASKED, given={"text": [each["beginning"] for each in asked]}, seed=1).columns["text"]
        rest = [text.removeprefix(each["beginning"]) for text, each in zip(told, asked, strict=True)]
        numbers[f"bits per tale, {name}"] = -nats.mean() / math.log(2)
        numbers[f"hero kept to the end, {name}"] = share(rest, asked, "hero", HEROES)
        numbers[f"lost thing found, {name}"] = share(rest, asked, "thing", THINGS)
        print(f"  [{name}] {told[0]}")
    numbers["letters written one after the other"] = written(model, asked[0]["beginning"])
    return show.numbers(numbers, EXPECTED)


def share(rest: list[str], asked: list[dict[str, str]], role: str, choices: tuple[str, ...]) -> float:
    """Share of continuations that name whom or what the beginning named, and nobody and nothing else."""
    named = [{choice for choice in choices if choice in text} for text in rest]
    return sum(found == {each[role]} for found, each in zip(named, asked, strict=True)) / len(rest)


def written(model: gw.Generator, beginning: str) -> int:
    """Letters of one continuation, shown as they are written."""
    engine, letters = TextEngine(model, slots=1), 0
    engine.submit(prompt(model, beginning, how=gw.Sampling(temperature=0.3)))
    print("  [as it is written]", end="")
    while not engine.idle:
        for delta in engine.step():
            print(delta.text, end="", flush=True)
            letters += len(delta.text)
    print()
    return letters


if __name__ == "__main__":
    show.command(main)
