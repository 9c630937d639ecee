"""Weights files: safetensors only, known by the hash of their tensors; damage and other formats are errors."""

import dataclasses
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from genwright.errors import DataError
from genwright.extractors import published as weights
from genwright.extractors.published import KNOWN, Weights, fill, read_weights, tensor_hash


def test_table_of_known_files():
    assert len({each.sha256 for each in KNOWN}) == len({each.file for each in KNOWN}) == len(KNOWN)
    for each in KNOWN:
        assert len(each.sha256) in (8, 64) and set(each.sha256) <= set("0123456789abcdef")
        digits = each.file.removesuffix(".pth").split("-")[-1]
        if len(digits) == 8:
            assert each.sha256.startswith(digits)  # the convention of torch.hub


def test_the_hash_is_of_names_types_shapes_and_bytes():
    tensors = {"a": torch.arange(6.0).view(2, 3), "b": torch.tensor(1), "c": torch.zeros(0, 2, dtype=torch.bfloat16)}
    hashes = {tensor_hash(tensors), tensor_hash(dict(reversed(tensors.items())))}
    assert len(hashes) == 1  # whatever the order
    assert tensor_hash(tensors | {"a": tensors["a"].T.contiguous().T}) in hashes  # and however it lies in memory
    for other in (tensors["a"].T, tensors["a"].view(6), tensors["a"].double(), tensors["a"] + 1):
        hashes.add(tensor_hash(tensors | {"a": other}))
    hashes.add(tensor_hash({"d": tensors["a"], "b": tensors["b"], "c": tensors["c"]}))
    assert len(hashes) == 6


def test_missing_file_says_what_is_wanted(tmp_path):
    with pytest.raises(DataError) as raised:
        read_weights(tmp_path / "inception.safetensors", kind="inception")
    text = str(raised.value)
    assert "pt_inception-2015-12-05-6726825d.pth" in text and "6726825d0af5f729" in text
    assert "downloads nothing" in text and str(tmp_path / "inception.safetensors") in text


@pytest.mark.parametrize("legacy", [False, True])
def test_a_pth_file_is_refused_with_the_line_that_converts_it(tmp_path, legacy):
    state = {"features.a": torch.ones(2), "b": nn.Parameter(torch.zeros(1))}
    torch.save(state, tmp_path / "w.pth", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(DataError, match="others hold programs") as raised:
        read_weights(tmp_path / "w.pth", kind="vgg16")
    assert raised.value.hint is not None
    line = raised.value.hint.split('python -c "', 1)[1].removesuffix('"')
    subprocess.run([sys.executable, "-c", line], check=True)
    found = read_weights(tmp_path / "w.safetensors", kind="vgg16", prefix="features.")
    assert set(found.tensors) == {"features.a"} and found.sha256 == tensor_hash(state)


def test_comparable_only_if_the_hash_is_known_or_pinned(tmp_path, monkeypatch):
    path = tmp_path / "w.safetensors"
    save_file({"a": torch.zeros(1)}, path)
    own = read_weights(path, kind="vgg16")
    assert not own.comparable and own.standing == "own weights, not comparable"
    pinned = read_weights(path, kind="vgg16", pinned=own.sha256[:8])
    assert pinned.comparable and pinned.standing.startswith("pinned")
    with pytest.raises(DataError, match=f"the hash {own.sha256}, not 00000000"):
        read_weights(path, kind="vgg16", pinned="00000000")
    vgg = dataclasses.replace(KNOWN[1], numbers=1)
    monkeypatch.setattr(weights, "KNOWN", (vgg,))
    shaped = read_weights(path, kind="vgg16")
    assert not shaped.comparable and shaped.standing == "shaped as published, not verified"
    monkeypatch.setattr(weights, "KNOWN", (dataclasses.replace(vgg, tensors=own.sha256),))
    known = read_weights(path, kind="vgg16")
    assert known.comparable and known.standing == "comparable with the literature"
    with pytest.raises(DataError, match="weights of vgg16, not of alexnet"):
        read_weights(path, kind="alexnet")


def test_a_damaged_file_is_an_error(tmp_path):
    (tmp_path / "w.safetensors").write_bytes(b"nonsense")
    with pytest.raises(DataError, match="safetensors"):
        read_weights(tmp_path / "w.safetensors", kind="vgg16")


def test_fill_checks_names_shapes_and_numbers():
    def weighted(**tensors):
        return Weights(tensors, "0" * 64, False, "w.safetensors")

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
