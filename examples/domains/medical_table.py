"""A medical table from end to end: tumours of the breast, described by their cells.

What a hospital may ask of made-up patients: are they useful (does a classifier trained on them find real tumours), are
they nobody (no nearer to the patients learned from than other real patients are), can they be of a given kind, can rare
kinds be made more of, and can gaps in records be filled in. The rules of the table hold in every row.

    python examples/domains/medical_table.py

You should see a classifier trained on made-up patients nearly as good as one trained on real ones, though a judge still
tells them apart more often than not; made-up patients hardly nearer to the training patients than unseen ones are, and
no copies; conditions and rules kept by all rows; gaps filled in with less error than by the mean of the column; and,
where only twelve malignant tumours are known, more of the unseen ones found once made-up ones stand beside them, with
few false alarms.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).parents[1]))  # for show.py, which lies beside the other examples

import genwright as gw
import show
from genwright.audit.copies import exact_copy_rate, nearest_training_row
from genwright.constraints import Order
from genwright.data.dataset import Dataset
from genwright.metrics.judges import c2st

FEATURES = (
    *("mean radius", "mean texture", "mean smoothness", "mean concavity"),
    *("worst radius", "worst texture", "worst smoothness", "worst concavity"),
)
RULES = [Order([f"mean {size}", f"worst {size}"]) for size in ("radius", "texture", "smoothness", "concavity")]
KNOWN_MALIGNANT = 12  # in the study of a rare kind

EXPECTED = {
    "AUC on unseen patients, trained on real ones": (0.97, 1.0),  # 0.999
    "AUC on unseen patients, trained on made-up ones": (0.97, 1.0),  # 0.997
    "C2ST of made-up patients": (0.2, 0.6),  # 0.42
    "C2ST of real patients": (0.8, 1.0),  # 0.97
    "made-up patients nearest to training ones": (0.45, 0.67),  # 0.53
    "copies of patients (%)": (0.0, 0.0),
    "rows that keep condition and rules": (1.0, 1.0),
    "error of gaps filled in, by the column's mean": (0.5, 0.9),  # 0.73
    "rare: malignant found, 12 real ones": (0.7, 0.9),  # 0.83
    "rare: malignant found, and made-up ones": (0.9, 1.0),  # 1.0
    "rare: benign taken for malignant, and made-up ones": (0.0, 0.15),  # 0.01
}


def main(out: Path | None = None) -> dict[str, float]:
    """Fit, draw, measure use and privacy, condition, fill in, and make more of a rare kind."""
    train, other, test = patients()
    data = gw.read(train, label="diagnosis")
    model = gw.fit(data, family=gw.Mixture(components=8), constraints=RULES, steps=40)
    fake = model.sample(len(other), seed=1)
    real, unseen = gw.read(other, label="diagnosis"), gw.read(test, label="diagnosis")
    large = model.sample(300, given={"diagnosis": "malignant", "worst radius": gw.Between(20, None)}, seed=2)
    kept = np.all([rule.holds(large) for rule in RULES], axis=0) & (large.columns["worst radius"] >= 20)
    print(f"{len(train)} patients to learn from, {len(other)} and {len(test)} others to measure by:")
    numbers = {
        "AUC on unseen patients, trained on real ones": auc(train, test),
        "AUC on unseen patients, trained on made-up ones": auc(fake.frame, test),
        "C2ST of made-up patients": c2st(real, fake).value,
        "C2ST of real patients": c2st(real, unseen).value,
        "made-up patients nearest to training ones": nearest_training_row(data, fake, held_out=real).value,
        "copies of patients (%)": exact_copy_rate(data, fake, held_out=real).value,
        "rows that keep condition and rules": (kept & (large.columns["diagnosis"] == "malignant")).mean(),
        "error of gaps filled in, by the column's mean": gaps(data, test),
    }
    found = rare(train, test)
    numbers |= {
        "rare: malignant found, 12 real ones": found["12 real ones"][0],
        "rare: malignant found, and made-up ones": found["and made-up ones"][0],
        "rare: benign taken for malignant, and made-up ones": found["and made-up ones"][1],
    }
    draw(out, train, fake, found)
    return show.numbers(numbers, EXPECTED)


def patients() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Three parts of the table, in a random order."""
    frame = load_breast_cancer(as_frame=True).frame
    frame["diagnosis"] = np.where(frame["target"] == 1, "benign", "malignant")
    frame = frame[[*FEATURES, "diagnosis"]].sample(frac=1.0, random_state=0).reset_index(drop=True)
    return frame[:227], frame[227:398].reset_index(drop=True), frame[398:].reset_index(drop=True)


