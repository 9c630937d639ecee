"""Tuning a model of texts: what it learns, what it keeps, what it records, and how it goes on."""

import os
import signal

import numpy as np
import pytest
import torch
from tests import shapes
from tests.model.tuned import ADJECTIVES, NOUNS, pairs, preferences, sentences_model

import genwright as gw
from genwright.data.examples import Task
from genwright.errors import ArgumentError, DataError, UnsupportedError
from genwright.folders import OtherWorkError
from genwright.maths.tuning import group_advantages
from genwright.model import adapt
from genwright.model.lora import LoRA
from genwright.model.reward import GRPO, Rollouts, rewarded
from genwright.model.scored import Writing, log_probs
from genwright.model.tuning import DPO, SFT
from genwright.train import loop
from genwright.train.record import checked

END = 256


def weights(model) -> list[torch.Tensor]:
    return list(model.net.state_dict().values())


def same(a, b) -> bool:
    return all(torch.equal(x, y) for x, y in zip(weights(a), weights(b), strict=True))


def test_completions_become_likelier_than_they_were_and_the_record_says_by_how_much():
    start = sentences_model()
    tuned = gw.tune(start, pairs(), steps=60)
    [step] = tuned.record["tuned"]
    assert step["examples"] == {"train": 28, "valid": 4, "test": 4} and step["cut"] == 0
    assert step["after"] < step["before"] - 0.5 and step["difference"][1] < 0
    assert checked(tuned.record, where="record")["data"] == start.record["data"]
    assert tuned.codec is start.codec and tuned.family is start.family and not same(tuned, start)
    again = gw.tune(tuned, pairs(), steps=2)
    assert [each["method"] for each in again.record["tuned"]] == ["sft", "sft"]


def test_only_completions_and_their_end_are_learned():
    model = sentences_model()
    tokens, scored = Writing(model.codec, chat=False).answered("ab", "cd", where="")
    assert tokens == [97, 98, 99, 100, END] and scored == [False, False, True, True, True]
    x, cut = Writing(model.codec, chat=False).rows([(tokens, scored), ([97] * 99, [False] + [True] * 98)])
    assert x.shape == (2, 2, model.codec.length) and cut == 1
    assert x[0, 0, 5:].eq(END).all() and x[0, 1].sum() == 3
    own = log_probs(model.net, x[:1, 0].long())[0, 2:5]
    assert SFT().measured(model.net, x[:1].flatten(1).long(), None, torch.Generator()).item() == pytest.approx(
        -own.mean().item(), abs=1e-5
    )


def test_preferences_begin_at_a_margin_of_zero_and_are_learned():
    model = sentences_model()
    method = DPO()
    rows, _ = method.rows(adapt.read_examples(preferences(), DPO.takes), Writing(model.codec, False), model.net)
    x, rng = rows.x.long(), torch.Generator()
    assert method.loss(model.net, x, rows.context, rng)["dpo"].item() == pytest.approx(np.log(2), abs=1e-4)
    assert (rows.context < 0).all() and rows.context.shape == (24, 2)
    tuned = gw.tune(model, preferences(), method=DPO(learning_rate=1e-3), steps=30)
    assert tuned.record["tuned"][-1]["before"] == 0.5 < tuned.record["tuned"][-1]["after"]


def rollouts(how: GRPO, prompts: tuple[str, ...] = ("the ", "the red ")) -> tuple[Rollouts, gw.Generator, torch.Tensor]:
    model = sentences_model()
    tasks = tuple(Task(prompt=each, where=each) for each in prompts)
    writing = Writing(model.codec, chat=False)
    rows, _ = how.rows(tasks, writing, model.net)
    return Rollouts(how, tasks, writing, model.net), model, rows


