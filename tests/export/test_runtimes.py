"""Exported models compute in transformers, llama.cpp and onnxruntime what they compute here."""

import json
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import tokenizers
import torch
import transformers
from torch import Tensor

import genwright as gw
from genwright.codecs.tokenizers import Bytes
from genwright.data.examples import Message
from genwright.families.sampling import Sampling
from genwright.model.chat import render
from genwright.model.checkpoint import load_checkpoint
from genwright.spaces import Given
from tests.export.llama_cpp import __file__ as LLAMA_CPP
from tests.export.models import QWEN, cases, generator, texts

CASES = cases()
PROMPT = "Hello, wörld 12 — café\n\n  x = [1,2]\t😀"
STEPS = 200
FEW = ("bytes, qwen3", "bpe, llama")
every_case = pytest.mark.parametrize(
    "name", [name if name in FEW else pytest.param(name, marks=pytest.mark.slow) for name in CASES]
)


def tokens_of(model: gw.Generator, text: str) -> list[int]:
    return model.codec.tokenizer.encode(text.encode()).tolist()


@cache
def greedy(model: gw.Generator) -> list[int]:
    """The prompt and the likeliest tokens after it."""
    prompt = tokens_of(model, PROMPT)
    x = torch.full((1, model.codec.length), -1)
    x[0, : len(prompt)] = torch.tensor(prompt)
    given = Given(x=x)
    drawn = model.family.sample(model.net, 1, given=given, how=Sampling(temperature=0.0), rng=torch.Generator())
    return drawn[0, : len(prompt) + STEPS].tolist()


def logits(model: gw.Generator, tokens: list[int]) -> Tensor:
    """Scores of what follows each of the tokens, the end mark before them included."""
    return model.net.sequence.logits(torch.tensor([[model.codec.tokenizer.end, *tokens]]), None)[0]


def llama_cpp(path: Path, **asked: object) -> dict:
    told = json.dumps({"path": str(path)} | asked)
    run = subprocess.run([sys.executable, LLAMA_CPP], input=told, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr[-2000:]
    return json.loads(run.stdout.splitlines()[-1])


@every_case
def test_transformers_computes_the_same(name: str, tmp_path: Path) -> None:
    model = CASES[name]
    gw.export_model(model, tmp_path / "hf", to="huggingface")
    other = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "hf")
    reader = transformers.AutoTokenizer.from_pretrained(tmp_path / "hf")
    end, tokens = model.codec.tokenizer.end, greedy(model)
    start = [end, *tokens_of(model, PROMPT)]
    assert reader(PROMPT).input_ids == start and reader.eos_token_id == reader.bos_token_id == end
    assert reader.decode(start, skip_special_tokens=True) == PROMPT
    with torch.no_grad():
        found = other(torch.tensor([[end, *tokens]])).logits[0]
    torch.testing.assert_close(found, logits(model, tokens), atol=1e-4, rtol=0)
    drawn = other.generate(torch.tensor([start]), max_new_tokens=STEPS, do_sample=False)
    assert drawn[0, 1:].tolist() == tokens
    for text in texts(200):
        assert reader(text, add_special_tokens=False).input_ids == tokens_of(model, text)


@every_case
def test_llama_cpp_computes_the_same(name: str, tmp_path: Path) -> None:
    model, written = CASES[name], tmp_path / "model.gguf"
    gw.export_model(model, written, to="gguf")
    asked = texts(200)
    found = llama_cpp(written, texts=asked, prompt=PROMPT, n=STEPS)
    end, tokens = model.codec.tokenizer.end, greedy(model)
    assert found["greedy"] == tokens[-STEPS:]
    assert found["texts"] == [[end, *tokens_of(model, text)] for text in asked]


@every_case
def test_onnxruntime_computes_the_same(name: str, tmp_path: Path) -> None:
    model, shape = CASES[name], CASES[name].net.sequence.model.shape
    gw.export_model(model, tmp_path / "onnx", to="onnx")
    session = onnxruntime.InferenceSession(tmp_path / "onnx" / "model.onnx")
    tokens, start = greedy(model), [model.codec.tokenizer.end, *tokens_of(model, PROMPT)]
    empty = np.zeros((1, shape.kv_heads, 0, shape.head_width), dtype=np.float32)
    past = {each.name: empty for each in session.get_inputs()[1:]}
    whole, *_ = session.run(None, {"input_ids": np.array([[start[0], *tokens]]), **past})
    torch.testing.assert_close(torch.from_numpy(whole[0]), logits(model, tokens), atol=1e-4, rtol=0)
    inputs, found = np.array([start]), []
    for _ in range(STEPS):
        scores, *present = session.run(None, {"input_ids": inputs, **past})
        past = dict(zip(past, present, strict=True))
        found.append(int(scores[0, -1].argmax()))
        inputs = np.array([found[-1:]])
    assert found == tokens[-STEPS:]
    reader = tokenizers.Tokenizer.from_file(str(tmp_path / "onnx" / "tokenizer.json"))
    assert reader.encode(PROMPT).ids == start


