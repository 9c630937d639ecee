"""How to draw: settings of one request. They are no part of a recipe, of the weights, or of what a resumed fit must
share; a model keeps those that it was given as its defaults.
"""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, Self

import torch
from jaxtyping import Float, Int
from torch import Tensor

from genwright.errors import ArgumentError
from genwright.maths import decoding, samplers
from genwright.maths.samplers import Sampler
from genwright.typed import entry, made, typed, wrong

MAX_STEPS = 10_000  # of drawing one record
SAMPLERS: dict[str, Sampler] = {name: getattr(samplers, name) for name in ("heun", "ddim", "dpmpp_2m", "ddpm")}


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How records are drawn; what is None is left to the family, and a family says which of the others it takes.

    `temperature` sharpens distributions below 1 and takes the likeliest at 0 (of arrays, flow and diffusion start from
    so much of the noise: samples are more typical and less varied); `top_k`, `top_p` and `min_p` cut the
    unlikely off. `steps` is how many an iterative family takes from noise to a record, `sampler` how it takes them,
    `guidance` how strongly records follow their conditions (1: as learned). `balanced` rows each have the exact
    distribution, but those drawn together are spread evenly, as in Latin hypercubes.

    A text ends before the first `stop` string (or special token of that name), and after `max_tokens` tokens beyond its
    prompt. Tokens in it are less likely to come again by `repetition_penalty` (above 1; divides their logits), and by
    `frequency_penalty` for each time and `presence_penalty` once (above 0; nats), which do not count the prompt.
    What is written follows the `grammar`, and is complete within `max_tokens`: a JSON schema (a dict, or its text), a
    regular expression for the whole of it, or a Lark grammar (with a rule `start:`). `speculate` tokens are guessed
    from what was written before and checked together: faster where texts repeat themselves, and the same texts. With
    `beams` nothing is drawn: the text is a likely one, found by keeping so many beginnings at every length.

    >>> Sampling(temperature=0.7).over(Sampling(temperature=1.0, top_k=5))
    Sampling(temperature=0.7, top_k=5)
    """

    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    steps: int | None = None
    sampler: Sampler | None = None
    guidance: float | None = None
    balanced: bool | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] | None = None
    repetition_penalty: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    grammar: str | dict[str, Any] | None = None
    speculate: int | None = None
    beams: int | None = None

    def __post_init__(self) -> None:
        self._require("temperature", lambda t: 0 <= t < math.inf, "a number from 0 (always the likeliest) up")
        self._require("top_k", lambda k: k >= 1, "a whole number from 1 up", kind=Integral)
        self._require("top_p", lambda p: 0 < p <= 1, "a number above 0, at most 1")
        self._require("min_p", lambda p: 0 <= p <= 1, "a number from 0 to 1")
        self._require("steps", lambda n: 1 <= n <= MAX_STEPS, f"a whole number from 1 to {MAX_STEPS:,}", kind=Integral)
        self._require("guidance", lambda g: 0 <= g < math.inf, "a number from 0 (ignores the condition) up")
        whole = "a whole number from 1 up"
        for name in ("max_tokens", "speculate", "beams"):
            self._require(name, lambda n: n >= 1, whole, kind=Integral)
        self._require("repetition_penalty", lambda p: 0 < p < math.inf, "a number above 0 (1 changes nothing)")
        for name in ("frequency_penalty", "presence_penalty"):
            self._require(name, math.isfinite, "a finite number (0 changes nothing)")
        if self.stop is not None:
            if isinstance(self.stop, str) or not all(isinstance(each, str) and each for each in self.stop):
                hint = 'give texts of a character or more, such as stop=("###",)'
                raise ArgumentError(f"stop {self.stop!r:.60}", where="Sampling", hint=hint)
            object.__setattr__(self, "stop", tuple(self.stop))
        for name in ("grammar", "speculate", "repetition_penalty", "frequency_penalty", "presence_penalty"):
            if self.beams is not None and getattr(self, name) is not None:
                raise ArgumentError(f"beams do not go with {name}", where="Sampling", hint="leave one of them out")
        if self.grammar == "":
            hint = "give a JSON schema as a dict, a regular expression, or a Lark grammar"
            raise ArgumentError("the grammar is empty", where="Sampling", hint=hint)
        if self.sampler is not None and self.sampler not in SAMPLERS.values():
            hint = f"one of genwright.maths.samplers: {', '.join(SAMPLERS)}"
            raise ArgumentError(f"sampler {self.sampler!r:.60} is unknown", where="Sampling", hint=hint)

    def __repr__(self) -> str:
        names = {function: name for name, function in SAMPLERS.items()}
        said = (f"{name}={names[value] if name == 'sampler' else repr(value)}" for name, value in self.told.items())
        return f"Sampling({', '.join(said)})"

    @property
    def told(self) -> dict[str, Any]:
        """The settings that are not left to the family."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def over(self, defaults: "Sampling") -> "Sampling":
        """These settings, and those of `defaults` where they are None."""
        return replace(defaults, **self.told)

    def to_json(self) -> dict[str, Any]:
        """What is told, the sampler by its name."""
        names = {function: name for name, function in SAMPLERS.items()}
        return {name: names[value] if name == "sampler" else value for name, value in self.told.items()}

    @classmethod
    def from_json(cls, told: Any, *, where: str) -> Self:
        """The inverse of `to_json`; StorageError for anything else."""
        told = dict(typed(told, dict, where=where))
        if "sampler" in told:
            name = entry(told, "sampler", str, where=where)
            if name not in SAMPLERS:
                raise wrong(f"a sampler of unknown name {name!r:.60}", where)
            told["sampler"] = SAMPLERS[name]
        return made(cls, told, where=where)

    def _require(self, name: str, holds: Callable[[Any], bool], allowed: str, *, kind: type = Real) -> None:
        value = getattr(self, name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, kind) or not holds(value)):
            what = f"{name} must be {allowed}, not {value!r:.60}"
            raise ArgumentError(what, where="Sampling", hint="leave it out if unsure")


def cut(logits: Float[Tensor, "n v"], how: Sampling) -> Float[Tensor, "n v"]:
    """Logits by temperature, with the unlikely cut off as `how` says."""
    logits = decoding.temper(logits, 1.0 if how.temperature is None else how.temperature)
    if how.top_k is not None:
        logits = decoding.top_k(logits, how.top_k)
    if how.min_p:
        logits = decoding.min_p(logits, how.min_p)
    if how.top_p is not None and how.top_p < 1.0:
        logits = decoding.top_p(logits, how.top_p)
    return logits


def choose(logits: Float[Tensor, "n v"], rng: torch.Generator, *, how: Sampling) -> Int[Tensor, "n"]:
    """One symbol of each row, drawn as `how` says."""
    return decoding.draw(cut(logits, how), rng)
