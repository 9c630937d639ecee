"""TextEngine: every text is what it would be alone, in whole characters, for as long as was asked."""

from collections import defaultdict
from dataclasses import replace
from types import MappingProxyType

import pytest
import torch
from tests.codecs.rows import rng, table

import genwright as gw
from genwright.codecs.columns import ColumnsCodec
from genwright.codecs.text import TextCodec
from genwright.data.dataset import Category, Text
from genwright.errors import ArgumentError, UnsupportedError
from genwright.families.autoregressive import Autoregressive
from genwright.families.sampling import Sampling
from genwright.model.generator import Generator
from genwright.model.requests import Text as Written
from genwright.model.streaming import Prompt, TextEngine, prompt

GREEDY = Sampling(temperature=0.0)
LONG = Sampling(max_tokens=5)


def rough(*, running: bool = False, length: int = 24, family: Autoregressive | None = None) -> Generator:
    """A model of random weights: its texts are noise, but far from uniform."""
    torch.manual_seed(1)
    texts = ["abc äöü " * (40 if running else 1)] * 4  # longer records would be learned in windows
    codec = TextCodec.fit(table((Text("text", running=running), texts)), rng=rng(), length=length)
    family = family or Autoregressive(width=32, depth=2, heads=2, batch=8)
    net = family.build(codec.space, None).eval()
    for weight in net.parameters():
        torch.nn.init.normal_(weight, mean=float(weight.ndim == 1), std=0.3)
    return Generator(codec=codec, family=family, net=net, record={})


def written(
    model: Generator, prompts: list[Prompt], *, slots: int = 16
) -> list[tuple[str, list[int], list[float], str]]:
    """Text, tokens, log-probabilities and end of each."""
    engine = TextEngine(model, slots=slots)
    numbers = [engine.submit(each) for each in prompts]
    deltas = defaultdict(list)
    while not engine.idle:
        for delta in engine.step():
            deltas[delta.id].append(delta)
    return [
        (
            "".join(d.text for d in deltas[number]),
            [token for d in deltas[number] for token in d.tokens],
            [each for d in deltas[number] for each in d.log_probs],
            deltas[number][-1].finished,
        )
        for number in numbers
    ]


@pytest.mark.parametrize("how", [GREEDY, Sampling(top_p=0.9, min_p=0.01, top_k=50, presence_penalty=0.5)])
def test_texts_written_together_are_those_written_alone(how):
    model = rough()
    prompts = [prompt(model, text, how=how, seed=seed) for seed, text in enumerate(["", "abc", "ä" * 9, "b c", "x"])]
    together = written(model, prompts, slots=2)
    for one, each in zip(together, prompts, strict=True):
        [alone] = written(model, [each])
        assert alone[:2] == one[:2] and alone[3] == one[3] and alone[2] == pytest.approx(one[2], abs=1e-3)


def test_log_probabilities_are_those_of_the_model():
    model = rough()
    [(_, tokens, log_probs, _)] = written(model, [prompt(model, "ab", how=Sampling(temperature=0.5))])
    x = torch.full((1, model.codec.length), model.codec.tokenizer.end)
    x[0, : 2 + len(tokens)] = torch.tensor([*b"ab", *tokens])
    known = model.net.token_log_prob(x, None)[0, 2 : 2 + len(tokens)]
    assert log_probs == pytest.approx(known.tolist(), abs=1e-4) and len(tokens) > 3


def test_a_text_goes_on_beyond_the_last_position_from_the_half_of_what_it_has():
    model = rough(length=12)
    [(_, tokens, _, end)] = written(model, [prompt(model, "abcd", how=Sampling(temperature=0.0, max_tokens=40))])
    if end == "stop":
        pytest.skip("the net of this torch ends its text")
    assert end == "length" and len(tokens) == 40
    seen, known = [*b"abcd"], []
    for _ in range(40):
        if len(seen) >= 12:
            seen = seen[-6:]
        with torch.no_grad():
            scores = model.net.sequence.logits(torch.tensor([[model.codec.tokenizer.end, *seen]]), None)
        known.append(int(scores[0, -1].argmax()))
        seen.append(known[-1])
    assert tokens == known


def test_a_net_of_one_position_goes_on_too():
    [(_, tokens, _, end)] = written(rough(length=1, running=True), [Prompt(tokens=(), how=LONG, seed=0)])
    assert end == "stop" or len(tokens) == 5


def test_texts_are_as_long_as_records_unless_told_and_longer_prompts_go_on_from_their_end():
    model = rough(length=12, running=True)
    ended = model.codec.tokenizer.end
    for text, most in (("abcd", 8), ("abc" * 7, 12)):
        [(_, tokens, _, end)] = written(model, [prompt(model, text, how=GREEDY)])
        assert ended not in tokens and (end == "stop" or len(tokens) == most)


