"""A watermark in the choice of tokens that leaves their distribution as it is, and the test that finds it.

Aaronson's scheme (Aaronson & Kirchner 2022, "Watermarking GPT outputs"; the analysis is that of Fernandez et al. 2023,
arXiv:2308.00113, section 2): a keyed function of the last tokens gives each token v of the vocabulary a number r_v,
uniform in (0, 1); the token with the largest r_v^(1 / p_v) is chosen, which is v with probability p_v. Whoever has the
key sums -ln(1 - r) over the tokens of a text: without the mark each is exponential, so the sum is Gamma(T, 1).

Two things keep texts from repeating each other: a nonce for each text, one of 64 that its seed chooses, which the test
tries in turn; and within a text, where the last tokens stood before, the next is drawn in the plain way.
"""

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.stats import chi2, gamma
from torch import Tensor, nn

from genwright.codecs.text import reads_text
from genwright.errors import ArgumentError, UnsupportedError
from genwright.maths import decoding
from genwright.provenance.secret import checked_secret, derived, mark_id

if TYPE_CHECKING:
    from genwright.codecs.tokenizers import Tokenizer
    from genwright.model.generator import Generator

SCHEME = "gumbel"
BEFORE = 3  # tokens that decide the numbers of the next: fewer survive edits better, more repeat less
NONCES = 64
UNIT = 2.0**-53
STEP = np.uint64(0x9E3779B97F4A7C15)
MIX = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
FEWEST = 20  # tokens to test


@dataclass(frozen=True, eq=False)
class TextMark:
    """The part of a generator that marks its texts with a secret; it is not saved with the model.

    >>> import genwright as gw
    >>> model = gw.fit(gw.read(["one two", "one two"] * 20), family=gw.Autoregressive(width=16, depth=1), steps=2)
    >>> secret = bytes(range(32))
    >>> text = marked(model, secret).sample(8, how=gw.Sampling(max_tokens=120), seed=3)
    >>> find(list(text.columns["text"]), secret, model.codec.tokenizer).p_value < 1e-6
    True
    """

    secret: bytes
    name: ClassVar[str] = "text mark"

    def __post_init__(self) -> None:
        checked_secret(self.secret)

    @property
    def nets(self) -> dict[str, nn.Module]:
        """None."""
        return {}

    @property
    def id(self) -> str:
        """Which mark it is."""
        return mark_id(self.secret, SCHEME)

    @cached_property
    def key(self) -> bytes:
        """That of the keyed function."""
        return derived(self.secret, SCHEME)

    def to_json(self) -> Any:
        """ArgumentError: a secret is not written into a model."""
        hint = "save the model itself, and mark it when it is loaded"
        raise ArgumentError("a marked generator is not saved: its mark is a secret", where="save", hint=hint)

    def choose(
        self,
        logits: Float[Tensor, "n v"],
        before: Sequence[Sequence[int]],
        uniform: Float[Tensor, " n"],
        seeds: Sequence[int],
    ) -> Int[Tensor, " n"]:
        """The next token of each text: by the mark, but by `uniform` where its last tokens are too few or not new."""
        found = decoding.invert(logits, uniform)
        rows = [row for row, tokens in enumerate(before) if _is_new(tokens)]
        if not rows:
            return found
        digests = np.stack([_digest(self.key, nonce_of(self.key, seeds[row]), before[row][-BEFORE:]) for row in rows])
        numbers = _numbers(digests[:, None], np.arange(logits.shape[1], dtype=np.uint64))
        waits = torch.from_numpy(-np.log(numbers)).to(logits.device).log() - logits[rows].double()
        found[rows] = waits.argmin(dim=1)
        return found


@dataclass(frozen=True)
class TextFinding:
    """The probability `p_value` that unmarked texts look so much like marked ones, over `tokens` tested.

    None where there are too few: that tells nothing.
    """

    p_value: float | None
    tokens: int


