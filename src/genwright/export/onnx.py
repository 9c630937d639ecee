"""A graph in ONNX, of operators that every runtime has: tokens and what was cached in, scores and the cache out."""

from pathlib import Path
from typing import Any

import numpy as np

from genwright.errors import MissingDependencyError, UnsupportedError
from genwright.export.huggingface import write_config, write_tokenizer
from genwright.export.portable import Portable
from genwright.storage import write_bytes

GRAPH = "model.onnx"
OPSET = 17
LARGEST = 2**31 - 2**20  # bytes of one file of protocol buffers, less what is not weights


def write_onnx(model: Portable, folder: Path) -> None:
    """model.onnx and its tokenizer, into a folder that is there.

    Inputs: `input_ids` (batch, sequence) and for each layer `past_key_values.I.key` and `.value`, (batch, kv_heads,
    past, head_width), at first with nothing past. Outputs: `logits` (batch, sequence, vocabulary), and `present.I.key`
    and `.value`, which are the next call's past.
    """
    size = sum(weight.numel() * 4 for weight in model.weights.values())
    if size > LARGEST:
        what = f"{size / 1e9:.1f} GB of weights do not fit into a file of ONNX, which holds 2 GB"
        raise UnsupportedError(what, where="onnx", hint="export to huggingface or gguf")
    write_config(model, folder)
    write_tokenizer(model, folder)
    write_bytes(folder / GRAPH, Graph(model).whole.SerializeToString())


