"""A flow or diffusion model as one graph in ONNX, the sampler's loop in it: noise and conditions in, records out."""

import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from genwright.errors import MissingDependencyError, UnsupportedError
from genwright.export.onnx import GRAPH
from genwright.families.denoising import GUIDED, Denoising
from genwright.families.family import DEFAULT
from genwright.families.sampling import Sampling
from genwright.maths.recording import Call, Program, recorded
from genwright.model.generator import Generator
from genwright.nets.flow_net import FlowNet
from genwright.nets.mixed_net import MixedNet
from genwright.spaces import Conditions, Discrete, Reals
from genwright.storage import write_bytes

OPSET = 18
NOISE, RECORDS, CONTEXT, TIME = "noise", "records", "context", "time"
HINT = "models of images and other arrays by flow matching or diffusion are, and texts by autoregressive models"


@dataclass(frozen=True)
class Input:
    """A condition as the graph takes it: -1, or NaN where it is a number, stands for what is not known."""

    name: str
    shape: tuple[int, ...]
    whole: bool


def write_sampler(model: Generator, folder: Path, *, how: Sampling = DEFAULT) -> None:
    """model.onnx, into a folder that is there.

    Its inputs are `noise` (n, *shape), standard normal, and each condition; its output is `records`. Conditions are the
    levels' numbers as int64 (n,), -1 for unknown, encoded numbers as float32 (n,), NaN for unknown, tokens and arrays
    as they are encoded. Metadata holds the names of levels and the range of the records.
    """
    net, family = model.net, model.family
    if not isinstance(family, Denoising) or not isinstance(net, FlowNet) or isinstance(net, MixedNet):
        raise UnsupportedError(f"{family.name} models of this kind have no loop of calls", where="onnx", hint=HINT)
    process = family.process(net, settled_how(model, how))
    program = recorded(process.sampler, process.times, process.schedule, process.prediction)
    graph = Unrolled(_net_graph(net), net, program, process.guidance).whole
    for key, value in about(model).items():
        graph.metadata_props.add(key=key, value=json.dumps(value))
    write_bytes(folder / GRAPH, graph.SerializeToString())


def settled_how(model: Generator, how: Sampling) -> Sampling:
    """How it draws where the request does not say otherwise."""
    from genwright.families.capabilities import settled

    return settled(model.family, model.codec.space, how, model.how)


def about(model: Generator) -> dict[str, Any]:
    """What a program needs to know of the inputs and the output."""
    space, scalars = cast(Reals, model.codec.space), model.codec.scalars
    levels = {}
    for f, coder in zip(scalars.fields, scalars.coders, strict=True):
        known = getattr(coder, "known", None) or getattr(coder, "values", None)
        if coder is not None and known is not None and model.codec.conditions is not None:
            levels[f.name] = list(known)
    return {"axes": list(space.axes), "shape": list(space.shape), "range": [-1.0, 1.0], "levels": levels}


def inputs_of(conditions: Conditions | None) -> list[Input]:
    """The inputs of conditions, in the order in which a row holds them."""
    if conditions is None:
        return []
    own = [Input(column.name, (), isinstance(column, Discrete)) for column in conditions.columns.columns]
    return own + [Input(name, space.shape, hasattr(space, "vocabulary")) for name, space in conditions.others]


