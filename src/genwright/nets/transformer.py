"""The transformer body of the Qwen3 shape: RMSNorm before each part, per-head norms on queries and keys before RoPE,
SwiGLU, no biases. Which positions see which is an argument: `causal` and `everywhere` are the two attention patterns.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from genwright.errors import ArgumentError

EPS = 1e-6
Attend = Callable[[Tensor, Tensor, Tensor], Tensor]


def causal(
    q: Float[Tensor, "b h t d"], k: Float[Tensor, "b h s d"], v: Float[Tensor, "b h s d"]
) -> Float[Tensor, "b h t d"]:
    """Attention to one's own and earlier positions, where the t queries are the last of the s positions."""
    t, s = q.shape[2], k.shape[2]
    if t == 1:
        return F.scaled_dot_product_attention(q, k, v)
    if _products_are_faster(q):
        hidden = torch.full((t, s), -torch.inf, dtype=q.dtype, device=q.device).triu_(s - t + 1)
        return _attention_by_products(q, k, v, hidden)
    if t == s:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    seen = torch.ones(t, s, dtype=torch.bool, device=q.device).tril_(s - t)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=seen)


def everywhere(
    q: Float[Tensor, "b h t d"], k: Float[Tensor, "b h s d"], v: Float[Tensor, "b h s d"]
) -> Float[Tensor, "b h t d"]:
    """Attention to all positions."""
    if _products_are_faster(q):
        return _attention_by_products(q, k, v, q.new_zeros(q.shape[2], k.shape[2]))
    return F.scaled_dot_product_attention(q, k, v)


def _products_are_faster(q: Tensor) -> bool:
    # torch's fused attention has no bfloat16 kernel worth the name for the backward pass on a CPU: at 8 x 2 x 256 x 64
    # it takes 18.8 ms forward and backward, two matrix products and a softmax 8.0 ms (one core, AVX512-BF16).
    return q.dtype == torch.bfloat16 and q.device.type == "cpu" and torch.is_grad_enabled()


def _attention_by_products(q: Tensor, k: Tensor, v: Tensor, bias: Float[Tensor, "t s"]) -> Tensor:
    scale = q.shape[-1] ** -0.5
    scores = torch.baddbmm(bias, q.flatten(0, 1), k.flatten(0, 1).transpose(1, 2), alpha=scale)
    return torch.bmm(scores.softmax(dim=-1), v.flatten(0, 1)).view_as(q)


def rotary_table(
    positions: int, head_width: int, *, base: float = 10_000.0
) -> tuple[Float[Tensor, "p d"], Float[Tensor, "p d"]]:
    """Cosines and signed sines of RoPE's angles, for `rotate`. Su et al. 2021, arXiv:2104.09864, eq. 34."""
    half = head_width // 2
    frequency = base ** (-torch.arange(half, dtype=torch.float64) / half)
    angle = torch.outer(torch.arange(positions, dtype=torch.float64), frequency)
    cosine, sine = angle.cos().float(), angle.sin().float()
    return torch.cat([cosine, cosine], dim=1), torch.cat([-sine, sine], dim=1)


def rotate(
    x: Float[Tensor, "*b t d"], cosine: Float[Tensor, "t d"], sine: Float[Tensor, "t d"]
) -> Float[Tensor, "*b t d"]:
    """Turn the pairs (x_i, x_{i + d/2}) of each position by its angles, so that q.k depends on distance alone."""
    half = x.shape[-1] // 2
    return x * cosine + torch.cat([x[..., half:], x[..., :half]], dim=-1) * sine


@dataclass
class KeyValues:
    """One layer's keys and values of the positions so far, in storage of fixed size: decoding never reallocates."""

    keys: Float[Tensor, "b h p d"]
    values: Float[Tensor, "b h p d"]
    filled: int = 0

    def extend(
        self, k: Float[Tensor, "b h t d"], v: Float[Tensor, "b h t d"]
    ) -> tuple[Float[Tensor, "b h s d"], Float[Tensor, "b h s d"]]:
        """Write the next t positions; return all s there are by now, as slices."""
        end = self.filled + k.shape[2]
        self.keys[:, :, self.filled : end] = k
        self.values[:, :, self.filled : end] = v
        self.filled = end
        return self.keys[:, :, :end], self.values[:, :, :end]


