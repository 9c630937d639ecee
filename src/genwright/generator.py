"""Generator: codec + family + net, as `genwright.fitting.fit` returns it; it samples, scores, saves and loads."""

import hashlib
import os
from collections.abc import Collection, Iterator, Mapping, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from genwright.codecs import codec_fields, codec_from_json, scalar_codec
from genwright.codecs.codec import Codec
from genwright.codecs.conditioned import ConditionedCodec
from genwright.codecs.text import END, TextCodec
from genwright.codecs.text_columns import TextColumnsCodec
from genwright.codecs.values import entries
from genwright.constraints import Constraints
from genwright.data.dataset import Dataset, Field
from genwright.data.like import read_partial, read_whole
from genwright.data.paths import existing, meant
from genwright.data.read import Source
from genwright.drawing import Conditions, Drawer, by_field, draw_given
from genwright.errors import StorageError, UnsupportedError
from genwright.families.family import Density, Encodes, Family, HasLatent
from genwright.families.rebuild import rebuild
from genwright.families.recipe import recipe_from_json, recipe_to_json
from genwright.folders import placed, replacing, settle, steadily
from genwright.imputation import arranged, impute, impute_ruled
from genwright.maths.interpolation import slerp
from genwright.randomness import checked_seed, seeded
from genwright.spaces import Encoded, Given, Space
from genwright.storage import parse_json, parse_tensors, read_file, read_json, sha256, write_json, write_tensors
from genwright.texts import TextColumns
from genwright.train.correction import Correction
from genwright.train.devices import check_memory, choose_device
from genwright.train.fit import Fitted
from genwright.train.limits import checked_count
from genwright.train.progress import Listener, Progress, silent
from genwright.train.record import checked
from genwright.train.stages import forget
from genwright.typed import entry, wrong
from genwright.weights import in_numbers

RECIPE, CODEC, WEIGHTS = "recipe.json", "codec.json", "weights.safetensors"
SCHEMA = 1  # of the saved folder; raised when an older genwright could no longer read it
CHUNK_NUMBERS = 2**18  # numbers in x that are sampled or scored at once, about