def marked(model: "Generator", secret: bytes) -> "Generator":
    """The generator with its texts marked; UnsupportedError for models of other data, or that do not write in order."""
    if not reads_text(model.codec):
        raise UnsupportedError("marks in tokens are for models of texts", where="marked")
    model.require("way to write texts token by token", lambda can: can.streams, where="marked")
    if model.part(TextMark) is not None:
        raise ArgumentError("the model is marked already", where="marked")
    return replace(model, parts=(*model.parts, TextMark(secret)))


def find(texts: Iterable[str], secret: bytes, tokenizer: "Tokenizer") -> TextFinding:
    """Whether texts that `tokenizer` splits bear the mark of `secret`.

    Of each text the likeliest nonce counts, p = 1 - (1 - min p)^64; those of all are joined by Fisher's method.
    """
    key, found, tokens = derived(secret, SCHEME), list[float](), 0
    for text in texts:
        p, n = _of_one(tokenizer.encode(text.encode("utf-8", "replace")).tolist(), key)
        if n:
            found.append(p)
            tokens += n
    if tokens < FEWEST:
        return TextFinding(None, tokens)
    whole = chi2.sf(-2 * np.log(np.maximum(found, 1e-300)).sum(), 2 * len(found))
    return TextFinding(float(whole), tokens)


def nonce_of(key: bytes, seed: int) -> int:
    """Which of the nonces a text of this seed takes."""
    return hmac.digest(key, b"nonce" + seed.to_bytes(16, "little"), "sha256")[0] % NONCES


def scores(tokens: Sequence[int], key: bytes, nonce: int) -> Float[np.ndarray, " t"]:
    """-ln(1 - r) of each token that the mark decided, if there is one; exponential without it."""
    places = _places(tokens)
    seeds = np.stack([_digest(key, nonce, tokens[place - BEFORE : place]) for place in places])
    return -np.log1p(-_numbers(seeds, np.array([tokens[place] for place in places], dtype=np.uint64)))


def _of_one(tokens: list[int], key: bytes) -> tuple[float, int]:
    places = _places(tokens)
    if not places:
        return 1.0, 0
    sums = np.array([scores(tokens, key, nonce).sum() for nonce in range(NONCES)])
    least = gamma.sf(sums.max(), len(places))
    return float(-np.expm1(NONCES * np.log1p(-min(least, 1 - 1e-16)))), len(places)


def _places(tokens: Sequence[int]) -> list[int]:
    """Places whose last tokens are there and were not there before."""
    seen, found = set[tuple[int, ...]](), list[int]()
    for place in range(BEFORE, len(tokens)):
        last = tuple(tokens[place - BEFORE : place])
        if last not in seen:
            seen.add(last)
            found.append(place)
    return found


def _is_new(tokens: Sequence[int]) -> bool:
    last = tokens[-BEFORE:]
    if len(last) < BEFORE:
        return False
    return not any(tokens[end - BEFORE : end] == last for end in range(BEFORE, len(tokens)))


def _digest(key: bytes, nonce: int, last: Sequence[int]) -> np.ndarray:
    """What the last tokens stand for: HMAC-SHA-256, as four whole numbers."""
    told = b"".join(int(token).to_bytes(4, "little") for token in last)
    return np.frombuffer(hmac.digest(key, bytes([nonce]) + told, "sha256"), dtype="<u8")


def _numbers(digests: np.ndarray, tokens: np.ndarray) -> Float[np.ndarray, "*n v"]:
    """The number of each token, uniform in (0, 1): the finaliser of SplitMix64 (Steele et al. 2014), keyed twice."""
    with np.errstate(over="ignore"):
        z = digests[..., 0] + (tokens + np.uint64(1)) * STEP
        for word in (1, 2):
            z = (z ^ (z >> np.uint64(30))) * MIX[0]
            z = (z ^ (z >> np.uint64(27))) * MIX[1]
            z = (z ^ (z >> np.uint64(31))) + digests[..., word]
        z = (z ^ (z >> np.uint64(30))) * MIX[0]
        z = (z ^ (z >> np.uint64(27))) * MIX[1]
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) * UNIT + UNIT / 2
