"""Models for other libraries: transformers, llama.cpp, onnxruntime and what is built on them."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from genwright.errors import ArgumentError
from genwright.export.diffusers import INDEX, NET, SCHEDULER, check_portable, write_diffusers
from genwright.export.gguf import write_gguf
from genwright.export.huggingface import CONFIG, GENERATION, TOKENIZER, TOKENIZER_CONFIG, WEIGHTS, write_huggingface
from genwright.export.onnx import GRAPH, write_onnx
from genwright.export.portable import portable
from genwright.export.sampling import write_sampler
from genwright.families.family import DEFAULT
from genwright.families.sampling import Sampling
from genwright.folders import new_folder
from genwright.model.generator import Generator
from genwright.nets.flow_net import FlowNet
from genwright.storage import write_atomic

OURS = {CONFIG, GENERATION, TOKENIZER, TOKENIZER_CONFIG, WEIGHTS, GRAPH, INDEX, NET, SCHEDULER}
Writer = Callable[[Path], None]


def _huggingface(model: Generator, how: Sampling) -> Writer:
    return partial(write_huggingface, portable(model))


def _onnx(model: Generator, how: Sampling) -> Writer:
    if not isinstance(model.net, FlowNet):
        return partial(write_onnx, portable(model))
    return partial(write_sampler, model, how=how)


def _diffusers(model: Generator, how: Sampling) -> Writer:
    check_portable(model)
    return partial(write_diffusers, model)


FOLDERS: dict[str, Callable[[Generator, Sampling], Writer]] = {
    "huggingface": _huggingface,
    "onnx": _onnx,
    "diffusers": _diffusers,
}


def export_model(
    model: Generator,
    out: str | Path,
    *,
    to: str,
    quantize: str | None = None,
    how: Sampling = DEFAULT,
    force: bool = False,
) -> Path:
    """Write `model` as other libraries read it: `to` is huggingface, onnx or diffusers for a folder, gguf for a file.

    Autoregressive models of text without conditions go to huggingface, gguf and onnx; flow matching and diffusion of
    images and other arrays to onnx, the sampler's loop inside, as `how` says; those of `net=gw.portable` to diffusers.
    UnsupportedError for all others. With `quantize="q8_0"`, GGUF holds matrices in 8 bits. With `force`, what an
    earlier export wrote to `out` is replaced.

    >>> import tempfile
    >>> import genwright as gw
    >>> model = gw.fit(gw.read(["one two", "three four"] * 20), family=gw.Autoregressive(width=16, depth=1), steps=2)
    >>> folder = Path(tempfile.mkdtemp())
    >>> sorted(path.name for path in gw.export_model(model, folder / "for-vllm", to="huggingface").iterdir())
    ['config.json', 'generation_config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json']
    """
    out = Path(out)
    if to not in ("gguf", *FOLDERS):
        raise ArgumentError(f"{to!r:.60} is no format", where="to", hint=f"one of {', '.join(FOLDERS)}, gguf")
    if quantize not in (None, "q8_0") or (quantize and to != "gguf"):
        what = f"weights of {to} are not written as {quantize!r:.60}"
        raise ArgumentError(what, where="quantize", hint="q8_0, of gguf alone")
    write = partial(write_gguf, portable(model), quantize=quantize) if to == "gguf" else FOLDERS[to](model, how)
    there = out.is_file() or (to != "gguf" and out.is_dir() and any(out.iterdir()))
    if there and not force:
        raise ArgumentError("there is something already", where=str(out), hint="give another place, or force=True")
    if to == "gguf":
        if out.is_dir():
            raise ArgumentError("there is a folder of this name", where=str(out), hint="give a file: out='model.gguf'")
        write_atomic(out, write)
        return out
    with new_folder(out, ours=lambda name: name in OURS) as part:
        write(part)
    return out
