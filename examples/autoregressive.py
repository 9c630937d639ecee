"""Autoregressive models: one value after the other, each given those before it.

Every distribution factorises as p(x) = p(x_1) p(x_2|x_1) p(x_3|x_1, x_2) ...; so a model that predicts the next value
well is a generative model with an exact likelihood. The same idea serves text (byte after byte: a prompt is continued),
tables (columns in any order: any of them can be given) and images (pixel after pixel: the lower half follows from the
upper). Temperature sharpens the distribution of the next value, top-k and top-p cut off its tail.

    python examples/autoregressive.py

You should see fewer bits per byte of Python code than letter or letter-pair statistics need; ever less variety as
temperature falls, and none at 0; disease progression that rises with the body mass that was given, by as much as a
regression on the real patients says; and lower halves of digits that fit their upper halves.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.svm import SVC

import genwright as gw
import show

PROMPT = "def "
THIN, HEAVY = 20.0, 36.0  # body mass index, kg/m^2

EXPECTED = {
    "text: bits per byte, model": (2.8, 3.75),  # 3.65, where 8 is no model at all
    "text: bits per byte, letter pairs": (3.5, 4.1),  # 3.77, depends on the version of Python
    "text: bits per byte, letters": (4.3, 4.9),  # 4.58
    "text: begins with the prompt": (1.0, 1.0),
    "text: distinct of 12 continuations, temperature 0": (1, 1),
    "text: variety, temperature 0.5": (0.05, 0.4),  # 0.25
    "text: variety, top-k 4": (0.04, 0.35),  # 0.12
    "text: variety, top-p 0.9": (0.25, 0.6),  # 0.46
    "text: variety, temperature 1": (0.4, 0.8),  # 0.57
    "table: progression, heavy minus thin, model": (70.0, 200.0),  # 106
    "table: progression, heavy minus thin, regression": (163.0, 165.0),  # 163.7
    "image: completed digits told right": (0.45, 0.9),  # 0.55
    "image: with another digit's lower half": (0.36, 0.39),  # 0.374
    "image: own lower half likelier than another's": (0.55, 1.0),  # 0.60
}


def main(out: Path | None = None) -> dict[str, float]:
    """Three models of one family: of text, of a table, of images."""
    text, passages = text_numbers()
    table, points = table_numbers()
    image, pictures = image_numbers()
    draw(out, passages, points, pictures)
    print("One family, three kinds of data:")
    return show.numbers({**text, **table, **image}, EXPECTED)


def text_numbers() -> tuple[dict[str, float], dict[str, str]]:
    """Bits per byte of held-out Python, and how prompts are continued; also one passage per way of drawing."""
    data = gw.read("python-stdlib")
    model = gw.fit(data, family=gw.Autoregressive(width=64, depth=1, heads=2, batch=4), steps=170)
    held_out = data.test.take(slice(40, 60))  # passages of about 2 kB
    nats, sizes = model.score_text(held_out)
    train, test = ("".join(part.columns["text"]) for part in (data.train, held_out))
    ways = {
        "temperature 0": gw.Sampling(temperature=0.0),
        "temperature 0.5": gw.Sampling(temperature=0.5),
        "top-k 4": gw.Sampling(top_k=4),
        "top-p 0.9": gw.Sampling(top_p=0.9),
        "temperature 1": gw.Sampling(),
    }
    drawn = {
        name: list(model.sample(12, given={"text": PROMPT}, how=how, seed=4).columns["text"])
        for name, how in ways.items()
    }
    everything = [passage for passages in drawn.values() for passage in passages]
    numbers = {
        "text: bits per byte, model": -nats.sum() / sizes.sum() / np.log(2),
        "text: bits per byte, letter pairs": pair_bits(train, test),
        "text: bits per byte, letters": letter_bits(train, test),
        "text: begins with the prompt": np.mean([passage.startswith(PROMPT) for passage in everything]),
        "text: distinct of 12 continuations, temperature 0": len(set(drawn["temperature 0"])),
        **{f"text: variety, {name}": variety(drawn[name]) for name in ways if name != "temperature 0"},
    }
    return numbers, {name: passages[0] for name, passages in drawn.items()}


def letter_bits(train: str, test: str) -> float:
    """Bits per byte of `test` by how often each byte stands in `train`."""
    count = np.bincount(np.frombuffer(train.encode(), np.uint8), minlength=256) + 0.1
    return float(-np.log2(count / count.sum())[np.frombuffer(test.encode(), np.uint8)].mean())


def pair_bits(train: str, test: str) -> float:
    """Bits per byte of `test` by how often each byte follows the one before it in `train`."""
    before, after = (np.frombuffer(train.encode(), np.uint8)[s] for s in (slice(None, -1), slice(1, None)))
    count = np.zeros((256, 256)) + 0.1
    np.add.at(count, (before, after), 1)
    probability = count / count.sum(1, keepdims=True)
    raw = np.frombuffer(test.encode(), np.uint8)
    return float(-np.log2(probability[raw[:-1], raw[1:]]).mean())


def variety(passages: list[str]) -> float:
    """Share of different ones among all triples of letters (distinct-3; Li et al. 2016, arXiv:1510.03055)."""
    triples = [passage[i : i + 3] for passage in passages for i in range(len(passage) - 2)]
    return len(set(triples)) / len(triples)


def table_numbers() -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Disease progression of new patients of given body mass, beside a regression on real ones; also the points."""
    data = gw.read("diabetes")
    model = gw.fit(data, family=gw.Autoregressive(), steps=100)
    drawn = {
        f"body mass {mass:.0f} given": model.sample(300, given={"bmi": mass}, seed=1).frame[["bmi", "progression"]]
        for mass in (THIN, HEAVY)
    }
    thin, heavy = (frame["progression"].mean() for frame in drawn.values())
    real = data.frame[["bmi", "progression"]]
    slope = LinearRegression().fit(real[["bmi"]].to_numpy(), real["progression"]).coef_[0]
    numbers = {
        "table: progression, heavy minus thin, model": heavy - thin,
        "table: progression, heavy minus thin, regression": slope * (HEAVY - THIN),
    }
    return numbers, {"real patients": real.to_numpy(float)} | {name: f.to_numpy(float) for name, f in drawn.items()}