class Graph:
    """The graph of a causal transformer, node by node."""

    def __init__(self, model: Portable) -> None:
        self.onnx, self.model, self.shape = _library(), model, model.settings.shape
        make = self.onnx.helper
        self.whole = self.onnx.ModelProto(ir_version=8, producer_name="genwright")  # 8 is that of opset 17
        self.whole.opset_import.append(make.make_opsetid("", OPSET))
        self.graph, self.held = self.whole.graph, set[str]()  # filled in place: weights are large
        self.graph.name = "decoder"
        h, layers = self._embedded(), range(self.shape.depth)
        rotation, hidden = self._positions()
        for i in layers:
            h = self._block(h, i, rotation, hidden)
        h = self._norm(h, "model.norm.weight")
        head = "model.embed_tokens.weight" if model.settings.tied else "lm_head.weight"
        self._node("MatMul", h, self._matrix(head), name="logits")
        number, whole = self.onnx.TensorProto.FLOAT, self.onnx.TensorProto.INT64
        cached = [f"{i}.{part}" for i in layers for part in ("key", "value")]
        sizes = self.shape.kv_heads, self.shape.head_width
        past, present = ("batch", sizes[0], "past", sizes[1]), ("batch", sizes[0], "past + sequence", sizes[1])
        tell, vocabulary = make.make_tensor_value_info, model.settings.vocabulary
        self.graph.input.append(tell("input_ids", whole, ("batch", "sequence")))
        self.graph.input.extend(tell(f"past_key_values.{name}", number, past) for name in cached)
        self.graph.output.append(tell("logits", number, ("batch", "sequence", vocabulary)))
        self.graph.output.extend(tell(f"present.{name}", number, present) for name in cached)

    def _node(self, kind: str, *inputs: str, outputs: int = 1, name: str = "", **attributes: Any) -> Any:
        """Add a node; the names of its outputs, or of its only one."""
        names = [name] if name else [f"{kind}_{len(self.graph.node)}_{i}" for i in range(outputs)]
        self.graph.node.append(self.onnx.helper.make_node(kind, inputs, names, **attributes))
        return names[0] if outputs == 1 else names

    def _hold(self, value: Any, name: str = "") -> str:
        """A constant; once where it has a name."""
        name = name or f"constant_{len(self.held)}"
        if name not in self.held:
            self.held.add(name)
            self.graph.initializer.append(self.onnx.numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def _weight(self, name: str) -> str:
        return self._hold(self.model.weights[name].detach().float().cpu().numpy(), name)

    def _matrix(self, name: str) -> str:
        """A matrix as products take it: inputs by outputs."""
        return self._node("Transpose", self._weight(name), perm=[1, 0])

    def _numbers(self, *values: int) -> str:
        return self._hold(np.array(values, dtype=np.int64))

    def _embedded(self) -> str:
        return str(self._node("Gather", self._weight("model.embed_tokens.weight"), "input_ids"))

    def _positions(self) -> tuple[tuple[str, str], str]:
        """Cosines and sines of the positions of the inputs, and what hides later positions from the queries that share
        keys.
        """
        size = [
            self._node("Shape", "past_key_values.0.key", start=2, end=3),
            self._node("Shape", "input_ids", start=1, end=2),
        ]
        past, own = (self._node("Squeeze", each) for each in size)
        zero, one = self._hold(np.int64(0)), self._hold(np.int64(1))
        every = self._node("Add", past, own)
        at = self._node("Range", past, every, one)
        column, row = self._node("Unsqueeze", at, self._numbers(1)), self._node("Range", zero, every, one)
        half = self.shape.head_width // 2
        frequency = (self.shape.rope_base ** (-np.arange(half) / half)).astype(np.float32)
        angle = self._node("Mul", self._node("Cast", column, to=self.onnx.TensorProto.FLOAT), self._hold(frequency))
        cosine, sine = self._node("Cos", angle), self._node("Sin", angle)
        cosine = self._node("Concat", cosine, cosine, axis=-1)
        sine = self._node("Concat", self._node("Neg", sine), sine, axis=-1)
        seen = self._node("LessOrEqual", row, column)
        nothing, never = self._hold(np.float32(0)), self._hold(np.float32(np.finfo(np.float32).min))
        hidden = self._node("Where", seen, nothing, never)
        return (cosine, sine), self._node("Tile", hidden, self._numbers(self.shape.heads // self.shape.kv_heads, 1))

    def _block(self, h: str, i: int, rotation: tuple[str, str], hidden: str) -> str:
        prefix = f"model.layers.{i}"
        x = self._norm(h, f"{prefix}.input_layernorm.weight")
        q, k, v = (self._heads(x, f"{prefix}.self_attn", part) for part in "qkv")
        q, k = self._rotated(q, rotation), self._rotated(k, rotation)
        k = self._node("Concat", f"past_key_values.{i}.key", k, axis=2, name=f"present.{i}.key")
        v = self._node("Concat", f"past_key_values.{i}.value", v, axis=2, name=f"present.{i}.value")
        q = self._node("Reshape", q, self._numbers(0, self.shape.kv_heads, -1, self.shape.head_width))
        q = self._node("Mul", q, self._hold(np.float32(self.shape.head_width**-0.5)))
        scores = self._node("MatMul", q, self._node("Transpose", k, perm=[0, 1, 3, 2]))
        weights = self._node("Softmax", self._node("Add", scores, hidden), axis=-1)
        found = self._node("MatMul", weights, v)
        found = self._node("Reshape", found, self._numbers(0, self.shape.heads, -1, self.shape.head_width))
        found = self._node("Transpose", found, perm=[0, 2, 1, 3])
        found = self._node("Reshape", found, self._numbers(0, 0, self.shape.heads * self.shape.head_width))
        h = self._node("Add", h, self._node("MatMul", found, self._matrix(f"{prefix}.self_attn.o_proj.weight")))
        x = self._norm(h, f"{prefix}.post_attention_layernorm.weight")
        gate, up = (
            self._node("MatMul", x, self._matrix(f"{prefix}.mlp.{part}_proj.weight")) for part in ("gate", "up")
        )
        x = self._node("Mul", self._node("Mul", gate, self._node("Sigmoid", gate)), up)
        return str(self._node("Add", h, self._node("MatMul", x, self._matrix(f"{prefix}.mlp.down_proj.weight"))))

    def _heads(self, x: str, prefix: str, part: str) -> str:
        """Queries, keys or values, (batch, heads, sequence, head_width), normalised where they are."""
        x = self._node("MatMul", x, self._matrix(f"{prefix}.{part}_proj.weight"))
        x = self._node("Reshape", x, self._numbers(0, 0, -1, self.shape.head_width))
        x = self._node("Transpose", x, perm=[0, 2, 1, 3])
        return self._norm(x, f"{prefix}.{part}_norm.weight") if part != "v" and self.shape.qk_norm else x

    def _rotated(self, x: str, rotation: tuple[str, str]) -> str:
        cosine, sine = rotation
        first, second = self._node("Split", x, axis=-1, outputs=2)
        turned = self._node("Concat", second, first, axis=-1)
        return str(self._node("Add", self._node("Mul", x, cosine), self._node("Mul", turned, sine)))

    def _norm(self, x: str, gain: str) -> str:
        mean = self._node("ReduceMean", self._node("Mul", x, x), axes=[-1], keepdims=1)
        root = self._node("Sqrt", self._node("Add", mean, self._hold(np.float32(self.shape.norm_eps))))
        return str(self._node("Mul", self._node("Div", x, root), self._weight(gain)))


def _library() -> Any:
    try:
        import onnx
        import onnx.helper
        import onnx.numpy_helper
    except ImportError:
        what = "writing ONNX needs the package onnx, which is not installed"
        raise MissingDependencyError(what, hint="pip install 'genwright[export]'") from None
    return onnx