def test_rollouts_are_scored_under_the_very_distribution_they_were_drawn_from():
    texts = []

    def reward(prompt: str, completion: str) -> float:
        texts.append((prompt, completion))
        return float(len(texts))

    objective, model, rows = rollouts(GRPO(reward=reward, group=3, max_tokens=5, temperature=0.7))
    rng = torch.Generator().manual_seed(0)
    x, context = objective.drawn(model.net, rows.x.long(), rows.context, rng)
    sampled, reference = context[:, 1:].chunk(2, dim=1)
    assert torch.equal(sampled, log_probs(model.net, x[:, 0], temperature=0.7)) and torch.equal(sampled, reference)
    assert torch.allclose(context[:, 0], group_advantages(torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])).flatten())
    parts = objective.loss(model.net, x, context, rng)
    assert parts["kl"].item() == pytest.approx(0, abs=1e-6)
    scored = x[:, 1] > 0
    assert scored.sum(dim=1).max() <= 5 and scored[:3, :4].sum() == 0 and scored[3:, :8].sum() == 0
    for row, (prompt, completion), which in zip(x, texts, scored, strict=True):
        tokens = row[0][which].tolist()
        assert bytes(t for t in tokens if t < 256).decode() == completion and END not in tokens[:-1]
        assert row[0, : len(prompt)].tolist() == list(prompt.encode())


def test_draws_follow_the_temperature_they_are_scored_at():
    objective, model, rows = rollouts(GRPO(reward=lambda p, c: 0.0, max_tokens=1, temperature=2.0), ("the red ",))
    many = objective.answers(model.net, rows.x.long().expand(4000, -1), torch.Generator().manual_seed(1))
    x = torch.cat([rows.x.long()[:, :8], torch.full((1, 1), END)], dim=1).expand(262, -1).clone()
    x[:, 8] = torch.arange(262)
    expected = log_probs(model.net, x, temperature=2.0)[:, 8].exp()
    share = many[:, 0, 8].bincount(minlength=262) / 4000
    assert (share - expected).abs().max() < 4 * (0.25 / 4000) ** 0.5


def test_a_reward_is_raised_and_its_gain_told_with_an_interval():
    prompts = [{"prompt": f"the {a} ", "wanted": "s"} for a in ADJECTIVES]
    method = GRPO(
        reward=lambda prompt, completion, wanted: completion.startswith(wanted), max_tokens=6, learning_rate=3e-3
    )
    tuned = gw.tune(sentences_model(), prompts, method=method, steps=24)
    step = tuned.record["tuned"][-1]
    assert step["difference"][0] > 0.1 and step["after"] > step["before"]
    assert "test_adapt:test_a_reward_is_raised" in step["settings"]["reward"]


@pytest.mark.parametrize(
    ("reward", "told"),
    [
        (lambda p, c: 1 / 0, "reward: it raised ZeroDivisionError: division by zero"),
        (lambda p, c: None, "reward: it returned None, no number"),
        (lambda p, c: "9", "reward: it returned '9', no number"),
        (lambda p, c: float("nan"), "reward: it returned nan, no number"),
        (lambda p: 1.0, "reward: it raised TypeError"),
    ],
)
def test_rewards_that_are_none_are_told_with_the_completion(reward, told):
    with pytest.raises(ArgumentError) as error:
        rewarded(reward, Task(prompt="the", where="prompts.jsonl, line 4"), " sea.")
    assert told in str(error.value) and "for the completion ' sea.' of prompts.jsonl, line 4" in error.value.hint