def image_numbers() -> tuple[dict[str, float], np.ndarray]:
    """Whether lower halves fit their upper halves, by a classifier and by likelihood; also the completed digits."""
    data = gw.read("digits")
    judge = SVC().fit(data.train.columns["image"].reshape(-1, 64), data.train.columns["label"])
    unlabelled = replace(data.select(["image"]), fixed_split=data.split)
    model = gw.fit(unlabelled, family=gw.Autoregressive(width=32, depth=2, heads=1, batch=32), steps=120)
    test, labels = unlabelled.test, data.test.columns["label"]
    upper = test.columns["image"].astype(float)
    upper[:, 4:] = np.nan
    completed = model.sample(len(upper), given={"image": upper}, seed=2).columns["image"]
    another = np.concatenate([test.columns["image"][:, :4], np.roll(test.columns["image"], 1, axis=0)[:, 4:]], axis=1)
    swapped = replace(test, columns={"image": another})
    numbers = {
        "image: completed digits told right": judge.score(completed.reshape(-1, 64), labels),
        "image: with another digit's lower half": judge.score(another.reshape(-1, 64), labels),
        "image: own lower half likelier than another's": np.mean(model.log_prob(test) > model.log_prob(swapped)),
    }
    return numbers, completed


def draw(out: Path | None, passages: dict[str, str], points: dict[str, np.ndarray], pictures: np.ndarray) -> None:
    """Passages, patients and digits."""
    page, axes = show.figure(1, 3, width=4.4, height=4.0)
    shown = "\n\n".join(f"[{name}]\n" + "\n".join(passage[:110].split("\n")[:4]) for name, passage in passages.items())
    axes[0, 0].text(0, 1, shown.replace("$", r"\$"), family="monospace", fontsize=6.5, va="top", clip_on=True)
    axes[0, 0].set_axis_off()
    axes[0, 0].set_title(f"Python continued after {PROMPT!r}", fontsize=10)
    for colour, size, (name, xy) in zip(("0.6", *show.COLOURS[:2]), (8, 5, 5), points.items(), strict=True):
        axes[0, 1].scatter(*xy.T, s=size, color=colour, alpha=0.5, label=name)
    axes[0, 1].set(xlabel="body mass index", ylabel="disease progression")
    axes[0, 1].set_title("new patients of given body mass", fontsize=10)
    axes[0, 1].legend(fontsize=7)
    show.images(axes[0, 2], pictures[:80], columns=10, title="upper halves real, lower halves drawn")
    show.save(page, out, "autoregressive")


if __name__ == "__main__":
    show.command(main)
