"""Scores of generated texts against reference texts, segment by segment: BLEU, chrF, TER and ROUGE.

Segment i of the hypotheses answers segment i of the references, so segments are left out in pairs: the replicates stand
on the real side, and two generators that answered the same references are compared pair by pair.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from genwright.errors import DataError, MissingDependencyError
from genwright.scores.intervals import Replicates, jackknife_groups, mean_replicates
from genwright.scores.score import Direction, Score, signature

Texts = Sequence[str]
References = Sequence[str] | Sequence[Sequence[str]]  # one per segment, or several
BleuTokenizer = Literal["13a", "intl", "char", "zh", "none"]  # those of sacrebleu that need no download
RougeTokenizer = Literal["rouge-score", "rouge-score, stemmed", "unicode words"]
Measure = Literal["precision", "recall", "F1"]

MAX_TER_WORDS = 500  # of a segment: the search for shifts takes 20 s where 500 words are in random order
UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")  # no spaces between words
ROUGE_SPLIT = re.compile(r"[^a-z0-9]+")


def bleu(references: References, hypotheses: Texts, *, tokenizer: BleuTokenizer = "13a", seed: int = 0) -> Score:
    """Corpus BLEU by sacrebleu, 0 to 100: clipped n-gram precisions up to 4, times the brevity penalty.

    Papineni et al. 2002, eqs. 1-4; Post 2018, arXiv:1804.08771. Exponential smoothing, mixed case. A number from
    another tokenizer is another metric: it stands in the signature.

    >>> bleu(["the cat sat on the mat"], ["the cat sat on the mat"]).value
    100.0
    """
    metric = _sacrebleu().BLEU(tokenize=tokenizer, force=True)
    note = ""
    if tokenizer in ("13a", "intl") and _unspaced(references):
        note = (
            f"tokenizer {tokenizer} does not split scripts without spaces: use tokenizer='char' (or 'zh' for Chinese)"
        )
    return _corpus_score("BLEU", metric, references, hypotheses, direction="higher", seed=seed, note=note)


def chrf(references: References, hypotheses: Texts, *, word_order: int = 0, beta: int = 2, seed: int = 0) -> Score:
    """Corpus chrF by sacrebleu, 0 to 100: F-score of character n-grams up to 6, recall weighing `beta` times precision.

    Popović 2015, eq. 1. `word_order` 2 adds word unigrams and bigrams: chrF++ (Popović 2017).

    >>> chrf(["abcdef"], ["abcdef"]).value
    100.0
    """
    name = "chrF" + "+" * word_order
    metric = _sacrebleu().CHRF(word_order=word_order, beta=beta)
    return _corpus_score(name, metric, references, hypotheses, direction="higher", seed=seed)


def ter(references: References, hypotheses: Texts, *, seed: int = 0) -> Score:
    """Translation edit rate by sacrebleu, in percent: edits and block shifts per reference word; may exceed 100.

    Snover et al. 2006, eq. 1. Case ignored. Segments of more than 500 words are a DataError.

    >>> ter(["a b c d"], ["a b c d"]).value
    0.0
    """
    longest = max((len(text.split()) for row in _rows(references) for text in row), default=0)
    longest = max(longest, max((len(text.split()) for text in hypotheses), default=0))
    if longest > MAX_TER_WORDS:
        what = f"a segment of {longest} words is too long for TER, which takes up to {MAX_TER_WORDS}"
        raise DataError(what, where="TER", hint="score sentence by sentence")
    return _corpus_score("TER", _sacrebleu().TER(), references, hypotheses, direction="lower", seed=seed)


def rouge(
    references: References,
    hypotheses: Texts,
    *,
    tokenizer: RougeTokenizer = "rouge-score",
    measure: Measure = "F1",
    seed: int = 0,
) -> tuple[Score, Score, Score, Score]:
    """ROUGE-1, -2, -L and -Lsum, 0 to 1, averaged over segments; of several references the one with the highest F1.

    Lin 2004: n-gram overlap (section 2), longest common subsequence (3.1), its union over lines (3.2). Conventions of
    Google's rouge-score 0.1.2, to which values are equal. Its tokenizer keeps a-z and 0-9 only: a DataError where most
    letters would be lost, said in the note where some are. "stemmed" needs that package for Porter's stemmer.

    >>> [score.value for score in rouge(["a b c d"], ["a b c d"])]
    [1.0, 1.0, 1.0, 1.0]
    """
    rows = paired(references, hypotheses)
    note = _lost_letters([*hypotheses, *(text for row in rows for text in row)], tokenizer)
    split = rouge_tokenizer(tokenizer)
    best = [
        max_by_f1([rouge_triples(text, hypothesis, split=split) for text in row])
        for row, hypothesis in zip(rows, hypotheses, strict=True)
    ]
    values = np.array(best)[:, :, ["precision", "recall", "F1"].index(measure)]
    counts = {len(row) for row in rows}
    nrefs = str(counts.pop()) if len(counts) == 1 else "varied"
    protocol = f"{measure}, tokenizer {tokenizer}, nrefs:{nrefs}, rouge-score 0.1.2 conventions"
    scores = [
        mean_of_segments(f"ROUGE-{kind}", column, protocol=protocol, seed=seed, low=0.0, high=1.0, note=note)
        for kind, column in zip(("1", "2", "L", "Lsum"), values.T, strict=True)
    ]
    return scores[0], scores[1], scores[2], scores[3]


def mean_of_segments(
    name: str, values: Float[np.ndarray, "n"], *, protocol: str, seed: int, low: float, high: float, note: str = ""
) -> Score:
    """A score that is the mean of one value per pair of texts."""
    value, n = float(values.mean()), len(values)
    replicates = Replicates(mean_replicates(values, seed=seed), ()) if n > 1 else None
    return Score(
        name=name,
        value=value,
        direction="higher",
        n=n,
        signature=signature(name, protocol=protocol, n=(n, n), seed=seed),
        interval=replicates.interval(value, low=low, high=high) if replicates else None,
        note=note,
        replicates=replicates,
    )


def paired(references: References, hypotheses: Texts) -> list[list[str]]:
    """The references of each hypothesis as a list; a DataError where the two do not fit together."""
    rows = _rows(references)
    if isinstance(hypotheses, str) or not all(isinstance(text, str) for text in hypotheses):
        raise DataError("hypotheses must be a list of strings, one per segment", where="hypotheses")
    if len(rows) != len(hypotheses) or not rows:
        what = f"{len(rows)} references and {len(hypotheses)} hypotheses do not fit together"
        raise DataError(what, hint="one hypothesis for each (list of) reference(s), at least one")
    return rows


def _rows(references: References) -> list[list[str]]:
    if isinstance(references, str):
        raise DataError("references must be a list, not one string", where="references")
    rows = [[row] if isinstance(row, str) else list(row) for row in references]
    for i, row in enumerate(rows):
        if not row or not all(isinstance(text, str) for text in row):
            raise DataError("holds no reference text" if not row else "is not text", where=f"reference {i}")
    return rows


def _sacrebleu() -> Any:
    try:
        import sacrebleu
    except ImportError:
        what = "BLEU, chrF and TER are computed by sacrebleu, which is not installed"
        raise MissingDependencyError(what, hint="pip install 'genwright[text]'") from None
    return sacrebleu


def _corpus_score(
    name: str,
    metric: Any,
    references: References,
    hypotheses: Texts,
    *,
    direction: Direction,
    seed: int,
    note: str = "",
) -> Score:
    """A metric of sacrebleu from its counts in each segment, which add up: leaving segments out subtracts theirs."""
    rows = paired(references, hypotheses)
    streams = [[row[i] if i < len(row) else None for row in rows] for i in range(max(map(len, rows)))]
    # corpus_score does these two steps and keeps the counts to itself; sacrebleu.significance calls them likewise.
    counts = np.array(metric._extract_corpus_statistics(list(hypotheses), streams), dtype=np.float64)
    total, n = counts.sum(0), len(rows)

    def score(statistics: Float[np.ndarray, "s"]) -> float:
        whole = [int(v) if v == int(v) else float(v) for v in statistics]
        return min(float(metric._compute_score_from_stats(whole).score), high)  # rounding may lead beyond

    high = 100.0 if direction == "higher" else np.inf
    value = score(total)
    group = jackknife_groups(n, seed)
    left_out = tuple(score(total - counts[group == g].sum(0)) for g in range(group.max() + 1)) if n > 1 else ()
    replicates = Replicates(left_out, ()) if n > 1 else None
    return Score(
        name=name,
        value=value,
        direction=direction,
        n=n,
        signature=signature(name, protocol=str(metric.get_signature()), n=(n, n), seed=seed),
        interval=replicates.interval(value, low=0.0, high=high) if replicates else None,
        unit="%" if name == "TER" else "",
        note=note,
        replicates=replicates,
    )


def _unspaced(references: References) -> bool:
    """Whether most letters of the references belong to scripts that put no spaces between words."""
    text = "".join(text for row in _rows(references) for text in row)
    return len(UNSPACED.findall(text)) > sum(map(str.isalpha, text)) / 2


# ROUGE ---------------------------------------------------------------------------------------------------------------

Triple = tuple[float, float, float]  # precision, recall, F1
Split = Callable[[str], list[str]]


def rouge_tokenizer(name: RougeTokenizer) -> Split:
    """A function from text to lower-case words, by the name of its convention."""
    if name == "rouge-score":
        return lambda text: ROUGE_SPLIT.sub(" ", text.lower()).split()
    if name == "unicode words":
        return _unicode_words
    try:
        from rouge_score.tokenizers import DefaultTokenizer
    except ImportError:
        what = "stemming as rouge-score does needs that package, which is not installed"
        raise MissingDependencyError(what, hint="pip install 'genwright[text]'") from None
    tokenize: Split = DefaultTokenizer(use_stemmer=True).tokenize
    return tokenize


def _unicode_words(text: str) -> list[str]:
    """Runs of letters, digits and their marks of any script; characters of scripts without spaces one by one."""
    kept = "".join(c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in text.lower())
    return UNSPACED.sub(r" \g<0> ", kept).split()


def rouge_triples(reference: str, hypothesis: str, *, split: Split) -> tuple[Triple, Triple, Triple, Triple]:
    """Precision, recall and F1 of ROUGE-1, -2, -L and -Lsum between two texts."""
    a, b = split(reference), split(hypothesis)
    lines = [[split(line) for line in text.split("\n") if line] for text in (reference, hypothesis)]
    common = len(b) - _rows_of_lcs(a, b)[-1].bit_count() if a and b else 0
    return _overlap(a, b, 1), _overlap(a, b, 2), _triple(common, len(a), len(b)), _union_of_lines(lines[0], lines[1])


def max_by_f1(each: list[tuple[Triple, Triple, Triple, Triple]]) -> list[Triple]:
    """For each kind of ROUGE the reference with the highest F1, the first of equals."""
    return [max((triples[kind] for triples in each), key=lambda triple: triple[2]) for kind in range(4)]


def _triple(hits: int, reference: int, hypothesis: int) -> Triple:
    precision, recall = hits / max(hypothesis, 1), hits / max(reference, 1)
    return precision, recall, 2 * precision * recall / (precision + recall) if hits else 0.0


def _overlap(a: list[str], b: list[str], n: int) -> Triple:
    grams = [Counter(zip(*(words[i:] for i in range(n)))) for words in (a, b)]
    return _triple((grams[0] & grams[1]).total(), grams[0].total(), grams[1].total())


def _rows_of_lcs(a: list[str], b: list[str]) -> list[int]:
    """The table of longest common subsequences, a row per prefix of `a`, each packed into the bits of one number.

    Bit j of row i is 0 where the longest one of a[:i] and b[:j + 1] is longer than that of a[:i] and b[:j]: the count
    of zeros is the length. All columns of a row in one addition: Hyyrö 2004, "Bit-parallel LCS-length computation
    revisited". Time and memory are len(a) len(b) / 64 words.
    """
    places: dict[str, int] = {}
    for j, word in enumerate(b):
        places[word] = places.get(word, 0) | 1 << j
    everywhere = (1 << len(b)) - 1
    rows = [everywhere]
    for word in a:
        row, here = rows[-1], places.get(word, 0)
        matched = row & here
        rows.append(((row + matched) | (row - matched)) & everywhere)
    return rows


def _in_common(a: list[str], b: list[str]) -> set[int]:
    """Places in `a` of one longest common subsequence; of several that one which rouge-score's walk back finds."""
    rows, found = _rows_of_lcs(a, b), set()
    i, j = len(a), len(b)
    while i and j:
        before = (1 << (j - 1)) - 1  # the columns up to j - 1
        if a[i - 1] == b[j - 1]:
            i, j = i - 1, j - 1
            found.add(i)
        # whether a[:i] and b[:j - 1] have a longer one than a[:i - 1] and b[:j], by zeros counted as ones fewer
        elif (rows[i] & before).bit_count() < (rows[i - 1] & (2 * before + 1)).bit_count() - 1:
            j -= 1
        else:
            i -= 1
    return found


