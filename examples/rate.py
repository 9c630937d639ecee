"""Human evaluation: a rating study of real against generated digits, by raters whose judgement is known.

NO PERSON RATES ANYTHING HERE: the raters are simulated, so that it can be checked that the analysis finds what was put
in. With people, `genwright rate A B --real DATA` opens a page in the browser; all else stays as below:

    plan      how many raters and answers it takes to find a difference of a given size
    rate      which of two is better (ties are allowed); is this real or generated; repeats and attention checks
    analyse   strengths after Bradley, Terry and Davidson with 95 % intervals, raters counted as the samples of people;
              Krippendorff's alpha; self-consistency; with and without the raters whom rules fixed before leave out
    export    one file, from which anyone gets the same numbers again, bit for bit

    python examples/rate.py

You should see the strengths that the simulated raters judge by inside their intervals; a rater who always answers
"left" and one who answers at random found out, and nobody else; power as planned; and the export analysed alike.
"""

import json
import tempfile
from pathlib import Path

import numpy as np

import genwright as gw
import show
from genwright import __version__
from genwright.data.dataset import Dataset
from genwright.rating.analysis import Analysis, analyse
from genwright.rating.bradley_terry import ELO, Comparisons, bootstrap
from genwright.rating.export import preference_pairs, read_export, write_export
from genwright.rating.power import Design, raters_for_win_rate, win_rate_power
from genwright.rating.protocol import Protocol
from genwright.rating.records import ANSWERS, REAL, Study, Trial
from genwright.rating.study import set_up

STRENGTH = {REAL: 1.0, "trained": 0.4, "untrained": -1.4}  # log-strengths that simulated raters prefer by; mean 0
CALLED_REAL = {REAL: 0.8, "trained": 0.6, "untrained": 0.1}  # how often they take each for real
TIES = 0.5  # Davidson's nu
CARELESS = {0: "always left", 1: "at random"}  # two of the raters
RATERS, EACH = 14, 30
SIMULATED = 150  # studies by which the planner is judged

EXPECTED = {
    "planned power over simulated": (0.9, 1.1),  # 1.00
    "strengths: largest error, Elo": (0, 45),  # 18; over other seeds 27 on average
    "strengths inside their intervals": (3, 3),  # over other seeds 97 % of them
    "called real: largest error, points": (0, 10),  # 8
    "left out: always one side": (1, 1),
    "left out: failed checks": (1, 2),  # who always answers "left" fails some, too
    "left out in all": (2, 2),
    "largest error with everybody in, Elo": (25, 80),  # 41; over other seeds 50
    "agreement on preferences, alpha": (0.2, 0.6),  # 0.45; raters share a judgement, but each draws by chance
    "self-consistency on preferences, %": (30, 75),  # 44
    "pairs for preference optimisation": (280, 400),  # 346
    "numbers that the export changes": (0, 0),
}


def main(out: Path | None = None) -> dict[str, float]:
    """Plan, set up, let simulated raters answer, analyse, export, analyse again."""
    systems = digits()
    print("SIMULATED raters, of known judgement; no person rated anything")
    numbers = {"planned power over simulated": plan()}
    with tempfile.TemporaryDirectory() as folder:
        study = rated(Path(folder, "study"), systems)
        found = analyse(study)
        write_export(study, Path(folder, "export"))
        again = analyse(read_export(Path(folder, "export")))
    numbers |= compared(found) | left_out(found)
    agreed, same = found.kept.agreement["preference"], found.kept.consistency["pair"]
    numbers |= {
        "agreement on preferences, alpha": agreed.value,
        "self-consistency on preferences, %": same.value,
        "pairs for preference optimisation": len(preference_pairs(study)),
        "numbers that the export changes": float(json.dumps(found.to_json()) != json.dumps(again.to_json())),
    }
    draw(out, systems, found)
    return show.numbers(numbers, EXPECTED)


def digits() -> dict[str, Dataset]:
    """Real digits, those of a VAE after some training, and those of one after hardly any."""
    data = gw.read("digits").select(["image"])
    made = {"trained": 60, "untrained": 5}
    models = {name: gw.fit(data, family=gw.VAE(width=16, latent=8), steps=steps) for name, steps in made.items()}
    return {name: model.sample(300, seed=0) for name, model in models.items()} | {REAL: data.train}


def plan() -> float:
    """Power that the planner promises for its own plan, over the share of simulated studies that succeed."""
    gap = STRENGTH[REAL] - STRENGTH["trained"]
    win, lose, tie = outcomes(gap)
    design = raters_for_win_rate(win + tie / 2, design=Design(raters=2, per_rater=EACH, ties=tie))
    print(f"to find {win + tie / 2:.0%} wins with 80 % probability takes {design.raters} raters of {EACH} answers")
    found, n = 0, design.raters * EACH
    for seed in range(SIMULATED):
        answer = np.random.default_rng(seed).choice(3, size=n, p=(win, lose, tie))
        comparisons = Comparisons(
            systems=("a", "b"), left=np.zeros(n, dtype=int), right=np.ones(n, dtype=int), outcome=answer,
            rater=np.arange(n) % design.raters,
        )  # fmt: skip
        found += bootstrap(comparisons, replications=200, seed=seed).p_values()[0, 1] < 0.05
    return win_rate_power(design, win + tie / 2) / (found / SIMULATED)


