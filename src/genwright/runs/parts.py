"""Which records a run fits to, draws and scores: as many as help, and no more than time allows."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from genwright.data.dataset import Dataset, Text
from genwright.data.forecast import MIN_COMPARED
from genwright.data.split import Split, row_keys
from genwright.errors import DataError
from genwright.metrics.kinds import KINDS

# Characters of unseen text that are scored: likelihoods of text cost as much as training on it.
COMPARED_CHARACTERS, TESTED_CHARACTERS = 50_000, 200_000
READ_PER_SECOND = 500_000  # values of a table that are encoded in a second on one core, rather less than more
READING_SHARE = 0.25  # of the training time may go to encoding
FOLDS = 5


def drawn(real: Dataset) -> int:
    """How many records are drawn to be compared with `real` by every score."""
    low, high = KINDS[real.kind].drawn
    return min(max(len(real), low), high)


def judged(real: Dataset) -> tuple[int, int]:
    """How many records are at least and at most drawn to be compared with `real` by the judge alone."""
    kind = KINDS[real.kind]
    low, high = kind.judged
    high = max(low, int(min(high, kind.max_cells // max(1, len(real.scalars)))))
    return low, high if kind.size else max(low, min(len(real), high))


def part(data: Dataset, characters: int) -> Dataset:
    """The first rows of a text that hold about so many characters, at least 10 rows; any other data whole."""
    if KINDS[data.kind].size is None:
        return data
    ends = np.cumsum([len(text) for text in data.columns[data.medium(Text).name]])
    return data.take(slice(max(10, int(np.searchsorted(ends, characters)) + 1)))


def some(data: Dataset, n: int, *, seed: int) -> Dataset:
    """At most n rows, drawn at random, in their order."""
    return data if len(data) <= n else data.take(np.sort(np.random.default_rng(seed).permutation(len(data))[:n]))


def thinned(data: Dataset, *, minutes: float, seed: int) -> Dataset:
    """A table with as many training and validation rows as can be read in READING_SHARE of the time; others whole.

    The rows that stay are in the parts that they were in; none is left in the test part.
    """
    if data.media is not None:
        return data
    rows = max(1000, int(READING_SHARE * 60 * minutes * READ_PER_SECOND / max(1, len(data.fields))))
    parts = data.split.train, data.split.valid
    total = sum(map(len, parts))
    if total <= rows:
        return data
    rng = np.random.default_rng(seed)
    kept = [np.sort(rng.permutation(each)[: max(1, len(each) * rows // total)]) for each in parts]
    index = np.concatenate(kept)
    train = np.arange(len(kept[0]))
    split = Split(train, len(train) + np.arange(len(kept[1])), np.arange(0))
    return replace(data.take(index), fixed_split=split)


def fits_each(data: Dataset) -> int:
    """How many fits each family needs to be judged: one, or one for each fold where few records can be set aside.

    Raises DataError where there are too few for that too.
    """
    if data.running:
        if min(map(len, (data.split.train, data.split.valid, data.split.test))) > 0:
            return 1
        characters = sum(map(len, data.columns[data.medium(Text).name]))
        what = f"{characters:,} characters of running text are too few to compare families"
        raise DataError(what, where=data.name, hint="some 20,000 are needed; fit takes less, or one record per line")
    if len(data) < MIN_COMPARED:
        what = f"{len(data)} records are too few to compare families"
        raise DataError(what, where=data.name, hint=f"at least {MIN_COMPARED} are needed, better 200 or more")
    return 1 if min(len(data.split.valid), len(data.split.test)) >= MIN_COMPARED else FOLDS


def folds(data: Dataset) -> list[Dataset]:
    """The same data FOLDS times, a different fifth being the test part each time, so that every row is unseen once.

    Rows that are equal stay together, and rows of one label are dealt out evenly. A ninth of the rest, and at least
    one row, is the validation part.
    """
    contents = np.unique(row_keys(data.columns), return_inverse=True)[1]
    label = np.zeros(len(data)) if data.label is None else [str(value) for value in data.columns[data.label]]
    first = np.unique(contents, return_index=True)[1]
    dealt = np.empty(len(first), dtype=np.int64)
    dealt[np.lexsort((np.arange(len(first)), np.asarray(label)[first]))] = np.arange(len(first)) % FOLDS
    fold, found = dealt[contents], []
    for k in range(FOLDS):
        rest = np.flatnonzero(fold != k)
        valid = rest[:: max(2, len(rest) // max(1, len(rest) // 9))]
        split = Split(np.setdiff1d(rest, valid), valid, np.flatnonzero(fold == k))
        found.append(replace(data, fixed_split=split))
    return [each for each in found if len(each.split.test)]


def joined(parts: Sequence[Dataset]) -> Dataset:
    """All rows of data with the same fields, one after the other."""
    columns = {f.name: np.concatenate([each.columns[f.name] for each in parts]) for f in parts[0].fields}
    return replace(parts[0], columns=columns, fixed_split=None, origin=None)
