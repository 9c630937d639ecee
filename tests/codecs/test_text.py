"""TextCodec: windows of running text as a view, records with end marks, prompts."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genwright.codecs import codec_from_json, fit_codec
from genwright.codecs.text import Infill, TextCodec
from genwright.data.dataset import Category, Text
from genwright.errors import ArgumentError, DataError
from genwright.spaces import Encoded, Tokens
from tests.codecs.rows import assert_round_trip, rng, table

END = 256
PASSAGES = ["Ein Satz mit Ümlauten. ", "And one more,\n", "to be continued. "] * 40


def running(rows=PASSAGES):
    return table((Text("text", running=True), rows))


def records(rows):
    return table((Text("text"), rows))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=20).filter(any))
def test_records_come_back(rows):
    assert_round_trip(records(rows))


def test_every_window_is_a_record_without_a_copy():
    codec = fit_codec(running(), rng=rng())
    raw = "".join(PASSAGES).encode()
    assert codec.space == Tokens(256, 262, END) and codec.conditions is None
    x = codec.encode(running(), rng=rng()).x
    assert x.shape == (len(raw) - 255, 256) and x.dtype == torch.int16
    assert x.untyped_storage().nbytes() == 2 * len(raw) and x.stride() == (1, 1)
    assert bytes(x[17].tolist()) == raw[17 : 17 + 256]
    assert codec.space.unpack(x[torch.tensor([3, 99])]).dtype == torch.int64


def test_windows_for_evaluation():
    codec = fit_codec(running(), rng=rng())
    raw = "".join(PASSAGES).encode()
    x = codec.windows(running(), stride=256).x
    assert b"".join(bytes(row.tolist()) for row in x) == raw[: len(x) * 256]


def test_windows_decode_to_text_without_half_characters():
    codec = TextCodec.fit(running(["äöü" * 50]), rng=rng(), length=7)
    encoded = codec.encode(running(["äöü" * 50]), rng=rng())
    assert set("".join(codec.decode(encoded, rng=rng()).columns["text"])) == set("äöü")


def test_short_texts_have_short_windows_and_shorter_ones_are_filled_up():
    codec = fit_codec(running(["abcdefgh" * 10]), rng=rng())
    assert codec.length == 10
    x = codec.encode(running(["abc"]), rng=rng()).x
    assert x.tolist() == [[97, 98, 99] + [END] * 7]
    assert len(codec.encode(running([""]), rng=rng())) == 0


def test_long_records_are_cut_and_reported():
    rows = ["short", "é" * 400, *["a text of some length"] * 300]
    codec = fit_codec(records(rows), rng=rng())
    assert codec.length == 512 and codec.notes == ("text: 1 of 302 texts are longer than 512 tokens and are cut there",)
    with pytest.warns(UserWarning, match="are cut there"):
        encoded = codec.encode(records(rows), rng=rng())
    assert codec.decode(encoded, rng=rng()).columns["text"].tolist()[:2] == ["short", "é" * 256]
    beside = table((Text("text"), rows), (Category("who", ("me", "you")), ["me", "you"] * 151))
    odd = TextCodec.fit(beside, rng=rng(), length=11)
    with pytest.warns(UserWarning):
        encoded = odd.encode(beside, rng=rng())
    assert odd.decode(encoded, rng=rng()).columns["text"].tolist()[:2] == ["short", "é" * 5]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 256), min_size=6, max_size=6), min_size=1, max_size=20))
def test_any_tokens_decode_to_valid_text(tokens):
    for data in (records(["abcde"]), running(["abcdef" * 8])):
        codec = fit_codec(data, rng=rng())
        assert codec.length == 6
        for text in codec.decode(Encoded(torch.tensor(tokens)), rng=rng()).columns["text"]:
            text.encode("utf-8")


def test_long_documents_are_read_in_windows_and_none_is_lost():
    rows = ["ab" * 400, "c" * 300]
    codec = fit_codec(records(rows), rng=rng())
    assert codec.windowed and codec.length == 256 and codec.space.documents and "windows of 256" in codec.notes[0]
    x = codec.windows(records(rows), stride=1).x
    stream = [*x[0].tolist(), *x[1:, -1].tolist()]
    assert stream == [END, *b"ab" * 400, END, *b"c" * 300, END]
    assert codec.sizes(codec.windows(records(rows), stride=256).x).sum() == 4 * 256
    assert codec_from_json(codec.to_json()) == codec
    chosen = TextCodec.fit(records(rows), rng=rng(), length=100)
    assert chosen.windowed and chosen.length == 100


def test_prompts():
    codec = fit_codec(records(["hello world", "bye"]), rng=rng())
    given_ = codec.given({"text": "hé"}, 2, rng=rng())
    assert given_.x.tolist() == [[104, 195, 169] + [-1] * 9] * 2 and given_.context is None
    assert codec.given({"text": ["a", ""]}, 2, rng=rng()).x[:, 0].tolist() == [97, -1]
    assert codec.given({}, 2, rng=rng()).x is None
    for wrong in ("too long for twelve bytes", 7):
        with pytest.raises(ArgumentError):
            codec.given({"text": wrong}, 2, rng=rng())


def test_gaps():
    codec = fit_codec(records(["hello world", "bye"]), rng=rng())
    gap = codec.given({"text": Infill("he", "o", tokens=2)}, 1, rng=rng()).x[0].tolist()
    assert gap == [104, 101, -1, -1, 111, END] + [-1] * 6
    whole = codec.given({"text": Infill("he", "o")}, 1, rng=rng()).x[0].tolist()
    assert whole == [104, 101] + [-1] * 8 + [111, END]
    for wrong in (Infill("hello ", "world", tokens=3), Infill("hello", "worlds!")):
        with pytest.raises(ArgumentError, match="does not fit"):
            codec.given({"text": wrong}, 1, rng=rng())


def test_scalar_fields_beside_records_are_context():
    data = table(
        (Category("language", ("de", "en")), ["de", "en", "en"]), (Text("text"), ["ja", "yes", "no"]), label="language"
    )
    codec = assert_round_trip(data)
    assert [c.name for c in codec.conditions.columns.columns] == ["language"]
    fixed = codec.given({"language": "de", "text": "j"}, 2, rng=rng())
    assert fixed.context.tolist() == [[1.0], [1.0]] and fixed.x[0, 0] == ord("j")


def test_second_texts_and_fields_beside_running_text_are_noted():
    pairs = table((Text("question"), ["a?"]), (Text("answer"), ["b!"]))
    assert fit_codec(pairs, rng=rng()).notes == ("answer: not modelled beside question, and left out of samples",)
    beside = table((Text("text", running=True), PASSAGES), (Category("who"), ["x"] * len(PASSAGES)))
    codec = fit_codec(beside, rng=rng())
    assert codec.conditions is None and "who" in codec.notes[0]
    back = codec.decode(codec.encode(beside, rng=rng()).rows(slice(5)), rng=rng())
    assert list(back.columns) == ["text"] and len(back) == 5


def test_json_and_empty_text():
    codec = fit_codec(running(), rng=rng())
    assert codec_from_json(codec.to_json()) == codec
    with pytest.raises(DataError, match="no text"):
        fit_codec(records(["", ""]), rng=rng())
    with pytest.raises(ArgumentError):
        TextCodec.fit(records(["a"]), rng=rng(), length=0)
