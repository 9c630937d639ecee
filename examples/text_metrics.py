"""Text metrics: how well a model predicts text, how near its texts come to references, how like a corpus they are.

    perplexity, bits per byte   a model's code length for unseen text: exact for models with a likelihood
    BLEU, chrF, ROUGE           words, letters and runs in common with a reference that says what should be there
    BERTScore                   the same by meaning: tokens matched by the states of a text encoder
    MAUVE                       no references: is the cloud of generated texts that of real ones?

The real texts are the Python reference, which every Python brings along. The generators are n-gram models of its words,
from single words by their frequency to almost a copy machine; the references are sentences and ways to get them wrong.

    python examples/text_metrics.py

You should see bits per byte fall as the model sees more words back; BLEU and ROUGE take a paraphrase for a failure
where BERTScore tells it from unrelated text; and MAUVE rise from word salad to real text. (MAUVE of 100 texts is for
looking at: it wants thousands.)
"""

from collections import Counter, defaultdict
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np

import show
from genwright.extractors.embedding import TextEncoder
from genwright.metrics.bertscore import bert_score
from genwright.metrics.mauve import mauve_of_features
from genwright.metrics.perplexity import byte_counts, perplexity, word_counts
from genwright.metrics.references import bleu, chrf, rouge
from genwright.metrics.text import bits_per_byte

WORDS = 18  # of a text
TEXTS = 100  # of each generator

REFERENCES = [
    "The committee approved the new budget on Friday evening.",
    "Heavy rain flooded several streets in the old town.",
    "She bought a cheap bicycle for her daughter in spring.",
    "The scientists measured the temperature of the lake every day.",
    "He forgot his keys at home and had to wait outside.",
    "The train to the coast was late because of the storm.",
]
PARAPHRASES = [
    "On Friday night the panel accepted the latest spending plan.",
    "Strong rainfall put a number of roads in the historic centre under water.",
    "In spring she purchased an inexpensive bike for her girl.",
    "Each day the researchers recorded how warm the lake was.",
    "He left his keys in the house, so he waited in front of the door.",
    "Bad weather delayed the railway service to the sea.",
]

EXPECTED = {
    "bits per byte, letters all alike": (7.99, 8.01),
    "bits per byte, 1 word": (2.1, 2.7),  # 2.29
    "bits per byte, 2 words": (1.7, 2.3),  # 1.90
    "perplexity per word, 2 words": (3e3, 4e4),  # 5,600
    "perplexity per byte is 2 ^ bits per byte": (1 - 1e-9, 1 + 1e-9),
    "BLEU of the references themselves": (99.99, 100.01),
    "BLEU of paraphrases": (0, 15),
    "chrF of paraphrases": (20, 50),
    "ROUGE-L of paraphrases": (0.1, 0.5),
    "BERTScore F1 of paraphrases": (0.5, 0.9),
    "BERTScore F1 of unrelated sentences": (0.0, 0.45),
    "MAUVE, 1 word": (0.3, 0.87),  # 0.71
    "MAUVE, 4 words": (0.88, 1.0),  # 0.96
    "MAUVE, real": (0.88, 1.0),  # 0.97
}


def main(out: Path | None = None) -> dict[str, float]:
    """Score n-gram models of rising order, then hypotheses against references."""
    words = " ".join(topics.values()).split()
    texts = pieces(words)
    unseen = texts[::10]
    train = [text for i, text in enumerate(texts) if i % 10]
    likelihoods = {order: likelihood(train, unseen, order) for order in (1, 2, 3)}
    numbers = {"bits per byte, letters all alike": uniform_bytes(unseen)}
    numbers |= {f"bits per byte, {order} word{'s' * (order > 1)}": likelihoods[order][0] for order in (1, 2)}
    numbers |= {
        "perplexity per word, 2 words": likelihoods[2][1],
        "perplexity per byte is 2 ^ bits per byte": likelihoods[2][2] / 2 ** likelihoods[2][0],
    }
    encoder = TextEncoder()
    against = references(encoder)
    numbers |= {
        "BLEU of the references themselves": against["the same"][0],
        "BLEU of paraphrases": against["paraphrase"][0],
        "chrF of paraphrases": against["paraphrase"][1],
        "ROUGE-L of paraphrases": against["paraphrase"][2] / 100,
        "BERTScore F1 of paraphrases": against["paraphrase"][3] / 100,
        "BERTScore F1 of unrelated sentences": against["unrelated"][3] / 100,
    }
    clouds = likeness(words, encoder)
    numbers |= {"MAUVE, 1 word": clouds["1 word"], "MAUVE, 4 words": clouds["4 words"], "MAUVE, real": clouds["real"]}
    draw(out, likelihoods, against, clouds)
    return show.numbers(numbers, EXPECTED)


def pieces(words: list[str]) -> list[str]:
    """Texts of WORDS words."""
    return [" ".join(words[i : i + WORDS]) for i in range(0, len(words) - WORDS + 1, WORDS)]


