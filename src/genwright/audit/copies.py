"""Signs of copying: exact copies of training records, and records nearer to training than to unseen real ones.

These describe; they are no proof of privacy ("The DCR Delusion", arXiv:2505.01524).
"""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.stats import hypergeom
from torch import Tensor

from genwright.data.align import aligned
from genwright.data.dataset import Category, Dataset, Time
from genwright.data.split import row_keys
from genwright.errors import DataError
from genwright.scores.intervals import share_interval
from genwright.scores.score import Score, signature

CHUNK_CELLS = 16_000_000  # distances held at once: 64 MB
ALARM = 0.01  # false alarms allowed
MAX_FAKE_ROWS = 3000  # whose nearest rows are looked for; the share is then known to -+1.8 points
MIN_FAKE_ROWS = 500  # of large tables, to -+4.5 points; in between as many as keep to ...
MAX_CELLS = 4_000_000_000  # ... so many differences of values


def nearest_training_row(
    train: Dataset, fake: Dataset, *, held_out: Dataset, max_rows: int = MAX_FAKE_ROWS, seed: int = 0
) -> Score:
    """Share of generated rows nearer to a training row than to an unseen real one, as if there were as many of both.

    0.5 is ideal, 1 a pure copier. Distance: L1 over columns, numbers in units of their real range (a missing value is
    1/2 to 1 away from others), categories 0 or 2 as in TabSyn's DCR. All rows of both sets are used and the share is
    corrected for their sizes, which unlike thinning out the training rows does not hide copies of the thinned-out.
    """
    fake, held_out = aligned(fake, train), aligned(held_out, train)
    affordable = MAX_CELLS // max(1, (len(train) + len(held_out)) * len(train.scalars))
    most = min(max_rows, max(MIN_FAKE_ROWS, affordable))
    rows = np.sort(np.random.default_rng(seed).permutation(len(fake))[:most])
    encoded = _Rows.of(train, held_out, fake.take(rows))
    a, b = encoded.nearest(encoded.part(0)), encoded.nearest(encoded.part(1))
    return nearer_share(
        a, b, sizes=(len(train), len(held_out)), name="nearest training row", protocol="L1 by ranges", seed=seed
    )


def nearer_share(
    to_train: Float[np.ndarray, "n"],
    to_held_out: Float[np.ndarray, "n"],
    *,
    sizes: tuple[int, int],
    name: str,
    protocol: str,
    seed: int,
) -> Score:
    """The share nearer to training records, from both distances (ties count half) and the sizes of the two sets.

    With t training and h held-out records an honest generator is nearer to training with odds t : h, so the observed
    odds are divided by that.
    """
    n = len(to_train)
    share = float(np.mean((to_train < to_held_out) + 0.5 * (to_train == to_held_out)))
    value, low, high = (_balanced(s, *sizes) for s in (share, *share_interval(share, n)))
    nearer = "nearer to training records than unseen real records are: part of them may be copied" if low > 0.5 else ""
    return Score(
        name=name,
        value=value,
        direction="target",
        n=n,
        signature=signature(name, protocol=f"{protocol}, train={sizes[0]}", n=(sizes[1], n), seed=seed),
        interval=(low, high),
        floor=0.5,
        floor_error=0.0,
        group="novelty",
        note=nearer,
    )


def _balanced(share: float, train: int, held_out: int) -> float:
    return float(share * held_out / (share * held_out + (1 - share) * train))


def exact_copy_rate(train: Dataset, fake: Dataset, *, held_out: Dataset) -> Score:
    """Share of generated records equal to a training record, in percent; the floor is that of unseen real records.

    Tables are compared by all scalar columns, other data by the image or text. Few columns with few values repeat by
    chance: only an excess over the floor means copying.
    """
    names = [train.media.name] if train.media else [f.name for f in train.scalars]
    keys = [row_keys(aligned(t, train).select(names).columns) for t in (train, fake, held_out)]
    copied, repeated = (np.isin(k, keys[0]) for k in keys[1:])
    return copied_share("exact copies", copied, repeated, train=len(train))


