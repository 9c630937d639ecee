"""Tensors out of PyTorch's .pth files, without executing anything that stands in them.

A .pth file is a pickle, a program that may call any function of Python. Here its instructions are walked as data, each
looked up in a closed list; names of functions and classes are only ever compared with another closed list. Read are
the zip format (PyTorch 1.6 and later), the plain one before it, and the tar format of 2016.
"""

import io
import math
import pickletools
import struct
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genwright.errors import DataError

MAX_PICKLE = 64_000_000  # bytes of a zip's data.pkl; real ones hold names and shapes, well below 1 MB
MAX_WORK = 1_000_000  # instructions of a pickle, and entries its calls may copy; 1000 tensors take about 40 000
MAGIC = 0x1950A86A20F9469CFC6C  # first number of the plain format
DAMAGE = (
    *(ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, EOFError, RuntimeError, OSError),
    *(MemoryError, struct.error, zipfile.BadZipFile, tarfile.TarError, Warning),
)
STORAGES = {
    "torch.FloatStorage": torch.float32,
    "torch.DoubleStorage": torch.float64,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}
File = Any  # opened for reading bytes; tarfile's members do not derive from typing's IO
TENSORS = {f"torch.{kind}Tensor" for kind in ("Float", "Double", "Half", "Long", "Int", "Short", "Char", "Byte")}


@dataclass(frozen=True)
class _Name:
    """A function or class that a pickle names: compared, never imported."""

    text: str


@dataclass(frozen=True)
class _Storage:
    """A run of numbers kept elsewhere in the file; `start` is where it begins within the run called `key`."""

    key: str
    dtype: torch.dtype
    numel: int
    start: int = 0


@dataclass(frozen=True)
class _View:
    """A tensor over a storage, all in elements."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def checked(self) -> "_View":
        """Itself, if it lies within its storage."""
        whole = self.offset, *self.size, *self.stride
        if any(type(v) is not int or v < 0 for v in whole) or len(self.size) != len(self.stride):
            raise ValueError("a tensor of impossible shape")
        if type(self.storage) is not _Storage:
            raise ValueError("a tensor without storage")
        reach = sum((s - 1) * t for s, t in zip(self.size, self.stride)) + self.offset
        if math.prod(self.size) and (reach >= self.storage.numel or math.prod(self.size) > self.storage.numel):
            raise ValueError("a tensor reaches beyond its storage")
        return self

    def of(self, numbers: Tensor) -> Tensor:
        """The tensor, given the numbers of its storage's run."""
        return torch.as_strided(numbers, self.size, self.stride, self.storage.start + self.offset).contiguous()


