"""Training that goes on from a trained model: better from the start, of some parameters alone, resumed bit by bit."""

import numpy as np
import pandas as pd
import pytest
import torch

import genwright as gw
from genwright.constraints import FixedCombinations, Order
from genwright.data.text import running_text
from genwright.errors import ArgumentError, DataError, UnsupportedError
from genwright.model.fit import _checked_tokens
from genwright.model.lora import LoRA


def table(n, shift=0.0, seed=0):
    rng = np.random.default_rng(seed)
    kind = rng.choice(["a", "b"], n)
    size = rng.normal(shift, 0.3, n) + 2.0 * (kind == "b")
    return gw.read(
        pd.DataFrame({"kind": kind, "size": size.round(3), "other": (3 * size + rng.normal(0, 0.1, n)).round(3)})
    )


@pytest.fixture(scope="module")
def first():
    return gw.fit(table(800), family=gw.Autoregressive(width=16, depth=1), steps=150)


def test_few_steps_from_a_trained_model_beat_few_steps_from_nothing(first):
    few = table(60, shift=0.2, seed=1)
    warm = gw.fit(few, start=first, steps=10)
    cold = gw.fit(few, family=gw.Autoregressive(width=16, depth=1), steps=10)
    test = table(200, shift=0.2, seed=2)
    fine = [np.mean(model.log_prob(test)) for model in (warm, gw.fit(few, start=first, steps=10))]
    assert fine[0] == fine[1]
    assert warm.codec is first.codec and fine[0] > np.mean(cold.log_prob(test))
    held = [
        float(warm.family.held_out(m.net, m.codec.encode(few.test, rng=torch.Generator()).x, None, torch.Generator()))
        for m in (warm, cold)
    ]
    assert held[0] < held[1]


def test_only_what_is_trainable_moves(first):
    name = next(name for name, p in first.net.named_parameters() if p.ndim == 1)
    model = gw.fit(table(60, seed=1), start=first, trainable=[name], steps=5)
    before, after = first.net.state_dict(), model.net.state_dict()
    moved = {key for key in before if not torch.equal(before[key], after[key])}
    parameters = {key for key, _ in first.net.named_parameters()}
    assert moved & parameters == {name}
    assert all(not p.requires_grad for key, p in model.net.named_parameters() if key != name)


def test_what_cannot_be_gone_on_from_is_refused_by_name(first):
    with pytest.raises(ArgumentError, match="no parameter is called 'tail"):
        gw.fit(table(60), start=first, trainable=["tail.*"], steps=1)
    with pytest.raises(ArgumentError, match="'other'"):
        gw.fit(table(60).select(["kind", "size"]), start=first, steps=1)
    with pytest.raises(ArgumentError, match="cannot go on from"):
        gw.fit(table(60), start=first, family=gw.VAE(), steps=1)
    with pytest.raises(ArgumentError, match="without start"):
        gw.fit(table(60), trainable=["head.*"], steps=1)
    with pytest.raises(UnsupportedError, match="begin anew"):
        gw.fit(table(60), start=first, privacy=gw.Privacy(epsilon=3.0), steps=1)
    with pytest.raises(ArgumentError, match="target comes with the model"):
        gw.fit(table(60), start=first, target="kind", steps=1)
    with pytest.raises(ArgumentError, match="context comes with the model"):
        gw.fit(table(60), start=first, context=8, steps=1)
    mixture = gw.fit(table(60), family=gw.Mixture(components=2), steps=2)
    with pytest.raises(UnsupportedError, match="begins anew"):
        gw.fit(table(60), start=mixture, steps=1)


def test_a_checkpoint_holds_only_what_moves_and_goes_on_bit_by_bit(first, tmp_path, monkeypatch):
    name = next(name for name, p in first.net.named_parameters() if p.ndim == 1)
    options = {"start": first, "trainable": [name], "steps": 12, "family": None}
    whole = gw.fit(table(60, seed=1), **options)

    def stopped(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("genwright.train.fit.match_shares", stopped)
        patch.setattr("genwright.model.saving.replacing", stopped)
        gw.fit(table(60, seed=1), folder=tmp_path / "m", **options).save(tmp_path / "m")
    again = gw.fit(table(60, seed=1), folder=tmp_path / "m", **options)
    for key, tensor in whole.net.state_dict().items():
        assert torch.equal(tensor, again.net.state_dict()[key]), key


def test_rules_of_the_model_are_kept_and_asked_of_the_new_data():
    rng = np.random.default_rng(0)
    low = rng.integers(0, 9, 120)
    frame = pd.DataFrame({"low": low, "high": low + rng.integers(0, 5, 120), "k": rng.choice(["x", "y"], 120)})
    frame["m"] = frame["k"].map({"x": "p", "y": "q"})
    rules = [Order(["low", "high"]), FixedCombinations(["k", "m"])]
    first = gw.fit(gw.read(frame), family=gw.VAE(width=8), constraints=rules, steps=3)
    drawn = gw.fit(gw.read(frame.head(60)), start=first, trainable="decoder.*", steps=3).sample(50, seed=0).frame
    assert (drawn["low"] <= drawn["high"]).all() and set(zip(drawn["k"], drawn["m"])) <= {("x", "p"), ("y", "q")}
    with pytest.raises(DataError, match="low"):
        gw.fit(gw.read(frame.assign(high=frame["low"] - 1)), start=first, steps=3)
    with pytest.raises(ArgumentError, match="constraints comes with the model"):
        gw.fit(gw.read(frame), start=first, constraints=rules, steps=3)


def test_with_lora_low_rank_matrices_alone_move_in_any_family_with_layers(tmp_path):
    data = gw.read("digits")
    for family in (gw.VAE(batch=8), gw.Autoregressive(width=16, depth=1, heads=1, batch=4)):
        model = gw.fit(data, family=family, steps=2)
        few = gw.fit(data.take(slice(20)), start=model, lora=2, steps=3)
        part = few.part(LoRA)
        assert part is not None
        base = part.apart(few.net.state_dict())
        assert all(torch.equal(base[name], tensor) for name, tensor in model.net.named_parameters())
        assert any(
            not torch.equal(few.net.get_submodule(name).weight, base[f"{name}.weight"]) for name in part.adapters
        )
        few.save(tmp_path / family.name)
        loaded = gw.load(tmp_path / family.name)
        assert all(map(torch.equal, few.net.state_dict().values(), loaded.net.state_dict().values()))


@pytest.mark.parametrize(
    ("more", "told"), [({}, "means nothing without start"), ({"trainable": ["x"]}, "without start")]
)
def test_lora_goes_on_from_a_model_alone(more, told):
    with pytest.raises(ArgumentError, match=told):
        gw.fit(gw.read("wine"), lora=2, steps=1, **more)


@pytest.mark.parametrize("context", [0, -3, True])
def test_a_context_that_is_no_count_is_refused_before_anything_is_fitted(context):
    with pytest.raises(ArgumentError, match="not a count"):
        gw.fit(gw.read(["one two", "two one"] * 20), steps=1, context=context)


def test_a_name_is_no_tokenizer():
    with pytest.raises(ArgumentError, match="'bpe' makes no tokenizer"):
        _checked_tokens("bpe", None)


def test_a_short_running_text_is_not_counted_in_rows():
    with pytest.raises(DataError, match="the text is too short"):
        gw.fit(running_text("one two three", name="t"), steps=1)
