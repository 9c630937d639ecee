"""The generative adversarial network: two players, and no likelihood.

A generator turns random numbers into digits; a critic scores digits, high for real ones and low for made ones. Each is
trained against the other. In the classic game the critic judges each digit alone. In the relativistic one it says which
of a real and a made digit is the real one; so the generator must match all of the data to win, and not some of it. A
penalty on the critic's slope keeps it from being so steep that the generator learns nothing from it. No loss here says
how good the digits are: when neither player has the upper hand it is log 4 (classic) or log 2 (relativistic), be the
digits good or bad. So quality is measured apart.

    python examples/gan.py

You should see digits of all ten classes come out of the relativistic game with penalties; the classic game without
penalties further from real ones, with a class or more nearly forgotten (mode collapse); and losses near log 4 and log 2
all the while. So it is with this recipe whatever the seed; with half the batch and twice the learning rate the classic
game does as well, for games are fickle and no objective is a guarantee.
"""

from pathlib import Path

import numpy as np
from sklearn.svm import SVC

import genwright as gw
import show
from genwright.extractors.features import fit_extractor
from genwright.maths.games import non_saturating, relativistic
from genwright.metrics.frechet import frechet

STEPS = 200  # moves of each player
DRAWN = 1000  # digits drawn from each

EXPECTED = {
    "Frechet distance, a few moves": (10.0, 200.0),  # 22.5
    "Frechet distance, relativistic": (2.0, 4.6),  # 3.17; 3.78 and 3.40 with seeds 1 and 2
    "Frechet distance, classic": (3.0, 8.0),  # 4.09; 4.07 and 4.61
    "Frechet distance, other real digits": (0.0, 0.5),  # 0.21
    "rarest class (1: fair share), relativistic": (0.3, 1.0),  # 0.57; 0.43 and 0.58
    "rarest class (1: fair share), classic": (0.0, 0.25),  # 0.03; 0.05 and 0.11
    "critic's mean loss / log 2, relativistic": (0.7, 1.1),  # 0.86
    "critic's mean loss / log 4, classic": (0.7, 1.1),  # 0.96
}


def main(out: Path | None = None) -> dict[str, float]:
    """Play both games on the same digits and compare what comes of them."""
    labelled = gw.read("digits")
    data = labelled.select(["image"])
    judge = SVC().fit(flat(labelled), labelled.columns["label"].astype(int))
    look = fit_extractor(data.train, dimension=16, kind="pca")

    modern = gw.GAN(width=16, objective=relativistic)
    classic = gw.GAN(width=16, objective=non_saturating, penalty=0.0)
    beginner = gw.fit(data, family=modern, steps=5)
    models = {
        "relativistic": gw.fit(data, family=modern, steps=STEPS),
        "classic": gw.fit(data, family=classic, steps=STEPS),
    }
    drawn = {name: model.sample(DRAWN, seed=1) for name, model in models.items()}

    real = look(data.train)
    halves = np.random.default_rng(0).permutation(len(real)) % 2 == 0
    shares = {name: np.bincount(judge.predict(flat(fake)), minlength=10) * 10 / DRAWN for name, fake in drawn.items()}
    print(f"{STEPS} moves of each player, {DRAWN} digits drawn:")
    numbers = {
        "Frechet distance, a few moves": frechet(real, look(beginner.sample(DRAWN, seed=1))),
        **{f"Frechet distance, {name}": frechet(real, look(fake)) for name, fake in drawn.items()},
        "Frechet distance, other real digits": frechet(real[halves], real[~halves]),
        **{f"rarest class (1: fair share), {name}": share.min() for name, share in shares.items()},
        "critic's mean loss / log 2, relativistic": np.mean(losses(models["relativistic"], "critic")) / np.log(2),
        "critic's mean loss / log 4, classic": np.mean(losses(models["classic"], "critic")) / np.log(4),
    }
    draw(out, models, drawn, shares)
    return show.numbers(numbers, EXPECTED)


def flat(data: gw.Dataset) -> np.ndarray:
    """Images as rows of 64 pixels."""
    return data.columns["image"].reshape(len(data), -1)


def losses(model: gw.Generator, player: str) -> list[float]:
    """What a player lost at each logged move, without penalties."""
    return [line["parts"][f"{player}.game"] for line in model.record["history"]]


def draw(
    out: Path | None, models: dict[str, gw.Generator], drawn: dict[str, gw.Dataset], shares: dict[str, np.ndarray]
) -> None:
    """Digits of both games, which classes they are of, and the games as both players saw them."""
    page, axes = show.figure(1, 4, width=3.3, height=3.2)
    titles = {"relativistic": "relativistic, with penalties", "classic": "classic, without penalties"}
    for k, (colour, name) in enumerate(zip(show.COLOURS, models, strict=False)):
        show.images(axes[0, k], drawn[name].columns["image"][:80], columns=10, title=titles[name])
        axes[0, 2].bar(np.arange(10) + 0.4 * k - 0.2, shares[name], width=0.4, color=colour, label=name)
        steps = [line["step"] for line in models[name].record["history"]]
        for player, line in (("critic", "-"), ("generator", ":")):
            axes[0, 3].plot(steps, losses(models[name], player), line, color=colour, label=f"{player}, {name}")
    axes[0, 2].axhline(1, color="0.4", lw=0.8)
    axes[0, 2].set(xticks=range(10), xlabel="class, as a classifier sees it")
    axes[0, 2].set_title("digits drawn, in fair shares", fontsize=10)
    axes[0, 2].legend(fontsize=7)
    for value, name in ((np.log(2), "log 2"), (np.log(4), "log 4")):
        axes[0, 3].axhline(value, color="0.6", lw=0.8)
        axes[0, 3].annotate(name, (0, value), (-2, 3), textcoords="offset points", fontsize=8)
    axes[0, 3].set(xlabel="move", ylim=(0, None))
    axes[0, 3].set_title("both players' losses", fontsize=10)
    axes[0, 3].legend(fontsize=6, ncols=2, loc="lower center")
    show.save(page, out, "gan")


if __name__ == "__main__":
    show.command(main)