def copied_share(name: str, copied: Bool[np.ndarray, " n"], repeated: Bool[np.ndarray, " m"], *, train: int) -> Score:
    """Score of the generated records that are marked as copies, in percent, beside the marked unseen real ones.

    The note says "copies" where so many of the marked records are generated ones with a probability below 1 %, were
    they and the unseen ones of one distribution: Fisher's exact test, which holds its level however few records are
    marked.
    """
    n, m, k = len(copied), len(repeated), int(copied.sum())
    low, high = share_interval(k / n, n)
    p = float(hypergeom.sf(k - 1, n + m, k + int(repeated.sum()), n))
    return Score(
        name=name,
        value=100 * k / n,
        direction="lower",
        n=n,
        signature=signature(name.partition(":")[0], protocol=f"train={train}", n=(m, n)),
        interval=(100 * low, 100 * high),
        floor=100 * float(repeated.mean()),
        floor_error=100 * float(repeated.std() / np.sqrt(m)),
        unit="%",
        group="novelty",
        note=f"copies: more than unseen real records hold, p = {p:.2g}" if p < ALARM else "",
    )


class _Rows:
    """Training, held-out and generated rows in one scale: numbers by range with missing marks, category codes."""

    def __init__(self, numbers: Float[Tensor, "n c"], codes: Int[Tensor, "n d"], sizes: list[int]) -> None:
        self.numbers, self.codes = numbers, codes
        self.ends = np.cumsum([0, *sizes])

    @classmethod
    def of(cls, *tables: Dataset) -> "_Rows":
        """The first table's ranges are the scale; all tables have its fields."""
        numbers, codes = [], []
        for field in tables[0].scalars:
            column = np.concatenate([t.columns[field.name] for t in tables])
            if isinstance(field, Category):
                codes.append(np.unique([repr(v) for v in column], return_inverse=True)[1])
                continue
            if isinstance(field, Time):
                column = np.where(np.isnat(column), np.nan, column.astype("datetime64[s]").astype(np.float64))
            numbers.extend(_scaled(column, len(tables[0])))
        n = sum(len(t) for t in tables)
        return cls(
            torch.tensor(np.array(numbers).reshape(-1, n).T.copy(), dtype=torch.float32),
            torch.tensor(np.array(codes).reshape(-1, n).T.copy(), dtype=torch.int32),
            [len(t) for t in tables],
        )

    def part(self, i: int) -> slice:
        """The rows of table i."""
        return slice(int(self.ends[i]), int(self.ends[i + 1]))

    def nearest(self, others: slice) -> Float[np.ndarray, "n"]:
        """Distance of each row of the last table to the nearest of `others`."""
        numbers, codes = self.numbers[others], self.codes[others].T.contiguous()
        last = self.part(len(self.ends) - 2)
        if others.start == others.stop or last.start == last.stop:
            raise DataError("no rows to look for the nearest among")
        step = max(1, CHUNK_CELLS // len(numbers))
        distances = []
        for start in range(last.start, last.stop, step):
            chunk = slice(start, min(start + step, last.stop))
            apart = torch.cdist(self.numbers[chunk], numbers, p=1.0)
            unlike = torch.zeros(apart.shape, dtype=torch.uint8 if len(codes) < 256 else torch.int16)
            for mine, theirs in zip(self.codes[chunk].T, codes, strict=True):
                unlike += mine[:, None] != theirs[None, :]
            distances.append(apart.add_(unlike, alpha=2.0).amin(dim=1))
        return torch.cat(distances).numpy()


def _scaled(column: Float[np.ndarray, "n"], first: int) -> list[np.ndarray]:
    """A number in units of the range of its `first` rows, missing ones amid it and marked in a second column."""
    known = column[:first][~np.isnan(column[:first])]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 1.0)
    value = (column - low) / ((high - low) or 1.0)
    missing = np.isnan(value)
    return [np.where(missing, 0.5, value), 0.5 * missing] if missing.any() else [value]
