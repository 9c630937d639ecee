"""Causal transformers: documents within one window, records in one row, ends within prompts."""

import torch

from genwright.nets.causal import CausalTokens
from genwright.nets.packing import packed, worth_packing
from genwright.nets.transformer import Architecture
from genwright.spaces import Tokens

SHAPE = Architecture(width=32, depth=2, heads=2, kv_heads=1)


def test_documents_in_one_window_are_scored_apart():
    torch.manual_seed(0)
    net = CausalTokens(Tokens(9, vocabulary=5, end=4, documents=True), None, shape=SHAPE, tied=False)
    for weight in net.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    alone = CausalTokens(Tokens(3, vocabulary=5, end=4), None, shape=SHAPE, tied=False)
    alone.load_state_dict(net.state_dict())
    window, second = torch.tensor([[4, 0, 1, 2, 4, 3, 3, 4, 4]]), torch.tensor([[3, 3, 4]])
    found = net.token_log_prob(window, None)[0]
    torch.testing.assert_close(found[5:8], alone.token_log_prob(second, None)[0])
    assert found[0] == 0 and found[8] == 0 and (found[1:8] < 0).all()


def test_packed_records_are_scored_as_alone():
    torch.manual_seed(0)
    net = CausalTokens(Tokens(12, vocabulary=7, end=6), None, shape=SHAPE, tied=False)
    for weight in net.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    x = torch.full((9, 12), 6)
    for row, size in zip(x, (0, 1, 3, 12, 5, 2, 11, 4, 0), strict=True):
        row[:size] = torch.randint(6, (size,))
    assert worth_packing(x, 6) and len(packed(x, 6).inputs) < 6
    torch.testing.assert_close(net.nll(x, None, torch.Generator()), -net.log_prob(x, None))


def test_an_end_within_a_prompt_ends_nothing():
    torch.manual_seed(0)
    net = CausalTokens(Tokens(6, vocabulary=5, end=4), None, shape=SHAPE, tied=False)
    prefix = torch.tensor([[1, -1, -1, -1, -1, -1], [1, 4, 2, -1, -1, -1], [1, 2, -1, 4, 4, 4]])
    found = net.sequence.draw(prefix, None, torch.Generator(), choose=lambda logits, _: torch.full((3,), 3), end=4)
    assert found.tolist() == [[1, 3, 3, 3, 3, 3], [1, 4, 2, 3, 3, 3], [1, 2, 3, 4, 4, 4]]
