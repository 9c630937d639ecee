"""BERTScore: how well the tokens of a text match those of its reference, by the states of a text encoder."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from genwright.errors import DataError
from genwright.extractors.embedding import TextEncoder
from genwright.metrics.references import References, Texts, mean_of_segments, paired
from genwright.scores.score import Score

Weighting = Literal["uniform", "idf"]
PAIRS_AT_ONCE = 64  # whose token states are held


class Match(NamedTuple):
    """BERTScore of one pair, or of many on average."""

    precision: float
    recall: float
    f1: float


def bert_score(
    references: References,
    hypotheses: Texts,
    *,
    encoder: TextEncoder | None = None,
    layer: int | None = None,
    weighting: Weighting = "uniform",
    baseline: Match | None = None,
    seed: int = 0,
) -> tuple[Score, Score, Score]:
    """Precision, recall and F1 of greedy matching of tokens by cosine, averaged over segments; the best of references.

    Zhang et al. 2020, arXiv:1904.09675, section 3; to 1e-4 the values of bert-score 0.3.13 with the same model and
    layer. `encoder` defaults to the packaged MiniLM, `layer` to its last; "idf" weighs tokens by their rarity among the
    references. With a `baseline`, as `bert_baseline` gives it, each value x becomes (x - b) / (1 - b): 0 is what
    unrelated texts reach. Values of different models, layers or baselines do not compare: the signature holds them all.
    """
    encoder = TextEncoder() if encoder is None else encoder
    layer = encoder.layers if layer is None else layer
    rows = paired(references, hypotheses)
    tokens = [_tokens(encoder, texts) for texts in ([t for row in rows for t in row], list(hypotheses))]
    owners = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    weights = _idf(tokens[0], encoder) if weighting == "idf" else dict.fromkeys(encoder.marks, 0.0)
    unseen = math.log(len(tokens[0]) + 1) if weighting == "idf" else 1.0
    pairs = [(tokens[0][i], tokens[1][owner]) for i, owner in enumerate(owners)]
    each = _matches(pairs, encoder=encoder, layer=layer, weights=weights, unseen=unseen)
    best = np.full((len(rows), 3), -np.inf)
    np.maximum.at(best, owners, each)  # as bert-score does: each of the three has its own best reference
    if baseline is not None:
        best = (best - np.array(baseline)) / (1 - np.array(baseline))
    about = (
        f"{encoder.signature}, L{layer}, {'idf' if weighting == 'idf' else 'no-idf'}, nrefs:{len(owners) / len(rows):g}"
    )
    if baseline is not None:
        about += ", rescaled by " + "/".join(f"{b:.6f}" for b in baseline)
    cut = sum(encoder.cut(side) for side in tokens)
    note = f"{cut} texts were cut at {encoder.max_tokens} tokens" if cut else ""
    low = -np.inf if baseline is not None else -1.0
    scores = [
        mean_of_segments(f"BERTScore {name}", column, protocol=about, seed=seed, low=low, high=1.0, note=note)
        for name, column in zip(("precision", "recall", "F1"), best.T, strict=True)
    ]
    return scores[0], scores[1], scores[2]


def bert_baseline(
    texts: Texts, *, encoder: TextEncoder | None = None, layer: int | None = None, seed: int = 0
) -> Match:
    """BERTScore of pairs of unrelated texts, each of `texts` (at least 2) against another: the zero of a rescaled one.

    Zhang et al. 2020, section 5, there with a million sentences; here with as many as are given, uniform weights.
    """
    encoder = TextEncoder() if encoder is None else encoder
    if len(texts) < 2:
        raise DataError(f"{len(texts)} texts make no unrelated pairs", where="BERTScore", hint="at least 2 texts")
    order = np.random.default_rng(seed).permutation(len(texts))
    tokens = _tokens(encoder, [texts[i] for i in order])
    pairs = list(zip(tokens, [*tokens[1:], tokens[0]], strict=True))
    layer = encoder.layers if layer is None else layer
    weights = dict.fromkeys(encoder.marks, 0.0)
    mean = _matches(pairs, encoder=encoder, layer=layer, weights=weights, unseen=1.0).mean(0)
    return Match(*mean.tolist())


def greedy_match(
    reference: Float[Tensor, "r d"],
    hypothesis: Float[Tensor, "h d"],
    *,
    weights: tuple[Float[Tensor, "r"], Float[Tensor, "h"]],
) -> Match:
    """Each token of one text with the nearest of the other, by cosine of their states; means by `weights`.

    Eqs. 1-2 and the weighted form of section 3 of the paper. Tokens of weight 0 may be matched with, as in bert-score.

    >>> one = torch.eye(2)
    >>> greedy_match(one, one[:1], weights=(torch.ones(2), torch.ones(1))).recall
    0.5
    """
    cosine = F.normalize(reference, dim=1) @ F.normalize(hypothesis, dim=1).T
    recall = float(cosine.amax(1) @ weights[0] / weights[0].sum())
    precision = float(cosine.amax(0) @ weights[1] / weights[1].sum())
    total = precision + recall
    return Match(precision, recall, 2 * precision * recall / total if total else 0.0)


def _tokens(encoder: TextEncoder, texts: Sequence[str]) -> list[list[int]]:
    """Tokens as bert-score has them: ends stripped, and for RoBERTa's byte pairs a space before the first word."""
    stripped = [text.strip() for text in texts]
    if encoder.kind == "roberta":
        stripped = [f" {text}" if text else "" for text in stripped]
    return encoder.tokens(stripped)


def _idf(tokens: Sequence[Sequence[int]], encoder: TextEncoder) -> dict[int, float]:
    """-log of the share of references that hold each token, with one added above and below; 0 for the model's marks."""
    n = len(tokens)
    counts = Counter(token for each in tokens for token in set(each))
    return {token: math.log((n + 1) / (count + 1)) for token, count in counts.items()} | dict.fromkeys(
        encoder.marks, 0.0
    )


def _matches(
    pairs: Sequence[tuple[list[int], list[int]]],
    *,
    encoder: TextEncoder,
    layer: int,
    weights: dict[int, float],
    unseen: float,
) -> Float[np.ndarray, "n 3"]:
    """Precision, recall and F1 of each pair of a reference's and a hypothesis's tokens; 0 where one has none."""
    values = np.zeros((len(pairs), 3))
    full = [i for i, pair in enumerate(pairs) if all(set(each) - encoder.marks for each in pair)]
    full.sort(key=lambda i: len(pairs[i][0]) + len(pairs[i][1]))
    for start in range(0, len(full), PAIRS_AT_ONCE):
        chunk = full[start : start + PAIRS_AT_ONCE]
        distinct = list(dict.fromkeys(tuple(each) for i in chunk for each in pairs[i]))
        states: dict[tuple[int, ...], Tensor] = {}
        for rows, _, present, batch in encoder.token_states(distinct, layer=layer):
            states |= {distinct[row]: batch[k, present[k]] for k, row in enumerate(rows)}
        for i in chunk:
            sides = [tuple(each) for each in pairs[i]]
            mass = [torch.tensor([weights.get(token, unseen) for token in side]) for side in sides]
            if not all(each.sum() > 0 for each in mass):
                what = "a text holds only tokens that all references hold, whose idf weight is 0"
                raise DataError(what, where="BERTScore", hint="give more references, or weighting='uniform'")
            values[i] = greedy_match(states[sides[0]], states[sides[1]], weights=(mass[0], mass[1]))
    return values