def test_only_whole_characters_are_told_and_stop_strings_never():
    model = rough()
    tokenizer = model.codec.tokenizer
    text = Written(tokenizer, ("öx", "xyz"), inside=False)
    told = [text.add(token) for token in "aäxyöx".encode()]
    assert told == ["a", "", "ä", "", "", "", "xy", ""] and text.stopped
    text = Written(tokenizer, ("xyz",), inside=True)
    assert [text.add(token) for token in "ä".encode()[1:] + b"xy"] == ["", "", ""] and text.rest() == "xy"


def test_stops_end_the_text_before_them():
    model = rough()
    [(whole, *_)] = written(model, [prompt(model, "a", how=GREEDY)])
    stop = whole[3:5]
    [(cut, _, _, end)] = written(model, [prompt(model, "a", how=Sampling(temperature=0.0, stop=(stop,)))])
    assert cut == whole[: whole.index(stop)] and end == "stop"


def test_penalties_keep_tokens_from_coming_again():
    model = rough()
    [(_, tokens, *_)] = written(model, [prompt(model, "", how=Sampling(presence_penalty=100.0, temperature=0.0))])
    assert len(set(tokens)) == len(tokens) > 10
    [(_, tokens, *_)] = written(model, [prompt(model, "", how=Sampling(repetition_penalty=1e9, temperature=0.0))])
    assert len(set(tokens)) == len(tokens) > 5


class Second:
    """A part that takes the second likeliest token where the last one was even, else the likeliest."""

    name = "second"
    nets = MappingProxyType({})

    def to_json(self) -> None:
        return None

    def choose(
        self, logits: torch.Tensor, before: list[list[int]], uniform: torch.Tensor, seeds: list[int]
    ) -> torch.Tensor:
        assert ((uniform >= 0) & (uniform < 1)).all() and len(seeds) == len(before)
        best = logits.topk(2).indices
        return torch.stack([row[int(bool(text) and text[-1] % 2 == 0)] for row, text in zip(best, before, strict=True)])


def test_a_part_may_choose_the_tokens():
    model = rough()
    marked = replace(model, parts=(Second(),))
    [(_, tokens, *_)] = written(marked, [prompt(model, "ab")])
    context = [model.codec.tokenizer.end, *b"ab"]
    for token in tokens:
        with torch.no_grad():
            best = model.net.sequence.logits(torch.tensor([context]), None)[0, -1].topk(2).indices
        assert token == best[int(context[-1] % 2 == 0)]
        context.append(token)
    assert len(tokens) > 2


def test_cancelled_texts_stop_and_the_others_go_on():
    model = rough()
    prompts = [prompt(model, text, how=GREEDY) for text in ("a", "b", "c")]
    engine = TextEngine(model, slots=2)
    first, second, third = (engine.submit(each) for each in prompts)
    texts = defaultdict(str)
    for _ in range(3):
        for delta in engine.step():
            texts[delta.id] += delta.text
    engine.cancel(first)
    while not engine.idle:
        for delta in engine.step():
            assert delta.id != first
            texts[delta.id] += delta.text
    assert [texts[second], texts[third]] == [each[0] for each in written(model, prompts[1:])]


def test_sample_writes_what_the_engine_writes_for_each_record_and_beyond_its_length():
    model, texts = rough(length=12, running=True), ["ab", "a", "c" * 30]
    how = Sampling(max_tokens=30, temperature=0.0, stop=("\x00", "a", "b", "."))
    with pytest.warns(UserWarning, match="longer than the 12 that are learned together; it goes on from its end"):
        found = model.sample(3, given={"text": texts}, how=how, seed=3).columns["text"]
    alone = [written(model, [prompt(model, text, how=how)])[0][0] for text in texts]
    assert any(len(each) < 30 for each in alone)  # one at least ends at a stop string
    assert list(found) == [text + more for text, more in zip(texts, alone, strict=True)]
    again = model.sample(3, seed=5).columns["text"]
    assert list(again) == list(model.sample(3, seed=5).columns["text"]) != list(model.sample(3, seed=6).columns["text"])


def test_what_cannot_be_written_is_refused_by_name():
    model = rough()
    with pytest.raises(ArgumentError, match="30 tokens does not fit into the 24 of a record"):
        prompt(model, "a" * 30)
    with pytest.raises(ArgumentError, match="tokens that the model does not have"):
        TextEngine(model).submit(Prompt(tokens=(999,), how=GREEDY, seed=0))
    with pytest.raises(UnsupportedError, match="steps"):
        prompt(model, "a", how=Sampling(steps=3))
    with pytest.raises(UnsupportedError, match="no texts"):
        codec = ColumnsCodec.fit(table((Category("kind", ("a", "b")), ["a", "b"] * 4)), rng=rng())
        TextEngine(Generator(codec=codec, family=gw.Mixture(), net=model.net, record={}))
    with pytest.raises(UnsupportedError) as refused:
        TextEngine(replace(model, family=gw.MaskedDiffusion()))
    assert "Autoregressive" in refused.value.hint
    for name, value in {"max_tokens": 0, "stop": ("",), "repetition_penalty": 0.0, "frequency_penalty": 1e999}.items():
        with pytest.raises(ArgumentError, match=name):
            Sampling(**{name: value})
