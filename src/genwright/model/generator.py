"""Generator: codec + family + net + parts, as `fit` returns it; it samples, scores, saves and loads."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from genwright.codecs.codec import Codec
from genwright.data.dataset import Dataset, Field
from genwright.data.read import Source
from genwright.errors import UnsupportedError
from genwright.families.capabilities import settled, without
from genwright.families.family import DEFAULT, Capabilities, Density, Family
from genwright.families.sampling import Sampling
from genwright.model import adapters, imputation, latents, sampling, scoring
from genwright.model.choosing import Choice, Rating, chosen
from genwright.model.drawing import Conditions, by_field
from genwright.model.lora import LoRA
from genwright.model.part import ChangesRecords, Part, ScoresRecords
from genwright.model.reproduce import hashes_of, origin_of
from genwright.randomness import checked_seed
from genwright.spaces import Encoded
from genwright.train.limits import checked_count
from genwright.train.progress import Listener, silent

P = TypeVar("P")


@dataclass(frozen=True, eq=False, kw_only=True)
class Generator:
    """A fitted generative model of a Dataset.

    `parts` stand around the family, the innermost first: see `genwright.model.part`. `record` is what was measured
    while fitting. `how` is how it draws where a request does not say otherwise.

    >>> import genwright as gw
    >>> model = gw.fit(gw.read("wine"), family=gw.Mixture(components=4), steps=20)
    >>> fake = model.sample(5, given={"class": "class_1"}, seed=7)
    >>> len(fake), set(fake.columns["class"])
    (5, {'class_1'})
    """

    codec: Codec
    family: Family
    net: nn.Module
    parts: tuple[Part, ...] = ()
    record: dict[str, Any]
    how: Sampling = DEFAULT

    @property
    def can(self) -> Capabilities:
        """What its family can do with this kind of data."""
        return self.family.can(self.codec.space)

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields that its records have; free-text columns of a table come last."""
        fields = self.codec.fields
        for part in self.parts:
            fields = part.fields_around(fields) if isinstance(part, ChangesRecords) else fields
        return fields

    def part(self, kind: type[P]) -> P | None:
        """The part of a kind, or None."""
        return next((part for part in self.parts if isinstance(part, kind)), None)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        given: Conditions | None = None,
        how: Sampling = DEFAULT,
        best_of: int = 1,
        at_least: float | None = None,
        by: Rating | None = None,
        seed: int = 0,
        listener: Listener = silent,
    ) -> Dataset:
        """Draw `n` records that agree with `given`, a mapping of field names to values, `Between`, `OneOf` or `Shares`.

        Values and conditions are one for all records, or a list of n; a DataFrame or Dataset gives those of its rows,
        one row those of all records. A text prompt is given as the text field's value. `how` says how to draw, such as
        at which temperature. The same seed gives the same records. Raises ArgumentError for unknown fields or values,
        UnsupportedError where the family cannot condition on what is given, or has no such setting. With constraints,
        they hold in every record; the notes of the Dataset say how many were drawn again for that.

        Each record is the best of so many draws, or one rated `at_least` so, by a function from a Dataset to a number
        for each record: the log-density, unless told otherwise; `gw.rater` has others. Good records are less varied.
        """
        n, fixed = checked_count(n, "n", "sample"), by_field(given)
        choice = Choice(best_of, at_least, by)
        if choice.told:
            draw = partial(self.sample, how=how, listener=listener)
            return chosen(self, n, choice, given=fixed, seed=seed, draw=draw)
        sampling.check_memory_of(self, n)
        how = settled(self.family, self.codec.space, how, self.how)
        drawn = sampling.records(self, how)(n, given=fixed, seed=seed, listener=listener)
        return replace(drawn, origin=origin_of(self, n, given=fixed, how=how, seed=seed))

    @cached_property
    def hashes(self) -> tuple[str, str]:
        """The SHA-256 of its weights and of its codec, as they are saved."""
        return hashes_of(self)

    @torch.no_grad()
    def impute(self, data: Source, n: int = 1, *, keep_missing: Collection[str] = (), seed: int = 0) -> Dataset:
        """Incomplete rows (a DataFrame, Dataset or file) completed: n draws of each, one after the other.

        Missing values are drawn given all others of the row, which stay as they are; columns that are not there at all
        are missing, further ones stay; so do the order of columns and the index of a DataFrame. Fields in
        `keep_missing` stay missing where they are. Constraints hold. Raises UnsupportedError where the family has no
        exact conditional distributions, DataError for infinite numbers.
        """
        return imputation.completed(self, data, checked_count(n, "n", "impute"), keep_missing=keep_missing, seed=seed)

    @torch.no_grad()
    def log_prob(self, data: Dataset, *, seed: int = 0) -> np.ndarray:
        """Log-density of each record in nats, shape (n,), in the units of the encoded data.

        Given the scalar fields where the model has a media field; free-text columns of a table count by their tokens.
        Exact, or a lower bound, as `can.density` says; UnsupportedError if the family has none.
        """
        self.require("density", lambda can: can.density is not Density.ABSENT, where="log_prob")
        rng = self.rng(seed)
        found = self.score(self.codec.encode(self.inner(data), rng=rng), rng=rng)
        return found + sum(part.log_prob(data) for part in self.parts if isinstance(part, ScoresRecords))

    @torch.no_grad()
    def score(self, rows: Encoded, *, rng: torch.Generator) -> np.ndarray:
        """`log_prob` of rows that are encoded already."""
        return scoring.score(self, rows, rng)

    @torch.no_grad()
    def score_text(self, data: Dataset) -> tuple[np.ndarray, np.ndarray]:
        """Log-probabilities in nats, and sizes in bytes, of the blocks that make up a text; for bits per byte."""
        return scoring.score_text(self, data)

    @torch.no_grad()
    def encode(self, data: Dataset) -> np.ndarray:
        """The latent of each record, shape (n, ...); for families with an encoder."""
        return latents.encode(self, data)

    @torch.no_grad()
    def decode(self, latent: np.ndarray, *, given: Mapping[str, Any] | None = None, seed: int = 0) -> Dataset:
        """The record of each latent, given the scalar fields beside it; those not given are drawn."""
        return latents.decode(self, latent, given or {}, seed)

    @torch.no_grad()
    def interpolate(self, n: int, *, steps: int = 8, given: Mapping[str, Any] | None = None, seed: int = 0) -> Dataset:
        """n walks of `steps` records between random latents along great circles, one walk after the other.

        The scalar fields stay the same along a walk; `given` fixes them with one value, or n.
        """
        return latents.interpolate(self, n, steps, given or {}, seed)

    def adapt(
        self,
        data: Dataset,
        *,
        name: str = "adapter",
        given: Mapping[str, Any] | None = None,
        keep: Dataset | None = None,
        minutes: float | None = None,
        steps: int | None = None,
        lora: int = adapters.RANK,
        seed: int = 0,
        device: str = "auto",
        folder: str | Path | None = None,
        listener: Listener = silent,
    ) -> "Generator":
        """The model after it learned from few records of something new, by an adapter called `name` (LoRA of rank
        `lora`), without forgetting what it knew: half of each batch are records of that, `keep` or what it draws.

        Labels beside images and texts may be new; `given` tells those of all records, where `data` does not. `minutes`
        (2 if neither is given) or `steps` bounds the work; the validation part of `data` says when to stop.
        `record["adapted"]` tells the held-out loss of what is new and of what was known, before and after. Raises
        UnsupportedError for families without a network.
        """
        return adapters.adapted(
            self,
            data,
            name=name,
            given=given or {},
            keep=keep,
            minutes=minutes,
            steps=steps,
            rank=lora,
            seed=seed,
            device=device,
            folder=folder,
            listener=listener,
        )

    @property
    def adapters(self) -> dict[str, float]:
        """Its adapters, and how much each counts."""
        part = self.part(LoRA)
        return {} if part is None else {name: own.weight for name, own in part.named.items()}

    def with_adapters(self, weights: Mapping[str, float]) -> "Generator":
        """The model whose adapters count as much as `weights` says: 1 as learned, 0 not at all; others as before."""
        return adapters.weighed(self, weights)

    def without(self, name: str) -> "Generator":
        """The model without an adapter, and without the labels that came with it alone."""
        return adapters.without(self, name)

    def save(self, folder: str | Path) -> None:
        """Write it to `folder`; `genwright.load` reads it back.

        A generator that is there is replaced whole: readers beside this, and a crash in the midst of it, find the old
        one or the new one. Checkpoints of this generator's own fit are not needed any more, and deleted.
        """
        from genwright.model.saving import write_generator  # which builds Generators too

        write_generator(self, Path(folder))

    def inner(self, data: Dataset) -> Dataset:
        """Records as the family knows them: without columns that constraints determine, and without texts."""
        for part in reversed(self.parts):
            data = part.inner(data) if isinstance(part, ChangesRecords) else data
        return data

    def outer(self, data: Dataset, *, seed: int) -> Dataset:
        """The inverse of `inner`, every constraint kept and texts written."""
        for part in self.parts:
            data = part.outer(data, seed=seed) if isinstance(part, ChangesRecords) else data
        return data

    def rng(self, seed: int) -> torch.Generator:
        """Randomness where the net is."""
        device = next((t.device for t in [*self.net.parameters(), *self.net.buffers()]), torch.device("cpu"))
        return torch.Generator(device).manual_seed(checked_seed(seed, where="seed"))

    def require(self, what: str, ability: Callable[[Capabilities], bool], *, where: str) -> None:
        """Raise, naming the families that have it, unless its family has an ability."""
        if not ability(self.can):
            hint = without(self.codec.space, ability, what=f"a {what}")
            raise UnsupportedError(f"{self.family.name} has no {what}", where=where, hint=hint)
