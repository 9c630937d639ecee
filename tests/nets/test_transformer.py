"""The transformer body: causality, cache, rotary positions, and the two attention patterns."""

import pytest
import torch

from genwright.errors import ArgumentError
from genwright.nets.transformer import Transformer, block_matrices, causal, everywhere, rotary_table, rotate


def small(*, depth: int = 2, positions: int = 12) -> Transformer:
    """A transformer whose blocks are not the identity they start as."""
    torch.manual_seed(0)
    net = Transformer(width=16, depth=depth, heads=2, positions=positions)
    for weight in block_matrices(net):
        torch.nn.init.normal_(weight, std=0.3)
    return net.double()


def test_a_change_is_seen_only_from_its_position_on() -> None:
    net, x = small(), torch.randn(3, 12, 16, dtype=torch.double)
    changed = x.clone()
    changed[:, 7] += 1.0
    before, after = net(x, causal), net(changed, causal)
    assert torch.equal(before[:, :7], after[:, :7])
    assert (before[:, 7:] != after[:, 7:]).any(dim=-1).all()


def test_everywhere_sees_everything() -> None:
    net, x = small(), torch.randn(3, 12, 16, dtype=torch.double)
    changed = x.clone()
    changed[:, 7] += 1.0
    assert (net(x, everywhere) != net(changed, everywhere)).any(dim=-1).all()


@pytest.mark.parametrize("pieces", [(12,), (1,) * 12, (5, 1, 1, 5), (3, 4, 5)])
def test_cached_pieces_equal_one_pass(pieces: tuple[int, ...]) -> None:
    net, x = small(), torch.randn(3, 12, 16, dtype=torch.double)
    past = net.empty_past(3)
    parts = [net(part, causal, past) for part in x.split(pieces, dim=1)]
    torch.testing.assert_close(torch.cat(parts, dim=1), net(x, causal))


def test_rotated_products_depend_on_distance_alone() -> None:
    q, k = torch.randn(2, 8)
    cosine, sine = rotary_table(40, 8)
    rotated = rotate(q.expand(40, 8), cosine, sine) @ rotate(k.expand(40, 8), cosine, sine).T
    for distance in range(-5, 6):
        diagonal = rotated.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(rotated[3, 3], q @ k)


def test_rotation_against_complex_multiplication() -> None:
    x = torch.randn(5, 6)
    angle = torch.arange(5)[:, None] * 10_000.0 ** (-torch.arange(3) / 3)
    turned = torch.complex(x[:, :3], x[:, 3:]) * torch.polar(torch.ones_like(angle), angle)
    torch.testing.assert_close(rotate(x, *rotary_table(5, 6)), torch.cat([turned.real, turned.imag], dim=1))


@pytest.mark.parametrize("attend", [causal, everywhere])
def test_bfloat16_products_agree_with_fused_attention(attend) -> None:
    q, k, v = torch.randn(3, 2, 2, 9, 8)
    half = attend(*(each.bfloat16().requires_grad_() for each in (q, k, v)))
    torch.testing.assert_close(half.float(), attend(q, k, v), atol=0.05, rtol=0.05)


def test_blocks_start_as_the_identity() -> None:
    net, x = Transformer(width=16, depth=3, heads=2, positions=5), torch.randn(2, 5, 16)
    torch.testing.assert_close(net(x, causal), net.norm(x))


def test_widths_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ArgumentError, match="divide"):
        Transformer(width=20, depth=1, heads=3, positions=4)
