"""Chat: a model of texts becomes one that answers, remembers what was said before, and stops when it has answered.

The chats are about a little shop, so that right answers can be told exactly. Tuning shows whole chats and moves the
model towards what the assistant says, not towards what the user says; who speaks is marked by tokens that no text can
spell, so that nobody can write a turn of someone else's. For chats of your own: `genwright tune DIR --pairs FILE`, with
`messages` in every line, then `genwright chat DIR`; `genwright serve DIR` answers OpenAI's clients.

    python examples/chat.py

You should see no right answer before tuning and nearly all after it, also to questions put in words that were not
tuned to for that ware; the name of most customers remembered two turns later; and replies that end by themselves.
"""

import random
from pathlib import Path

import genwright as gw
import show
from genwright.codecs.tokenizers import bpe
from genwright.model.dialogue import Dialogue

PRICES = {"apples": 30, "pears": 45, "bread": 250, "milk": 120, "cheese": 480, "honey": 620, "tea": 310, "rice": 190}
NAMES = ("Anna", "Ben", "Clara", "David", "Emma", "Felix", "Greta", "Hugo")
QUESTIONS = ("What do {ware} cost?", "How much are {ware}?", "Tell me the price of {ware}.", "Are {ware} expensive?")
GREETINGS = ("Hello, I am {name}.", "Good morning, my name is {name}.", "{name} here.")
ASKED_NAME = "Do you know who I am?"
CHATS = 900

EXPECTED = {
    "right prices, before tuning": (0.0, 0.1),
    "right prices, tuned": (0.9, 1.0),
    "names remembered two turns later": (0.5, 1.0),  # 0.75, where guessing gives 0.125
    "replies that end by themselves": (0.95, 1.0),
    "nats per token gained on held-out chats": (1.0, 8.0),
}


def answer(ware: str) -> str:
    """What the shop says."""
    return f"{ware.capitalize()}: {PRICES[ware]} cents."


def chat(rng: random.Random, new: set[tuple[str, str]]) -> list[dict[str, str]]:
    """One chat; questions that are `new` are left for later."""
    name, ware = rng.choice(NAMES), rng.choice(list(PRICES))
    question = rng.choice([each for each in QUESTIONS if (each, ware) not in new])
    said = [(rng.choice(GREETINGS).format(name=name), f"Welcome, {name}!"), (question.format(ware=ware), answer(ware))]
    said += [(ASKED_NAME, f"You are {name}.")] if rng.random() < 0.5 else []
    turns = [{"role": role, "content": text} for pair in said for role, text in zip(("user", "assistant"), pair)]
    return turns


def main(out: Path | None = None) -> dict[str, float]:
    """A model of what is said in shops, then one that says it."""
    rng = random.Random(0)
    new = {(QUESTIONS[i % len(QUESTIONS)], ware) for i, ware in enumerate(PRICES)}
    chats = [chat(rng, new) for _ in range(CHATS)]
    texts = ["\n".join(turn["content"] for turn in each) for each in chats]
    base = gw.fit(gw.read(texts), family=gw.Autoregressive(width=64, depth=2), tokenizer=bpe, context=128, steps=60)
    examples = [{"messages": each} for each in chats]
    model = gw.tune(base, examples, method=gw.SFT(learning_rate=2e-3, batch=16), steps=360)
    step, replies, known = model.record["tuned"][-1], [], 0
    for name in NAMES:
        talk = Dialogue(model, how=gw.Sampling(temperature=0.0, max_tokens=24))
        question, ware = sorted(new)[len(replies) % len(new)]
        said = [(text, reply(talk, text)) for text in (f"{name} here.", question.format(ware=ware), ASKED_NAME)]
        replies += [text for _, text in said]
        known += said[2][1] == f"You are {name}."
    print("\n".join(f"  > {text}\n    {found}" for text, found in said))
    asked = sorted(new)
    numbers = {
        "right prices, before tuning": right(base, asked),
        "right prices, tuned": right(model, asked),
        "names remembered two turns later": known / len(NAMES),
        "replies that end by themselves": sum(text.endswith((".", "!")) for text in replies) / len(replies),
        "nats per token gained on held-out chats": step["before"] - step["after"],
    }
    return show.numbers(numbers, EXPECTED)


def right(model: gw.Generator, asked: list[tuple[str, str]]) -> float:
    """Share of questions, each in a chat of its own, that are answered with the right price."""
    talks = [Dialogue(model, how=gw.Sampling(temperature=0.0, max_tokens=24)) for _ in asked]
    found = [reply(talk, question.format(ware=ware)) for talk, (question, ware) in zip(talks, asked, strict=True)]
    return sum(answer(ware) == text for text, (_, ware) in zip(found, asked, strict=True)) / len(asked)


def reply(talk: Dialogue, text: str) -> str:
    """All that is said in return."""
    return "".join(delta.text for delta in talk.say(text))


if __name__ == "__main__":
    show.command(main)
