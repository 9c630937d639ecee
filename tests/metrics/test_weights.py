"""Weights files: three PyTorch formats are read, nothing in them is ever executed, damage is an error."""

import copyreg
import io
import os
import pickle
import struct
import tarfile
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from genwright.errors import DataError
from genwright.metrics import torch_files, weights
from genwright.metrics.torch_files import read_pth
from genwright.metrics.weights import KNOWN, Published, Weights, fill, published_as, read_weights

FORMATS = ("zip", "plain", "tar")


def state(seed=0):
    rng = torch.Generator().manual_seed(seed)
    whole = torch.randn(6, 4, generator=rng)
    return OrderedDict(
        {
            "features.weight": torch.randn(3, 2, 2, generator=rng),
            "features.bias": torch.randn(3, generator=rng),
            "part": whole[2:5],  # shares its storage
            "turned": whole.T,
            "count": torch.tensor(7),
            "empty": torch.zeros(0, 3),
        }
    )


def write(path, content, form):
    if form == "tar":
        write_tar(path, content)
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    return path


class TarPickler(pickle.Pickler):
    """Pickles as PyTorch 0.1 did: tensors by number, parameters around them."""

    tensors: dict[int, int]

    def persistent_id(self, obj):
        if type(obj) is torch.Tensor:
            return str(self.tensors[id(obj)])

    def reducer_override(self, obj):
        if isinstance(obj, nn.Parameter):
            return copyreg.__newobj__, (nn.Parameter, self.inside), (True, False, OrderedDict())
        return NotImplemented


def write_tar(path, content):
    storages, tensors, numbers = io.BytesIO(), io.BytesIO(), {}
    values = {n: v for n, v in content.items() if isinstance(v, torch.Tensor)}
    for part in (storages, tensors):
        pickle.dump(len(values), part, protocol=2)
    for number, value in enumerate(values.values(), 1):
        kind = {torch.float32: "Float", torch.int64: "Long"}[value.dtype]
        data = value.detach().contiguous()
        pickle.dump((number, "cpu", getattr(torch, f"{kind}Storage")), storages, protocol=2)
        storages.write(struct.pack("<q", data.numel()) + data.numpy().tobytes())
        pickle.dump((number + 1000, number, getattr(torch, f"{kind}Tensor")), tensors, protocol=2)
        tensors.write(struct.pack("<i4x", data.ndim))
        tensors.write(struct.pack(f"<{2 * data.ndim + 1}q", *data.shape, *data.stride(), 0))
        numbers[id(value)] = number + 1000
    pickle.dump([], storages, protocol=2)
    body = io.BytesIO()
    pickler = TarPickler(body, protocol=2)
    pickler.tensors = numbers
    pickler.dump(content)
    with tarfile.open(path, "w") as archive:
        for name, raw in (("storages", storages), ("tensors", tensors), ("pickle", body)):
            info = tarfile.TarInfo(name)
            info.size = len(raw.getvalue())
            archive.addfile(info, io.BytesIO(raw.getvalue()))


@pytest.mark.parametrize("form", FORMATS)
def test_formats_are_read_as_torch_reads_them(tmp_path, form):
    path = write(tmp_path / "w.pth", state(), form)
    ours, theirs = read_pth(path), torch.load(path, weights_only=False)
    assert list(ours) == list(state())
    for name, tensor in state().items():
        assert torch.equal(ours[name], tensor) and torch.equal(theirs[name], tensor)
        assert ours[name].dtype == tensor.dtype


@pytest.mark.parametrize("form", ("zip", "plain"))
@pytest.mark.parametrize("dtype", (torch.float16, torch.bfloat16, torch.float64, torch.uint8, torch.bool))
def test_kinds_of_numbers(tmp_path, form, dtype):
    path = write(tmp_path / "w.pth", {"a": torch.tensor([[1, 0], [3, 4]]).to(dtype)}, form)
    assert torch.equal(read_pth(path)["a"], torch.tensor([[1, 0], [3, 4]]).to(dtype))


@pytest.mark.parametrize("form", ("zip", "plain"))
def test_parameters_metadata_and_prefix(tmp_path, form):
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    path = write(tmp_path / "w.pth", net.state_dict(), form)  # carries `_metadata`
    assert list(read_pth(path, prefix="1.")) == [n for n in net.state_dict() if n.startswith("1.")]
    path = write(tmp_path / "w.pth", dict(net.named_parameters()), form)
    assert torch.equal(read_pth(path)["0.weight"], net[0].weight)


def test_parameters_of_the_first_pytorch(tmp_path):
    inside, parameter = torch.randn(2, 3, generator=torch.Generator().manual_seed(0)), nn.Parameter(torch.zeros(1))
    TarPickler.inside = inside
    content = OrderedDict(a=inside, b=torch.ones(1))
    write_tar(tmp_path / "w.pth", content)
    # the same file, with `a` wrapped in a parameter: only the pickle differs
    body = io.BytesIO()
    pickler = TarPickler(body, protocol=2)
    pickler.tensors = {id(inside): 1001}
    pickler.dump(OrderedDict(a=parameter))
    with tarfile.open(tmp_path / "w.pth") as old, tarfile.open(tmp_path / "p.pth", "w") as new:
        for info in old.getmembers():
            raw = body.getvalue() if info.name == "pickle" else old.extractfile(info).read()
            info.size = len(raw)
            new.addfile(info, io.BytesIO(raw))
    assert torch.equal(read_pth(tmp_path / "p.pth")["a"], inside)


