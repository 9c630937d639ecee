"""English to Spanish, learned from Tatoeba's short pairs alone, beside baselines that need no network; in chrF.

    python -m benchmarks.translation --minutes 20

Pairs of at most 8 English words, read as texts "english<tab>spanish"; three quarters of the time go to these, the rest
to tuning to what follows the tab. English sentences that are held out are in no pair that was learned from; all their
translations are references. Nearest neighbour: the translation of the English sentence that is most alike (TF-IDF of
character n-grams). Word table: each word's likeliest translation by IBM Model 1 (Brown et al. 1993), in English order.
"""

import argparse
import re
import time
import zipfile
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer

import genwright as gw
from benchmarks.common import data_file, record
from genwright.metrics.references import chrf

WORDS = 8  # of an English sentence, at most
HELD_OUT = 500


def read_pairs() -> dict[str, list[str]]:
    """The Spanish sentences of each English one."""
    found: dict[str, list[str]] = defaultdict(list)
    with zipfile.ZipFile(data_file("pairs_tatoeba_eng_spa/spa-eng.zip")) as archive:
        for line in archive.read("spa-eng/spa.txt").decode().splitlines():
            english, spanish = line.split("\t")[:2]
            if len(english.split()) <= WORDS:
                found[english].append(spanish)
    return found


def nearest(train: Sequence[tuple[str, str]], asked: Sequence[str]) -> list[str]:
    """The translation of the training sentence that is most alike."""
    tfidf = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True)
    known = tfidf.fit_transform([english for english, _ in train])
    best = (tfidf.transform(asked) @ known.T).argmax(axis=1)
    return [train[i][1] for i in np.asarray(best).ravel()]


def word_by_word(train: Sequence[tuple[str, str]], asked: Sequence[str], *, rounds: int = 6) -> list[str]:
    """Each word's likeliest translation by expectation-maximisation of IBM Model 1."""
    split = [(words(english), words(spanish)) for english, spanish in train]
    ours = {word: i for i, word in enumerate(dict.fromkeys(w for english, _ in split for w in english))}
    theirs = {word: i for i, word in enumerate(dict.fromkeys(w for _, spanish in split for w in spanish))}
    links, place = [], 0
    for english, spanish in split:
        for word in spanish:
            links += [(place, ours[own] * len(theirs) + theirs[word]) for own in english]
            place += 1
    position, pair = np.array(links).T
    kinds, kind = np.unique(pair, return_inverse=True)
    probability = np.ones(len(kinds))
    for _ in range(rounds):
        weight = probability[kind]
        weight /= np.bincount(position, weight)[position]
        counts = np.bincount(kind, weight)
        probability = counts / np.bincount(kinds // len(theirs), counts)[kinds // len(theirs)]
    names = list(theirs)
    order = np.argsort(probability)
    best = dict(zip(kinds[order] // len(theirs), kinds[order] % len(theirs), strict=True))
    return [" ".join(names[best[ours[w]]] if w in ours else w for w in words(text)).capitalize() for text in asked]


def words(text: str) -> list[str]:
    return re.findall(r"[\w']+|[^\w\s]", text.lower())


def translated(model: gw.Generator, asked: Sequence[str]) -> list[str]:
    """The likeliest next token at each step."""
    prompts = [f"{english}\t" for english in asked]
    drawn = model.sample(len(prompts), given={"text": prompts}, how=gw.Sampling(temperature=0.0))
    return [text.partition("\t")[2] for text in drawn.columns["text"]]


def scored(systems: dict[str, list[str]], references: Sequence[Sequence[str]]) -> dict[str, object]:
    """chrF of each system with all translations as references, and the model's lead over each other one: value and
    95 % interval over sentences.
    """
    scores = {name: chrf(references, found) for name, found in systems.items()}
    told: dict[str, object] = {name: [round(s.value, 2), *_rounded(s.interval)] for name, s in scores.items()}
    model = scores.pop("model")
    for name, score in scores.items():
        lead = model.value - score.value
        assert model.replicates is not None and score.replicates is not None
        interval = model.replicates.minus(score.replicates).interval(lead)
        told[f"model minus {name}"] = [round(lead, 2), *_rounded(interval)]
    return told


def _rounded(interval: tuple[float, float] | None) -> list[float]:
    return [round(bound, 2) for bound in interval or ()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, default=None, help="of the net; by default by the minutes")
    parser.add_argument("--depth", type=int, default=None)
    options = parser.parse_args()
    pairs = read_pairs()
    order = np.random.default_rng(0).permutation(np.array(sorted(pairs), dtype=object))
    asked, known = order[:HELD_OUT].tolist(), order[HELD_OUT:].tolist()
    train = [(english, spanish) for english in known for spanish in pairs[english]]
    references = [pairs[english] for english in asked]
    texts = pd.DataFrame({"text": [f"{english}\t{spanish}" for english, spanish in train]})
    data = gw.read(texts, schema={"text": "text"})
    family = gw.Autoregressive(width=options.width, depth=options.depth)
    base = gw.fit(data, family=family, target="text", minutes=0.75 * options.minutes, seed=options.seed)
    examples = [{"prompt": f"{english}\t", "completion": spanish} for english, spanish in train]
    model = gw.tune(base, examples, method=gw.SFT(batch=64), minutes=0.25 * options.minutes, seed=options.seed)
    trained = round(time.process_time() / 60, 1)
    systems = {
        "model": translated(model, asked),
        "before tuning": translated(base, asked),
        "nearest neighbour": nearest(train, asked),
        "word table": word_by_word(train, asked),
    }
    for i in range(12):
        print(" | ".join([asked[i], *(found[i] for found in systems.values())]))
    gain = {name: model.record["tuned"][-1][name] for name in ("before", "after", "difference")}
    settings = vars(options) | {"pairs": len(train), "held_out": HELD_OUT, "parameters": model.record["parameters"]}
    record("tatoeba eng-spa", settings, {"chrF": scored(systems, references), "tuning": gain, "cpu_minutes": trained})


if __name__ == "__main__":
    main()