def auc(train: pd.DataFrame, test: pd.DataFrame) -> float:
    """How well a logistic regression, trained on the one, tells the diagnoses of the other."""
    judge = make_pipeline(StandardScaler(), LogisticRegression()).fit(train[list(FEATURES)], train["diagnosis"])
    return float(roc_auc_score(test["diagnosis"] == "malignant", judge.predict_proba(test[list(FEATURES)])[:, 1]))


def gaps(data: Dataset, test: pd.DataFrame) -> float:
    """Of a quarter of all measurements, hidden: error of the mean of 20 draws, by that of the column's mean."""
    model = gw.fit(data, family=gw.Mixture(components=8), steps=40)  # rules cannot hold where what is there breaks them
    names = list(FEATURES)
    truth = test[names].to_numpy()
    hidden = np.random.default_rng(3).random(truth.shape) < 0.25
    partial = test.copy()
    partial[names] = test[names].mask(hidden)
    draws = model.impute(partial, 20, seed=4).frame[names].to_numpy(float).reshape(len(test), 20, -1)
    error, baseline = (((guess - truth) / truth.std(0))[hidden] for guess in (draws.mean(1), truth.mean(0)))
    return float(np.sqrt(np.mean(error**2) / np.mean(baseline**2)))


def rare(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Malignant tumours found, benign ones taken for such: knowing twelve malignant ones, and with made-up others."""
    malignant = train["diagnosis"] == "malignant"
    known = pd.concat([train[~malignant], train[malignant][:KNOWN_MALIGNANT]]).reset_index(drop=True)
    model = gw.fit(gw.read(known, label="diagnosis"), family=gw.Mixture(components=3), steps=40)
    more = model.sample(len(known), given={"diagnosis": gw.Shares({"malignant": 0.5, "benign": 0.5})}, seed=5).frame
    parts = {"12 real ones": known, "and made-up ones": pd.concat([known, more], ignore_index=True)}
    found = {}
    for name, part in parts.items():
        judge = make_pipeline(StandardScaler(), LogisticRegression()).fit(part[list(FEATURES)], part["diagnosis"])
        said, truth = judge.predict(test[list(FEATURES)]) == "malignant", test["diagnosis"] == "malignant"
        found[name] = (float(said[truth].mean()), float(said[~truth].mean()))
    return found


def draw(out: Path | None, train: pd.DataFrame, fake: Dataset, found: dict[str, tuple[float, float]]) -> None:
    """Real and made-up patients by two measurements, and what making more of a rare kind does."""
    page, axes = show.figure(1, 3)
    for axis, part, name in ((axes[0, 0], train, "real"), (axes[0, 1], fake.frame, "made up")):
        for colour, diagnosis in zip(show.COLOURS, ("benign", "malignant"), strict=False):
            rows = part[part["diagnosis"] == diagnosis]
            axis.scatter(rows["worst radius"], rows["worst concavity"], s=8, color=colour, label=diagnosis)
        axis.set(xlabel="worst radius", ylabel="worst concavity", xlim=(5, 40), ylim=(-0.05, 1.3))
        axis.set_title(name, fontsize=10)
        axis.legend(fontsize=7)
    for k, label in enumerate(("malignant found", "benign taken for malignant")):
        values = [pair[k] for pair in found.values()]
        axes[0, 2].bar(np.arange(2) + 0.4 * k, values, 0.4, color=show.COLOURS[k + 1], label=label)
    axes[0, 2].set_xticks(np.arange(2) + 0.2, list(found))
    axes[0, 2].set_title("a rare kind", fontsize=10)
    axes[0, 2].legend(fontsize=7)
    show.save(page, out, "medical_table")


if __name__ == "__main__":
    show.command(main)