def test_chats_are_the_same_tokens_everywhere(tmp_path: Path) -> None:
    model = replace(CASES["bpe, llama"], record={"tuned": [{"chat": True}]})
    chat = [Message("system", "Be brief."), Message("user", "Who's there?\n"), Message("assistant", "12")]
    chat.append(Message("user", "naïve 東京"))
    told, own = [{"role": each.role, "content": each.content} for each in chat], render(chat, model.codec.tokenizer)
    gw.export_model(model, tmp_path / "hf", to="huggingface")
    gw.export_model(model, tmp_path / "model.gguf", to="gguf")
    reader = transformers.AutoTokenizer.from_pretrained(tmp_path / "hf")
    ids = reader.apply_chat_template(told, add_generation_prompt=True)["input_ids"]
    assert ids == [model.codec.tokenizer.end, *own]
    turn = model.codec.tokenizer.special["<|im_end|>"]
    assert json.loads((tmp_path / "hf" / "generation_config.json").read_text())["eos_token_id"][1] == turn
    likeliest = int(logits(model, own)[-1].argmax())
    assert llama_cpp(tmp_path / "model.gguf", messages=told)["chat"] == [len(own) + 1, likeliest]


def test_weights_of_8_bits_cost_next_to_nothing(tmp_path: Path) -> None:
    lines = gw.read(
        [" ".join(np.random.default_rng(i).permutation(["one", "two", "three", "four"])) for i in range(64)]
    )
    model = gw.fit(lines, family=gw.Autoregressive(width=64, depth=2, heads=2), steps=25)
    for quantize in (None, "q8_0"):
        gw.export_model(model, tmp_path / f"{quantize}.gguf", to="gguf", quantize=quantize)
    assert (tmp_path / "q8_0.gguf").stat().st_size < 0.35 * (tmp_path / "None.gguf").stat().st_size
    x = model.codec.encode(lines, rng=torch.Generator()).x[:1].long()
    own = model.net.token_log_prob(x, None)[0]
    assert -2.0 < own.mean() < -0.1  # it has learned something
    own, tokens = own[:16], [model.codec.tokenizer.end, *x[0, :16].tolist()]
    exact, rough = (llama_cpp(tmp_path / f"{each}.gguf", tokens=tokens)["log_probs"] for each in (None, "q8_0"))
    torch.testing.assert_close(torch.tensor(exact), own, atol=1e-4, rtol=0)
    assert abs(np.mean(rough) - np.mean(exact)) < 0.01 and np.abs(np.subtract(rough, exact)).max() > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", FEW)
def test_tokens_of_ten_thousand_texts_are_the_same(name: str, tmp_path: Path) -> None:
    model, asked = CASES[name], texts(10_000, seed=1)
    gw.export_model(model, tmp_path / "model.gguf", to="gguf")
    gw.export_model(model, tmp_path / "hf", to="huggingface")
    reader = transformers.AutoTokenizer.from_pretrained(tmp_path / "hf")
    own = [[model.codec.tokenizer.end, *tokens_of(model, text)] for text in asked]
    assert reader(asked).input_ids == own
    assert llama_cpp(tmp_path / "model.gguf", texts=asked)["texts"] == own


SIZES = {
    "vocab_size": 320,  # more than there are tokens, as in published models
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 128,
    "rope_parameters": {"rope_type": "default", "rope_theta": 2e5},
    "bos_token_id": 256,
    "eos_token_id": 256,
}


@pytest.mark.parametrize(("kind", "tied"), [("Qwen3", True), ("Llama", False)])
def test_checkpoints_of_transformers_are_opened(kind: str, tied: bool, tmp_path: Path) -> None:
    config = getattr(transformers, f"{kind}Config")(tie_word_embeddings=tied, initializer_range=0.3, **SIZES)
    torch.manual_seed(0)
    other = getattr(transformers, f"{kind}ForCausalLM")(config).eval()
    gw.export_model(generator(QWEN, Bytes()), tmp_path, to="huggingface")  # for its tokenizer
    (tmp_path / "model.safetensors").unlink()
    other.save_pretrained(tmp_path, max_shard_size="100KB")
    assert (tmp_path / "model.safetensors.index.json").exists()
    model = load_checkpoint(tmp_path)
    tokens = tokens_of(model, PROMPT)
    with torch.no_grad():
        expected = other(torch.tensor([[256, *tokens]])).logits[0, :, : model.codec.tokenizer.vocabulary]
    torch.testing.assert_close(logits(model, tokens), expected, atol=1e-4, rtol=0)
    assert model.sample(2, given={"text": "Once"}, seed=1).columns["text"][0].startswith("Once")
