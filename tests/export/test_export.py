"""What is exported, what is refused, and what becomes of files that are there."""

import builtins
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

import genwright as gw
from genwright.app.cli import main
from genwright.codecs import fit_codec
from genwright.codecs.tokenizers import BPE, Bytes
from genwright.errors import ArgumentError, MissingDependencyError, UnsupportedError
from genwright.export.portable import as_bpe
from genwright.families.family import Family, Work
from genwright.model.checkpoint import load_checkpoint
from genwright.report.card import model_card
from tests.export.models import GROUPED, LLAMA, QWEN, generator, learned, texts


@pytest.fixture(scope="module")
def model() -> gw.Generator:
    return generator(QWEN, Bytes(), length=40)


def test_bytes_as_bpe_are_the_same_tokens() -> None:
    tokenizer, same = Bytes(), as_bpe(Bytes())
    assert same.vocabulary == tokenizer.vocabulary and dict(same.special) == tokenizer.special
    for text in texts(50):
        assert np.array_equal(same.encode(text.encode()), tokenizer.encode(text.encode()))
    broken = bytes(range(256))
    assert np.array_equal(same.encode(broken), tokenizer.encode(broken)) and same.decode(range(256)) == broken


@pytest.mark.parametrize("family", [QWEN, GROUPED, LLAMA])
def test_what_was_exported_comes_back_exactly(family: gw.Autoregressive, tmp_path: Path) -> None:
    model = generator(family, learned(), length=40)
    back = load_checkpoint(gw.export_model(model, tmp_path / "hf", to="huggingface"), length=30)
    own = model.net.state_dict()
    assert back.net.state_dict().keys() == own.keys()
    assert all(torch.equal(tensor, own[name]) for name, tensor in back.net.state_dict().items())
    assert replace(back.family, batch=None) == replace(model.family, batch=None, **_told(back.family))
    assert back.codec.length == 30 and back.codec.tokenizer.end == model.codec.tokenizer.end
    x = torch.randint(model.codec.tokenizer.vocabulary, (3, 20))
    assert torch.equal(back.net.log_prob(x, None), model.net.log_prob(x, None))
    back.save(tmp_path / "own")
    again = gw.load(tmp_path / "own")
    assert list(again.sample(3, seed=1).columns["text"]) == list(back.sample(3, seed=1).columns["text"])


def _told(family: gw.Autoregressive) -> dict[str, int | None]:
    return {name: getattr(family, name) for name in ("kv_heads", "head_width", "hidden")}


def test_a_folder_of_hugging_face_serves_every_verb(model: gw.Generator, tmp_path: Path) -> None:
    folder = gw.export_model(model, tmp_path / "hf", to="huggingface")
    run = CliRunner().invoke(main, ["sample", str(folder), "-n", "2", "--given", "text=Once", "--json"])
    assert run.exit_code == 0, run.output
    assert all(each["text"].startswith("Once") for each in json.loads(run.stdout)["records"])
    card = model_card(gw.load(folder))
    assert "read from the checkpoint *hf*" in card and "kv_heads=2" in card
    real = tmp_path / "real.txt"
    real.write_text("\n".join(f"line {i} of a text" for i in range(400)))
    assert gw.load(folder).score_text(gw.read(str(real)))[1].sum() > real.stat().st_size - 40


def refused(model: gw.Generator, tmp_path: Path) -> UnsupportedError:
    with pytest.raises(UnsupportedError) as error:
        gw.export_model(model, tmp_path / "out", to="huggingface")
    assert not (tmp_path / "out").exists() and "autoregressive models of a text" in error.value.hint
    return error.value


def untrained(data: gw.Dataset, family: Family, *, target: str | None = None) -> gw.Generator:
    codec = fit_codec(data, rng=torch.Generator(), target=target)
    family = family.sized(codec.space, Work(rows=1, steps=1))
    return gw.Generator(codec=codec, family=family, net=family.build(codec.space, codec.conditions), record={})


