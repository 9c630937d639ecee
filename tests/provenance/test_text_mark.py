"""The mark in texts: it leaves the distribution as it is, is found by its key alone, and by chance as often as said."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from scipy.stats import chisquare, kstest

import genwright as gw
from genwright.app.cli import main
from genwright.codecs.tokenizers import Bytes
from genwright.maths.decoding import invert
from genwright.provenance.keys import Keys
from genwright.provenance.text_mark import NONCES, TextMark, find, marked, nonce_of, scores
from genwright.provenance.verify import verify

SECRET, OTHER = bytes(range(32)), bytes(range(1, 33))
WORDS = ["river", "stone", "light", "winter", "garden", "letter", "quiet", "morning", "window", "paper"]


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, 12)) + "." for _ in range(200)]
    return gw.fit(gw.read(texts), family=gw.Autoregressive(width=16, depth=1), steps=20)


def written(mark: TextMark, length: int, texts: int, *, choices: int, rng: np.random.Generator) -> list[list[int]]:
    """Texts of uniform choice among `choices` letters that differ from place to place."""
    found: list[list[int]] = [[] for _ in range(texts)]
    for _ in range(length):
        logits = torch.full((texts, 256), -torch.inf)
        some = rng.permuted(np.tile(np.arange(97, 123), (texts, 1)), axis=1)[:, :choices]
        logits[torch.arange(texts)[:, None], torch.from_numpy(some)] = 0.0
        new = mark.choose(logits, found, torch.from_numpy(rng.random(texts)), list(range(texts)))
        for text, token in zip(found, new.tolist(), strict=True):
            text.append(token)
    return found


def test_over_keys_each_token_is_chosen_as_often_as_its_probability():
    p, rng = torch.tensor([0.5, 0.25, 0.15, 0.1]), np.random.default_rng(0)
    chosen = [int(TextMark(rng.bytes(32)).choose(p.log()[None], [[7, 8, 9]], torch.zeros(1), [0])) for _ in range(1000)]
    assert chisquare(np.bincount(chosen, minlength=4), 1000 * p.numpy().astype(float)).pvalue > 1e-3


def test_without_the_mark_scores_are_exponential_and_p_values_uniform():
    rng = np.random.default_rng(1)
    text = rng.integers(97, 123, 4000).tolist()
    assert kstest(scores(text, TextMark(SECRET).key, 5), "expon").pvalue > 1e-3
    found = [find(["".join(map(chr, rng.integers(97, 123, 30)))], rng.bytes(32), Bytes()).p_value for _ in range(80)]
    assert kstest(found, "uniform").pvalue > 1e-3


def test_the_mark_is_found_by_its_key_in_short_and_edited_texts():
    rng = np.random.default_rng(2)
    texts = written(TextMark(SECRET), 200, 4, choices=4, rng=rng)  # 2 bits a token
    for text in texts:
        assert find([bytes(text).decode()], SECRET, Bytes()).p_value < 1e-12
        assert find([bytes(text).decode()], OTHER, Bytes()).p_value > 1e-4
    edited = [[int(rng.integers(97, 123)) if rng.random() < 0.2 else token for token in text] for text in texts]
    assert sum(find([bytes(text).decode()], SECRET, Bytes()).p_value < 1e-3 for text in edited) >= 3
    assert find([bytes(text[:15]).decode() for text in texts[:1]], SECRET, Bytes()).p_value is None  # tells nothing


def test_where_the_last_tokens_are_few_or_not_new_the_draw_is_the_plain_one():
    logits, uniform = torch.randn(3, 50, generator=torch.manual_seed(0)), torch.tensor([0.1, 0.5, 0.9])
    before = [[1, 2], [1, 2, 3, 4, 1, 2, 3], []]
    assert TextMark(SECRET).choose(logits, before, uniform, [0, 1, 2]).tolist() == invert(logits, uniform).tolist()


def test_texts_of_other_seeds_differ_and_nonces_are_all_taken(model):
    key = TextMark(SECRET).key
    assert {nonce_of(key, seed) for seed in range(1000)} == set(range(NONCES))
    how = gw.Sampling(max_tokens=60)
    texts = marked(model, SECRET).sample(20, given={"text": "river"}, how=how, seed=3).columns["text"]
    assert len(set(texts)) > 15


def test_marked_models_say_so_and_keep_their_secret(model, tmp_path):
    own = marked(model, SECRET)
    with pytest.raises(gw.ArgumentError, match="mark is a secret"):
        own.save(tmp_path / "marked")
    assert not (tmp_path / "marked" / "recipe.json").exists()
    with pytest.raises(gw.ArgumentError, match="not a secret"):
        marked(model, bytes(32))
    with pytest.raises(gw.ArgumentError, match="marked already"):
        marked(own, SECRET)
    fake = own.sample(3, seed=1)
    assert fake.origin.draw.mark.startswith("gumbel:") and SECRET.hex() not in json.dumps(fake.origin.to_json())
    again = gw.reproduce(fake.origin, own)
    assert again.columns["text"].tolist() == fake.columns["text"].tolist()
    for other in (model, marked(model, OTHER)):
        with pytest.raises(gw.ArgumentError, match="bear the watermark"):
            gw.reproduce(fake.origin, other)


def test_long_texts_are_marked_by_default_found_by_verify_and_drawn_again(model, tmp_path):
    def call(*words, code=0):
        done = CliRunner().invoke(main, [str(word) for word in words])
        assert done.exit_code == code, done.output
        return done

    model.save(tmp_path / "run")
    keys, other = Keys.make(tmp_path / "keys"), Keys.make(tmp_path / "other")
    draw = ["sample", tmp_path / "run", "-n", 3, "--keys", keys.folder, "--how"]
    for name, more in (("marked", []), ("unmarked", ["--unmarked"])):
        call(*draw, "max_tokens=300", "--out", tmp_path / f"{name}.jsonl", *more)
    call(*draw, "max_tokens=150", "--out", tmp_path / "short.jsonl")
    found = verify(tmp_path / "marked.jsonl", keys=keys)
    assert found.marked is True and found.p_value < 1e-9 and found.claims["origin"]["mark"].startswith("gumbel:")
    for name in ("unmarked", "short"):
        assert verify(tmp_path / f"{name}.jsonl", keys=keys).marked is False
    assert verify(tmp_path / "marked.jsonl").marked is None  # without the key
    assert verify(tmp_path / "marked.jsonl", keys=other).marked is None  # nothing was marked with it
    told = json.loads(call("verify", tmp_path / "marked.jsonl", "--keys", keys.folder, "--json").stdout)
    assert told["marked"] is True and told["p_value"] == found.p_value
    again = ["reproduce", tmp_path / "marked.jsonl", "--from", tmp_path / "run", "--out", tmp_path / "again.jsonl"]
    call(*again, "--keys", keys.folder)
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "marked.jsonl").read_bytes()
    assert "not that of the keys" in call(*again, "--keys", other.folder, code=2).stderr
    assert "not marked" in call(*draw, "max_tokens=300,temperature=0", "--out", tmp_path / "greedy.jsonl").stderr