def uniform_bytes(unseen: list[str]) -> float:
    """A model to which all 256 bytes are equally likely needs 8 bits for each."""
    sizes = byte_counts(unseen)
    return bits_per_byte(-np.log(256) * sizes, sizes, window="none").value


def likelihood(train: list[str], unseen: list[str], order: int) -> tuple[float, float, float]:
    """Bits per byte, perplexity per word and per byte of unseen texts under an interpolated n-gram model of words.

    A word is drawn from what followed the words before, as often as it did, or with some probability from what followed
    one word fewer (Witten-Bell); the last resort is one letter after the other, each of 256 bytes as likely.
    """
    followers: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for row in map(str.split, train):
        for i, word in enumerate(row):
            for back in range(min(order, i + 1)):
                followers[tuple(row[i - back : i])][word] += 1

    def probability(word: str, before: tuple[str, ...]) -> float:
        lower = probability(word, before[1:]) if before else 257.0 ** -(len(word.encode()) + 1)
        seen = followers.get(before)
        if not seen:
            return lower
        return (seen[word] + len(seen) * lower) / (seen.total() + len(seen))

    log_probs = []
    for row in map(str.split, unseen):
        log_probs.append(sum(np.log(probability(w, tuple(row[max(i - order + 1, 0) : i]))) for i, w in enumerate(row)))
    nats, window = np.array(log_probs), f"{order - 1} words back, texts alone"
    sizes = byte_counts(unseen)
    return (
        bits_per_byte(nats, sizes, window=window).value,
        perplexity(nats, word_counts(unseen), unit="word", window=window).value,
        perplexity(nats, sizes, unit="byte", window=window).value,
    )


def references(encoder: TextEncoder) -> dict[str, list[float]]:
    """BLEU, chrF, ROUGE-L and BERTScore F1, each of 100, for four kinds of hypotheses."""
    rng = np.random.default_rng(0)
    hypotheses = {
        "the same": REFERENCES,
        "paraphrase": PARAPHRASES,
        "scrambled": [" ".join(rng.permutation(text.split())) for text in REFERENCES],
        "unrelated": PARAPHRASES[1:] + PARAPHRASES[:1],
    }
    return {
        kind: [
            bleu(REFERENCES, texts).value,
            chrf(REFERENCES, texts).value,
            100 * rouge(REFERENCES, texts)[2].value,
            100 * bert_score(REFERENCES, texts, encoder=encoder)[2].value,
        ]
        for kind, texts in hypotheses.items()
    }


def likeness(words: list[str], encoder: TextEncoder) -> dict[str, float]:
    """MAUVE against real texts, of n-gram models of rising order and of other real texts."""
    rng = np.random.default_rng(0)
    texts = pieces(words)
    order = rng.permutation(len(texts))
    real, other = ([texts[i] for i in part] for part in (order[:TEXTS], order[TEXTS : 2 * TEXTS]))
    sets = {f"{n} word{'s' * (n > 1)}": ngram_texts(words, n, rng) for n in (1, 4)} | {"real": other}
    features = encoder(real)
    return {
        name: mauve_of_features(features, encoder(fake), features=encoder.signature).value
        for name, fake in sets.items()
    }


def ngram_texts(words: list[str], order: int, rng: np.random.Generator) -> list[str]:
    """Texts in which each word is drawn from those that followed the `order` - 1 words before it somewhere."""
    followers: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for i in range(len(words) - order + 1):
        followers[tuple(words[i : i + order - 1])].append(words[i + order - 1])
    texts = []
    for start in rng.integers(len(words) - order, size=TEXTS):
        text = words[start : start + order - 1]
        while len(text) < WORDS:
            after = followers.get(tuple(text[len(text) - order + 1 :])) or words
            text.append(after[rng.integers(len(after))])
        texts.append(" ".join(text))
    return texts


def draw(
    out: Path | None, likelihoods: dict[int, tuple[float, float, float]], against: dict[str, list[float]],
    clouds: dict[str, float],
) -> None:  # fmt: skip
    """The three groups of metrics side by side."""
    page, axes = show.figure(1, 3, width=3.6, height=3.0)
    left, middle, right = axes[0]
    left.bar([str(order) for order in likelihoods], [each[0] for each in likelihoods.values()], color=show.COLOURS[0])
    left.set(xlabel="words of the n-gram", ylabel="bits per byte of unseen text")
    for k, (name, colour) in enumerate(zip(("BLEU", "chrF", "ROUGE-L", "BERTScore"), show.COLOURS, strict=False)):
        middle.bar(np.arange(len(against)) + 0.2 * k - 0.3, [row[k] for row in against.values()], 0.2, label=name,
                   color=colour)  # fmt: skip
    middle.set_xticks(range(len(against)), list(against), fontsize=8)
    middle.set_ylabel("of 100")
    middle.legend(fontsize=7)
    right.bar(list(clouds), list(clouds.values()), color=show.COLOURS[2])
    right.set(ylabel="MAUVE", xlabel="words of the n-gram", ylim=(0, 1))
    show.save(page, out, "text_metrics")


if __name__ == "__main__":
    show.command(main)
