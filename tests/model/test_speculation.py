"""Guessed tokens change nothing but the time: every text is the one that is written without."""

from collections import Counter

import pytest
import torch
from tests.model.test_grammars import PERSON
from tests.model.test_streaming import rough, written

from genwright.families.sampling import Sampling
from genwright.model.streaming import TextEngine, prompt


@pytest.mark.parametrize(
    "how",
    [
        {"temperature": 0.0},
        {"temperature": 0.6},
        {"top_k": 5, "frequency_penalty": 0.1, "stop": ("q",)},
        {"grammar": PERSON, "max_tokens": 45},
    ],
)
def test_texts_are_those_written_without_guessing(how):
    model, how = rough(length=24), {"max_tokens": 25} | how
    texts = ["abcabcabc", "", "a b a b a", "xyz" * 7]
    plain, guessed = (
        written(model, [prompt(model, text, how=Sampling(**how, speculate=k), seed=i) for i, text in enumerate(texts)])
        for k in (None, 4)
    )
    for one, other in zip(plain, guessed, strict=True):
        assert one[:2] == other[:2] and one[3] == other[3] and one[2] == pytest.approx(other[2], abs=1e-3)


def test_guesses_that_are_right_save_steps():
    model = rough(length=64)
    torch.nn.init.zeros_(model.net.sequence.lm_head.weight)  # always the first token of all
    engine = TextEngine(model)
    engine.submit(prompt(model, "ab", how=Sampling(temperature=0.0, speculate=5, max_tokens=40)))
    steps, tokens = 0, 0
    while not engine.idle:
        tokens += sum(len(delta.tokens) for delta in engine.step())
        steps += 1
    assert tokens == 40 and steps <= 12


def test_tokens_that_were_guessed_have_the_distribution_of_the_model():
    """The token after a guess, in many texts with seeds of their own, by a test of chi squared."""
    model, n = rough(length=12), 600
    with torch.no_grad():
        scores = model.net.sequence.logits(torch.tensor([[model.codec.tokenizer.end, *b"abab"]]), None)[0, -1]
    likely = scores.topk(4)
    how = Sampling(speculate=2, max_tokens=2, top_k=4)
    prompts = [prompt(model, "abab", how=how, seed=seed) for seed in range(n)]
    drawn = Counter(tokens[0] for _, tokens, *_ in written(model, prompts, slots=64))
    expected = n * likely.values.softmax(dim=0)
    observed = torch.tensor([float(drawn[int(token)]) for token in likely.indices])
    assert ((observed - expected) ** 2 / expected).sum() < 16.3  # 99.9 % of chi squared with 3 degrees
