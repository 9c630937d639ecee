"""Copied runs by a suffix array against a plain search, their floors, and the quote of what was copied."""

import random
import re

import numpy as np
import pytest

from genwright.audit.suffixes import LONGEST, matches
from genwright.audit.text import copied_text
from genwright.errors import DataError
from genwright.report.reading import read

WORDS = [f"{a}{b}" for a in ("ka", "lo", "mi", "ru", "se", "to") for b in ("n", "r", "sk", "l", "ve", "ma")]


def prose(n, seed):
    rng = random.Random(seed)
    return " ".join(rng.choice(WORDS) for _ in range(n))


def plainly(texts, corpus):
    found = []
    for text in texts:
        for i in range(len(text)):
            length = 0
            while i + length < len(text) and any(text[i : i + length + 1] in piece for piece in corpus):
                length += 1
            found.append(length)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_matches_are_those_of_a_plain_search(seed):
    rng = np.random.default_rng(seed)
    draw = lambda n: rng.choice(list(b"ab\x00\xff"), n, p=[0.5, 0.4, 0.05, 0.05]).astype(np.uint8).tobytes()  # noqa: E731
    corpus, texts = [draw(60), b"", draw(9)], [draw(40), b"a", draw(20)]
    texts.append(corpus[0][10:50])
    assert matches(texts, corpus).tolist() == plainly(texts, corpus)


def test_matches_end_with_a_text_and_at_the_longest():
    assert matches([b"ab", b"cd"], [b"abcd"]).tolist() == [2, 1, 2, 1]
    whole = np.random.default_rng(0).integers(0, 256, 4000).astype(np.uint8).tobytes()
    found = matches([whole], [whole])
    assert found[0] >= LONGEST and found[-10:].tolist() == list(range(10, 0, -1))


def test_copies_stand_out_from_common_phrases_and_are_quoted():
    phrase = "in the name of the king and of his house, amen; "
    train, unseen = ([prose(60, i + s) + " " + phrase + prose(60, i + s + 5000) for i in range(160)] for s in (0, 200))
    honest = [prose(60, i + 400) + " " + phrase + prose(60, i + 9000) for i in range(40)]
    [passages, *fine] = copied_text(train, honest, held_out=unseen, running=False)
    assert [score.name for score in fine] == ["copied 32-byte runs", "copied 8-word runs"]
    for score in fine:
        assert score.floor > 0 and abs(score.value - score.floor) < 1
    assert not passages.note.startswith("copies") and read(passages).grade != "poor"
    [passages, *copied] = copied_text(train, [*honest[:36], *train[:4]], held_out=unseen, running=False)
    for score in copied:
        assert score.value == pytest.approx(10 + 0.9 * score.floor, abs=1.5)
    assert passages.value == 10 and passages.note.startswith("copies: 4 texts") and read(passages).grade == "poor"
    assert any(repr(text[:20])[:-1] in passages.note for text in train[:4])


def test_running_text_is_held_against_pieces_of_the_unseen():
    whole = prose(6000, 1)
    fake = [whole[i : i + 300] for i in range(0, 3000, 300)]
    [passages, of_bytes, of_words] = copied_text([whole], fake, held_out=[prose(3000, 2)], running=True)
    assert of_bytes.value == of_words.value == 100 and of_bytes.floor < 1
    assert "300 bytes" in passages.note and "searched" in of_bytes.signature


def test_of_a_long_training_text_blocks_are_searched(monkeypatch):
    monkeypatch.setattr("genwright.audit.text.SEARCHED", 2**17)
    train = [prose(400, i) for i in range(200)]
    [_, score, _] = copied_text(train, train[:150], held_out=[prose(400, i) for i in range(900, 950)], running=False)
    searched, whole = map(int, re.findall(r"(\d+) bytes of (\d+)", score.signature)[0])
    assert searched <= 2**17 < whole and 20 < score.value < 100


def test_short_texts_have_no_such_runs():
    with pytest.raises(DataError, match="no text is 32 bytes"):
        copied_text(["anna", "otto"], ["bob"], held_out=["ida"], running=False)
