"""The transformer body of Qwen3 and Llama: RMSNorm before each part, RoPE, grouped-query attention, SwiGLU, no biases;
Qwen3 normalises queries and keys of each head too, before RoPE. Which positions see which is an argument: `causal` and
`everywhere` are the two attention patterns.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from genwright.errors import ArgumentError

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
Drop = Callable[[Tensor], Tensor]  # forgets some of what a part adds to the stream, while training


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """The shape of a body: `depth` blocks of `width`, with `heads` of queries of `head_width` numbers each.

    0 stands for what follows from the rest: `kv_heads` of keys and values as many as `heads`, `head_width` as wide as
    makes all together `width`, and `hidden` of SwiGLU 8/3 of `width`, rounded up to a multiple of 32, so that it costs
    what a plain layer of four times the width does. `qk_norm` is what Qwen3 has and Llama has not. Ainslie et al. 2023,
    arXiv:2305.13245 (groups of queries that share keys and values).

    >>> Architecture(width=128, depth=4, heads=2)
    Architecture(width=128, depth=4, heads=2, kv_heads=2, head_width=64, hidden=352, rope_base=10000.0, \
norm_eps=1e-06, qk_norm=True)
    """

    width: int
    depth: int
    heads: int
    kv_heads: int = 0
    head_width: int = 0
    hidden: int = 0
    rope_base: float = 10_000.0
    norm_eps: float = 1e-6
    qk_norm: bool = True

    def __post_init__(self) -> None:
        sizes = self.width, self.depth, self.heads, self.kv_heads, self.head_width, self.hidden
        if min(sizes) < 0 or not self.width or not self.heads:
            raise ArgumentError("a size below 1", where="width, depth, heads", hint="give whole numbers from 1 up")
        if (not self.head_width and self.width % self.heads) or (self.head_width or self.width // self.heads) % 2:
            raise ArgumentError(
                f"width {self.width} does not divide into {self.heads} heads of even width",
                where="heads",
                hint="choose a width that is a multiple of 64 and heads = width / 64, or give an even head_width",
            )
        derived = {"kv_heads": self.heads, "head_width": self.width // self.heads, "hidden": -(-self.width // 12) * 32}
        for name, value in derived.items():
            object.__setattr__(self, name, getattr(self, name) or value)
        if self.heads % self.kv_heads:
            what = f"{self.heads} heads do not share {self.kv_heads} of keys and values evenly"
            raise ArgumentError(what, where="kv_heads", hint="give a number that divides heads")
        if not (1 < self.rope_base < math.inf and 0 < self.norm_eps < 1):
            what = f"rope_base {self.rope_base} or norm_eps {self.norm_eps} is out of range"
            raise ArgumentError(what, where="rope_base", hint="usual are 10,000 to 1,000,000, and 1e-6 to 1e-5")


def causal(
    q: Float[Tensor, "b h t d"], k: Float[Tensor, "b g s d"], v: Float[Tensor, "b g s d"]
) -> Float[Tensor, "b h t d"]:
    """Attention to one's own and earlier positions, where the t queries are the last of the s positions."""
    t, s = q.shape[2], k.shape[2]
    grouped = k.shape[1] < q.shape[1]
    if t == 1:
        return F.scaled_dot_product_attention(q, k, v, enable_gqa=grouped)
    if _products_are_faster(q):
        hidden = torch.full((t, s), -torch.inf, dtype=q.dtype, device=q.device).triu_(s - t + 1)
        return _attention_by_products(q, k, v, hidden)
    if t == s:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=grouped)
    seen = torch.ones(t, s, dtype=torch.bool, device=q.device).tril_(s - t)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=seen, enable_gqa=grouped)


def documents_apart(document: Int[Tensor, "b t"]) -> Attend:
    """Attention to one's own and earlier positions of the same document, given the number of that of each position."""
    seen = (document[:, :, None] == document[:, None, :]).tril()

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        if not _products_are_faster(q):
            grouped = q.shape[1] != k.shape[1]
            return F.scaled_dot_product_attention(q, k, v, attn_mask=seen[:, None], enable_gqa=grouped)
        return _attention_by_products(q, k, v, torch.zeros_like(seen, dtype=q.dtype).masked_fill(~seen, -torch.inf))

    return attend


def everywhere(
    q: Float[Tensor, "b h t d"], k: Float[Tensor, "b g s d"], v: Float[Tensor, "b g s d"]
) -> Float[Tensor, "b h t d"]:
    """Attention to all positions."""
    if _products_are_faster(q):
        return _attention_by_products(q, k, v, q.new_zeros(q.shape[2], k.shape[2]))
    return F.scaled_dot_product_attention(q, k, v, enable_gqa=k.shape[1] < q.shape[1])


def kept(x: Float[Tensor, "b t w"]) -> Float[Tensor, "b t w"]:
    """All of it: what is forgotten where nothing is."""
    return x


def dropping(share: float, rng: torch.Generator) -> Drop:
    """Forgets a `share` of the features of each row, the same ones at all its positions.

    A mask for each row costs nothing; one for each position cost a fifth of a step. Gal & Ghahramani 2016,
    arXiv:1512.05287, section 4.
    """

    def drop(x: Tensor) -> Tensor:
        mask = torch.rand((len(x), 1, x.shape[2]), generator=rng, device=x.device) >= share
        return x * (mask / (1.0 - share)).to(x.dtype)

    return drop if share else kept


def _products_are_faster(q: Tensor) -> bool:
    # torch's fused attention has no bfloat16 kernel worth the name for the backward pass on a CPU: at 8 x 2 x 256 x 64
    # it takes 18.8 ms forward and backward, two matrix products and a softmax 8.0 ms (one core, AVX512-BF16).
    return q.dtype == torch.bfloat16 and q.device.type == "cpu" and torch.is_grad_enabled()