class Evil:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def evil_file(path, form, content):
    """A file of `form` whose pickle is `content`."""
    if form == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", content)
    elif form == "plain":
        head = [pickle.dumps(v, 2) for v in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})]
        path.write_bytes(b"".join(head) + content + pickle.dumps([], 2))
    else:
        write_tar(path, {"a": torch.zeros(2)})
        with tarfile.open(path) as old:
            parts = {info.name: old.extractfile(info).read() for info in old.getmembers()} | {"pickle": content}
        with tarfile.open(path, "w") as new:
            for name, raw in parts.items():
                info = tarfile.TarInfo(name)
                info.size = len(raw)
                new.addfile(info, io.BytesIO(raw))
    return path


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("protocol", (0, 1, 2, 4))
def test_nothing_is_executed(tmp_path, form, protocol):
    mark = tmp_path / "executed"
    for function, arguments, name in (
        (os.system, (f"touch {mark}",), "system"),
        (eval, (f"open({str(mark)!r}, 'w')",), "eval"),
        (torch.load, (str(tmp_path / "other.pth"),), "load"),
        (getattr, ("text", "upper"), "getattr"),
    ):
        path = evil_file(tmp_path / "w.pth", form, pickle.dumps({"a": Evil(function, *arguments)}, protocol))
        with pytest.raises(DataError, match=rf"{name} is not allowed|instruction \w+ is not allowed"):
            read_pth(path)
    assert not mark.exists()


def test_a_refusal_names_what_was_asked_for(tmp_path):
    path = evil_file(tmp_path / "w.pth", "zip", pickle.dumps({"a": Evil(os.system, "true")}, 2))
    with pytest.raises(DataError, match=r"safely: (posix|nt)\.system is not allowed"):
        read_pth(path)
    path = evil_file(tmp_path / "w.pth", "zip", b"(S'true'\nios\nsystem\n.")  # the INST instruction
    with pytest.raises(DataError, match=r"STRING is not allowed"):
        read_pth(path)


@pytest.mark.parametrize("content", (5, [torch.zeros(2)], {"a": 1}, {"model": {"a": torch.zeros(1)}}, {}, {(1, 2): 3}))
def test_only_named_tensors(tmp_path, content):
    with pytest.raises(DataError, match="safely"):
        read_pth(write(tmp_path / "w.pth", content, "zip"))


def view(*, numel=4, offset=0, size=(2, 2), stride=(2, 1)):
    """A pickle, written by hand, of one tensor over a storage of `numel` numbers."""

    def number(v):
        return pickle.dumps(v, 2)[2:-1]

    def many(values):
        return b"(" + b"".join(number(v) for v in values) + b"t"

    storage = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu"
    storage += number(numel) + b"tQ"
    rebuild = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + number(offset) + many(size) + many(stride)
    return b"\x80\x02}X\x01\x00\x00\x00a" + rebuild + b"\x89NtRs."


def with_storage(path, content, raw):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/data/0", raw)
    return path


def test_tensors_stay_within_their_storage(tmp_path):
    raw = np.arange(4, dtype=np.float32).tobytes()
    good = read_pth(with_storage(tmp_path / "w.pth", view(), raw))
    assert torch.equal(good["a"], torch.arange(4.0).view(2, 2))
    for bad in (
        {"offset": 1},
        {"offset": -1},
        {"size": (2, 3)},
        {"stride": (3, 1)},
        {"stride": (-1, 1)},
        {"size": (2,)},
        {"size": (10**9, 10**9), "stride": (0, 0)},  # would be expanded to a billion billion numbers
        {"numel": 10**15},
        {"numel": 5},
        {"numel": -1},
    ):
        with pytest.raises(DataError, match="safely"):
            read_pth(with_storage(tmp_path / "w.pth", view(**bad), raw))


