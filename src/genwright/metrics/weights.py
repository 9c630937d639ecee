"""Published weights, brought by the user as files: read without executing anything, known by their hashes.

Nothing is ever downloaded. A file whose SHA-256 is in `KNOWN` gives numbers that are comparable with the literature.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from genwright.errors import DataError, StorageError
from genwright.metrics.torch_files import read_pth
from genwright.storage import read_tensors, sha256


@dataclass(frozen=True)
class Published:
    """A file of weights that papers use.

    `sha256` is the whole hash, or its first digits where only those are known: the name of the file states them.
    """

    kind: str
    file: str
    sha256: str
    source: str

    def __str__(self) -> str:
        digits = "SHA-256" if len(self.sha256) == 64 else "SHA-256 beginning with"
        return f"{self.file} ({digits} {self.sha256}, from {self.source})"


_PYTORCH = "https://download.pytorch.org/models/"
_DINOV2 = "https://dl.fbaipublicfiles.com/dinov2/"
_LPIPS = "the lpips package, weights/v0.1"
KNOWN = (
    Published(
        "inception",
        "pt_inception-2015-12-05-6726825d.pth",
        "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        "https://github.com/mseitzer/pytorch-fid/releases/tag/fid_weights",
    ),
    Published(
        "vgg16",
        "vgg16-397923af.pth",
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        _PYTORCH,
    ),
    Published(
        "alexnet",
        "alexnet-owt-7be5be79.pth",
        "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        _PYTORCH,
    ),
    Published("alexnet", "alexnet-owt-4df8aa71.pth", "4df8aa71", _PYTORCH),
    Published(
        "dinov2",
        "dinov2_vits14_pretrain.pth",
        "b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9",
        _DINOV2,
    ),
    Published(
        "dinov2",
        "dinov2_vitb14_pretrain.pth",
        "0b8b82f85de91b424aded121c7e1dcc2b7bc6d0adeea651bf73a13307fad8c73",
        _DINOV2,
    ),
    Published(
        "dinov2",
        "dinov2_vitl14_pretrain.pth",
        "d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428",
        _DINOV2,
    ),
    Published("lpips-alexnet", "alex.pth", "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0", _LPIPS),
    Published("lpips-vgg16", "vgg.pth", "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868", _LPIPS),
)


@dataclass(frozen=True, eq=False)
class Weights:
    """Named tensors of a file, its SHA-256, and which published file it is, if it is one."""

    tensors: dict[str, Tensor]
    sha256: str
    published: Published | None
    where: str

    @property
    def comparable(self) -> bool:
        """Whether numbers taken with these weights may be held against those in papers."""
        return self.published is not None

    @property
    def standing(self) -> str:
        """Hash and comparability, for signatures."""
        what = "comparable with the literature" if self.comparable else "own weights, not comparable"
        return f"sha256 {self.sha256[:12]}, {what}"


def published_as(sha: str) -> Published | None:
    """The known file that has this SHA-256.

    >>> published_as("df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0").file
    'alex.pth'
    """
    return next((each for each in KNOWN if sha.startswith(each.sha256)), None)


def read_weights(path: str | Path, *, kind: str, prefix: str = "") -> Weights:
    """The tensors, of names beginning with `prefix`, of a .safetensors, .pth or .pt file of weights for `kind`.

    DataError if there is no such file (naming the published one to get), if it is damaged or holds anything but
    tensors, or if it is known to be the weights of another network.
    """
    path = Path(path)
    wanted = [each for each in KNOWN if each.kind == kind]
    if not path.is_file():
        raise DataError(
            f"no such file; the weights of {kind} are wanted, and genwright downloads nothing",
            where=str(path),
            hint="give the path of your copy of " + " or ".join(map(str, wanted)),
        )
    try:
        digest = sha256(path)
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", where=str(path)) from None
    published = published_as(digest)
    if published is not None and published.kind != kind:
        raise DataError(
            f"these are the weights of {published.kind}, not of {kind}",
            where=str(path),
            hint="wanted is " + " or ".join(map(str, wanted)),
        )
    return Weights(_tensors(path, prefix), digest, published, str(path))


def _tensors(path: Path, prefix: str) -> dict[str, Tensor]:
    if path.suffix != ".safetensors":
        return read_pth(path, prefix=prefix)
    try:
        tensors = read_tensors(path)[0]
    except StorageError as error:
        raise DataError(error.what, where=error.where, hint=error.hint) from None
    return {name: tensor for name, tensor in tensors.items() if name.startswith(prefix)}


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
