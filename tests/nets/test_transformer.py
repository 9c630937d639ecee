"""The transformer body: causality, cache, rotary positions, and the two attention patterns."""

import pytest
import torch

from genwright.errors import ArgumentError
from genwright.nets.transformer import (
    Architecture,
    Transformer,
    block_matrices,
    causal,
    dropping,
    everywhere,
    rotary_table,
    rotate,
)

SHAPES = [
    Architecture(width=16, depth=2, heads=2),
    Architecture(width=16, depth=2, heads=4, kv_heads=2, head_width=6, hidden=40, rope_base=1e6, qk_norm=False),
]


def small(shape: Architecture = SHAPES[0]) -> Transformer:
    """A transformer whose blocks are not the identity they start as."""
    torch.manual_seed(0)
    net = Transformer(shape, positions=12)
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


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("pieces", [(12,), (1,) * 12, (5, 1, 1, 5), (3, 4, 5)])
def test_cached_pieces_equal_one_pass(pieces: tuple[int, ...], shape: Architecture) -> None:
    net, x = small(shape), torch.randn(3, 12, 16, dtype=torch.double)
    past = net.empty_past(3)
    parts = [net(part, causal, past) for part in x.split(pieces, dim=1)]
    torch.testing.assert_close(torch.cat(parts, dim=1), net(x, causal))


def test_rotated_products_depend_on_distance_alone() -> None:
    q, k = torch.randn(2, 8)
    cosine, sine = rotary_table(40, 8, base=10_000.0)
    rotated = rotate(q.expand(40, 8), cosine, sine) @ rotate(k.expand(40, 8), cosine, sine).T
    for distance in range(-5, 6):
        diagonal = rotated.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(rotated[3, 3], q @ k)


def test_rotation_against_complex_multiplication() -> None:
    x = torch.randn(5, 6)
    angle = torch.arange(5)[:, None] * 10_000.0 ** (-torch.arange(3) / 3)
    turned = torch.complex(x[:, :3], x[:, 3:]) * torch.polar(torch.ones_like(angle), angle)
    torch.testing.assert_close(
        rotate(x, *rotary_table(5, 6, base=10_000.0)), torch.cat([turned.real, turned.imag], dim=1)
    )


@pytest.mark.parametrize("attend", [causal, everywhere])
def test_bfloat16_products_agree_with_fused_attention(attend) -> None:
    q, k, v = torch.randn(3, 2, 2, 9, 8)
    half = attend(*(each.bfloat16().requires_grad_() for each in (q, k, v)))
    torch.testing.assert_close(half.float(), attend(q, k, v), atol=0.05, rtol=0.05)


def test_blocks_start_as_the_identity() -> None:
    net, x = Transformer(SHAPES[0], positions=5), torch.randn(2, 5, 16)
    torch.testing.assert_close(net(x, causal), net.norm(x))


@pytest.mark.parametrize("attend", [causal, everywhere])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_queries_that_share_keys_attend_as_if_each_had_its_own(attend, dtype: torch.dtype) -> None:
    q = torch.randn(2, 6, 9, 8, dtype=dtype, requires_grad=True)
    k, v = torch.randn(2, 2, 2, 9, 8, dtype=dtype)
    own = attend(q, k.repeat_interleave(3, dim=1), v.repeat_interleave(3, dim=1))
    torch.testing.assert_close(attend(q, k, v), own)


@pytest.mark.parametrize(
    ("sizes", "match"),
    [
        ({"width": 20, "heads": 3}, "divide"),
        ({"width": 18, "heads": 2, "head_width": 5}, "divide"),
        ({"width": 16, "heads": 4, "kv_heads": 3}, "do not share 3"),
        ({"width": 16, "heads": 0}, "below 1"),
        ({"width": 16, "heads": 2, "norm_eps": float("nan")}, "out of range"),
        ({"width": 16, "heads": 2, "rope_base": 0.0}, "out of range"),
    ],
)
def test_impossible_shapes_are_refused(sizes: dict, match: str) -> None:
    with pytest.raises(ArgumentError, match=match):
        Architecture(depth=1, **sizes)


def test_dropout_forgets_the_same_features_at_all_positions_and_keeps_the_mean() -> None:
    x, rng = torch.ones(400, 3, 50), torch.Generator().manual_seed(0)
    dropped = dropping(0.2, rng)(x)
    assert torch.equal(dropped[:, 0], dropped[:, 2])
    assert set(dropped.unique().tolist()) == {0.0, 1.25}
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.01)  # four standard deviations of 20,000 draws
    assert dropping(0.0, rng)(x) is x
    net = small()
    again = [net(x[:2, :, :16].double(), causal, drop=dropping(0.5, rng.manual_seed(seed))) for seed in (1, 1, 2)]
    assert torch.equal(again[0], again[1]) and not torch.equal(again[0], again[2])
