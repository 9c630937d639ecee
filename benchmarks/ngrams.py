"""The floor under models of text: bits per byte of the last tenth by n-grams of bytes, by order and smoothing.

    python -m benchmarks.ngrams TEXT.txt NAMES.txt

The first nine tenths are counted, of records in random order (seed 0); the last of these nine is held out until
discounts are fitted. A record ends, which counts as one byte. Prints a Markdown table for each file.
"""

import sys
import time

import numpy as np

import genwright as gw
from genwright.data.dataset import Text
from genwright.maths.ngram_fit import costs, fitted, smoothed, tuned
from genwright.maths.ngrams import Counts, Smoothed, counted
from genwright.metrics.baselines import bytes_told

ORDER = 10
BYTES = {"vocabulary": 257, "alphabet": 257}


def table(path: str) -> str:
    """Orders down, ways of smoothing across."""
    data = gw.read(path)
    texts = [text.encode() for text in data.columns[data.medium(Text).name] if text]
    if data.running:
        whole = b"".join(texts)
        parts = [whole[: len(whole) * 9 // 10]], [whole[len(whole) * 9 // 10 :]]
    else:
        texts = [texts[i] for i in np.random.default_rng(0).permutation(len(texts))]
        parts = texts[: len(texts) * 9 // 10], texts[len(texts) * 9 // 10 :]
    seen, asked = (bytes_told(part, running=data.running) for part in parts)
    early, late = (seen.rows(slice(*ends)) for ends in ((0, len(seen.at) * 8 // 9), (len(seen.at) * 8 // 9, None)))
    held_out = late.rows(slice(None, None, max(1, len(late.at) // 50_000)))
    counts, before = (counted(part, order=ORDER, **BYTES) for part in (seen, early))
    lines = [f"**{path}**: {len(seen.at):,} bytes counted, {len(asked.at):,} scored", ""]
    lines += ["| order | n-grams | Witten-Bell | Kneser-Ney | Kneser-Ney, discounts fitted |", "|---|---|---|---|---|"]
    for order in range(1, counts.order + 1):
        cut = counts.cut(order)
        fit = tuned(smoothed(before.cut(order)), held_out).discounts
        ways = witten_bell(cut), smoothed(cut), Smoothed(cut, fit)
        bits = " | ".join(f"{costs(way, asked)[-1] / np.log(2):.3f}" for way in ways)
        lines.append(f"| {order} | {len(cut.grams):,} | {bits} |")
    began = time.process_time()
    chosen, _ = fitted(seen, None, order=8, **BYTES)
    took = time.process_time() - began
    bits = costs(chosen, asked)[-1] / np.log(2)
    lines += ["", f"Chosen: order {chosen.counts.order}, **{bits:.3f}**, in {took:.1f} s of the processor", ""]
    return "\n".join(lines)


def witten_bell(counts: Counts) -> Smoothed:
    """Nothing taken off, and one added for each kind; shorter contexts count occurrences too."""
    counts = Counts(
        *(getattr(counts, name) for name in ("vocabulary", "alphabet", "contexts", "ends", "grams")),
        counts.tallies[[0, 0]],
    )
    return Smoothed(counts, np.tile([0.0, 0.0, 0.0, 1.0], (counts.order, 2, 1)))


if __name__ == "__main__":
    for each in sys.argv[1:]:
        sys.stdout.write(table(each) + "\n")
