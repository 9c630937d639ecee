"""Tokenizers: lossless on all bytes, no text is read as a special token, JSON brings them back."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genwright.codecs.tokenizers import BPE, END, SPECIAL, Bytes, bpe, chosen, tokenizer_from_json
from genwright.errors import ArgumentError, StorageError

CORPUS = [b"the cat sat on the mat. " * 20, "Größe 12 34 naïve 日本語 \r\n\n\tif x:\n".encode() * 20]
LEARNED = BPE.trained(CORPUS, vocabulary=300)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode), st.sampled_from([*CORPUS])))
def test_all_bytes_come_back(raw):
    for tokenizer in (Bytes(), LEARNED):
        tokens = tokenizer.encode(raw)
        assert tokenizer.decode(tokens) == raw
        assert tokenizer.sizes[tokens].sum() == len(raw)


def test_frequent_strings_are_one_token_and_the_vocabulary_is_as_asked():
    assert LEARNED.vocabulary == 300 and len(LEARNED.encode(b" the")) == 1
    assert LEARNED.pieces[LEARNED.encode(b" the")[0]] == b" the"
    with pytest.raises(ArgumentError, match="vocabulary of 100"):
        BPE.trained(CORPUS, vocabulary=100)


def test_text_that_spells_a_special_token_is_text():
    for tokenizer in (Bytes(), LEARNED):
        special = set(tokenizer.special.values())
        assert list(tokenizer.special) == list(SPECIAL) and tokenizer.special[END] == tokenizer.end
        for name in SPECIAL:
            tokens = tokenizer.encode(f"a{name}b".encode())
            assert not special & set(tokens.tolist()) and tokenizer.decode(tokens) == f"a{name}b".encode()
        assert tokenizer.decode([tokenizer.end, *tokenizer.encode(b"x").tolist()]) == b"x"


def test_small_corpora_are_read_by_bytes_and_large_ones_by_a_vocabulary_that_grows_with_them():
    assert chosen(CORPUS) == Bytes() and bpe(CORPUS).vocabulary <= 512
    assert chosen([bytes([65 + i % 26, 32]) * 100 for i in range(5_000)]).end != Bytes().end


def parted(pattern, behavior):
    """What parts texts at a pattern before bytes are spelled."""
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": False}
    spell = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    return {"type": "Sequence", "pretokenizers": [split, spell]}


def test_a_pattern_that_runs_away_is_an_error_of_ours():
    told = LEARNED.to_json()
    told["tokenizer"] |= {"pre_tokenizer": parted("(a+)+b", "Isolated")}
    read = tokenizer_from_json(told, where="codec.json")
    assert read.decode(read.encode(b"aab")) == b"aab"
    with pytest.raises(StorageError, match="it cannot read a text"):
        read.encode(b"a" * 40 + b"c")


def test_what_drops_blanks_is_refused():
    told = LEARNED.to_json()
    told["tokenizer"] |= {"pre_tokenizer": parted(" ", "Removed")}
    with pytest.raises(StorageError, match="loses or adds bytes"):
        tokenizer_from_json(told, where="codec.json")


def test_composed_accents_and_empty_lists_of_changes_are_read():
    for normalizer in ({"type": "NFC"}, {"type": "Sequence", "normalizers": []}):
        told = LEARNED.to_json()
        told["tokenizer"] |= {"normalizer": normalizer}
        assert tokenizer_from_json(told, where="codec.json").vocabulary == LEARNED.vocabulary


def test_json_brings_them_back_and_damage_is_named():
    for tokenizer in (Bytes(), Bytes((END,)), LEARNED):
        back = tokenizer_from_json(json.loads(json.dumps(tokenizer.to_json())), where="codec.json")
        assert back.pieces == tokenizer.pieces and back.end == tokenizer.end
        assert back.encode(CORPUS[1]).tolist() == tokenizer.encode(CORPUS[1]).tolist()
    assert tokenizer_from_json(None, where="codec.json").vocabulary == 257  # of earlier versions
    good = LEARNED.to_json()
    far = good["tokenizer"]["model"]["vocab"] | {"!": 2**32 - 2}  # as many pieces would not fit into memory
    for change in (
        {"kind": "words"},
        {"end": 300},
        {"end": -1},
        {"tokenizer": []},
        {"tokenizer": good["tokenizer"] | {"model": {"type": "WordLevel", "vocab": {}}}},
        {"tokenizer": good["tokenizer"] | {"pre_tokenizer": {"type": "Nothing"}}},
        {"tokenizer": good["tokenizer"] | {"model": good["tokenizer"]["model"] | {"vocab": far}}},
        {"tokenizer": good["tokenizer"] | {"model": good["tokenizer"]["model"] | {"dropout": 0.5}}},
        {"tokenizer": good["tokenizer"] | {"normalizer": {"type": "Lowercase"}}},
        {"tokenizer": good["tokenizer"] | {"model": good["tokenizer"]["model"] | {"vocab": {"a": 0}}}},
        {"tokenizer": good["tokenizer"] | {"model": good["tokenizer"]["model"] | {"vocab": {"a": 2**60}}}},
    ):
        with pytest.raises(StorageError):
            tokenizer_from_json(good | change, where="codec.json")
