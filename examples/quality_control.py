"""Quality control: of many samples only the better ones, by what is told, and what that costs in variety.

A model that was trained for seconds draws digits of which some are no digits. The best of every four, by a rating, are
better; which rating depends on what they are for: a judge, who learned to tell real from generated, prefers what looks
real, the probability of the label what is clear. Ratings are measured by others than themselves: a support vector
machine that knows only real digits, and the distance to digits that nothing was fitted to.

    python examples/quality_control.py

You should see the label raise the share of digits that are what they are called, and the judge bring them nearer to
unseen real digits. Where ten of every hundred are asked for of each label, that costs no variety, for spoilt digits are
alike; but where labels are drawn, those that are easily clear come more often than they should. A bound on the rating
keeps about as many as are rated so.
"""

from pathlib import Path

import numpy as np
from sklearn.svm import SVC

import genwright as gw
import show
from genwright.data.dataset import Dataset
from genwright.metrics.diversity import effective_number
from genwright.metrics.images import nearest_images
from genwright.metrics.quality import cost

STEPS, KEPT, OF = 90, 100, 4
HOW = gw.Sampling(guidance=1.0)  # as learned: guidance would make labels clear in another way

EXPECTED = {
    "label agreement, all drawn": (0.3, 0.98),
    "label agreement, best of 4 by label": (0.6, 1.0),
    "label agreement, best of 4 by judge": (0.3, 1.0),
    "gained by label": (0.01, 0.6),
    "distance to unseen real digits, best by judge / all": (0.7, 0.999),
    "effectively different, best by judge / all": (0.85, 1.15),
    "effectively different, best by label / all": (0.85, 1.15),
    "labels, effectively, all drawn": (9.4, 10.0),
    "labels, effectively, best by label": (5.0, 9.5),
    "share kept by a bound at the upper quarter": (0.08, 0.5),
    "label 3 asked for, share": (0.1, 0.1),
}


def main(out: Path | None = None) -> dict[str, float]:
    """Fit for seconds, draw, choose by each rating, and measure by what did not choose."""
    data = gw.read("digits")
    model = gw.fit(data, family=gw.FlowMatching(width=16), steps=STEPS, how=HOW)
    judge = gw.rater(data.train, by="judge", model=model)
    label = gw.rater(data.train, by="label")
    asked = {"label": gw.Shares({str(k): 0.1 for k in range(10)})}
    drawn = model.sample(OF * KEPT, given=asked, seed=1)
    best = {rater.name: model.sample(KEPT, best_of=OF, by=rater, given=asked, seed=1) for rater in (judge, label)}
    free = model.sample(OF * KEPT, seed=3), model.sample(KEPT, best_of=OF, by=label, seed=3)
    bound = float(np.quantile(judge(drawn), 0.75))
    reached = model.sample(KEPT // 4, at_least=bound, by=judge, given=asked, seed=2)
    for kept in (*best.values(), reached):
        print("  " + kept.notes[-1])
    svm = SVC().fit(flat(data.train), data.train.columns["label"])
    agree = {name: agreement(svm, each) for name, each in {"all": drawn, **best}.items()}
    spent = {name: cost(kept, drawn, real=data.train) for name, kept in best.items()}
    for name, each in spent.items():
        print(f"  by {name}, {each}")
    near = {name: nearest_images(each, data.test)[1].mean() for name, each in {"all": drawn, **best}.items()}
    tried = int(reached.notes[-1].split(" of ")[1].split()[0].replace(",", ""))
    numbers = {
        "label agreement, all drawn": agree["all"],
        "label agreement, best of 4 by label": agree["label"],
        "label agreement, best of 4 by judge": agree["judge"],
        "gained by label": agree["label"] - agree["all"],
        "distance to unseen real digits, best by judge / all": near["judge"] / near["all"],
        "effectively different, best by judge / all": spent["judge"].kept / spent["judge"].drawn,
        "effectively different, best by label / all": spent["label"].kept / spent["label"].drawn,
        "labels, effectively, all drawn": labels(free[0]),
        "labels, effectively, best by label": labels(free[1]),
        "share kept by a bound at the upper quarter": len(reached) / tried,
        "label 3 asked for, share": float(np.mean(best["judge"].columns["label"] == "3")),
    }
    draw(out, judge, drawn, best)
    return show.numbers(numbers, EXPECTED)


def flat(data: Dataset) -> np.ndarray:
    """Images as rows of 64 pixels."""
    return data.columns["image"].reshape(len(data), -1)


def agreement(svm: SVC, data: Dataset) -> float:
    """The share of digits that are taken for what they are called."""
    return float(np.mean(svm.predict(flat(data)) == data.columns["label"]))


def labels(data: Dataset) -> float:
    """The effective number of labels: the exponential of their entropy."""
    return effective_number(np.unique(data.columns["label"].astype(str), return_counts=True)[1] / len(data))


def draw(out: Path | None, judge, drawn: Dataset, best: dict[str, Dataset]) -> None:
    """Digits as drawn, those the judge likes least and most, and the best by each rating."""
    order = np.argsort(judge(drawn))
    page, axes = show.figure(1, 5, width=3.0, height=3.2)
    panels = {
        "as drawn": drawn.take(slice(40)),
        "worst by the judge": drawn.take(order[:40]),
        "best by the judge": drawn.take(order[::-1][:40]),
        "best of 4 by the judge": best["judge"].take(slice(40)),
        "best of 4 by the label": best["label"].take(slice(40)),
    }
    for axis, (title, data) in zip(axes[0], panels.items(), strict=True):
        show.images(axis, data.columns["image"], columns=5, title=title)
    show.save(page, out, "quality_control")


if __name__ == "__main__":
    show.command(main)
