"""Beam search finds the likeliest text where it keeps enough beginnings, and never one that is likelier than all."""

import itertools

import pytest
import torch
from tests.model.test_streaming import rough, written

from genwright.errors import ArgumentError
from genwright.families.sampling import Sampling
from genwright.model.streaming import prompt


def test_one_beam_is_greedy_and_enough_beams_find_the_likeliest_text():
    model = rough(length=12)
    vocabulary = model.codec.space.vocabulary
    [greedy], [one] = (
        written(model, [prompt(model, "ab", how=how)]) for how in (Sampling(temperature=0.0), Sampling(beams=1))
    )
    assert one[:2] == greedy[:2] and one[2] == pytest.approx(greedy[2], abs=1e-4)
    [best] = written(model, [prompt(model, "ab", how=Sampling(beams=vocabulary, max_tokens=2))])
    start = [model.codec.tokenizer.end, *b"ab"]
    with torch.no_grad():
        inputs = torch.tensor([[*start, token] for token in range(vocabulary)])
        scores = model.net.sequence.logits(inputs, None)[:, -2:].log_softmax(dim=-1)
    end = model.codec.tokenizer.end
    means = (scores[:, 0].diagonal()[:, None] + scores[:, 1]) / 2  # of two tokens, the end mark counted
    alone, means[end] = float(scores[0, 0, end]), -torch.inf
    found = float(means[tuple([*best[1], end][:2])]) if best[1] else alone
    assert found == pytest.approx(max(float(means.max()), alone), abs=1e-4)


def test_searches_go_on_beside_other_texts_and_beyond_the_last_position():
    model = rough(length=12, running=True)
    hows = [
        Sampling(beams=3, max_tokens=20),
        Sampling(temperature=0.0, max_tokens=20),
        Sampling(beams=2, stop=("a", "e")),
    ]
    together = written(model, [prompt(model, "abc", how=how) for how in hows])
    for how, one in itertools.islice(zip(hows, together, strict=True), 2):
        [alone] = written(model, [prompt(model, "abc", how=how)])
        assert alone[:2] == one[:2] and (one[3] == "stop" or len(one[1]) == 20)
    assert not set(together[2][0]) & {"a", "e"}
    with pytest.raises(ArgumentError, match="beams do not go with grammar"):
        Sampling(beams=2, grammar="a+")
