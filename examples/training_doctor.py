"""The training doctor: runs that fail, what he says of them, and the same runs treated and repaired.

A variational autoencoder learns a table at twenty-five times the usual learning rate. Its loss leaps about; the doctor
compares the leaps with the quiet part of the run and says that training is unstable, with his numbers and with what
helps. Told to act, he goes back to the best weights so far and on with an eighth of the step. The repaired run has the
usual rate from the first, and nothing is named.

Then forty pictures are to be learned by a network that could know them by heart. From time to time the doctor draws
samples and looks for the training picture nearest to each: when samples become copies, he says so and stops the run.

    python examples/training_doctor.py

You should see instability named in the failing run, a held-out loss that falls from failing to treated to repaired, and
the run on forty pictures stopped before its end.
"""

from pathlib import Path

import genwright as gw
import show

STEPS = 300
RATE = 0.05
FEW = 40
STEPS_ON_FEW = 600

EXPECTED = {
    "instability named, failing run": (1, 1),
    "diagnoses, repaired run": (0, 0),
    "held-out loss, failing": (13, 1e6),
    "held-out loss, treated": (9, 12.9),
    "held-out loss, repaired": (8, 12),
    "memorisation named, forty pictures": (1, 1),
    "steps until that run was stopped": (1, STEPS_ON_FEW - 1),
}


def main(out: Path | None = None) -> dict[str, float]:
    """Fit a table three times and a few pictures once, and listen to the doctor."""
    data, few = gw.read("diabetes"), gw.read("digits").take(slice(FEW))
    wild = gw.VAE(learning_rate=RATE)
    models = {
        "failing": gw.fit(data, family=wild, steps=STEPS, listener=say),
        "treated": gw.fit(data, family=wild, steps=STEPS, doctor=gw.Doctor(act=True), listener=say),
        "repaired": gw.fit(data, family=gw.VAE(), steps=STEPS, listener=say),
    }
    by_heart = gw.fit(few, family=gw.VAE(width=32), steps=STEPS_ON_FEW, listener=say)
    kept = {name: min(each["held_out"] for each in seen(model)) for name, model in models.items()}
    numbers = {
        "instability named, failing run": float("instability" in named(models["failing"])),
        "diagnoses, repaired run": len(named(models["repaired"])),
        **{f"held-out loss, {name}": loss for name, loss in kept.items()},
        "memorisation named, forty pictures": float("memorisation" in named(by_heart)),
        "steps until that run was stopped": by_heart.record["history"][-1]["step"],
    }
    draw(out, models)
    return show.numbers(numbers, EXPECTED)


def say(progress: object) -> None:
    """Print what the doctor says."""
    message = getattr(progress, "message", "")
    if " at step " in message:
        print(f"  {message}")


def named(model: gw.Generator) -> list[str]:
    """The names of what the doctor found."""
    return [each["name"] for each in model.record.get("diagnoses", [])]


def seen(model: gw.Generator) -> list[dict]:
    """What was measured at each look at the held-out rows."""
    return [each for each in model.record["history"] if each["held_out"] is not None]


def draw(out: Path | None, models: dict[str, gw.Generator]) -> None:
    """The held-out loss of each run, step by step."""
    page, axes = show.figure(1, 1, width=6.0, height=3.5)
    for k, (name, model) in enumerate(models.items()):
        looks = seen(model)
        axes[0, 0].plot([e["step"] for e in looks], [e["held_out"] for e in looks], color=show.COLOURS[k], label=name)
    axes[0, 0].set(xlabel="step", yscale="log")
    axes[0, 0].set_title("held-out loss, nats per row", fontsize=10)
    axes[0, 0].legend(fontsize=8)
    show.save(page, out, "training_doctor")


if __name__ == "__main__":
    show.command(main)
