"""The decoder computes what the net computes: all shapes, rows of any length, in any order of coming and going."""

import pytest
import torch

from genwright.nets import quantised
from genwright.nets.causal import CausalSequence
from genwright.nets.decoding import CausalDecoder, Dense
from genwright.nets.transformer import Architecture
from genwright.spaces import Columns, Conditions, Discrete, Tokens

SHAPES = {
    "qwen3": Architecture(width=32, depth=2, heads=2),
    "shared keys": Architecture(width=32, depth=2, heads=4, kv_heads=2, head_width=16),
    "llama": Architecture(width=32, depth=2, heads=4, kv_heads=1, qk_norm=False, rope_base=500.0, norm_eps=1e-3),
}
TEXTS = [[1, 2, 3], [], [7] * 11, list(range(15))]


def rough(shape: Architecture, *, length: int = 24, tied: bool = False, conditions=None) -> CausalSequence:
    """A net with weights that are far from those it starts with, so that its scores differ."""
    torch.manual_seed(0)
    net = CausalSequence(
        length=length, symbols=20, start=19, conditions=conditions, places=None, shape=shape, tied=tied
    )
    for weight in net.parameters():
        torch.nn.init.normal_(weight, mean=float(weight.ndim == 1), std=0.2)
    return net.eval()


@torch.no_grad()
def scores(net: CausalSequence, tokens: list[int], context=None) -> torch.Tensor:
    return net.logits(torch.tensor([[net.start, *tokens]]), context)[0]


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("tied", [False, True])
def test_scores_are_those_of_the_net_for_rows_of_any_length(name, tied):
    net, texts = rough(SHAPES[name], tied=tied), [list(each) for each in TEXTS]
    decoder = CausalDecoder(net, slots=4)
    found = decoder.admit(texts, None)
    for row, text in enumerate(texts):
        torch.testing.assert_close(found[row], scores(net, text)[-1], atol=1e-4, rtol=1e-4)
    for new in ([[3], [4], [5], [6]], [[1, 2], [3, 4], [5, 6], [7, 8]]):
        found = decoder.step(torch.tensor(new))
        for row, text in enumerate(texts):
            text += new[row]
            torch.testing.assert_close(found[row], scores(net, text)[-len(new[0]) :], atol=1e-4, rtol=1e-4)


def test_a_row_that_goes_leaves_its_place_to_the_last_and_a_shortened_one_is_overwritten():
    net, texts = rough(SHAPES["shared keys"]), [list(each) for each in TEXTS]
    decoder = CausalDecoder(net, slots=4)
    decoder.admit(texts, None)
    decoder.evict(0)
    decoder.evict(2)
    kept = [texts[3], texts[1]]
    assert decoder.lengths == [16, 1]
    decoder.step(torch.tensor([[5, 6, 7], [5, 6, 7]]))
    decoder.lengths = [17, 3]  # of three new tokens, one stays in the first row and two in the second
    kept = [kept[0] + [5], kept[1] + [5, 6]]
    decoder.admit([[9, 9]], None)
    kept.append([9, 9])
    found = decoder.step(torch.tensor([[8], [8], [8]]))
    for row, text in enumerate(kept):
        torch.testing.assert_close(found[row, 0], scores(net, [*text, 8])[-1], atol=1e-4, rtol=1e-4)


def test_conditions_stand_before_the_text():
    words = Tokens(length=5, vocabulary=20, end=19)
    conditions = Conditions(Columns((Discrete("label", 3),)), (("words", words),))
    net = rough(SHAPES["qwen3"], conditions=conditions)
    context = torch.tensor([[2.0, 1, 2, 3, 19, 19], [0.0, *[torch.nan] * 5]])
    decoder = CausalDecoder(net, slots=2)
    found = decoder.admit([[1, 2], [3, 4, 5]], context)
    again = decoder.step(torch.tensor([[6], [7]]))[:, 0]
    for row, text in enumerate([[1, 2], [3, 4, 5]]):
        one = context[row : row + 1]
        torch.testing.assert_close(found[row], scores(net, text, one)[-1], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(again[row], scores(net, [*text, 6 + row], one)[-1], atol=1e-4, rtol=1e-4)
    assert decoder.lengths == [4, 5] and decoder.room == net.length


def test_a_net_of_one_position_is_not_tried_in_8_bits(monkeypatch):
    monkeypatch.setattr(quantised, "SMALLEST_NET", 0)
    assert quantised.fitting(rough(SHAPES["qwen3"], length=1)) is Dense