@pytest.mark.parametrize("lora", [None, 2])
def test_a_tuning_that_was_stopped_ends_in_the_same_weights(tmp_path, monkeypatch, lora):
    whole = gw.tune(sentences_model(), pairs(), steps=12, lora=lora)
    step, count = loop.take_step, iter(range(99))

    def interrupted(*given):
        if next(count) == 6:
            os.kill(os.getpid(), signal.SIGINT)
        return step(*given)

    monkeypatch.setattr(loop, "take_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        gw.tune(sentences_model(), pairs(), steps=12, lora=lora, folder=tmp_path)
    assert [path.name for path in tmp_path.glob("*.safetensors")] == ["checkpoint.safetensors"]
    resumed = gw.tune(sentences_model(), pairs(), steps=12, lora=lora, folder=tmp_path)
    assert same(whole, resumed)
    resumed.save(tmp_path)
    assert not list(tmp_path.glob("checkpoint*"))


def test_other_examples_do_not_take_up_what_was_begun(tmp_path):
    gw.tune(sentences_model(), pairs(), steps=2, folder=tmp_path)
    with pytest.raises(OtherWorkError, match="unfinished"):
        gw.tune(sentences_model(), pairs()[1:], steps=2, folder=tmp_path)


def test_no_prompt_is_both_learned_from_and_held_out():
    examples = adapt.read_examples([{"prompt": f"{i % 40}", "completion": "x"} for i in range(120)], SFT.takes)
    parts = adapt._parts(examples, seed=3)
    prompts = [{examples[i].prompt for i in part} for part in parts]
    assert sum(map(len, parts)) == 120 and [len(each) for each in prompts] == [32, 4, 4]
    assert not prompts[0] & prompts[1] and not prompts[0] & prompts[2] and not prompts[1] & prompts[2]


@pytest.mark.parametrize(
    ("call", "error", "told"),
    [
        (lambda m: gw.tune(m, pairs()[:3], steps=1), DataError, "pairs: 3 examples are too few"),
        (lambda m: gw.tune(m, pairs(), method="dpo", steps=1), ArgumentError, "method='dpo' is no way to tune"),
        (lambda m: gw.tune(m, pairs(), method=SFT, steps=1), ArgumentError, "is no way to tune"),
        (lambda m: gw.tune(m, pairs(), lora=0, steps=1), ArgumentError, "lora: lora=0 is no rank"),
        (lambda m: gw.tune(m, pairs(), minutes=1, steps=1), ArgumentError, "both minutes and steps"),
        (
            lambda m: gw.tune(m, [{"prompt": "x" * 99, "completion": "y"}] * 9, steps=1),
            DataError,
            "record 1, prompt: 99 tokens leave no room",
        ),
        (lambda m: DPO(beta=-1.0), ArgumentError, "DPO: beta=-1.0 is not a number above 0"),
        (lambda m: SFT(batch=0.5), ArgumentError, "SFT: batch=0.5 is not a count"),
        (lambda m: GRPO(reward=3), ArgumentError, "reward: 3 is not a function"),
    ],
)
def test_what_cannot_be_tuned_is_refused_by_name(call, error, told, monkeypatch):
    monkeypatch.setattr(shapes, "checking", False)
    with pytest.raises(error) as raised:
        call(sentences_model())
    assert told in str(raised.value) and raised.value.hint


def test_models_of_other_data_are_refused():
    model = gw.fit(gw.read("wine"), family=gw.Mixture(components=2), steps=2)
    with pytest.raises(UnsupportedError, match="not tuned to examples"):
        gw.tune(model, pairs(), steps=1)


def test_a_model_with_conditions_is_tuned_without_knowing_them():
    import pandas as pd

    frame = pd.DataFrame({"text": [f"the {n}." for n in NOUNS] * 10, "size": ["big", "small"] * 30})
    data = gw.read(frame, schema={"text": "text", "size": "category"})
    model = gw.fit(data, family=gw.Autoregressive(width=16, depth=1, heads=1, batch=8), target="text", steps=2)
    tuned = gw.tune(model, pairs(), steps=2)
    assert len(tuned.sample(2, given={"size": "big"})) == 2


def test_low_rank_matrices_alone_move_and_are_merged(tmp_path):
    start = sentences_model()
    tuned = gw.tune(start, pairs(), steps=20, lora=2)
    part = tuned.part(LoRA)
    assert part is not None and not any("lora" in name for name in tuned.net.state_dict())
    for name, tensor in start.net.state_dict().items():
        now, adapter = tuned.net.state_dict()[name], part.adapters.get(name.removesuffix(".weight"))
        assert torch.equal(now, tensor if adapter is None else tensor + adapter.delta)
    assert len(part.adapters) == 4 and all(a.scale == 2.0 and len(a.a) == 2 for a in part.adapters.values())
    tuned.save(tmp_path)
    loaded = gw.load(tmp_path)
    assert same(tuned, loaded) and loaded.part(LoRA) is not None
    from genwright.storage import read_tensors

    stored = read_tensors(tmp_path / "weights.safetensors")[0]
    assert all(torch.equal(stored[f"net/{name}"], tensor) for name, tensor in start.net.state_dict().items())
    further = gw.tune(loaded, pairs(), steps=2)
    assert further.part(LoRA) is None  # merged for good into what is tuned as a whole
