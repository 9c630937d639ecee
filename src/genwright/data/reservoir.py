"""Rows of a stream in bounded memory: all of them, or a uniform sample of as many as asked for."""

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float, Int

BLOCK = 2**16  # chunks are joined into blocks of so many rows: a column of a small chunk costs more than its values


class Reservoir:
    """A sample without replacement of at most `most` rows, in the order they came; all rows if `most` is None.

    Every row draws a number, and the rows with the smallest numbers stay. At most twice `most` rows are held at once.
    Fan, Muller and Rezucha 1962, section 3.

    >>> pool = Reservoir(3, rng=np.random.default_rng(0))
    >>> for start in (0, 10, 20):
    ...     pool.add(pa.table({"x": list(range(start, start + 10))}))
    >>> pool.seen, len(pool.table()), pool.sampled
    (30, 3, True)
    """

    def __init__(self, most: int | None, *, rng: np.random.Generator) -> None:
        self.most, self.seen = most, 0
        self._rng, self._limit = rng, 1.0
        self._small: list[pa.Table] = []
        self._blocks: list[pa.Table] = []
        self._uniforms: list[Float[np.ndarray, " rows"]] = []
        self._rows: list[Int[np.ndarray, " rows"]] = []
        self._held = self._loose = 0

    @property
    def sampled(self) -> bool:
        """Whether rows were left out."""
        return self.most is not None and self.seen > self.most

    def add(self, chunk: pa.Table) -> None:
        """The next rows of the stream."""
        uniforms = self._rng.random(chunk.num_rows)
        kept = uniforms < self._limit
        rows = np.arange(self.seen, self.seen + chunk.num_rows)
        self.seen += chunk.num_rows
        if not kept.all():
            chunk, uniforms, rows = chunk.filter(pa.array(kept)), uniforms[kept], rows[kept]
        self._small.append(chunk)
        self._uniforms.append(uniforms)
        self._rows.append(rows)
        self._held += len(rows)
        self._loose += len(rows)
        if self._loose >= BLOCK:
            self._join()
        if self.most is not None and self._held >= 2 * self.most:
            self._shrink(self.most)

    def table(self) -> pa.Table:
        """The rows that stayed, each column in one piece."""
        if self.sampled:
            assert self.most is not None
            self._shrink(self.most)
        self._join()
        return pa.concat_tables(self._blocks).combine_chunks() if len(self._blocks) > 1 else self._blocks[0]

    def rows(self) -> Int[np.ndarray, " rows"]:
        """Places in the stream, from 0, of the rows of `table`."""
        return np.concatenate(self._rows)

    def _join(self) -> None:
        if self._small:
            self._blocks.append(pa.concat_tables(self._small).combine_chunks())
            self._small, self._loose = [], 0

    def _shrink(self, most: int) -> None:
        """Keep the `most` rows with the smallest numbers; later ones must have smaller ones still."""
        if self._held <= most:
            return
        self._join()
        uniforms = np.concatenate(self._uniforms)
        self._limit = float(np.partition(uniforms, most)[most])
        kept: Bool[np.ndarray, " rows"] = uniforms < self._limit
        self._blocks = [_filtered(self._blocks, kept)]
        self._uniforms, self._rows = [uniforms[kept]], [np.concatenate(self._rows)[kept]]
        self._held = int(kept.sum())


def _filtered(blocks: list[pa.Table], kept: Bool[np.ndarray, " rows"]) -> pa.Table:
    """The kept rows of all blocks; each block is let go of once it is filtered."""
    parts, start = [], 0
    for block in blocks:
        parts.append(block.filter(pa.array(kept[start : start + block.num_rows])))
        start += block.num_rows
    return pa.concat_tables(parts).combine_chunks()