class Unrolled:
    """The graph of a loop, call after call; all calls share the weights of the net."""

    def __init__(self, net_graph: Any, net: FlowNet, program: Program, guidance: float) -> None:
        import onnx

        self.onnx, self.make, self.net = onnx, onnx.helper, net_graph.graph
        self.guidance, self.space, self.conditions = guidance, cast(Reals, net.space), net.conditions
        self.whole = onnx.ModelProto(ir_version=8, producer_name="genwright")
        self.whole.opset_import.append(self.make.make_opsetid("", OPSET))
        self.graph = self.whole.graph
        self.graph.name = "sampler"
        self.graph.initializer.extend(self.net.initializer)
        self.held = {tensor.name for tensor in self.net.initializer}
        self._declare()
        known, unknown = self._contexts()
        self.batch = self._node("Shape", NOISE, start=0, end=1)
        outputs = [NOISE]
        for call in program.calls:
            outputs.append(self._call(call, outputs, known, unknown))
        levels = self.space.levels is not None
        drawn = self._mix(program.result, outputs, name="" if levels else RECORDS)
        if levels:
            self._node("Clip", drawn, self._number(-1.0), self._number(1.0), name=RECORDS)

    def _declare(self) -> None:
        """Inputs and the output."""
        number, whole = self.onnx.TensorProto.FLOAT, self.onnx.TensorProto.INT64
        tell = self.make.make_tensor_value_info
        shape: list[str | int | None] = ["batch", *self.space.shape]
        self.graph.input.append(tell(NOISE, number, shape))
        for each in inputs_of(self.conditions):
            one: list[str | int | None] = ["batch", *each.shape]
            self.graph.input.append(tell(each.name, whole if each.whole else number, one))
        self.graph.output.append(tell(RECORDS, number, shape))

    def _contexts(self) -> tuple[str, str]:
        """Rows of conditions as the net takes them, and rows of which nothing is known; empty names without any."""
        parts = []
        for each in inputs_of(self.conditions):
            flat = self._node("Reshape", each.name, self._whole(0, -1))
            if each.whole:
                value = self._node("Cast", flat, to=self.onnx.TensorProto.FLOAT)
                missing = self._node("Less", flat, self._whole(0))
                flat = self._node("Where", missing, self._number(float("nan")), value)
            parts.append(flat)
        if not parts:
            return "", ""
        rows = self._node("Concat", *parts, axis=1)
        nothing = self._node("Expand", self._number(float("nan")), self._node("Shape", rows))
        return rows, nothing

    def _call(self, call: Call, outputs: Sequence[str], known: str, unknown: str) -> str:
        x = self._mix(call.mix, outputs)
        guides = bool(known) and self.guidance != 1.0 and GUIDED[0] < call.noise_share < GUIDED[1]
        if not guides:
            return self._net(x, self._times(call.time, self.batch), known)
        twice = self._node("Mul", self.batch, self._whole(2))
        both = self._node("Concat", known, unknown, axis=0)
        out = self._net(self._node("Concat", x, x, axis=0), self._times(call.time, twice), both)
        halves = self._node("Concat", self.batch, self.batch, axis=0)
        conditional, free = self._node("Split", out, halves, outputs=2, axis=0)
        return self._mix((self.guidance, 1.0 - self.guidance), (conditional, free))

    def _times(self, time: float, count: str) -> str:
        value = self.onnx.numpy_helper.from_array(np.array([time], dtype=np.float32))
        return str(self._node("ConstantOfShape", count, value=value))

    def _mix(self, weights: Sequence[float], names: Sequence[str], *, name: str = "") -> str:
        used = [(weight, each) for weight, each in zip(weights, names, strict=True) if weight]
        parts = [each if weight == 1.0 else self._node("Mul", each, self._number(weight)) for weight, each in used]
        return str(self._node("Sum", *parts, name=name))

    def _net(self, x: str, t: str, context: str) -> str:
        """A copy of the net's nodes; constants that it holds are shared."""
        number = len(self.graph.node)
        names = dict(zip([each.name for each in self.net.input], (x, t, context), strict=False))

        def own(name: str) -> str:
            return names.get(name) or (name if name in self.held or not name else f"{name}@{number}")

        for node in self.net.node:
            copy = self.graph.node.add()
            copy.CopyFrom(node)
            del copy.input[:], copy.output[:]
            copy.input.extend(map(own, node.input))
            copy.output.extend(map(own, node.output))
            copy.name = ""
            copy.ClearField("doc_string")
            del copy.metadata_props[:]
        return own(self.net.output[0].name)

    def _node(self, kind: str, *inputs: str, outputs: int = 1, name: str = "", **attributes: Any) -> Any:
        names = [name] if name else [f"loop.{kind}.{len(self.graph.node)}.{i}" for i in range(outputs)]
        self.graph.node.append(self.make.make_node(kind, inputs, names, **attributes))
        return names[0] if outputs == 1 else names

    def _number(self, value: float) -> str:
        return self._hold(np.float32(value), f"number_{value!r}")

    def _whole(self, *values: int) -> str:
        return self._hold(np.array(values, dtype=np.int64), f"whole_{'_'.join(map(str, values))}")

    def _hold(self, value: Any, name: str) -> str:
        if name not in self.held:
            self.held.add(name)
            self.graph.initializer.append(self.onnx.numpy_helper.from_array(np.asarray(value), name))
        return name


class _Called(nn.Module):
    """A net with its arguments in order."""

    def __init__(self, net: FlowNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, t: Tensor, context: Tensor | None = None) -> Tensor:
        found: Tensor = self.net(x, t, context, None)
        return found


def _net_graph(net: FlowNet) -> Any:
    """The net as torch writes it."""
    _require()
    device = next(net.parameters()).device
    n, conditions = 3, net.conditions  # 0 and 1 would be taken for constants
    args: list[Tensor] = [torch.zeros(n, *net.space.shape, device=device), torch.full((n,), 0.5, device=device)]
    if conditions is not None:
        args.append(torch.zeros(n, conditions.size, device=device))
    batch = torch.export.Dim("batch", min=2, max=2**20)
    with _quiet(), torch.no_grad():
        made = torch.onnx.export(
            _Called(net).eval(),
            tuple(args),
            dynamo=True,
            opset_version=OPSET,
            dynamic_shapes=({0: batch},) * len(args),
            external_data=False,
            verbose=False,
        )
    assert made is not None
    return made.model_proto


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch's exporter says to its own developers."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)


def _require() -> None:
    try:
        import onnx
        import onnxscript
    except ImportError as error:
        what = f"writing ONNX needs the package {error.name}, which is not installed"
        raise MissingDependencyError(what, hint="pip install 'genwright[export]'") from None
    assert onnx and onnxscript
