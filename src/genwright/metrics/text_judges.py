"""Judges of generated text: logistic regression on runs of characters and words, and on what predictions cost.

The first sees which words and letters come too often; the second what follows on what: text whose letters are right
given the few before them costs as much as real text by counts of short runs, and more by those of long ones.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_matrix, hstack
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from genwright.data.dataset import Dataset, Text
from genwright.maths.ngram_fit import smoothed
from genwright.maths.ngrams import counted, probabilities
from genwright.metrics.baselines import bytes_told
from genwright.metrics.two_sample import Judging, Look, Rows, blocked_folds, enough, look

PASSAGE = 256  # characters of a passage of running text
SHORTEST = 64  # below it, rows of generated running text are lines, and are joined
LONGEST = 1024  # characters of a record that are judged
MAX_PASSAGES = 1000  # of each side
IS_FAKE = np.array([False, True, False])  # by set: real, generated, and real ones to learn from
BUCKETS = 2**18  # into which runs are hashed
STRENGTH = 100.0  # inverse of the penalty
DIRECTIONS = 50  # in which texts are points
ORDER = 6  # bytes before a byte from which it is predicted, at most
REFERENCE = 500_000  # bytes of real text that predictions are learned from


def text_looks(real: Dataset, fake: Dataset, *, train: Dataset | None = None, seed: int = 0) -> list[Look]:
    """What each judge finds in equally many passages (of running text) or records of both sets.

    The end of a running text speaks of other things than its beginning, which is no fault of a generator. So where
    `train` is given, the judge learns from passages of it instead, and is asked about passages of `real`, whose names
    and subjects it has then not met.
    """
    if not real.running:
        sides = [_records(real), _records(fake)]
    else:
        sides = _passages(real, fake, *([] if train is None else [train]))
    elsewhere = len(sides) == 3
    n = min(*map(len, sides), MAX_PASSAGES)
    enough(n, where=fake.name)
    rng = np.random.default_rng(seed)
    drawn = [np.sort(rng.permutation(len(side))[:n]) for side in sides]
    texts = [side[i] for side, rows in zip(sides, drawn, strict=True) for i in rows]
    others = np.delete(np.array(sides[2], dtype=object), drawn[2]).tolist() if elsewhere else []
    judges = {
        "logistic regression on runs of characters and words": _by_runs(_counts(texts), n, seed),
        "logistic regression on the cost of predictions": _by_costs(texts, n, others),
    }
    folds = blocked_folds(n)
    return [look(name, _learning(judge, n, elsewhere), n=n, folds=folds) for name, judge in judges.items()]


def text_points(real: Dataset, sets: Sequence[Dataset]) -> list[Float[np.ndarray, "_ d"]]:
    """Texts by which runs of characters and words stand in them, in the directions in which real ones differ most."""
    column = real.medium(Text).name
    counts = [_counts([each or "" for each in data.columns[column]]) for data in (real, *sets)]
    met = np.flatnonzero(counts[0].getnnz(axis=0))  # runs that real texts hold, of all that there could be
    counts = [each[:, met] for each in counts]
    weighed = TfidfTransformer(sublinear_tf=True).fit(counts[0])
    known = weighed.transform(counts[0])
    directions = TruncatedSVD(min(DIRECTIONS, max(1, min(known.shape) - 1)), random_state=0).fit(known)
    return [directions.transform(weighed.transform(each)) for each in counts[1:]]


def _learning(judge: Judging, n: int, elsewhere: bool) -> Judging:
    """The judge, who learns from real passages of the third set if there is one, and is asked about them too."""

    def judging(fit: Rows, asked: Rows) -> Float[np.ndarray, "_"]:
        learned = np.where(fit < n, fit + 2 * n, fit) if elsewhere else fit
        return judge(learned, np.where(np.isin(asked, fit) & (asked < n), asked + 2 * n, asked) if elsewhere else asked)

    return judging


def _by_runs(counts: csr_matrix, n: int, seed: int) -> Judging:
    def judging(fit: Rows, asked: Rows) -> Float[np.ndarray, "_"]:
        weighed = TfidfTransformer(sublinear_tf=True).fit(counts[fit])
        model = LogisticRegression(C=STRENGTH, solver="liblinear", random_state=seed)
        model.fit(weighed.transform(counts[fit]), IS_FAKE[fit // n])
        return model.predict_proba(weighed.transform(counts[asked]))[:, 1]

    return judging


def _by_costs(texts: Sequence[str], n: int, others: Sequence[str]) -> Judging:
    """Predictions are learned from `others`, or where these are few from every second real text to learn from."""
    whole = _costs(others, texts) if len(others) >= n else None

    def judging(fit: Rows, asked: Rows) -> Float[np.ndarray, "_"]:
        costs, learned = whole, fit
        if costs is None:
            reference = fit[~IS_FAKE[fit // n]][::2]
            costs, learned = _costs([texts[i] for i in reference], texts), np.setdiff1d(fit, reference)
        model = make_pipeline(StandardScaler(), LogisticRegression()).fit(costs[learned], IS_FAKE[learned // n])
        return model.predict_proba(costs[asked])[:, 1]

    return judging


def _costs(reference: Sequence[str], texts: Sequence[str]) -> Float[np.ndarray, "n k"]:
    """Bits per byte that each text costs more given 0 to ORDER - 1 bytes before each than given one more, by counts of
    the reference: how hard a text is hangs on its subject, what the next byte helps hangs on how it was made.
    """
    raw = [b"\n" + text.encode("utf-8", "replace") for text in texts]
    known = "\n".join(reference).encode("utf-8", "replace")[:REFERENCE]
    seen, asked = (bytes_told([each], running=True) for each in (known, b"".join(raw)))
    model = smoothed(counted(seen, vocabulary=257, alphabet=257, order=ORDER + 1))
    helps = np.diff(np.log2(probabilities(model, asked)), axis=0)
    ends = np.cumsum([len(each) for each in raw])
    return np.add.reduceat(helps, [0, *ends[:-1]], axis=1).T / np.diff(ends, prepend=0)[:, None]


def _texts(data: Dataset) -> list[str]:
    return [text for text in data.columns[data.medium(Text).name] if text]


def _records(data: Dataset) -> list[str]:
    """Records, long ones up to a length; empty ones are no record that could be judged."""
    return [text[:LONGEST] for text in _texts(data)]


def _passages(real: Dataset, fake: Dataset, *others: Dataset) -> list[list[str]]:
    """Running texts in passages of one length: at most 256 characters, and no more than generated texts have."""
    written = _texts(fake)
    length = min(PASSAGE, int(np.median([len(text) for text in written])) if written else PASSAGE)
    if length < SHORTEST:  # lines of one text rather than texts
        written, length = ["".join(written)], PASSAGE
    whole = [["".join(_texts(data))] for data in (real, *others)]
    sides = [whole[0], written, *whole[1:]]
    return [
        [text[start : start + length] for text in side for start in range(0, len(text) - length + 1, length)]
        for side in sides
    ]


def _counts(texts: list[str]) -> csr_matrix:
    """How often each run of 1 to 4 characters and of 1 to 2 words stands in each text, hashed."""
    plain = {"n_features": BUCKETS, "norm": None, "alternate_sign": False, "lowercase": False}
    characters = HashingVectorizer(analyzer="char", ngram_range=(1, 4), **plain)
    words = HashingVectorizer(token_pattern=r"\w+|[^\w\s]|\n", ngram_range=(1, 2), **plain)
    return csr_matrix(hstack([characters.transform(texts), words.transform(texts)]))