def test_bombs_are_refused(tmp_path):
    content, raw = view(), np.arange(4, dtype=np.float32).tobytes()
    with zipfile.ZipFile(tmp_path / "w.pth", "w", zipfile.ZIP_DEFLATED) as archive:  # a small file, a huge entry
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/data/0", bytes(10_000_000))
    with pytest.raises(DataError, match="not stored as it should be"):
        read_pth(tmp_path / "w.pth")
    with zipfile.ZipFile(tmp_path / "w.pth", "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        for _ in range(2):
            archive.writestr("archive/data.pkl", content)
    with pytest.raises(DataError, match="two entries"):
        read_pth(tmp_path / "w.pth")
    with zipfile.ZipFile(tmp_path / "w.pth", "w") as archive:
        for name, entry in (("data.pkl", content), ("data/0", raw), ("byteorder", b"big")):
            archive.writestr(f"archive/{name}", entry)
    with pytest.raises(DataError, match="big-endian"):
        read_pth(tmp_path / "w.pth")
    nested = b"\x80\x02(lq\x00" + b"".join(b"(h%ch%ctq%c" % (i, i, i + 1) for i in range(60))
    path = evil_file(tmp_path / "w.pth", "zip", b"\x80\x02}" + nested[2:] + b"Ns.")
    with pytest.raises(DataError):  # hashing 2**60 entries would take for ever
        read_pth(path)


def test_little_files_ask_for_little(tmp_path, monkeypatch):
    monkeypatch.setattr(torch_files, "MAX_WORK", 10_000)
    many = b"\x80\x02](" + b"K\x01" * 500 + b"eq\x00"  # one list, copied again and again
    copied = many + b"ctorch\nSize\nq\x01" + b"h\x01h\x00\x85R" * 100 + b"."
    for content in (copied, b"\x80\x02]" + b"Na" * 6000 + b"."):
        with pytest.raises(DataError, match="more work"):
            read_pth(evil_file(tmp_path / "w.pth", "plain", content))


@pytest.mark.filterwarnings("ignore:invalid escape sequence")  # pickletools decodes before it is refused
@pytest.mark.parametrize("form", FORMATS)
def test_damaged_files_are_errors_or_other_numbers(tmp_path, form):
    whole = write(tmp_path / "w.pth", state(), form).read_bytes()
    rng, path, refused = np.random.default_rng(0), tmp_path / "damaged.pth", 0
    cuts = [whole[:n] for n in rng.integers(0, len(whole), 40)]
    flips = []
    for _ in range(120):
        raw = bytearray(whole)
        for place in rng.integers(0, len(raw), int(rng.integers(1, 4))):
            raw[place] = int(rng.integers(256))
        flips.append(bytes(raw))
    for raw in [*cuts, *flips, b"", b"PK\x03\x04", bytes(600), bytes(257) + b"ustar"]:
        path.write_bytes(raw)
        try:
            found = read_pth(path)
        except DataError as error:
            assert error.where == str(path) and error.hint
            refused += 1
        else:
            assert all(isinstance(t, torch.Tensor) for t in found.values())
    assert refused >= 40


def test_table_of_known_files():
    assert len({each.sha256 for each in KNOWN}) == len({each.file for each in KNOWN}) == len(KNOWN)
    for each in KNOWN:
        assert len(each.sha256) in (8, 64) and set(each.sha256) <= set("0123456789abcdef")
        digits = each.file.removesuffix(".pth").split("-")[-1]
        if len(digits) == 8:
            assert each.sha256.startswith(digits)  # the convention of torch.hub
        assert published_as(each.sha256.ljust(64, "0")) is each
    assert published_as("0" * 64) is None


def test_missing_file_says_what_is_wanted(tmp_path):
    with pytest.raises(DataError) as raised:
        read_weights(tmp_path / "inception.pth", kind="inception")
    text = str(raised.value)
    assert "pt_inception-2015-12-05-6726825d.pth" in text and "6726825d0af5f729" in text
    assert "downloads nothing" in text and str(tmp_path / "inception.pth") in text


def test_comparable_only_if_the_hash_is_known(tmp_path, monkeypatch):
    path = write(tmp_path / "w.pth", {"a": torch.zeros(1)}, "zip")
    own = read_weights(path, kind="vgg16")
    assert not own.comparable and "own weights, not comparable" in own.standing
    monkeypatch.setattr(weights, "KNOWN", (Published("vgg16", "v.pth", own.sha256, "somewhere"),))
    known = read_weights(path, kind="vgg16")
    assert known.comparable and "comparable with the literature" in known.standing
    with pytest.raises(DataError, match="weights of vgg16, not of alexnet"):
        read_weights(path, kind="alexnet")


def test_safetensors(tmp_path):
    save_file({"features.a": torch.ones(2), "b": torch.zeros(1)}, tmp_path / "w.safetensors")
    assert set(read_weights(tmp_path / "w.safetensors", kind="vgg16", prefix="features.").tensors) == {"features.a"}
    (tmp_path / "w.safetensors").write_bytes(b"nonsense")
    with pytest.raises(DataError, match="safetensors"):
        read_weights(tmp_path / "w.safetensors", kind="vgg16")


def test_fill_checks_names_shapes_and_numbers():
    def weighted(**tensors):
        return Weights(tensors, "0" * 64, None, "w.pth")

    def net():
        with torch.device("meta"):
            return nn.Linear(2, 3)

    good = {"weight": torch.ones(3, 2, dtype=torch.float16), "bias": torch.zeros(3)}
    filled = fill(net(), weighted(**good, head=torch.zeros(1)), unused=("head",))
    assert filled.weight.dtype == torch.float32 and not filled.weight.requires_grad and not filled.training
    for bad, message in (
        ({"weight": good["weight"]}, "'bias' is missing"),
        (good | {"head": torch.zeros(1)}, "'head' is not part"),
        (good | {"bias": torch.zeros(4)}, "shape"),
        (good | {"bias": torch.tensor([0.0, float("nan"), 1.0])}, "not finite"),
    ):
        with pytest.raises(DataError, match=message):
            fill(net(), weighted(**bad))