def read_pth(path: str | Path, *, prefix: str = "") -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix` of a state dict saved by `torch.save`.

    DataError if the file is damaged, holds anything but named tensors, or asks for an instruction, function or class
    beyond those that state dicts need; nothing of it has been executed then, as never.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(262)
            file.seek(0)
            if head[:4] == b"PK\x03\x04":
                return _read_zip(file, prefix)
            return _read_tar(file, prefix) if head[257:262] == b"ustar" else _read_plain(file, prefix)
    except DAMAGE as error:
        detail = str(error) or type(error).__name__
        raise DataError(
            f"not a state dict that can be read safely: {detail}",
            where=str(path),
            hint="take the published file again, or convert it to .safetensors yourself",
        ) from None


def _read_zip(file: File, prefix: str) -> dict[str, Tensor]:
    archive = zipfile.ZipFile(file)
    infos = {info.filename: info for info in archive.infolist()}
    if len(infos) < len(archive.infolist()):
        raise ValueError("two entries of one name")
    pickles = [name for name in infos if name.endswith("data.pkl") and name.count("/") == 1]
    if len(pickles) != 1:
        raise ValueError("no data.pkl")
    root = pickles[0].removesuffix("data.pkl")

    def entry(name: str, size: int) -> bytes:
        info = infos[root + name]
        if info.compress_type != zipfile.ZIP_STORED or info.file_size > size:
            raise ValueError(f"{name} is not stored as it should be")
        return archive.read(info)

    if root + "byteorder" in infos and entry("byteorder", 6) != b"little":
        raise ValueError("written on a big-endian machine")
    views = _named_tensors(_Machine(_storage).run(io.BytesIO(entry("data.pkl", MAX_PICKLE))), prefix)
    runs: dict[str, Tensor] = {}
    for storage in {view.storage for view in views.values()}:
        raw = entry(f"data/{storage.key}", storage.numel * storage.dtype.itemsize)
        runs[storage.key] = _numbers(raw, storage)
    return {name: view.of(runs[view.storage.key]) for name, view in views.items()}


def _read_plain(file: File, prefix: str) -> dict[str, Tensor]:
    """Four pickles (magic number, version, byte order, content), the keys of the storages, then each storage."""
    if _Machine(_storage).run(file) != MAGIC:
        raise ValueError("not a file that torch.save wrote")
    _Machine(_storage).run(file)
    if _Machine(_storage).run(file).get("little_endian") is not True:
        raise ValueError("written on a big-endian machine")
    machine = _Machine(_storage)
    views = _named_tensors(machine.run(file), prefix)
    wanted = {view.storage.key for view in views.values()}
    runs = {}
    for key in _Machine(_storage).run(file):
        storage = machine.roots[key]
        raw = _sized(file, storage.dtype.itemsize, keep=key in wanted)
        if key in wanted:
            runs[key] = _numbers(raw, storage)
    return {name: view.of(runs[view.storage.key]) for name, view in views.items()}


def _read_tar(file: File, prefix: str) -> dict[str, Tensor]:
    """Members "storages" and "tensors" hold numbered storages and tensors, to which "pickle" refers."""
    with tarfile.open(fileobj=file, mode="r:") as archive:  # read member by member: nothing is extracted to disk
        storages, runs = _tar_storages(_member(archive, "storages"))
        part = _member(archive, "tensors")
        views = {}
        for _ in range(_Machine(_storage).run(part)):
            key, storage, _ = _Machine(_storage).run(part)
            (dimensions,) = struct.unpack("<i4x", part.read(8))
            if not 0 <= dimensions <= 16:
                raise ValueError("a tensor of impossible shape")
            shape = struct.unpack(f"<{2 * dimensions + 1}q", part.read(8 * (2 * dimensions + 1)))
            view = _View(storages[storage], shape[-1], shape[:dimensions], shape[dimensions:-1])
            views[str(key)] = view.checked()
        content = _Machine(lambda reference: views[str(reference)]).run(_member(archive, "pickle"))
    return {name: view.of(runs[view.storage.key]) for name, view in _named_tensors(content, prefix).items()}


def _tar_storages(part: File) -> tuple[dict[Any, _Storage], dict[str, Tensor]]:
    """Storages by their numbers, parts of others among them, and the numbers that each whole one holds."""
    storages, runs = {}, {}
    for _ in range(_Machine(_storage).run(part)):
        key, _, kind = _Machine(_storage).run(part)
        dtype = STORAGES[kind.text]
        raw = _sized(part, dtype.itemsize, keep=True)
        storages[key] = _Storage(str(key), dtype, len(raw) // dtype.itemsize)
        runs[str(key)] = _numbers(raw, storages[key])
    for key, root, offset, numel in _Machine(_storage).run(part):
        storages[key] = _part_of(storages[root], offset, numel)
    return storages, runs


def _member(archive: tarfile.TarFile, name: str) -> File:
    found = archive.extractfile(name)
    if found is None:
        raise ValueError(f"no member {name}")
    return found


def _sized(file: File, itemsize: int, *, keep: bool) -> bytes:
    """The next storage of a file: how many numbers, then the numbers; skipped unless `keep`."""
    (numel,) = struct.unpack("<q", file.read(8))
    here = file.tell()
    end = file.seek(0, io.SEEK_END)
    if not 0 <= numel * itemsize <= end - here:
        raise ValueError("the file ends within a storage")
    file.seek(here if keep else here + numel * itemsize)
    return file.read(numel * itemsize) if keep else b""


def _numbers(raw: bytes, storage: _Storage) -> Tensor:
    if len(raw) < (storage.start + storage.numel) * storage.dtype.itemsize:
        raise ValueError("a storage is shorter than the tensors in it")
    return torch.frombuffer(bytearray(raw), dtype=storage.dtype) if raw else torch.empty(0, dtype=storage.dtype)


def _named_tensors(content: Any, prefix: str) -> dict[str, _View]:
    if type(content) is not dict or not content:
        raise ValueError("no named tensors at the top of the file")
    for name, value in content.items():
        if type(name) is not str or type(value) is not _View:
            raise ValueError(f"{name!r} is not a tensor")
    return {name: view for name, view in content.items() if name.startswith(prefix)}


def _storage(reference: Any) -> _Storage:
    """("storage", class, key, device, numel) and, in old files, a part of it: None or (key, offset, numel)."""
    kind, storage_class, key, _, numel, *part = reference
    if kind != "storage" or type(key) is not str or type(numel) is not int or numel < 0:
        raise ValueError("a reference that is not to a storage")
    if type(storage_class) is not _Name or storage_class.text not in STORAGES:
        raise ValueError(f"storage of an unknown kind: {storage_class}")
    whole = _Storage(key, STORAGES[storage_class.text], numel)
    if part and part[0] is not None:
        _, offset, within = part[0]
        return _part_of(whole, offset, within)
    return whole


def _part_of(whole: _Storage, offset: Any, numel: Any) -> _Storage:
    if type(offset) is not int or type(numel) is not int or not 0 <= offset <= offset + numel <= whole.numel:
        raise ValueError("a storage reaches beyond the one it is a part of")
    return replace(whole, start=whole.start + offset, numel=numel)


class _Machine:
    """The part of the pickle machine that state dicts need; `refer` answers persistent references."""

    def __init__(self, refer: Callable[[Any], Any]) -> None:
        self.refer = refer
        self.stack: list[Any] = []
        self.outer: list[list[Any]] = []  # stacks set aside at marks
        self.memo: dict[int, Any] = {}
        self.roots: dict[str, _Storage] = {}
        self.work = 0

    def run(self, file: Any) -> Any:
        """The value that a pickle describes."""
        for instruction, argument, _ in pickletools.genops(file):
            self.spend(1)
            if instruction.name not in INSTRUCTIONS:
                raise ValueError(f"pickle instruction {instruction.name} is not allowed")
            INSTRUCTIONS[instruction.name](self, argument)
        (value,) = self.stack
        return value

    def spend(self, entries: int) -> None:
        """Small files must not ask for much memory or time."""
        self.work += entries
        if self.work > MAX_WORK:
            raise ValueError("more work than any state dict needs")

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def last(self, kind: type) -> Any:
        """The value on top, which must be of `kind`."""
        if type(self.stack[-1]) is not kind:
            raise ValueError(f"a {kind.__name__} was expected in the pickle")
        return self.stack[-1]

    def take(self, n: int) -> list[Any]:
        return [self.stack.pop() for _ in range(n)][::-1]

    def mark(self) -> None:
        self.outer.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.outer.pop()
        return items

    def name(self, text: str) -> None:
        if text not in STORAGES and text not in TENSORS and text not in CALLS:
            raise ValueError(f"{text} is not allowed")
        self.push(_Name(text))

    def set_items(self, items: list[Any]) -> None:
        self.last(dict).update(_mapping(zip(items[::2], items[1::2], strict=True)))

    def call(self) -> None:
        """Do what the named function or class would do for a state dict."""
        name, arguments = self.take(2)
        if type(name) is not _Name or name.text not in CALLS or type(arguments) is not tuple:
            raise ValueError(f"call of {name} is not allowed")
        self.spend(sum(len(each) for each in arguments if type(each) in (list, dict, tuple, str)))
        self.push(CALLS[name.text](*arguments))

    def reference(self) -> None:
        found = self.refer(self.stack.pop())
        if type(found) is _Storage:
            known = self.roots.setdefault(found.key, found)
            if known.dtype != found.dtype:
                raise ValueError("one storage with two kinds of numbers")
            if found.start + found.numel > known.start + known.numel:
                self.roots[found.key] = found
        self.push(found)

    def build(self) -> None:
        """Attributes set on a dict or tensor, such as `_metadata`, are of no use here and dropped."""
        self.stack.pop()
        if type(self.stack[-1]) not in (dict, _View):
            raise ValueError("attributes of something that is neither dict nor tensor")


def _mapping(pairs: Any) -> dict[Any, Any]:
    items = [(key, value) for key, value in pairs]
    if not all(type(key) in (str, int) for key, _ in items):  # hashing nested tuples could take for ever
        raise ValueError("a key that is neither text nor number")
    return dict(items)


def _parameter(data: Any, *_: Any) -> _View:
    if type(data) is not _View:
        raise ValueError("a parameter that is no tensor")
    return data


def _view(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> _View:
    return _View(storage, offset, tuple(size), tuple(stride)).checked()


CALLS: Mapping[str, Callable[..., Any]] = {
    "collections.OrderedDict": lambda pairs=(): _mapping(pairs),
    "torch.Size": tuple,
    "torch._utils._rebuild_tensor": _view,
    "torch._utils._rebuild_tensor_v2": _view,
    "torch._utils._rebuild_parameter": _parameter,
    "torch.nn.parameter.Parameter": _parameter,
}
INSTRUCTIONS: Mapping[str, Callable[[_Machine, Any], Any]] = {
    "PROTO": lambda m, a: None,
    "FRAME": lambda m, a: None,
    "STOP": lambda m, a: None,
    "MARK": lambda m, a: m.mark(),
    "NONE": lambda m, a: m.push(None),
    "NEWTRUE": lambda m, a: m.push(True),
    "NEWFALSE": lambda m, a: m.push(False),
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"), lambda m, a: m.push(a)),
    **dict.fromkeys(("BINUNICODE", "SHORT_BINUNICODE", "BINSTRING", "SHORT_BINSTRING"), lambda m, a: m.push(a)),
    "EMPTY_DICT": lambda m, a: m.push({}),
    "EMPTY_LIST": lambda m, a: m.push([]),
    "EMPTY_TUPLE": lambda m, a: m.push(()),
    "TUPLE": lambda m, a: m.push(tuple(m.since_mark())),
    "TUPLE1": lambda m, a: m.push(tuple(m.take(1))),
    "TUPLE2": lambda m, a: m.push(tuple(m.take(2))),
    "TUPLE3": lambda m, a: m.push(tuple(m.take(3))),
    "APPEND": lambda m, a: (lambda value: m.last(list).append(value))(m.stack.pop()),
    "APPENDS": lambda m, a: (lambda values: m.last(list).extend(values))(m.since_mark()),
    "SETITEM": lambda m, a: m.set_items(m.take(2)),
    "SETITEMS": lambda m, a: m.set_items(m.since_mark()),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), lambda m, a: m.memo.__setitem__(a, m.stack[-1])),
    "MEMOIZE": lambda m, a: m.memo.__setitem__(len(m.memo), m.stack[-1]),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), lambda m, a: m.push(m.memo[a])),
    "GLOBAL": lambda m, a: m.name(a.replace(" ", ".")),
    "STACK_GLOBAL": lambda m, a: m.name(".".join(m.take(2))),
    "REDUCE": lambda m, a: m.call(),
    "NEWOBJ": lambda m, a: m.call(),
    "BUILD": lambda m, a: m.build(),
    "BINPERSID": lambda m, a: m.reference(),
}