def test_models_that_no_other_library_knows_are_refused_by_name(tmp_path: Path) -> None:
    table = gw.read(pd.DataFrame({"a": range(40), "b": ["x", "y"] * 20}))
    assert "mixture models of columns cannot" in refused(untrained(table, gw.Mixture(components=1)), tmp_path).what
    lines = gw.read([f"line {i}" for i in range(40)])
    masked = untrained(lines, gw.MaskedDiffusion(width=16, depth=1))
    assert "masked diffusion models of text cannot" in refused(masked, tmp_path).what
    told = {"text": [f"a comment that is number {i}" for i in range(40)], "label": ["x", "y"] * 20}
    labelled = untrained(gw.read(pd.DataFrame(told)), gw.Autoregressive(width=16, depth=1), target="text")
    assert "with conditions (label) cannot" in refused(labelled, tmp_path).what


def test_nothing_is_replaced_unasked(model: gw.Generator, tmp_path: Path) -> None:
    for to, out in (("gguf", tmp_path / "m.gguf"), ("huggingface", tmp_path / "hf"), ("onnx", tmp_path / "onnx")):
        gw.export_model(model, out, to=to)
        with pytest.raises(ArgumentError, match="already"):
            gw.export_model(model, out, to=to)
        gw.export_model(model, out, to=to, force=True)
    (tmp_path / "hf" / "thesis.docx").write_text("mine")
    with pytest.raises(ArgumentError, match=r"would overwrite 'thesis\.docx'"):
        gw.export_model(model, tmp_path / "hf", to="huggingface", force=True)
    with pytest.raises(ArgumentError, match="folder of this name"):
        gw.export_model(model, tmp_path / "hf", to="gguf", force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hf", "m.gguf", "onnx"]


def test_ways_that_are_none_are_refused(model: gw.Generator, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="'q8_0'") as error:
        gw.export_model(model, tmp_path / "o", to="onnx", quantize="q8_0")
    assert "gguf alone" in error.value.hint
    with pytest.raises(ArgumentError, match="'q2_k'"):
        gw.export_model(model, tmp_path / "o", to="gguf", quantize="q2_k")
    with pytest.raises(ArgumentError, match="'pickle' is no format"):
        gw.export_model(model, tmp_path / "o", to="pickle")


@pytest.mark.parametrize("package", ["gguf", "onnx"])
def test_a_missing_package_is_named_with_its_extra(
    package: str, model: gw.Generator, tmp_path: Path, monkeypatch
) -> None:
    load = builtins.__import__

    def without(name: str, *rest: object):
        if name == package:
            raise ImportError(name)
        return load(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingDependencyError, match=package) as error:
        gw.export_model(model, tmp_path / "out", to=package)
    assert error.value.hint == "pip install 'genwright[export]'" and not list(tmp_path.iterdir())


def test_a_way_of_parting_words_that_llama_cpp_cannot_name_is_refused(tmp_path: Path) -> None:
    told = json.loads(learned().told)
    told["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = r"\w+|\W+"
    other = generator(QWEN, BPE(json.dumps(told), learned().end))
    with pytest.raises(UnsupportedError, match="no name for the way"):
        gw.export_model(other, tmp_path / "m.gguf", to="gguf")
    gw.export_model(other, tmp_path / "hf", to="huggingface")


def test_the_command_line_tells_what_was_written(model: gw.Generator, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    words = ["export", str(tmp_path / "model"), "--to", "gguf", "--quantize", "q8_0", "--out", str(tmp_path / "m.gguf")]
    run = CliRunner().invoke(main, [*words, "--json"])
    assert run.exit_code == 0, run.output
    told = json.loads(run.stdout)
    assert told == {"out": str(tmp_path / "m.gguf"), "to": "gguf", "quantize": "q8_0", "bytes": told["bytes"]}
    assert told["bytes"] == (tmp_path / "m.gguf").stat().st_size
    again = CliRunner().invoke(main, words)
    assert again.exit_code == 2 and "give another place, or --force" in again.stderr
