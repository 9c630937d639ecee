"""Decoding with a causal transformer: several sequences at once, each of its own length, their keys and values kept.

The weights are laid out for it once: gains of norms go into the matrices that read them, and the operations of a block
are as few as they can be, since on a CPU the time of a small net is the time of calling them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, final, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from genwright.nets.causal import CausalSequence
from genwright.nets.transformer import Block

FIRST_POSITIONS = 64  # that there is room for at first; it doubles as sequences grow
PREFILL = 2**14  # positions of prompts that are read at once


@runtime_checkable
class Product(Protocol):
    """A matrix by which rows are multiplied."""

    def __call__(self, x: Float[Tensor, "n i"]) -> Float[Tensor, "n o"]:
        """Each row times the matrix."""

    def onto(self, stream: Float[Tensor, "n o"], x: Float[Tensor, "n i"]) -> Float[Tensor, "n o"]:
        """The same, added to `stream`, which may be overwritten."""


@final
class Dense:
    """A matrix as it is."""

    def __init__(self, weight: Float[Tensor, "o i"]) -> None:
        self.weight, self.transposed = weight, weight.t()

    def __call__(self, x: Float[Tensor, "n i"]) -> Float[Tensor, "n o"]:
        return F.linear(x, self.weight)

    def onto(self, stream: Float[Tensor, "n o"], x: Float[Tensor, "n i"]) -> Float[Tensor, "n o"]:
        return torch.addmm(stream, x, self.transposed)


@dataclass(frozen=True)
class Layer:
    """A block: its matrices, and the gains of its normalised queries and keys, one row for each head."""

    qkv: Product
    out: Product
    gate_up: Product
    down: Product
    gains: Float[Tensor, "heads d"] | None


@final
class CausalDecoder:
    """Rows of tokens that grow side by side, each continuing its own; see `genwright.families.family.Decoder`.

    `product` lays out each matrix, such as `Dense`. Logits are those of `net.logits`, up to rounding.
    """

    def __init__(self, net: CausalSequence, *, slots: int, product: Callable[[Tensor], Product] = Dense) -> None:
        self.net, self.slots, self.room = net, slots, net.length
        self.lengths: list[int] = []
        body, first = net.model, net.model.layers[0]
        assert isinstance(first, Block) and not len(net.places), "images are read by their own loop"
        qkv, self.d = first.self_attn.qkv_proj.weight, body.cosine.shape[1]
        self.heads = first.self_attn.o_proj.weight.shape[1] // self.d
        self.shared = (qkv.shape[0] // self.d - self.heads) // 2  # heads of keys and of values
        self.hidden = first.mlp.down_proj.weight.shape[1]
        eps = getattr(body.norm, "eps", None) or torch.finfo(qkv.dtype).eps
        self.floor, self.head_floor = (qkv.new_tensor((eps * n) ** 0.5) for n in (qkv.shape[1], self.d))
        self.layers = [self._laid_out(block, product) for block in body.layers]
        self.normed = self.layers[0].gains is not None
        if self.normed:
            self.gains = torch.stack([layer.gains for layer in self.layers if layer.gains is not None])
        self.head = product(_gained(net.lm_head, body.norm))
        self.cache = qkv.new_empty(len(self.layers), slots, 2 * self.shared, 0, self.d)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.cache.device

    @torch.inference_mode()
    def admit(self, tokens: Sequence[Sequence[int]], context: Float[Tensor, "n c"] | None) -> Float[Tensor, "n v"]:
        """New rows after those that are there: scores of what follows each of the sequences."""
        assert len(self.lengths) + len(tokens) <= self.slots and max(map(len, tokens)) < self.room
        found, at = [], 0
        while at < len(tokens):
            longest, many = 0, 0
            for each in tokens[at:]:
                if many and (many + 1) * max(longest, len(each)) > PREFILL:
                    break
                longest, many = max(longest, len(each)), many + 1
            part = slice(at, at + many)
            found.append(self._read(tokens[part], None if context is None else context[part]))
            at += many
        return torch.cat(found)

    @torch.inference_mode()
    def step(self, tokens: Int[Tensor, "n t"]) -> Float[Tensor, "n t v"]:
        """Scores of what follows each of t further tokens of every row."""
        n, t = tokens.shape
        starts = [self.net.before + length for length in self.lengths]
        x = self._run(slice(0, n), self.net.embed_tokens(tokens.flatten()), t, starts)
        self.lengths = [length + t for length in self.lengths]
        return self.head(self._unit(x)).view(n, t, -1)

    @torch.inference_mode()
    def evict(self, row: int) -> None:
        """Forget a row; the last one takes its place."""
        last = len(self.lengths) - 1
        if row < last:
            filled = slice(self.net.before + self.lengths[last])
            self.cache[:, row, :, filled] = self.cache[:, last, :, filled]
            self.lengths[row] = self.lengths[last]
        self.lengths.pop()

    @torch.inference_mode()
    def select(self, rows: Sequence[int]) -> None:
        """Of the rows there are these, in this order; one that is named several times becomes as many."""
        assert len(rows) <= self.slots
        if list(rows) != list(range(len(rows))):
            filled = self.net.before + max(self.lengths)
            chosen = torch.tensor(rows, device=self.device)
            self.cache[:, : len(rows), :, :filled] = self.cache[:, chosen, :, :filled]
        self.lengths = [self.lengths[row] for row in rows]

    def _read(self, tokens: Sequence[Sequence[int]], context: Tensor | None) -> Tensor:
        """Rows of sequences and what stands before them; shorter ones are filled up behind, where nothing looks."""
        net, device = self.net, self.cache.device
        sizes = torch.tensor([1 + len(each) for each in tokens])
        inputs = torch.full((len(tokens), int(sizes.max())), net.start)
        for row, each in zip(inputs, tokens, strict=True):
            row[1 : 1 + len(each)] = torch.tensor(each, dtype=torch.long)
        h = net.read(context, net.embed_tokens(inputs.to(device)), net.embed_tokens)
        t, first = h.shape[1], len(self.lengths)
        x = self._run(slice(first, first + len(tokens)), h.flatten(0, 1), t, [0] * len(tokens))
        self.lengths += sizes.tolist()
        last = x.view(len(tokens), t, -1)[torch.arange(len(tokens)), (sizes + net.before - 1).to(device)]
        return self.head(self._unit(last))

    def _run(self, rows: slice, x: Tensor, t: int, starts: list[int]) -> Float[Tensor, "n w"]:
        """The stream after all blocks, for t positions of each row from its start on."""
        end, level = max(starts) + t, min(starts) == max(starts)
        self._make_room(end)
        kv = self.cache[:, rows, :, :end]
        keys, values = kv[:, :, : self.shared].unbind(0), kv[:, :, self.shared :].unbind(0)
        place, targets = torch.arange(end - t, end, device=x.device)[None], kv[:, :, :, end - t :].unbind(0)
        if not level:
            place = torch.tensor(starts, device=x.device)[:, None] + torch.arange(t, device=x.device)
        turns = self._turns(place)
        mask, straight = None, level and end == t
        if not (straight or (level and t == 1)):
            hidden = torch.arange(end, device=x.device) > place[:, :, None]
            mask = torch.zeros_like(hidden, dtype=x.dtype).masked_fill_(hidden, -torch.inf)[:, None]
        n = len(starts)
        for i, layer in enumerate(self.layers):
            qkv = layer.qkv(self._unit(x)).view(n, t, -1, self.d)
            self._turn(qkv, *turns[i])
            new = qkv[:, :, self.heads :]
            if level:
                targets[i].copy_(new.transpose(1, 2))
            else:
                self.cache[i][torch.arange(rows.start, rows.stop, device=x.device)[:, None], :, place] = new
            seen = self._attended(qkv[:, :, : self.heads], keys[i], values[i], mask, straight)
            x = layer.out.onto(x, seen)
            inner = layer.gate_up(self._unit(x))
            x = layer.down.onto(
                x, F.silu(inner.narrow(1, 0, self.hidden)).mul_(inner.narrow(1, self.hidden, self.hidden))
            )
        return x

    def _attended(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, straight: bool) -> Tensor:
        """What each query sees, heads side by side; single queries that share keys are taken as several of one head."""
        n, t = q.shape[:2]
        if t == 1:
            grouped = q.view(n, self.shared, -1, self.d)
            return F.scaled_dot_product_attention(grouped, k, v, attn_mask=mask).reshape(n, -1)
        seen = F.scaled_dot_product_attention(
            q.transpose(1, 2), k, v, attn_mask=mask, is_causal=straight and t > 1, enable_gqa=self.shared < self.heads
        )
        return seen.transpose(1, 2).reshape(n * t, -1)

    def _turns(self, place: Int[Tensor, "n t"]) -> list[tuple[Tensor, Tensor]]:
        """Cosines and sines for queries and keys of each layer, their gains included: (1 or n, t, heads or 1, d)."""
        cosine, sine = (table[place].unsqueeze(-2) for table in (self.net.model.cosine, self.net.model.sine))
        if not self.normed:
            return [(cosine, sine)] * len(self.layers)
        gains = self.gains[:, None, None]
        swapped = gains.unflatten(-1, (2, -1)).flip(-2).flatten(-2)
        return list(zip((cosine * gains).unbind(0), (sine * swapped).unbind(0), strict=True))

    def _turn(self, qkv: Float[Tensor, "n t heads d"], cosine: Tensor, sine: Tensor) -> None:
        """Normalise and rotate queries and keys in place."""
        qk = qkv[:, :, : self.heads + self.shared]
        x = qk
        if self.normed:
            x = x / torch.hypot(torch.linalg.vector_norm(x, dim=-1, keepdim=True), self.head_floor)
        swapped = x.unflatten(-1, (2, -1)).flip(-2).flatten(-2)
        torch.addcmul(x * cosine, swapped, sine, out=qk)

    def _unit(self, x: Float[Tensor, "n w"]) -> Float[Tensor, "n w"]:
        """RMSNorm but for its gain and the root of the width, which are in the matrices."""
        return x / torch.hypot(torch.linalg.vector_norm(x, dim=-1, keepdim=True), self.floor)

    def _laid_out(self, block: nn.Module, product: Callable[[Tensor], Product]) -> Layer:
        assert isinstance(block, Block)
        attention, mlp = block.self_attn, block.mlp
        gains = None
        if isinstance(attention.q_norm, nn.RMSNorm) and isinstance(attention.k_norm, nn.RMSNorm):
            q, k = (norm.weight.detach() * self.d**0.5 for norm in (attention.q_norm, attention.k_norm))
            gains = torch.cat([q.expand(self.heads, -1), k.expand(self.shared, -1)])
        return Layer(
            product(_gained(attention.qkv_proj, block.input_layernorm)),
            product(attention.o_proj.weight.detach()),
            product(_gained(mlp.gate_up_proj, block.post_attention_layernorm)),
            product(mlp.down_proj.weight.detach()),
            gains,
        )

    def _make_room(self, end: int) -> None:
        """Room for so many positions of each row, doubled where it lacks."""
        have, limit = self.cache.shape[3], self.net.model.positions
        if end <= have:
            return
        assert end <= limit, "a row past its last position"
        room = min(limit, max(FIRST_POSITIONS, 2 * have, end))
        grown = self.cache.new_zeros(*self.cache.shape[:3], room, self.d)
        grown[:, :, :, :have] = self.cache
        self.cache = grown


def _gained(linear: nn.Linear, norm: nn.Module) -> Float[Tensor, "o i"]:
    """A matrix that reads a normalised stream, times the norm's gain and the root of its width."""
    assert isinstance(norm, nn.RMSNorm)
    return linear.weight.detach() * (norm.weight.detach() * linear.in_features**0.5)
