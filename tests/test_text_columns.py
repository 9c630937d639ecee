"""Free-text columns of a table: read as text, written given the rest of the row, kept out of rows' levels."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import genwright as gw
from genwright.codecs import codec_from_json
from genwright.codecs.text_columns import MAX_TOKENS, TextColumnsCodec
from genwright.data.dataset import Category, Identifier, Text
from genwright.data.inspect import inspect
from genwright.data.write import write
from genwright.errors import ArgumentError, DataError, UnsupportedError
from genwright.metrics.collect import Found
from genwright.metrics.text_columns import copied_texts, score_text_columns, text_agreement
from genwright.model.column_texts import TextColumns
from genwright.spaces import Encoded

GOOD, BAD = ("great", "lovely", "superb"), ("awful", "broken", "useless")
PARTS = {"chair": ("seat", "cushion"), "lamp": ("bulb", "switch")}


def reviews(n: int, seed: int = 0) -> pd.DataFrame:
    """Products, whether they come again, and a comment of which the words agree with both."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(n):
        product, again = str(rng.choice(["chair", "lamp"], p=[0.7, 0.3])), bool(rng.random() < 0.6)
        words, part = GOOD if again else BAD, rng.choice(PARTS[product])
        comment = f'The {part}: "{rng.choice(words)}",\nafter {rng.integers(2, 999)} days'
        rows.append((product, again, round(float(rng.lognormal(3)), 2), comment))
    return pd.DataFrame(rows, columns=["product", "again", "price", "comment"])


@pytest.fixture(scope="module")
def data():
    return gw.read(reviews(500))


@pytest.fixture(scope="module")
def model(data):
    return gw.fit(data, family=gw.Mixture(components=8), steps=120)


def agreeing(frame: pd.DataFrame) -> float:
    """Share of rows of which the comment speaks of the product and the verdict of the row."""
    told = [
        any(part in text for part in PARTS[product]) and any(word in text for word in (GOOD if again else BAD))
        for product, again, text in zip(frame["product"], frame["again"], frame["comment"])
    ]
    return float(np.mean(told))


def test_sentences_that_differ_are_text(data):
    assert data.field("comment") == Text("comment", column=True)
    assert data.media is None and data.texts == (data.field("comment"),)
    assert any("taken for free text" in note for note in data.notes)
    shown = next(f for f in inspect(data).fields if f.name == "comment")
    assert shown.kind == "text" and not shown.frequent


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([f"A-{i}" for i in range(50)], Identifier),
        ([f"Ann{chr(97 + i % 26)} Maria Smith{chr(97 + i // 26)}" for i in range(50)], Identifier),  # never learned
        ([f"{i} High Street, Flat {i % 7}" for i in range(50)], Text),
        ([f"the same few words {i % 5}" for i in range(50)], Category),
        ([f"the same few words {i % 30}" for i in range(50)], Text),  # most rows differ
    ],
)
def test_what_is_text(values, kind):
    table = pd.DataFrame({"x": values, "y": [0.5 * (i % 9) for i in range(50)]})
    assert isinstance(gw.read(table).field("x"), kind)


def test_the_user_decides():
    table = pd.DataFrame({"note": [f"a word {i}" for i in range(50)], "code": ["ab", "cd"] * 25, "y": range(0, 150, 3)})
    for kind, field in (("category", Category), ("identifier", Identifier), ("text", Text)):
        assert isinstance(gw.read(table, schema={"note": kind}).field("note"), field)
    assert gw.read(table, schema={"code": "text"}).field("code") == Text("code", column=True)
    assert gw.read(table[["note"]], schema={"note": "text"}).media == Text("note")


def test_texts_agree_with_their_rows(model):
    assert agreeing(model.sample(300, seed=1).frame) > 0.8


def test_fields_keep_their_order_and_seeds_their_rows(model, data):
    one, same, other = (model.sample(40, seed=seed).frame for seed in (3, 3, 4))
    assert list(one) == list(data.frame)
    pd.testing.assert_frame_equal(one, same)
    assert not one["comment"].equals(other["comment"])


def test_given_columns_govern_the_text(model):
    frame = model.sample(100, given={"product": "lamp", "again": False, "price": gw.Between(1, 30)}, seed=5).frame
    assert set(frame["product"]) == {"lamp"} and frame["price"].between(1, 30).all()
    assert agreeing(frame) > 0.8


def test_a_given_text_governs_the_row(model):
    text = 'The bulb: "awful",\nafter 12 days'
    frame = model.sample(40, given={"comment": text}, seed=6).frame
    assert set(frame["comment"]) == {text}
    assert (frame["product"] == "lamp").mean() > 0.9 and not frame["again"].astype(bool).mean() > 0.1
    texts = [text, text.replace("bulb", "seat")] * 10
    frame = model.sample(20, given={"comment": texts, "price": list(range(5, 25))}).frame
    assert frame["price"].tolist() == list(range(5, 25)) and frame["comment"].tolist() == texts
    assert (frame["product"] == ["lamp", "chair"] * 10).mean() > 0.8


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"comment": 3.5}, ArgumentError),
        ({"comment": gw.Between(1, 2)}, ArgumentError),
        ({"comment": ["one", "two"]}, ArgumentError),
        ({"comment": "fine", "product": gw.Shares({"lamp": 1.0})}, ArgumentError),
    ],
)
def test_what_cannot_be_given(model, given, error):
    with pytest.raises(error):
        model.sample(3, given=given)