def _union_of_lines(a: list[list[str]], b: list[list[str]]) -> Triple:
    """ROUGE-Lsum: for each line of the reference the union of what it has in common with any line of the hypothesis."""
    spare = [Counter(word for line in lines for word in line) for lines in (a, b)]
    sizes = [counts.total() for counts in spare]
    hits = 0
    for line in a:
        for i in sorted(set[int]().union(*(_in_common(line, other) for other in b))):
            if all(counts[line[i]] > 0 for counts in spare):  # no word counts more often than either text has it
                hits += 1
                for counts in spare:
                    counts[line[i]] -= 1
    return _triple(hits, sizes[0], sizes[1])


def _lost_letters(texts: Sequence[str], tokenizer: RougeTokenizer) -> str:
    """What rouge-score's tokenizer would lose; a DataError where that is most of the text."""
    if tokenizer == "unicode words":
        return ""
    letters = lost = 0
    for text in texts:
        letters += sum(map(str.isalnum, text))
        lost += sum(character.isalnum() and not character.lower().isascii() for character in text)
    if lost > letters / 2:
        what = f"rouge-score's tokenizer keeps a-z and 0-9 only and would lose {lost / letters:.0%} of the letters"
        raise DataError(what, where="ROUGE", hint="use tokenizer='unicode words'")
    return f"tokenizer {tokenizer} loses {lost / letters:.1%} of the letters" if lost else ""
