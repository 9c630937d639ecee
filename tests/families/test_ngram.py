"""n-gram models: what they recover, that they are distributions, what stands beside records, what is refused."""

import itertools
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from tests.audit.test_text import prose
from tests.metrics.records import texts

import genwright as gw
from genwright.codecs.tokenizers import BPE
from genwright.errors import ArgumentError, StorageError, UnsupportedError
from genwright.families.family import Work
from genwright.metrics.baselines import bits_by_counts
from genwright.nets.ngram import NGramCounts
from genwright.spaces import Columns, Conditions, Discrete, Encoded, Given, Tokens
from genwright.storage import parse_tensors
from genwright.weights import fill


def fitted(x, space, *, context=None, valid=None, columns=None, **fields):
    """A family and its net, fitted to all rows of x but the last fifth, which are held out."""
    conditions = None if columns is None else Conditions(columns)
    family = gw.NGram(**fields).sized(space, Work(rows=len(x)))
    net, stop = family.build(space, conditions), len(x) * 4 // 5
    whole = Encoded(x, context)
    parts = [whole.rows(slice(0, stop)), whole.rows(slice(stop, None))]
    family.fit(net, *parts, Work(rows=stop), torch.Generator(), lambda *_: None)
    return family, net


def sourced(n, seed=0):
    """A stream of a Markov source of order 2 over 4 symbols, and its entropy rate in nats."""
    rng = np.random.default_rng(seed)
    law = rng.dirichlet(np.full(4, 0.5), (4, 4))
    states, drawn, uniform = np.empty(n, dtype=np.int64), [0, 1], rng.random(n)
    cumulative = law.cumsum(-1)
    for t in range(n):
        states[t] = drawn[-2] * 4 + drawn[-1]
        drawn.append(int((cumulative[drawn[-2], drawn[-1]] < uniform[t]).sum()))
    own = law.reshape(16, 4)[states]
    return torch.tensor(drawn, dtype=torch.uint8), float(-(own * np.log(own)).sum(1).mean())


def test_a_markov_source_is_recovered():
    symbols, entropy = sourced(60_000)
    space = Tokens(50, 5, 4)
    family, net = fitted(symbols[:40_000].unfold(0, 50, 1), space)
    unseen = symbols[40_000:].unfold(0, 50, 50).long()
    both = family.log_prob(net, unseen, None, torch.Generator())
    heads = family.log_prob(net, unseen[:, :25], None, torch.Generator())
    rate = float(-(both - heads).mean() / 25)
    assert rate == pytest.approx(entropy, abs=0.02) and net.model.counts.order >= 3
    drawn = family.sample(net, 400, rng=torch.Generator().manual_seed(0))
    again = float(-family.log_prob(net, drawn, None, torch.Generator()).mean() / 50)
    assert again == pytest.approx(rate, abs=0.05)


def test_all_records_together_have_probability_one():
    space = Tokens(3, 4, 3)
    rows = torch.randint(0, 4, (200, 3), generator=torch.Generator().manual_seed(0))
    rows = rows.masked_fill((rows == 3).long().cumsum(1) > 0, 3)
    family, net = fitted(rows, space, order=3)
    every = torch.tensor(list(itertools.product(range(4), repeat=3)))
    every = every.masked_fill((every == 3).long().cumsum(1) > 0, 3).unique(dim=0)
    total = family.log_prob(net, every, None, torch.Generator()).exp().sum()
    assert float(total) == pytest.approx(1.0, abs=1e-12)


def test_columns_beside_a_record_say_what_it_holds():
    rng = torch.Generator().manual_seed(0)
    label = torch.randint(3, (600, 1), generator=rng)
    x = torch.cat([torch.randint(3, (600, 2), generator=rng), label.expand(-1, 3)], dim=1)
    family, net = fitted(x, Tokens(5, 5, 4), context=label.float(), columns=Columns((Discrete("k", 3),)))
    given = torch.arange(3.0).repeat(50)[:, None]
    drawn = family.sample(net, 150, given=Given(context=given), rng=rng)
    assert (drawn[:, 2] == given[:, 0]).float().mean() > 0.9
    told = label[:90].float(), (label[:90].float() + 1) % 3
    right, wrong = (family.log_prob(net, x[:90], each, rng).mean() for each in told)
    unknown = family.log_prob(net, x[:90], torch.full((90, 1), torch.nan), rng)
    assert right > wrong + 2 and torch.isfinite(unknown).all()


def test_a_prompt_is_continued_and_temperature_0_repeats_itself():
    rows = torch.tensor([[0, 1, 2, 3, 4]] * 20 + [[0, 1, 3, 3, 4]] * 5)
    family, net = fitted(rows, Tokens(5, 5, 4))
    x = torch.tensor([[0, 1, -1, -1, -1]] * 3)
    drawn = family.sample(net, 3, given=Given(x), how=gw.Sampling(temperature=0.0), rng=torch.Generator())
    assert drawn.tolist() == [[0, 1, 2, 3, 4]] * 3
    with pytest.raises(UnsupportedError, match="beginning"):
        family.sample(net, 1, given=Given(torch.tensor([[-1, 1, -1, -1, -1]])), rng=torch.Generator())


def test_saved_and_loaded_it_scores_as_before_and_other_counts_are_refused(tmp_path):
    names = [f"{a}{b}{a}" for a in ("ka", "lo", "mi") for b in ("ran", "ton", "vil", "sus")] * 12
    table = pd.DataFrame({"text": names, "kind": ["x", "y"] * 72})
    data = gw.read(table, schema={"text": "text"})
    model = gw.fit(data, family=gw.NGram(), minutes=0.02, target="text")
    model.save(tmp_path)
    same = gw.load(tmp_path)
    assert np.array_equal(model.log_prob(data.test), same.log_prob(data.test))
    assert same.sample(5, seed=1).frame.equals(model.sample(5, seed=1).frame)
    raw = (tmp_path / "weights.safetensors").read_bytes()
    tensors = {k.removeprefix("net/"): v for k, v in parse_tensors(raw, where="")[0].items() if k.startswith("net/")}
    net = NGramCounts(model.codec.space, model.codec.conditions.columns)
    for name, change in {
        "grams": lambda t: t.flip(0),
        "contexts": lambda t: t[:-1],
        "tallies": lambda t: t - 1,
        "discounts": lambda t: t * 0,
        "ends": lambda t: t.double(),
    }.items():
        with pytest.raises(StorageError, match="do not fit"):
            fill(net, tensors | {name: change(tensors[name])}, where="here")
    fill(net, tensors, where="here")
    assert len(net.model.counts.grams) == len(model.net.model.counts.grams)


@pytest.mark.parametrize("tokenizer", [None, partial(BPE.trained, vocabulary=400)])
def test_windows_of_documents_and_other_tokens_cost_what_bytes_do(tokenizer):
    data = texts([prose(400, i) for i in range(24)])
    model = gw.fit(data, family=gw.NGram(), steps=1, tokenizer=tokenizer)
    assert model.codec.documents is (tokenizer is None)
    nats, sizes = model.score_text(data.test)
    floor, _ = bits_by_counts(*(part.columns["text"].tolist() for part in (data.train, data.test)), running=False)
    assert -nats.sum() / sizes.sum() / np.log(2) == pytest.approx(floor[-1], abs=0.05)
    assert " " in "".join(model.sample(8, seed=0).columns["text"])


@pytest.mark.parametrize("order", [0, 33])
def test_orders_out_of_bounds_are_refused(order):
    with pytest.raises(ArgumentError, match="order must be"):
        gw.NGram(order=order)