@dataclass(frozen=True, eq=False, kw_only=True)
class Generator:
    """A fitted generative model of a Dataset.

    `prior` is the law of the scalar fields beside a media field (None for tables and unlabelled media): what is not
    given is drawn from it first, so that samples come from the joint law. `texts` is the law of a table's free-text
    columns given all others. `record` is what was measured while fitting.

    >>> import genwright as gw
    >>> model = gw.fit(gw.read("wine"), family=gw.Mixture(components=4), steps=20)
    >>> fake = model.sample(5, given={"class": "class_1"}, seed=7)
    >>> len(fake), set(fake.columns["class"])
    (5, {'class_1'})
    """

    codec: Codec
    family: Family
    net: nn.Module
    prior: Fitted | None = None
    record: dict[str, Any]
    constraints: Constraints | None = None
    correction: Correction | None = None
    texts: TextColumns | None = None

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields that its records have; free-text columns of a table come last."""
        fields = codec_fields(self.codec) if self.constraints is None else self.constraints.fields
        return fields if self.texts is None else (*fields, *self.texts.codec.fields)

    @torch.no_grad()
    def sample(self, n: int, *, given: Conditions | None = None, seed: int = 0, listener: Listener = silent) -> Dataset:
        """Draw `n` records that agree with `given`, a mapping of field names to values, `Between`, `OneOf` or `Shares`.

        Values and conditions are one for all records, or a list of n; a DataFrame or Dataset gives those of its rows,
        one row those of all records. A text prompt is given as the text field's
        value. The same seed gives the same records. Raises ArgumentError for unknown fields or values, UnsupportedError
        where the family cannot condition on what is given. With constraints, they hold in every record; the notes of
        the Dataset say how many were drawn again for that.
        """
        n, fixed = checked_count(n, "n", "sample"), by_field(given)
        self._check_memory(n)
        if self.texts is None:
            return self._rows(n, given=fixed, seed=seed, listener=listener)
        return self.texts.sample(self._rows, n, given=fixed, seed=seed, listener=listener)

    @torch.no_grad()
    def impute(self, data: Source, n: int = 1, *, keep_missing: Collection[str] = (), seed: int = 0) -> Dataset:
        """Incomplete rows (a DataFrame, Dataset or file) completed: n draws of each, one after the other.

        Missing values are drawn given all others of the row, which stay as they are; columns that are not there at all
        are missing, further ones stay; so do the order of columns and the index of a DataFrame. Fields in
        `keep_missing` stay missing where they are. Constraints hold. Raises UnsupportedError where the family has no
        exact conditional laws, DataError for infinite numbers.
        """

        def rows(of: Source, n: int) -> Dataset:
            self._check_memory(n * len(of) if isinstance(of, Sized) else n)
            drawer = self._drawer(self._rng(seed), silent)
            if self.constraints is not None:
                return impute_ruled(drawer, self.constraints, self._rows, of, n=n, keep_missing=keep_missing, seed=seed)
            with seeded(seed):
                return impute(drawer, of, n=n, keep_missing=keep_missing)

        n = checked_count(n, "n", "impute")
        whole = read_whole(data, self.fields)
        if self.texts is None:
            return arranged(rows(whole, n), whole, n)
        return arranged(self.texts.completed(rows, read_partial(whole, self.fields), n, seed=seed), whole, n)

    def _rows(self, n: int, *, given: Mapping[str, Any], seed: int, listener: Listener = silent) -> Dataset:
        """n records that keep the constraints, without the free-text columns of a table."""
        if self.constraints is None:
            return self._draw(n, given=given, seed=seed, listener=listener)
        return self.constraints.sample(self._draw, n, given=given, seed=seed, listener=listener)

    def _draw(self, n: int, *, given: Mapping[str, Any], seed: int, listener: Listener) -> Dataset:
        """n records as the model knows them, constraints or not."""
        with seeded(seed), in_numbers():
            return draw_given(self._drawer(self._rng(seed), listener), given, n, seed=seed)

    def _inner(self, data: Dataset) -> Dataset:
        """Data as the model knows it: without columns that constraints determine."""
        return data if self.constraints is None else self.constraints.inner(data)

    def _outer(self, data: Dataset, seed: int) -> Dataset:
        """The inverse of `_inner`, every constraint kept and texts written."""
        whole = data if self.constraints is None else self.constraints.restored(data, seed=seed)
        return whole if self.texts is None else self.texts.written(whole, seed=seed, listener=silent)

    @torch.no_grad()
    def log_prob(self, data: Dataset, *, seed: int = 0) -> np.ndarray:
        """Log-density of each record in nats, shape (n,), in the units of the encoded data.

        Given the scalar fields where the model has a media field; free-text columns of a table count by their tokens.
        Exact, or a lower bound, as `family.density` says; UnsupportedError if the family has none.
        """
        if self.family.density is Density.ABSENT:
            raise UnsupportedError(
                f"{self.family.name} has no density",
                where="log_prob",
                hint="mixture and autoregressive have exact ones, vae and diffusion lower bounds",
            )
        rng = self._rng(seed)
        found = self.score(self.codec.encode(self._inner(data), rng=rng), rng=rng)
        return found if self.texts is None else found + self.texts.log_prob(data)

    @torch.no_grad()
    def score(self, rows: Encoded, *, rng: torch.Generator) -> np.ndarray:
        """`log_prob` of rows that are encoded already."""
        space, parts = self.codec.space, []
        for index in _chunks(len(rows), space):
            part = rows.rows(index)
            x = space.unpack(part.x)
            found = self.family.log_prob(self.net, x, part.context, rng)
            parts.append(found if self.correction is None else found + self.correction.log_weight(x))
        return torch.cat(parts).double().cpu().numpy()

    @torch.no_grad()
    def score_text(self, data: Dataset) -> tuple[np.ndarray, np.ndarray]:
        """Log-probabilities in nats, and sizes in bytes, of the blocks that make up a text; for bits per byte.

        Records are a block each, their end counted as one byte. Running text is cut into blocks of half a window; each
        is scored given the half window before it where the density is exact, otherwise whole windows are scored alone.
        """
        assert isinstance(self.codec, TextCodec), "only text has bytes"
        rng, length = self._rng(0), self.codec.length
        if not self.codec.text.running:
            rows = self.codec.encode(data, rng=rng)
            return self.score(rows, rng=rng), ((rows.x != END).sum(1) + 1).clamp(max=length).numpy()
        if self.family.density is not Density.EXACT or length < 2:
            rows = self.codec.windows(data, stride=length)
            return self.score(rows, rng=rng), np.full(len(rows), length)
        half = length // 2
        rows = self.codec.windows(data, stride=length - half)
        heads = self.score(Encoded(rows.x[:, :half]), rng=rng)
        tails = self.score(rows, rng=rng) - heads
        return np.concatenate([heads[:1], tails]), np.array([half] + [length - half] * len(tails))

    @torch.no_grad()
    def encode(self, data: Dataset) -> np.ndarray:
        """The latent of each record, shape (n, ...); for families with an encoder (vae, flow)."""
        if not isinstance(self.family, Encodes):
            raise UnsupportedError(f"{self.family.name} has no encoder", where="encode", hint="vae and flow have one")
        rows = self.codec.encode(self._inner(data), rng=self._rng(0))
        space, parts = self.codec.space, []
        for index in _chunks(len(rows), space):
            part = rows.rows(index)
            parts.append(self.family.encode(self.net, space.unpack(part.x), part.context))
        return torch.cat(parts).cpu().numpy()

    @torch.no_grad()
    def decode(self, latents: np.ndarray, *, given: Mapping[str, Any] | None = None, seed: int = 0) -> Dataset:
        """The record of each latent, given the scalar fields beside it; those not given are drawn."""
        self._latent_family("decode")
        rng, n, fixed = self._rng(seed), len(latents), given or {}
        context = self._complete(self.codec.given(fixed, n, rng=rng), n, rng).context
        return self._at(torch.as_tensor(latents, dtype=torch.float32, device=rng.device), context, fixed, rng)

    @torch.no_grad()
    def interpolate(self, n: int, *, steps: int = 8, given: Mapping[str, Any] | None = None, seed: int = 0) -> Dataset:
        """n walks of `steps` records between random latents along great circles, one walk after the other.

        The scalar fields stay the same along a walk; `given` fixes them with one value, or n.
        """
        family = self._latent_family("interpolate")
        rng, fixed = self._rng(seed), {name: entries(v, n, where=name) for name, v in (given or {}).items()}
        context = self._complete(self.codec.given(fixed, n, rng=rng), n, rng).context
        start, end = (family.draw_latent(self.net, n, rng) for _ in range(2))
        walk = torch.stack([slerp(start, end, float(t)) for t in np.linspace(0, 1, steps)], dim=1).flatten(0, 1)
        context = None if context is None else context.repeat_interleave(steps, dim=0)
        return self._at(
            walk, context, {name: [v for v in each for _ in range(steps)] for name, each in fixed.items()}, rng
        )

    def _at(self, z: Tensor, context: Tensor | None, fixed: Mapping[str, Any], rng: torch.Generator) -> Dataset:
        """The records of latents, beside `context`, values in `fixed` as they were given."""
        family, space = self._latent_family("decode"), self.codec.space
        packed = [
            space.pack(family.decode(self.net, z[rows], None if context is None else context[rows]))
            for rows in _chunks(len(z), space)
        ]
        decoded = self.codec.decode(Encoded(torch.cat(packed), context), rng=rng)
        return self._outer(scalar_codec(self.codec).hold(decoded, fixed), rng.initial_seed())

    def save(self, folder: str | Path) -> None:
        """Write recipe.json, codec.json and weights.safetensors; recipe.json holds the hashes of the other two.

        A generator that is there is replaced whole: readers beside this, and a crash in the midst of it, find the old
        one or the new one. Checkpoints of this generator's own fit are not needed any more, and deleted.
        """
        from genwright import __version__

        folder = Path(folder)
        prior, texts = (part and part.net for part in (self.prior, self.texts and self.texts.fitted))
        nets = {"net": self.net, "prior": prior, "correction": self.correction, "texts": texts}
        tensors = {
            f"{part}/{name}": tensor for part, net in nets.items() if net for name, tensor in net.state_dict().items()
        }
        beside = {} if self.texts is None else {"texts": self.texts.codec.to_json(), "order": list(self.texts.order)}
        recipe = {
            "schema": SCHEMA,
            "genwright": __version__,
            **recipe_to_json(self.family),
            "prior": None if self.prior is None else recipe_to_json(self.prior.family),
            "texts": None if self.texts is None else recipe_to_json(self.texts.family),
            "constraints": None if self.constraints is None else self.constraints.to_json(),
        }
        with replacing(folder) as new:
            write_tensors(new / WEIGHTS, tensors)
            write_json(new / CODEC, self.codec.to_json() | beside)
            hashes = {name: sha256(new / name) for name in (CODEC, WEIGHTS)}
            write_json(new / RECIPE, recipe | {"sha256": hashes, "record": self.record})
        forget(folder, self.record.get("fingerprint"))
        forget(folder / "texts", self.record.get("texts", {}).get("fingerprint"))

    def _check_memory(self, n: int) -> None:
        """Raise for more records than there is memory for: encoded and decoded, each number and level once."""
        size = n * (8 * int(np.prod(self.codec.space.shape)) + 8 * len(codec_fields(self.codec)))
        check_memory(size, what=f"{n:,} records", hint="ask for fewer at a time, with another seed each time")

    def _rng(self, seed: int) -> torch.Generator:
        return torch.Generator(_device_of(self.net)).manual_seed(checked_seed(seed, where="seed"))

    def _drawer(self, rng: torch.Generator, listener: Listener) -> Drawer:
        """What draws packed records; ranges and sets of columns are a matter of the prior where there is one."""
        space = self.codec.space

        def draw(given: Given, n: int) -> Encoded:
            partial, packed = self._complete(given, n, rng), []
            for rows in _chunks(n, space):
                part = partial.rows(rows)
                packed.append(space.pack(self._sample(rows.stop - rows.start, part, rng)))
                listener(Progress("sampling", rows.stop, n))
            return Encoded(torch.cat(packed), partial.context)

        restricts = self.prior is not None or self.family.restricts
        return Drawer(self.codec, draw, restricts, self.family.marginalizes, self.family.name, rng)

    def _sample(self, n: int, given: Given, rng: torch.Generator) -> Tensor:
        if self.correction is None:
            return self.family.sample(self.net, n, given, rng)
        return self.correction.sample(self.family, self.net, n, given, rng)

    def _complete(self, partial: Given, n: int, rng: torch.Generator) -> Given:
        """Draw the scalar fields that are not given."""
        if self.prior is None:
            return partial
        drawn = self.prior.family.sample(self.prior.net, n, Given(partial.context, allowed=partial.allowed), rng)
        return Given(partial.x, drawn)

    def _latent_family(self, verb: str) -> HasLatent:
        if not isinstance(self.family, HasLatent):
            hint = "vae, gan, flow and diffusion have one"
            raise UnsupportedError(f"{self.family.name} has no latent space", where=verb, hint=hint)
        return self.family


def load(folder: str | Path, *, device: str = "auto") -> Generator:
    """Read what `Generator.save` wrote, after checking every hash; raises StorageError on anything amiss."""
    folder = existing(folder) or Path(folder)
    if not os.path.isdir(folder):
        hint = "; ".join(filter(None, (meant(folder), "give the folder that fit or run wrote")))
        raise StorageError("no such folder", where=str(folder), hint=hint)
    recipe, raw = steadily(folder, RECIPE, lambda: _read(folder))
    described = parse_json(raw[CODEC], where=str(folder / CODEC))
    codec = codec_from_json(described, where=str(folder / CODEC))
    tensors, _ = parse_tensors(raw[WEIGHTS], where=str(folder / WEIGHTS))
    target, where = choose_device(device), str(folder / RECIPE)
    family = recipe_from_json(recipe, where=where)
    net = rebuild(family, codec.space, codec.context, _part(tensors, "net/"), target)
    prior = None
    if (recipe.get("prior") is not None) is not (codec.context is not None and not isinstance(codec, ConditionedCodec)):
        raise wrong("a prior where there is nothing beside the records, or none where there is", where)
    if codec.context is not None and recipe.get("prior") is not None:
        prior_family = recipe_from_json(recipe["prior"], where=f"{where}, prior")
        prior = Fitted(prior_family, rebuild(prior_family, codec.context, None, _part(tensors, "prior/"), target), {})
    correction = Correction.of(codec.space, _part(tensors, "correction/"))
    rules = (
        None
        if recipe.get("constraints") is None
        else Constraints.from_json(recipe["constraints"], inner=codec_fields(codec))
    )
    return Generator(
        codec=codec,
        family=family,
        net=net,
        prior=prior,
        record=checked(entry(recipe, "record", dict, where=where), where=f"{where}, record"),
        constraints=rules,
        correction=correction and correction.to(target),
        texts=_rebuild_texts(recipe, described, tensors, target),
    )


def holds_generator(folder: Path) -> bool:
    """Whether a generator was saved to `folder` itself, a save that was killed at its very end included."""
    settle(folder)
    return (folder / RECIPE).is_file()


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The recipe in `folder`, and the files whose hashes it holds."""
    recipe = read_json(placed(folder, RECIPE))
    if not isinstance(recipe, dict) or not isinstance(recipe.get("sha256"), dict) or "schema" not in recipe:
        raise StorageError("not a genwright recipe", where=str(folder / RECIPE), hint="is the folder right?")
    if recipe["schema"] != SCHEMA:
        raise StorageError(
            f"format {recipe['schema']!r:.20}, and this version reads format {SCHEMA}",
            where=str(folder),
            hint="upgrade genwright, or fit again",
        )
    raw = {name: read_file(placed(folder, name)) for name in (CODEC, WEIGHTS)}
    for name, content in raw.items():
        if recipe["sha256"].get(name) != hashlib.sha256(content).hexdigest():
            hint = "the file was changed"
            raise StorageError("its SHA-256 is not the recorded one", where=str(folder / name), hint=hint)
    return recipe, raw


def _rebuild_texts(
    recipe: dict[str, Any], described: dict[str, Any], tensors: dict[str, Tensor], device: torch.device
) -> TextColumns | None:
    if recipe.get("texts") is None:
        return None
    codec, family = codec_from_json(described.get("texts")), recipe_from_json(recipe["texts"])
    order = entry(described, "order", tuple[str, ...], where=CODEC)
    if not isinstance(codec, TextColumnsCodec):
        raise wrong("not the codec of texts", CODEC)
    net = rebuild(family, codec.space, codec.context, _part(tensors, "texts/"), device)
    return TextColumns(codec, Fitted(family, net, {}), order)


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _chunks(n: int, space: Space) -> Iterator[slice]:
    """Slices of about CHUNK_NUMBERS numbers each."""
    step = max(16, CHUNK_NUMBERS // max(1, int(np.prod(space.shape))))
    for start in range(0, n, step):
        yield slice(start, min(n, start + step))


def _device_of(net: nn.Module) -> torch.device:
    return next((t.device for t in [*net.parameters(), *net.buffers()]), torch.device("cpu"))