class Attention(nn.Module):
    """Multi-head self-attention with normalised queries and keys (Henry et al. 2020, arXiv:2010.04245) and RoPE."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv_proj = nn.Linear(width, 3 * width, bias=False)
        self.o_proj = nn.Linear(width, width, bias=False)
        self.q_norm = nn.RMSNorm(width // heads, eps=EPS)
        self.k_norm = nn.RMSNorm(width // heads, eps=EPS)

    def forward(
        self, x: Float[Tensor, "b t w"], rotation: tuple[Tensor, Tensor], attend: Attend, past: KeyValues | None
    ) -> Float[Tensor, "b t w"]:
        b, t, w = x.shape
        q, k, v = self.qkv_proj(x).view(b, t, 3, self.heads, w // self.heads).permute(2, 0, 3, 1, 4)
        # In float32 also under autocast: torch has a fused norm only where input and gain are of one type.
        q, k = rotate(self.q_norm(q.float()), *rotation), rotate(self.k_norm(k.float()), *rotation)
        q, k = q.to(v.dtype), k.to(v.dtype)
        if past is not None:
            k, v = past.extend(k, v)
        return self.o_proj(attend(q, k, v).transpose(1, 2).reshape(b, t, w))


class SwiGLU(nn.Module):
    """down(silu(gate x) * up x). Shazeer 2020, arXiv:2002.05202, eq. 6."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate_up_proj = nn.Linear(width, 2 * hidden, bias=False)
        self.down_proj = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Float[Tensor, "b t w"]) -> Float[Tensor, "b t w"]:
        gate, up = self.gate_up_proj(x).chunk(2, dim=-1)
        return self.down_proj(F.silu(gate) * up)


class Block(nn.Module):
    """Attention, then SwiGLU, each on the normalised stream and added to it."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(width, eps=EPS)
        self.self_attn = Attention(width, heads)
        self.post_attention_layernorm = nn.RMSNorm(width, eps=EPS)
        self.mlp = SwiGLU(width, hidden)

    def forward(
        self, x: Float[Tensor, "b t w"], rotation: tuple[Tensor, Tensor], attend: Attend, past: KeyValues | None
    ) -> Float[Tensor, "b t w"]:
        x = x + self.self_attn(self.input_layernorm(x), rotation, attend, past)
        return x + self.mlp(self.post_attention_layernorm(x))


class Transformer(nn.Module):
    """A stack of blocks and a last norm: embeddings of up to `positions` positions in, features out.

    Blocks start as the identity (their output matrices are zero). The hidden width of SwiGLU is 8/3 of `width`, rounded
    up to a multiple of 32, so that it costs what a plain layer of four times the width does.
    """

    cosine: Tensor
    sine: Tensor

    def __init__(self, *, width: int, depth: int, heads: int, positions: int) -> None:
        if width % heads or (width // heads) % 2:
            raise ArgumentError(
                f"width {width} does not divide into {heads} heads of even width",
                where="heads",
                hint="choose a width that is a multiple of 64 and heads = width / 64",
            )
        super().__init__()
        hidden = -(-width * 8 // 3 // 32) * 32
        self.layers = nn.ModuleList(Block(width, heads, hidden) for _ in range(depth))
        self.norm = nn.RMSNorm(width, eps=EPS)
        self.width, self.heads, self.positions = width, heads, positions
        cosine, sine = rotary_table(positions, width // heads)
        self.register_buffer("cosine", cosine, persistent=False)
        self.register_buffer("sine", sine, persistent=False)
        for name, weight in self.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                nn.init.zeros_(weight)
            elif weight.ndim == 2:
                nn.init.normal_(weight, std=width**-0.5)

    def forward(
        self, x: Float[Tensor, "b t w"], attend: Attend, past: list[KeyValues] | None = None
    ) -> Float[Tensor, "b t w"]:
        """Features of t positions, which follow those in `past` (and are added to it) if there is one."""
        start = past[0].filled if past else 0
        rotation = self.cosine[start : start + x.shape[1]], self.sine[start : start + x.shape[1]]
        for i, layer in enumerate(self.layers):
            x = layer(x, rotation, attend, past[i] if past else None)
        return self.norm(x)

    def empty_past(self, rows: int) -> list[KeyValues]:
        """Room for the keys and values of `rows` sequences, one entry per layer."""
        shape = (rows, self.heads, self.positions, self.width // self.heads)
        return [KeyValues(self.cosine.new_zeros(shape), self.cosine.new_zeros(shape)) for _ in self.layers]


def block_matrices(module: nn.Module) -> list[nn.Parameter]:
    """The matrices inside the blocks of every transformer in `module`: those that Muon is meant for."""
    blocks = [block for block in module.modules() if isinstance(block, Block)]
    return [weight for block in blocks for weight in block.parameters() if weight.ndim == 2]