def outcomes(gap: float) -> tuple[float, float, float]:
    """Probabilities that the left wins, loses and ties, by Davidson's distribution."""
    weights = np.array([np.exp(gap / 2), np.exp(-gap / 2), TIES])
    win, lose, tie = (weights / weights.sum()).tolist()
    return win, lose, tie


def rated(folder: Path, systems: dict[str, Dataset]) -> Study:
    """A study set up as for people, its trials answered by simulated raters through the same store."""
    protocol = Protocol(
        systems=tuple(systems), medium="image", questions=("preference", "real or generated"), raters=RATERS,
        per_question=EACH, seed=0, minimum_seconds=0.0, exclusions={"seconds": 0.0},  # the simulated need no time
    )  # fmt: skip
    store = set_up(folder, systems, protocol, version=__version__).store
    shown = {stimulus.id: stimulus.system for stimulus in store.study().stimuli}
    rng = np.random.default_rng(1)
    for invite in store.invites():
        rater = store.rater(invite.token)
        store.consent(rater)
        while (trial := store.current(rater)) is not None:
            store.show(trial.id)
            answer = judged(trial, shown, CARELESS.get(invite.slot, ""), rng)
            store.rate(rater, trial.id, answer, seconds=0.0, minimum=0.0)
    study = store.study()
    store.close()
    return study


def judged(trial: Trial, shown: dict[str, str], habit: str, rng: np.random.Generator) -> str:
    """What a simulated rater answers."""
    if habit == "at random":
        return str(rng.choice(ANSWERS[trial.kind]))
    if trial.kind == "pair" and habit == "always left":
        return "left"
    if trial.role == "attention":
        return trial.expected
    if trial.kind == "origin":
        return "real" if rng.uniform() < CALLED_REAL[shown[trial.left]] else "generated"
    gap = STRENGTH[shown[trial.left]] - STRENGTH[shown[trial.right]]
    return str(rng.choice(["left", "right", "tie"], p=outcomes(gap)))


def compared(found: Analysis) -> dict[str, float]:
    """What was found beside what was put in."""
    strengths = found.kept.rankings["preference"].measures["strength"]
    everybody = found.everything.rankings["preference"].measures["strength"]
    known = {system: ELO * strength for system, strength in STRENGTH.items()}
    called = found.kept.rankings["real or generated"].measures["called real"]
    return {
        "strengths: largest error, Elo": max(abs(strengths[s].value - known[s]) for s in known),
        "strengths inside their intervals": sum(
            strengths[s].interval[0] <= known[s] <= strengths[s].interval[1] for s in known
        ),
        "called real: largest error, points": max(abs(called[s].value - 100 * CALLED_REAL[s]) for s in known),
        "largest error with everybody in, Elo": max(abs(everybody[s].value - known[s]) for s in known),
    }


def left_out(found: Analysis) -> dict[str, float]:
    """Whom the rules left out."""
    counts = found.exclusions.counts()
    return {
        "left out: always one side": counts["always one side"],
        "left out: failed checks": counts["failed attention checks"],
        "left out in all": len(found.exclusions.raters),
    }


def draw(out: Path | None, systems: dict[str, Dataset], found: Analysis) -> None:
    """Some stimuli; strengths and shares called real, known and found."""
    page, axes = show.figure(1, 5, width=2.6, height=2.9)
    order = list(STRENGTH)
    for axis, system in zip(axes[0], order):
        show.images(axis, systems[system].columns["image"][:25], columns=5, title=system)
    measures = (
        ("preference", "strength", "strength, Elo", {s: ELO * STRENGTH[s] for s in order}),
        ("real or generated", "called real", "called real, %", {s: 100 * CALLED_REAL[s] for s in order}),
    )
    for axis, (question, measure, title, known) in zip(axes[0, 3:], measures):
        for shift, findings, label in ((-0.12, found.kept, "found"), (0.12, found.everything, "careless raters in")):
            scores = [findings.rankings[question].measures[measure][s] for s in order]
            value = np.array([score.value for score in scores])
            bounds = np.abs(np.array([score.interval for score in scores]).T - value)
            colour = show.COLOURS[0 if shift < 0 else 1]
            axis.errorbar(np.arange(3) + shift, value, bounds, fmt="o", ms=4, capsize=3, color=colour, label=label)
        axis.plot(range(3), [known[s] for s in order], "k_", ms=22, mew=1.6, label="known")
        axis.set_xticks(range(3), order, fontsize=8)
        axis.set_title(f"{title} (simulated raters)", fontsize=9)
    axes[0, 3].legend(fontsize=7)
    show.save(page, out, "rate")


if __name__ == "__main__":
    show.command(main)
