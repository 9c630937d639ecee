"""Every score of generated text."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from genwright.audit.text import copied_text
from genwright.data.dataset import Dataset, Text
from genwright.extractors.embedding import TextEncoder
from genwright.families.family import Density
from genwright.metrics import coherence, mauve, repetition, text
from genwright.metrics.baselines import bits_by_counts
from genwright.metrics.collect import Found
from genwright.metrics.kind import Sides, Tools
from genwright.metrics.perplexity import perplexity, word_counts
from genwright.model.generator import Generator
from genwright.scores.score import Score

MAX_TEXTS = 256  # generated texts in which copied runs are looked for
MAX_BYTES = 1_000_000  # of text on each side of the n-gram divergence
EMBEDDED = 1000  # pieces of text of each side that are embedded
PIECE = 512  # characters of a piece of long text; pieces are what intervals resample
Pieces = list[str]
METRICS: dict[str, Callable[..., Score]] = {  # of real and generated pieces; MEANINGS says what each asks
    "self-BLEU": repetition.self_bleu,
    "seq-rep-4": repetition.seq_rep,
    "repetition rate": repetition.repetition_rate,
    "compression ratio": repetition.compression_ratio,
    "lexical coherence": coherence.lexical_coherence,
}


def score_texts(found: Found, sides: Sides, tools: Tools) -> None:
    """How well real text is compressed, how alike the statistics are, variety, order of sentences, copied runs."""
    fake, real, train, worst = sides
    generator, encoder, most_bytes, seed = tools.generator, tools.encoder, tools.most_bytes, tools.seed
    generated, unseen = (_texts(data) for data in (fake, real))
    if generator is not None and generator.can.density is not Density.ABSENT:
        found.add("bits per byte and perplexity per word", lambda: _bits_per_byte(generator, real, train))
    size = min(
        _size(generated), _size(unseen) if train is not None else _size(unseen) // 2, most_bytes or MAX_BYTES, MAX_BYTES
    )
    pieces = _cut(unseen, size)
    if train is not None:
        other = _cut(_texts(train), size)
    else:
        other = _cut(unseen[::-1], size)
        found.notes.append("floors compare the two ends of the real text")
    sample = _cut(generated, size)
    lowest = None if worst is None else (pieces, _cut(_texts(worst), size))
    found.add_beside("byte 4-gram divergence", text.ngram_divergence, (pieces, sample), (pieces, other), lowest)
    for n in (1, 2, 3):
        found.add(f"distinct-{n}", partial(text.distinct_n, pieces, sample, n=n))
    _compare_windows(found, pieces, sample, seed)
    if encoder is not None:
        _compare_embeddings(found, (pieces, sample), (pieces, other), encoder, seed)
    if train is not None:
        rng = np.random.default_rng(seed)
        few = [generated[i] for i in np.sort(rng.permutation(len(generated))[:MAX_TEXTS])]
        join = "" if real.running else "\n"
        whole, held_out = join.join(_texts(train)), join.join(unseen)
        found.add("longest copied run", lambda: text.longest_copied_run(whole, few, held_out=held_out, seed=seed))
        about: dict[str, Any] = {"held_out": unseen, "running": real.running, "seed": seed}
        found.add(
            "copied passages, copied 32-byte runs and copied 8-word runs",
            lambda: copied_text(_texts(train), few, **about),
        )


def _compare_windows(found: Found, real: list[str], fake: list[str], seed: int) -> None:
    """Repetition and coherence, whose target is what real text shows."""
    for name, metric in METRICS.items():
        found.add(name, partial(metric, real, fake, seed=seed))


def _compare_embeddings(
    found: Found, sets: tuple[Pieces, Pieces], floor_sets: tuple[Pieces, Pieces], encoder: TextEncoder, seed: int
) -> None:
    """What an embedding of sentences sees."""
    few, few_floor = ((_spread(a, EMBEDDED), _spread(b, EMBEDDED)) for a, b in (sets, floor_sets))
    found.add_beside("MAUVE", partial(mauve.mauve, encoder=encoder, seed=seed), few, few_floor)
    found.add("embedding coherence", partial(coherence.embedding_coherence, *sets, encoder=encoder, seed=seed))


def _spread(texts: Sequence[str], most: int) -> list[str]:
    """At most `most` of the texts, evenly spread."""
    rows = np.linspace(0, len(texts) - 1, min(most, len(texts))).round().astype(int)
    return [texts[i] for i in rows]


def _bits_per_byte(generator: Generator, real: Dataset, train: Dataset | None) -> list[Score]:
    """Bits per byte beside those of an n-gram model, which a model has to beat (an n-gram model: of bytes by their
    frequencies), and perplexity per word.
    """
    log_probs, sizes = generator.score_text(real)
    bound = "upper bound" if generator.can.density is Density.BOUND else ""
    window = f"{generator.codec.space.shape[0]}-token windows"
    unseen = _texts(real)
    block = 1 if len(log_probs) == len(real) else max(1, round(len(log_probs) ** (1 / 3)))  # parts of texts are alike
    score = text.bits_per_byte(log_probs, sizes, window=window, bound=bound, block=block)
    words = word_counts(["".join(unseen)] if real.running else unseen).sum()
    each = perplexity(log_probs, sizes * (words / sizes.sum()), unit="word", window=window, bound=bound)
    if train is None:
        return [score, each]
    found, order = bits_by_counts(_texts(train), unseen, running=real.running)
    letters, floor = float(found[0]), float(found[-1])
    note = (
        f"{bound}; " * bool(bound) + f"by frequencies of bytes {letters:.3g}, by n-grams of {order} bytes {floor:.3g}"
    )
    worst = letters if generator.family.name == "n-gram" else floor
    return [replace(score, baseline=worst, note=note), each]


def _texts(data: Dataset) -> list[str]:
    return [value for value in data.columns[data.medium(Text).name] if value]


def text_bytes(data: Dataset) -> int:
    """How long all texts are."""
    return _size(_texts(data))


def _size(texts: list[str]) -> int:
    return sum(len(each.encode("utf-8", "replace")) for each in texts)


def _cut(texts: list[str], size: int) -> list[str]:
    """Whole texts, long ones in pieces, until about `size` bytes are reached."""
    pieces: list[str] = []
    total = 0
    for each in texts:
        for start in range(0, len(each), PIECE):
            if total >= size:
                return pieces
            piece = each[start : start + PIECE].encode("utf-8", "replace")[: size - total].decode("utf-8", "ignore")
            pieces.append(piece)
            total += max(len(piece.encode("utf-8")), 1)
    return pieces
