"""Coherence: whether the order of sentences in a text carries sense, as it does not once they are shuffled.

For each passage of a fixed number of sentences: the mean similarity of neighbours minus that of all its pairs, which is
what neighbours would have, on average, in a random order. So shuffled text scores 0 whatever it is about, and so does a
sentence said over and over. The idea is that of Foltz et al. 1998, "The measurement of textual coherence with latent
semantic analysis", and of the shuffle test of Barzilay and Lapata 2008; subtracting the shuffled mean is ours.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int

from genwright.errors import ArgumentError, DataError
from genwright.extractors.embedding import TextEncoder
from genwright.metrics.references import rouge_tokenizer
from genwright.scores.intervals import Replicates, jackknife_groups
from genwright.scores.score import Score, signature

PASSAGE = 8  # sentences
MAX_PASSAGES = 400  # of each side
EMBEDDED_PASSAGES = 200  # likewise, where each sentence costs a run of a network
ENDS = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+|(?<=[。！？।])|\n\s*\n")
MIN_WORDS = 3  # of a sentence: less is an abbreviation, a number in a list, a heading

Vectors = Callable[[list[str]], Float[np.ndarray, "n d"]]


def embedding_coherence(
    real: Sequence[str],
    fake: Sequence[str],
    *,
    encoder: TextEncoder | None = None,
    sentences: int = PASSAGE,
    passages: int = EMBEDDED_PASSAGES,
    seed: int = 0,
) -> Score:
    """Cosine of neighbouring sentences above that of shuffled ones, by embeddings (default: the packaged MiniLM).

    The floor is what real text shows, and the target: less is disorder; more, sentences that paraphrase one another.
    Needs a text with `sentences` sentences on each side. Interval: leaving out texts, or passages of a single text.
    """
    encoder = TextEncoder() if encoder is None else encoder
    protocol = f"cosine by {encoder.signature}"
    about = _Sample(real, fake, sentences=sentences, passages=passages, seed=seed)
    return about.score("embedding coherence", encoder, protocol=protocol)


def lexical_coherence(
    real: Sequence[str],
    fake: Sequence[str],
    *,
    sentences: int = PASSAGE,
    passages: int = MAX_PASSAGES,
    seed: int = 0,
) -> Score:
    """Words that neighbouring sentences share above what shuffled ones do; needs no network, and any language.

    Cosine of counts of words, weighted by log(sentences / sentences with the word) in the real text. What an entity
    grid sees without a parser (Guinaudeau and Strube 2013, section 3: local coherence by shared entities).
    """
    about = _Sample(real, fake, sentences=sentences, passages=passages, seed=seed)
    vectors = _word_vectors([sentence for passage in about.real for sentence in passage])
    return about.score("lexical coherence", vectors, protocol="cosine of idf-weighted words")


def order_gain(vectors: Float[np.ndarray, "s d"]) -> float:
    """Mean cosine of neighbours minus that of all pairs; vectors of length 1 (or 0) in the order of their sentences.

    >>> order_gain(np.array([[1.0, 0], [1, 0], [0, 1], [0, 1]])) > 0
    True
    >>> order_gain(np.array([[1.0, 0], [1, 0], [1, 0]]))
    0.0
    """
    cosine = vectors @ vectors.T
    n = len(vectors)
    return float(np.diagonal(cosine, 1).mean() - (cosine.sum() - np.trace(cosine)) / (n * (n - 1)))


def split_sentences(text: str) -> list[str]:
    """Sentences of a text, by the marks that end them and by blank lines; pieces of fewer than 3 words are left out.

    >>> split_sentences("It was late. He left for good! Why? She asked him.")
    ['It was late.', 'He left for good!', 'She asked him.']
    """
    words = rouge_tokenizer("unicode words")
    pieces = (" ".join(piece.split()) for piece in ENDS.split(text))
    return [piece for piece in pieces if len(words(piece)) >= MIN_WORDS]


class _Sample:
    """Passages of both sides, as many real as generated ones, and the text that each generated one is from."""

    def __init__(self, real: Sequence[str], fake: Sequence[str], *, sentences: int, passages: int, seed: int) -> None:
        if sentences < 3 or passages < 1:
            what = f"passages of {sentences} sentences, {passages} of them"
            raise ArgumentError(
                what, hint="at least 3 sentences, since of two each is the other's neighbour; 1 passage"
            )
        (all_real, _), (all_fake, owners) = (_passages(texts, sentences) for texts in (real, fake))
        count = min(len(all_real), len(all_fake), passages)
        if not count:
            what = f"no {'generated' if all_real else 'real'} text has {sentences} sentences"
            raise DataError(what, where="coherence", hint="give longer texts, or sentences= fewer")
        rng = np.random.default_rng(seed)
        kept = [np.sort(rng.permutation(len(each))[:count]) for each in (all_real, all_fake)]
        self.real, self.fake = [all_real[i] for i in kept[0]], [all_fake[i] for i in kept[1]]
        self.owners, self.seed, self.sentences, self.sizes = owners[kept[1]], seed, sentences, (len(real), len(fake))

    def score(self, name: str, vectors: Vectors, *, protocol: str) -> Score:
        flat = [sentence for passage in (*self.real, *self.fake) for sentence in passage]
        each = vectors(flat).reshape(len(self.real) + len(self.fake), self.sentences, -1)
        gains = np.array([order_gain(passage) for passage in each])
        floor, ours = gains[: len(self.real)].mean(), gains[len(self.real) :]
        value = float(ours.mean())
        owner = np.unique(self.owners, return_inverse=True)[1]
        unit = owner if owner.max() else np.arange(len(ours))
        group = jackknife_groups(int(unit.max()) + 1, self.seed + 1)[unit]
        counts, sums = np.bincount(group), np.bincount(group, weights=ours)
        left_out = (sums.sum() - sums) / np.maximum(counts.sum() - counts, 1)
        replicates = Replicates((), tuple(left_out.tolist())) if len(counts) > 1 else None
        protocol = f"{protocol}, {len(ours)} passages of {self.sentences} sentences"
        return Score(
            name=name,
            value=value,
            direction="target",
            n=self.sizes[1],
            signature=signature(name, protocol=protocol, n=self.sizes, seed=self.seed),
            interval=replicates.interval(value, low=-1.0, high=1.0) if replicates else None,
            floor=float(floor),
            replicates=replicates,
        )


def _passages(texts: Sequence[str], sentences: int) -> tuple[list[list[str]], Int[np.ndarray, "p"]]:
    """Consecutive sentences of each text, so many at a time, and the number of the text."""
    found: list[list[str]] = []
    owners: list[int] = []
    for i, text in enumerate(texts):
        pieces = split_sentences(text)
        for start in range(0, len(pieces) - sentences + 1, sentences):
            found.append(pieces[start : start + sentences])
            owners.append(i)
    return found, np.array(owners, dtype=np.int64)


def _word_vectors(known: Sequence[str]) -> Vectors:
    """Sentences to counts of words, weighted by their rarity among `known` sentences and scaled to length 1."""
    words = rouge_tokenizer("unicode words")
    seen = Counter(word for sentence in known for word in set(words(sentence)))

    def vectors(sentences: list[str]) -> Float[np.ndarray, "n d"]:
        counts = [Counter(words(sentence)) for sentence in sentences]
        columns = {word: j for j, word in enumerate(dict.fromkeys(word for each in counts for word in each))}
        out = np.zeros((len(sentences), len(columns)), dtype=np.float32)
        for i, each in enumerate(counts):
            for word, count in each.items():
                out[i, columns[word]] = count * np.log((len(known) + 1) / (seen[word] + 1))
        lengths = np.linalg.norm(out, axis=1, keepdims=True)
        return (out / np.where(lengths > 0, lengths, 1)).astype(np.float64)

    return vectors
