"""Adapters as peft's files: read back as they were, other shapes of them too, and what others make of them."""

import json

import pytest
import torch
from tests.model.tuned import pairs, sentences_model

import genwright as gw
from genwright.errors import StorageError, UnsupportedError
from genwright.model.lora import LoRA
from genwright.model.peft import CONFIG, TENSORS, read_adapter, write_adapter
from genwright.storage import read_tensors, write_json, write_tensors


@pytest.fixture(scope="module")
def tuned():
    return gw.tune(sentences_model(), pairs(), steps=8, lora=2)


def test_an_adapter_is_read_back_onto_the_model_it_was_learned_for(tuned, tmp_path):
    write_adapter(tuned, tmp_path)
    again = read_adapter(sentences_model(), tmp_path)
    assert all(map(torch.equal, tuned.net.state_dict().values(), again.net.state_dict().values()))
    tensors, config = read_tensors(tmp_path / TENSORS)[0], json.loads((tmp_path / CONFIG).read_text())
    assert config["r"] == 2 and config["lora_alpha"] == 4.0 and "k_proj" in config["target_modules"]
    name = "base_model.model.model.layers.0.self_attn.k_proj.lora_{}.weight"
    assert tensors[name.format("A")].shape == (2, 32) and tensors[name.format("B")].shape == (32, 2)


def test_matrices_of_their_own_for_queries_and_values_add_up_to_the_same(tmp_path):
    model, rng = sentences_model(), torch.Generator().manual_seed(0)
    own = {
        f"base_model.model.model.layers.0.self_attn.{side}_proj.lora_{which}.weight": torch.randn(shape, generator=rng)
        for side, rank in (("q", 3), ("v", 1))
        for which, shape in (("A", (rank, 32)), ("B", (32, rank)))
    }
    write_tensors(tmp_path / TENSORS, own)
    told = {"peft_type": "LORA", "r": 3, "lora_alpha": 6, "rank_pattern": {"v_proj": 1}, "alpha_pattern": {"v_proj": 5}}
    write_json(tmp_path / CONFIG, told)
    q_a, q_b, v_a, v_b = own.values()
    name = "sequence.model.layers.0.self_attn.qkv_proj.weight"
    moved = read_adapter(model, tmp_path).net.state_dict()[name] - model.net.state_dict()[name]
    expected = torch.cat([2.0 * q_b @ q_a, torch.zeros(32, 32), 5.0 * v_b @ v_a])
    assert torch.allclose(moved, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        ({"peft_type": "IA3"}, UnsupportedError, "an adapter of kind 'IA3'"),
        ({"use_dora": True}, UnsupportedError, "use_dora=True"),
        ({"r": 5}, StorageError, "are not of rank 5"),
        ({"r": "2"}, StorageError, "'2' is not a whole number"),
    ],
)
def test_other_adapters_are_refused(tuned, tmp_path, change, error, told):
    write_adapter(tuned, tmp_path)
    write_json(tmp_path / CONFIG, json.loads((tmp_path / CONFIG).read_text()) | change)
    with pytest.raises(error, match=told):
        read_adapter(sentences_model(), tmp_path)


def test_adapters_of_other_layers_and_models_without_one_are_refused(tuned, tmp_path):
    with pytest.raises(UnsupportedError, match="it has no adapter"):
        write_adapter(sentences_model(), tmp_path)
    write_adapter(tuned, tmp_path)
    tensors = read_tensors(tmp_path / TENSORS)[0]
    write_tensors(tmp_path / TENSORS, tensors | {"base_model.model.model.layers.7.x.lora_A.weight": torch.ones(2, 2)})
    with pytest.raises(StorageError, match="no layer for "):
        read_adapter(sentences_model(), tmp_path)
    assert tuned.part(LoRA) is not None


@pytest.mark.slow
def test_peft_makes_the_same_of_an_exported_model_and_its_adapter(tuned, tmp_path):
    peft = pytest.importorskip("peft")
    transformers = pytest.importorskip("transformers")
    gw.export_model(sentences_model(), tmp_path / "base", to="huggingface")
    write_adapter(tuned, tmp_path / "adapter")
    plain = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "base")
    theirs = peft.PeftModel.from_pretrained(plain, tmp_path / "adapter")
    tokens = torch.tensor([[256, *b"the old "]])
    with torch.no_grad():
        own = tuned.net.sequence.logits(tokens, None)
        assert (theirs(tokens).logits - own).abs().max() < 1e-4
        with theirs.disable_adapter():
            assert (theirs(tokens).logits - own).abs().max() > 1e-3
