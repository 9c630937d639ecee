"""A judge of generated text: logistic regression on runs of characters and of words."""

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.linear_model import LogisticRegression

from genwright.data.dataset import Dataset, Text
from genwright.metrics.two_sample import Look, Rows, blocked_folds, enough, look

PASSAGE = 256  # characters of a passage of running text
SHORTEST = 64  # below it, rows of generated running text are lines, and are joined
LONGEST = 1024  # characters of a record that are judged
MAX_PASSAGES = 1000  # of each side
BUCKETS = 2**18  # into which runs are hashed
STRENGTH = 100.0  # inverse of the penalty


def text_looks(real: Dataset, fake: Dataset, *, train: Dataset | None = None, seed: int = 0) -> list[Look]:
    """What logistic regression finds in equally many passages (of running text) or records of both sets.

    The end of a running text speaks of other things than its beginning, which is no fault of a generator. So where
    `train` is given, the judge learns from passages of it instead, and is asked about passages of `real`, whose names
    and subjects it has then not met.
    """
    assert isinstance(real.media, Text)
    if not real.media.running:
        sides = [_records(real), _records(fake)]
    else:
        sides = _passages(real, fake, *([] if train is None else [train]))
    elsewhere = len(sides) == 3
    n = min(*map(len, sides), MAX_PASSAGES)
    enough(n, where=fake.name)
    rng = np.random.default_rng(seed)
    counts = _counts([side[i] for side in sides for i in np.sort(rng.permutation(len(side))[:n])])
    is_fake = np.array([False, True, False])

    def judging(fit: Rows, asked: Rows) -> Float[np.ndarray, "_"]:
        # Real passages to learn from come from the third set if there is one; what is learned from is asked about too.
        learned = np.where(fit < n, fit + 2 * n, fit) if elsewhere else fit
        asked = np.where(np.isin(asked, fit) & (asked < n), asked + 2 * n, asked) if elsewhere else asked
        weighed = TfidfTransformer(sublinear_tf=True).fit(counts[learned])
        model = LogisticRegression(C=STRENGTH, solver="liblinear", random_state=seed)
        model.fit(weighed.transform(counts[learned]), is_fake[learned // n])
        return model.predict_proba(weighed.transform(counts[asked]))[:, 1]

    return [look("logistic regression on runs of characters and words", judging, n=n, folds=blocked_folds(n))]


def _texts(data: Dataset) -> list[str]:
    assert isinstance(data.media, Text)
    return [text for text in data.columns[data.media.name] if text]


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