def test_density_counts_the_texts(model, data):
    some = data.test.take(slice(20))
    whole, texts = model.log_prob(some), model.part(TextColumns).log_prob(some)
    rows = model.score(model.codec.encode(some, rng=torch.Generator().manual_seed(0)), rng=torch.Generator())
    assert np.isfinite(whole).all() and (texts < 0).all()
    assert np.allclose(whole - texts, rows, atol=1.0)  # apart by the noise within rounded prices
    wrong = some.take(slice(None))
    wrong.columns["again"][:] = np.where(some.columns["again"] == "True", "False", "True")
    assert model.part(TextColumns).log_prob(wrong).mean() < texts.mean() - 1


def test_gaps_are_filled_both_ways(model, data):
    rows = data.test.take(slice(30)).frame
    no_text, no_verdict = rows.assign(comment=None), rows.drop(columns=["again", "product"])
    written = model.impute(no_text, seed=1).frame
    assert agreeing(written) > 0.8 and written["price"].equals(rows["price"].reset_index(drop=True))
    judged = model.impute(no_verdict, n=2, seed=1).frame
    assert judged["comment"].tolist() == [text for text in rows["comment"] for _ in range(2)]
    assert agreeing(judged) > 0.8


def test_saved_models_write_the_same(model, tmp_path):
    model.save(tmp_path)
    again = gw.load(tmp_path)
    pd.testing.assert_frame_equal(again.sample(20, seed=2).frame, model.sample(20, seed=2).frame)


def test_csv_keeps_commas_quotes_and_newlines(model, data, tmp_path):
    fake = model.sample(30, seed=7)
    write(fake, tmp_path / "fake.csv")
    back = gw.read(tmp_path / "fake.csv", schema={"comment": data.field("comment")})
    assert back.columns["comment"].tolist() == fake.columns["comment"].tolist()


def test_scores_see_copies_and_shuffled_texts(model, data):
    found = Found()
    score_text_columns(found, model.sample(300, seed=1), data.test, data.train, seed=0)
    scores = {score.name: score for score in found.scores}
    assert scores["copied texts: comment"].value < 5 and scores["text agreement: comment"].value > 80
    assert 0 < scores["byte 4-gram divergence: comment"].floor <= scores["byte 4-gram divergence: comment"].value < 1
    copier = data.train.take(slice(200))
    assert copied_texts(data.train, copier, held_out=data.test, column="comment").value > 90
    shuffled = copier.take(slice(None))
    shuffled.columns["comment"][:] = np.random.default_rng(0).permutation(copier.columns["comment"])
    assert text_agreement(data.train, shuffled, held_out=data.test, column="comment").value < 75


def test_several_texts_and_empty_ones_and_other_scripts():
    table = reviews(60).assign(reply=[f"Grüße, «{'да' * (i % 4)}» 🙂 no {i}" if i % 3 else None for i in range(60)])
    data = gw.read(table)
    assert [f.name for f in data.texts] == ["comment", "reply"]
    codec = TextColumnsCodec.fit(data, rng=torch.Generator())
    codec = codec_from_json(codec.to_json())
    encoded = codec.encode(data, rng=torch.Generator())
    decoded = codec.decode(encoded, rng=torch.Generator())
    for name in ("comment", "reply"):
        assert decoded.columns[name].tolist() == data.columns[name].tolist()


def test_only_characters_that_were_met_come_up(data):
    codec = TextColumnsCodec.fit(data, rng=torch.Generator())
    letters = codec.space.end  # tokens below it
    every = torch.arange(codec.length)[None] % letters
    noise = codec.decode(Encoded(every), rng=torch.Generator()).columns["comment"][0]
    assert noise and set(noise) <= set("".join(data.columns["comment"])) | {"?"}
    one = data.take(slice(1))
    strange = replace(one, columns={**one.columns, "comment": np.array(["The ü: 3"], dtype=object)})
    again = codec.decode(codec.encode(strange, rng=torch.Generator()), rng=torch.Generator())
    assert again.columns["comment"].tolist() == ["The ?: 3"]


def test_long_texts_are_cut_with_a_note():
    table = pd.DataFrame({"y": range(0, 120, 3), "note": [f"is so {i} " + f"{i}-" * 400 for i in range(40)]})
    codec = TextColumnsCodec.fit(gw.read(table, schema={"y": "number"}), rng=torch.Generator())
    assert codec.length == MAX_TOKENS and re.search("40 of 40 texts are cut", codec.notes[0])


def test_what_cannot_be_fitted(data):
    with pytest.raises(UnsupportedError, match="comment"):
        gw.fit(data, steps=1, privacy=gw.Privacy(epsilon=3))
    empty = gw.read(reviews(60).assign(comment=None), schema={"comment": "text"})
    with pytest.raises(DataError, match="no text to fit to"):
        gw.fit(empty, steps=1)
