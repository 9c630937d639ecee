"""Published weights, brought by the user as .safetensors files and known by a hash over their tensors.

Nothing is ever downloaded, and nothing is unpickled: a .pth file is refused with the line that converts it. Tensors
whose hash is in `KNOWN`, or is pinned by the user, give numbers that are comparable with the literature.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from genwright.errors import DataError, StorageError
from genwright.storage import read_tensors

CONVERT = (
    'python -c "import torch, safetensors.torch as s; s.save_file(torch.load({path!r}, weights_only=True, '
    "map_location='cpu'), {to!r})\""
)


@dataclass(frozen=True, kw_only=True)
class Published:
    """A file of weights that papers use.

    `sha256` is that of the file as it is published, or its first digits where only those are known: to be checked
    before it is converted. `tensors` is `tensor_hash` of what it holds, "" where nobody has taken it yet; `numbers` is
    how many floating-point numbers that are.
    """

    kind: str
    file: str
    sha256: str
    source: str
    numbers: int
    tensors: str = ""

    def __str__(self) -> str:
        digits = "SHA-256" if len(self.sha256) == 64 else "SHA-256 beginning with"
        return f"{self.file} ({digits} {self.sha256}, from {self.source})"


_PYTORCH = "https://download.pytorch.org/models/"
_DINOV2 = "https://dl.fbaipublicfiles.com/dinov2/"
_LPIPS = "the lpips package, weights/v0.1"
KNOWN = (
    Published(
        kind="inception",
        file="pt_inception-2015-12-05-6726825d.pth",
        sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        source="https://github.com/mseitzer/pytorch-fid/releases/tag/fid_weights",
        numbers=23_885_392,
    ),
    Published(
        kind="vgg16",
        file="vgg16-397923af.pth",
        sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        source=_PYTORCH,
        numbers=138_357_544,
    ),
    Published(
        kind="alexnet",
        file="alexnet-owt-7be5be79.pth",
        sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        source=_PYTORCH,
        numbers=61_100_840,
    ),
    Published(kind="alexnet", file="alexnet-owt-4df8aa71.pth", sha256="4df8aa71", source=_PYTORCH, numbers=61_100_840),
    Published(
        kind="dinov2",
        file="dinov2_vits14_pretrain.pth",
        sha256="b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9",
        source=_DINOV2,
        numbers=22_056_576,
    ),
    Published(
        kind="dinov2",
        file="dinov2_vitb14_pretrain.pth",
        sha256="0b8b82f85de91b424aded121c7e1dcc2b7bc6d0adeea651bf73a13307fad8c73",
        source=_DINOV2,
        numbers=86_580_480,
    ),
    Published(
        kind="dinov2",
        file="dinov2_vitl14_pretrain.pth",
        sha256="d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428",
        source=_DINOV2,
        numbers=304_368_640,
    ),
    Published(
        kind="lpips-alexnet",
        file="alex.pth",
        sha256="df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
        source=_LPIPS,
        numbers=1_152,
        tensors="f00b902361a5bd565e7378369168e9650bd8b5bdd66f46cd14c7266429c9f4f2",
    ),
    Published(
        kind="lpips-vgg16",
        file="vgg.pth",
        sha256="a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
        source=_LPIPS,
        numbers=1_472,
        tensors="0503aba3e327a845cc4508e507ffcdfabf60e34cbd87f46e40a071b21e81e3db",
    ),
)


@dataclass(frozen=True, eq=False)
class Weights:
    """Named tensors of a file, the hash over all of them, and how far they are known to be published ones."""

    tensors: dict[str, Tensor]
    sha256: str
    comparable: bool  # whether numbers taken with them may be held against those in papers
    where: str
    standing: str = "own weights, not comparable"  # in words


def tensor_hash(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the tensors in order of their names: each one's name, type, shape and bytes.

    >>> tensor_hash({"a": torch.zeros(2)})[:12]
    'da53f451559f'
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def read_weights(path: str | Path, *, kind: str, prefix: str = "", pinned: str | None = None) -> Weights:
    """The tensors, of names beginning with `prefix`, of a .safetensors file of weights for `kind`.

    `pinned`: `tensor_hash` of the published weights, or its first digits, where you know it. DataError if there is no
    such file (naming the published one to get), if it is damaged or of another format, if its tensors are not the
    pinned ones, or if they are known to be the weights of another network.
    """
    path = Path(path)
    wanted = " or ".join(str(each) for each in KNOWN if each.kind == kind)
    if not path.is_file():
        raise DataError(
            f"no such file; the weights of {kind} are wanted, and genwright downloads nothing",
            where=str(path),
            hint=f"give the path of your copy, converted to .safetensors, of {wanted}",
        )
    if path.suffix != ".safetensors":
        convert = CONVERT.format(path=str(path), to=str(path.with_suffix(".safetensors")))
        raise DataError(
            "weights are read from .safetensors files; others hold programs, which genwright does not run",
            where=str(path),
            hint=f"convert it once, after checking its SHA-256: {convert}",
        )
    try:
        tensors = read_tensors(path)[0]
    except StorageError as error:
        raise DataError(error.what, where=error.where, hint=error.hint) from None
    digest = tensor_hash(tensors)
    if pinned is not None and not digest.startswith(pinned):
        raise DataError(f"its tensors have the hash {digest}, not {pinned}", where=str(path))
    published = next((each for each in KNOWN if each.tensors == digest), None)
    if published is not None and published.kind != kind:
        raise DataError(
            f"these are the weights of {published.kind}, not of {kind}", where=str(path), hint=f"wanted is {wanted}"
        )
    numbers = sum(t.numel() for t in tensors.values() if t.is_floating_point())
    if published is not None:
        standing = "comparable with the literature"
    elif pinned is not None:
        standing = "pinned, comparable with the literature if the pinned weights are"
    elif any(each.kind == kind and each.numbers == numbers for each in KNOWN):
        standing = "shaped as published, not verified"
    else:
        standing = "own weights, not comparable"
    chosen = {name: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    return Weights(chosen, digest, published is not None or pinned is not None, str(path), standing)


def fill(net: nn.Module, weights: Weights, *, unused: tuple[str, ...] = ()) -> nn.Module:
    """`net`, which may be on the meta device, with its parameters and buffers taken from `weights` in float32.

    Names and shapes must agree, but for names that begin with one of `unused` and for batch normalisation's counters.
    DataError naming what is missing, too many, of another shape, or not finite.
    """
    expected = {name: tensor for name, tensor in net.state_dict().items() if not name.endswith("num_batches_tracked")}
    given = {name: t for name, t in weights.tensors.items() if not name.endswith("num_batches_tracked")}
    given = {name: t for name, t in given.items() if name in expected or not name.startswith(unused or "\0")}
    missing, extra = sorted(expected.keys() - given.keys()), sorted(given.keys() - expected.keys())
    if missing or extra:
        which = f"{missing[0]!r} is missing" if missing else f"{extra[0]!r} is not part of it"
        raise DataError(
            f"not the weights of this network: {which} ({len(missing)} missing, {len(extra)} too many)",
            where=weights.where,
        )
    for name, tensor in given.items():
        if tensor.shape != expected[name].shape:
            wanted, found = tuple(expected[name].shape), tuple(tensor.shape)
            raise DataError(f"{name} has shape {found} where {wanted} is expected", where=weights.where)
        if not tensor.isfinite().all():
            raise DataError(f"{name} holds numbers that are not finite", where=weights.where)
    counters = {name: torch.zeros((), dtype=torch.int64) for name in net.state_dict() if name not in expected}
    net.load_state_dict({name: _laid_out(tensor) for name, tensor in given.items()} | counters, assign=True)
    return net.requires_grad_(False).eval()


def _laid_out(tensor: Tensor) -> Tensor:
    """In float32; kernels with channels innermost, with which convolutions on a CPU take a quarter less time."""
    last = torch.channels_last if tensor.ndim == 4 else torch.contiguous_format
    return tensor.float().contiguous(memory_format=last)
