"""Folders of Hugging Face that are damaged, of other architectures, or dangerous."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import genwright as gw
from genwright.codecs.tokenizers import Bytes
from genwright.errors import ArgumentError, GenwrightError, StorageError, UnsupportedError
from genwright.model.checkpoint import load_checkpoint
from tests.export.models import LLAMA, generator


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return gw.export_model(generator(LLAMA, Bytes()), tmp_path / "hf", to="huggingface")


def changed(folder: Path, name: str, **values: object) -> None:
    told = json.loads((folder / name).read_text()) | values
    (folder / name).write_text(json.dumps({key: value for key, value in told.items() if value is not None}))


def config(**values: object) -> Callable[[Path], None]:
    return lambda folder: changed(folder, "config.json", **values)


def tensors(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        found = load_file(folder / "model.safetensors")
        change(found)
        save_file(found, folder / "model.safetensors")

    return apply


def gone(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def outside(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder.parent / "x.safetensors")
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"lm_head.weight": "../x.safetensors"}}')


def sharded(folder: Path) -> None:
    gone("model.safetensors")(folder)
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"lm_head.weight": "a.safetensors"}}')


def tokenizer(**values: object) -> Callable[[Path], None]:
    return lambda folder: changed(folder, "tokenizer.json", **values)


HEAD = "lm_head.weight"
GATE = "model.layers.0.mlp.gate_proj.weight"
WRONG: list[tuple[Callable[[Path], None], type[GenwrightError], str]] = [
    (config(model_type="gpt2"), UnsupportedError, "models of type 'gpt2' are not read"),
    (config(model_type=None), UnsupportedError, "no model of transformers"),
    (config(rope_scaling={"rope_type": "yarn"}, rope_parameters=None), UnsupportedError, "RoPE scaled by 'yarn'"),
    (config(rope_parameters={"rope_type": "llama3"}), UnsupportedError, "RoPE scaled by 'llama3'"),
    (config(attention_bias=True), UnsupportedError, "biases in attention"),
    (config(mlp_bias=True), UnsupportedError, "biases in SwiGLU"),
    (config(hidden_act="gelu"), UnsupportedError, "an activation of 'gelu'"),
    (config(use_sliding_window=True), UnsupportedError, "a sliding window"),
    (config(layer_types=["sliding_attention"]), UnsupportedError, "a sliding window"),
    (config(quantization_config={"bits": 4}), UnsupportedError, "quantised weights"),
    (config(hidden_size="64"), StorageError, "'64' is not a whole number"),
    (config(hidden_size=None), StorageError, "'hidden_size' is missing"),
    (config(num_hidden_layers=10**6), StorageError, "sizes that no such model has"),
    (config(max_position_embeddings=0), StorageError, "sizes that no such model has"),
    (config(num_key_value_heads=3), StorageError, "do not share 3"),
    (config(intermediate_size=10_000), StorageError, "weights do not fit"),
    (config(num_hidden_layers=3), StorageError, "is there once only"),
    (config(vocab_size=1000), StorageError, "has not a row for each of 1,000 tokens"),
    (config(tie_word_embeddings=1), StorageError, "is not true or false"),
    (config(eos_token_id=None), UnsupportedError, ""),
    (config(eos_token_id=10**9), UnsupportedError, "without its end mark"),
    (gone("config.json"), StorageError, "no such file"),
    (gone("tokenizer.json"), StorageError, "no such file"),
    (gone("model.safetensors"), StorageError, r"there is no model\.safetensors"),
    (pickled, UnsupportedError, r"the weights are pickled \(pytorch_model\.bin\)"),
    (outside, StorageError, "cannot be the name of a file"),
    (sharded, StorageError, "no such file"),
    (lambda folder: (folder / "model.safetensors").write_bytes(b"x" * 99), StorageError, "not a whole safetensors"),
    (tensors(lambda t: t.pop(GATE)), StorageError, f"'{GATE}' is missing"),
    (tensors(lambda t: t.pop(HEAD)), StorageError, "is there once only"),
    (tensors(lambda t: t.update({HEAD: t[HEAD].to(torch.int8)})), UnsupportedError, "is stored as int8"),
    (tensors(lambda t: t.update({HEAD: t[HEAD] * torch.nan})), StorageError, "is not a number somewhere"),
    (tensors(lambda t: t.update({"more": torch.ones(1)})), StorageError, "is there once only"),
    (tokenizer(model={"type": "WordPiece", "vocab": {}}), UnsupportedError, "no byte-level BPE"),
    (tokenizer(added_tokens=[], post_processor=None), UnsupportedError, "without its end mark"),
]


@pytest.mark.parametrize(("harm", "kind", "what"), WRONG, ids=[what or str(i) for i, (_, _, what) in enumerate(WRONG)])
def test_what_is_wrong_is_told_by_type_and_place(folder: Path, harm, kind: type, what: str) -> None:
    harm(folder)
    if not what:
        (folder / "generation_config.json").unlink()
        what = "names no eos_token_id"
    with pytest.raises(kind, match=what) as error:
        load_checkpoint(folder)
    assert str(folder) in error.value.where and error.value.hint


def test_lengths_beyond_what_the_model_was_made_for_are_refused(folder: Path) -> None:
    with pytest.raises(ArgumentError, match="reads up to 256 tokens"):
        load_checkpoint(folder, length=257)
    with pytest.raises(StorageError, match="no such folder"):
        load_checkpoint(folder / "nowhere")


def test_settings_of_older_transformers_and_weights_of_16_bits_are_read(folder: Path) -> None:
    before = load_checkpoint(folder)
    changed(folder, "config.json", rope_parameters=None, rope_scaling=None, eos_token_id=[256, 257])
    tensors(lambda t: t.update({name: tensor.bfloat16() for name, tensor in t.items()}))(folder)
    tensors(lambda t: t.update({"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(8)}))(folder)
    after = load_checkpoint(folder)
    assert after.family == before.family and after.codec.tokenizer.end == 256
    for name, weight in before.net.state_dict().items():
        assert torch.equal(after.net.state_dict()[name], weight.bfloat16().float())


def test_a_token_that_begins_texts_may_be_another_than_the_one_that_ends_them(folder: Path) -> None:
    changed(folder, "config.json", bos_token_id=257)
    model, before = load_checkpoint(folder, length=20), generator(LLAMA, Bytes())
    x = torch.randint(256, (2, 12))
    started = torch.cat([torch.full((2, 1), 257), x], dim=1)
    own = before.net.sequence.logits(started, None)[:, :-1].log_softmax(dim=-1).gather(2, x[..., None])[..., 0]
    torch.testing.assert_close(model.net.token_log_prob(x, None), own)
    torch.testing.assert_close(-model.net.nll(x, None, torch.Generator()), own.sum(dim=1))
    model.save(folder.parent / "own")
    again = gw.load(folder.parent / "own")
    assert again.codec.tokenizer.start == 257 and again.net.sequence.start == 257
    assert list(again.sample(2, seed=1).columns["text"]) == list(model.sample(2, seed=1).columns["text"])
    written = gw.export_model(again, folder.parent / "back", to="huggingface")
    told = json.loads((written / "config.json").read_text())
    assert (told["bos_token_id"], told["eos_token_id"]) == (257, 256)