def _attention_by_products(q: Tensor, k: Tensor, v: Tensor, bias: Float[Tensor, "*b t s"]) -> Tensor:
    scale, sharing = q.shape[-1] ** -0.5, q.shape[1] // k.shape[1]
    bias = bias.repeat(sharing, 1) if bias.ndim == 2 else bias.repeat_interleave(k.shape[1], 0).repeat(1, sharing, 1)
    queries = q.reshape(-1, sharing * q.shape[2], q.shape[3])  # of all heads that share keys, one after the other
    scores = torch.baddbmm(bias, queries, k.flatten(0, 1).transpose(1, 2), alpha=scale)
    return torch.bmm(scores.softmax(dim=-1), v.flatten(0, 1)).view_as(q)


def rotary_table(positions: int, head_width: int, *, base: float) -> tuple[Float[Tensor, "p d"], Float[Tensor, "p d"]]:
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

    keys: Float[Tensor, "b g p d"]
    values: Float[Tensor, "b g p d"]
    filled: int = 0

    def extend(
        self, k: Float[Tensor, "b g t d"], v: Float[Tensor, "b g t d"]
    ) -> tuple[Float[Tensor, "b g s d"], Float[Tensor, "b g s d"]]:
        """Write the next t positions; return all s there are by now, as slices."""
        end = self.filled + k.shape[2]
        self.keys[:, :, self.filled : end] = k
        self.values[:, :, self.filled : end] = v
        self.filled = end
        return self.keys[:, :, :end], self.values[:, :, :end]


class Attention(nn.Module):
    """Multi-head self-attention with RoPE, and normalised queries and keys (Henry et al. 2020, arXiv:2010.04245)."""

    def __init__(self, shape: Architecture) -> None:
        super().__init__()
        self.head_width, self.heads = shape.head_width, [shape.heads, shape.kv_heads, shape.kv_heads]
        self.qkv_proj = nn.Linear(shape.width, sum(self.heads) * shape.head_width, bias=False)
        self.o_proj = nn.Linear(shape.heads * shape.head_width, shape.width, bias=False)
        self.q_norm, self.k_norm = (
            nn.RMSNorm(shape.head_width, eps=shape.norm_eps) if shape.qk_norm else nn.Identity() for _ in range(2)
        )

    def forward(
        self, x: Float[Tensor, "b t w"], rotation: tuple[Tensor, Tensor], attend: Attend, past: KeyValues | None
    ) -> Float[Tensor, "b t w"]:
        q, k, v = self.qkv_proj(x).unflatten(2, (-1, self.head_width)).transpose(1, 2).split(self.heads, dim=1)
        # In float32 also under autocast: torch has a fused norm only where input and gain are of one type.
        q, k = rotate(self.q_norm(q.float()), *rotation), rotate(self.k_norm(k.float()), *rotation)
        q, k = q.to(v.dtype), k.to(v.dtype)
        if past is not None:
            k, v = past.extend(k, v)
        return self.o_proj(attend(q, k, v).transpose(1, 2).flatten(2))


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

    def __init__(self, shape: Architecture) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(shape.width, eps=shape.norm_eps)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = nn.RMSNorm(shape.width, eps=shape.norm_eps)
        self.mlp = SwiGLU(shape.width, shape.hidden)

    def forward(
        self,
        x: Float[Tensor, "b t w"],
        rotation: tuple[Tensor, Tensor],
        attend: Attend,
        past: KeyValues | None,
        drop: Drop,
    ) -> Float[Tensor, "b t w"]:
        x = x + drop(self.self_attn(self.input_layernorm(x), rotation, attend, past))
        return x + drop(self.mlp(self.post_attention_layernorm(x)))


class Transformer(nn.Module):
    """A stack of blocks and a last norm: embeddings of up to `positions` positions in, features out.

    Blocks start as the identity: their output matrices are zero.
    """

    cosine: Tensor
    sine: Tensor

    def __init__(self, shape: Architecture, *, positions: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Block(shape) for _ in range(shape.depth))
        self.norm = nn.RMSNorm(shape.width, eps=shape.norm_eps)
        self.shape, self.positions = shape, positions
        cosine, sine = rotary_table(positions, shape.head_width, base=shape.rope_base)
        self.register_buffer("cosine", cosine, persistent=False)
        self.register_buffer("sine", sine, persistent=False)
        for name, weight in self.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                nn.init.zeros_(weight)
            elif weight.ndim == 2:
                nn.init.normal_(weight, std=shape.width**-0.5)

    def forward(
        self, x: Float[Tensor, "b t w"], attend: Attend, past: list[KeyValues] | None = None, drop: Drop = kept
    ) -> Float[Tensor, "b t w"]:
        """Features of t positions, which follow those in `past` (and are added to it) if there is one."""
        start = past[0].filled if past else 0
        rotation = self.cosine[start : start + x.shape[1]], self.sine[start : start + x.shape[1]]
        for i, layer in enumerate(self.layers):
            x = layer(x, rotation, attend, past[i] if past else None, drop)
        return self.norm(x)

    def empty_past(self, rows: int) -> list[KeyValues]:
        """Room for the keys and values of `rows` sequences, one entry per layer."""
        room = (rows, self.shape.kv_heads, self.positions, self.shape.head_width)
        return [KeyValues(self.cosine.new_zeros(room), self.cosine.new_zeros(room)) for _ in self.layers]


def block_matrices(module: nn.Module) -> list[nn.Parameter]:
    """The matrices inside the blocks of every transformer in `module`: those that Muon is meant for."""
    blocks = [block for block in module.modules() if isinstance(block, Block)]
    return [weight for block in blocks for weight in block.parameters() if weight.ndim == 2]
