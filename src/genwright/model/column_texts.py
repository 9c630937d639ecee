"""Free-text columns of a table: a model of tokens that writes them given the rest of the row."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from genwright.codecs import codec_from_json
from genwright.codecs.conditions import Shares
from genwright.codecs.text_columns import TextColumnsCodec
from genwright.codecs.values import entries, is_single
from genwright.data.dataset import Dataset, Field
from genwright.errors import ArgumentError, UnsupportedError
from genwright.families.autoregressive import Autoregressive
from genwright.families.family import Family, Work
from genwright.families.rebuild import rebuild
from genwright.families.recipe import recipe_from_json, recipe_to_json
from genwright.families.sizing import chunks
from genwright.model.part import RecordSampler, Saved
from genwright.randomness import seeded
from genwright.spaces import Encoded
from genwright.train.fit import Fitted
from genwright.train.progress import Listener, Progress, silent
from genwright.typed import entry, typed, wrong

CANDIDATES = 64  # rows drawn for each given text, of which one is chosen
SHORT_MINUTES = 4.0  # of a whole fit, up to which the net is small
SMALL_BATCH = 1024  # tokens in a batch of the small net
COMPLETED_AT_ONCE = 256  # rows, of which CANDIDATES are drawn
DRAWN_AT_ONCE = 2**18  # tokens


Completer = Callable[[Dataset, int], Dataset]  # so many completions of each incomplete row, without texts


@dataclass(frozen=True, eq=False)
class TextColumns:
    """The distribution of a table's text columns given the other columns: log p(texts | row), exact in tokens.

    `order` holds the names of all columns as the table has them.
    """

    name: ClassVar[str] = "texts"

    codec: TextColumnsCodec
    fitted: Fitted
    order: tuple[str, ...]

    @property
    def family(self) -> Family:
        """The recipe of the token model."""
        return self.fitted.family

    def fields_around(self, inner: tuple[Field, ...]) -> tuple[Field, ...]:
        """Those of the row, then the texts."""
        return (*inner, *self.codec.fields)

    def inner(self, data: Dataset) -> Dataset:
        return data.without_texts()

    def outer(self, data: Dataset, *, seed: int) -> Dataset:
        """Rows without texts with texts drawn for them."""
        return self.written(data, seed=seed, listener=silent)

    def to_json(self) -> dict[str, Any]:
        codec = {"codec": self.codec.to_json(), "order": list(self.order)}
        return recipe_to_json(self.family) | codec

    @property
    def nets(self) -> Mapping[str, nn.Module]:
        return {"": self.fitted.net}

    @classmethod
    def load(cls, told: Any, tensors: dict[str, Tensor], saved: Saved) -> "TextColumns | None":
        """What a model was saved with; in the first schema its codec stands in codec.json."""
        if told is None:
            return None
        told = typed(told, dict, where=f"{saved.where}, texts")
        holder = told if "codec" in told else {"codec": saved.described.get("texts"), **saved.described}
        codec, family = codec_from_json(holder["codec"]), recipe_from_json(told)
        order = entry(holder, "order", tuple[str, ...], where=saved.where)
        if not isinstance(codec, TextColumnsCodec):
            raise wrong("not the codec of texts", saved.where)
        return cls(
            codec, Fitted(family, rebuild(family, codec.space, codec.conditions, tensors, saved.device), {}), order
        )

    def records(self, sampler: RecordSampler) -> RecordSampler:
        """What draws rows with their texts."""
        return partial(self._sample, sampler)

    def _sample(
        self, draw: RecordSampler, n: int, *, given: Mapping[str, Any], seed: int, listener: Listener
    ) -> Dataset:
        """n rows by `draw`, with their texts.

        Given texts stay as they are, and rows are drawn to suit them: of CANDIDATES rows for each text, one is chosen
        in proportion to p(text | row). Rubin 1988, "Using the SIR algorithm to simulate posterior distributions".
        """
        told = {name: value for name, value in given.items() if name in self.codec.names}
        rest = {name: value for name, value in given.items() if name not in told}
        if not told:
            return self.written(draw(n, given=rest, seed=seed, listener=listener), seed=seed, listener=listener)
        self._check(told, rest)
        columns = self.codec.whole(told, n)
        many = {name: v if is_single(v) else _repeated(v, n, name) for name, v in rest.items()}
        rows = draw(n * CANDIDATES, given=many, seed=seed, listener=listener)
        texts = {name: np.repeat(column, CANDIDATES) for name, column in columns.items()}
        chosen = self._chosen(self._joined(rows, texts), seed)
        return self._joined(rows.take(chosen), columns)

    def completed(self, complete: Completer, data: Dataset, n: int, *, seed: int) -> Dataset:
        """Incomplete rows completed by `complete`, n times each: texts that are not there are written, others stay.

        Where all texts of a row are there, its missing values are drawn given them too, as in `sample`.
        """
        rows = data.without_texts()
        own = {name: np.repeat(data.columns[name], n) for name in self.codec.names}
        done = self.written(complete(rows, n), seed=seed, listener=silent)
        columns = {name: column.copy() for name, column in done.columns.items()}
        known = np.all([data.columns[name] != "" for name in self.codec.names], axis=0)
        for at in range(0, len(data), COMPLETED_AT_ONCE):
            part = np.flatnonzero(known[at : at + COMPLETED_AT_ONCE]) + at
            if len(part):
                candidates = complete(rows.take(part), n * CANDIDATES)
                texts = {name: np.repeat(data.columns[name][part], n * CANDIDATES) for name in self.codec.names}
                chosen = candidates.take(self._chosen(self._joined(candidates, texts), seed + at))
                places = (part[:, None] * n + np.arange(n)).reshape(-1)
                for name, column in chosen.columns.items():
                    columns[name][places] = column
        for name, column in own.items():
            columns[name] = np.where(column == "", columns[name], column)
        return replace(done, columns=columns)

    def written(self, rows: Dataset, *, seed: int, listener: Listener) -> Dataset:
        """Rows without texts with texts drawn for them."""
        rng = self._rng(seed)
        context, space, parts = self.codec.encode_context(rows, rng=rng), self.codec.space, []
        step = max(16, DRAWN_AT_ONCE // self.codec.length)
        with seeded(seed):
            for at in range(0, len(rows), step):
                part = context.rows(slice(at, at + step))
                assert part.context is not None
                parts.append(space.pack(self.family.sample(self.fitted.net, len(part.context), given=part, rng=rng)))
                listener(Progress("writing texts", min(len(rows), at + step), len(rows)))
        return self._joined(rows, self.codec.decode(Encoded(torch.cat(parts)), rng=rng).columns)

    def log_prob(self, data: Dataset) -> Float[np.ndarray, " n"]:
        """Log-probability in nats of the texts of each row given its other columns."""
        rng = self._rng(0)
        rows, space = self.codec.encode(data, rng=rng), self.codec.space
        parts: list[Tensor] = []
        for index in chunks(len(rows), length=self.codec.length):
            part = rows.rows(index)
            parts.append(self.family.log_prob(self.fitted.net, space.unpack(part.x), part.context, rng))
        return torch.cat(parts).double().cpu().numpy()

    def _check(self, told: Mapping[str, Any], rest: Mapping[str, Any]) -> None:
        missing = [name for name in self.codec.names if name not in told]
        if missing:
            what = f"texts are given all or none: {', '.join(missing)} is not"
            raise UnsupportedError(what, where="given", hint='give it too, "" where it is empty')
        shared = [name for name, value in rest.items() if isinstance(value, Shares)]
        if shared:
            what = "shares of a column and a given text do not go together"
            raise ArgumentError(what, where=shared[0], hint="give values, ranges or sets, or leave the text free")

    def _chosen(self, candidates: Dataset, seed: int) -> Int[np.ndarray, " n"]:
        """One of each CANDIDATES rows, in proportion to the probability of their texts given the rest (Gumbel-max)."""
        noise = np.random.default_rng(seed).gumbel(size=len(candidates))
        best = (self.log_prob(candidates) + noise).reshape(-1, CANDIDATES).argmax(axis=1)
        return np.arange(len(best)) * CANDIDATES + best

    def _joined(self, rows: Dataset, texts: Mapping[str, np.ndarray]) -> Dataset:
        """Rows and texts in the order of the table."""
        fields = {f.name: f for f in (*rows.fields, *self.codec.fields)}
        ordered = tuple(fields[name] for name in self.order)
        return replace(rows, fields=ordered, columns={**rows.columns, **texts}, fixed_split=None)

    def _rng(self, seed: int) -> torch.Generator:
        device = next(self.fitted.net.parameters()).device
        return torch.Generator(device).manual_seed(seed)


def token_model(length: int, work: Work) -> Autoregressive:
    """The recipe for texts of `length` tokens: a small net where there are minutes only, or steps are counted.

    No context is hidden while training, since the rest of the row is always known; dropout was found to hurt.
    """
    if work.minutes is not None and work.minutes > SHORT_MINUTES:
        return Autoregressive(label_dropout=0.0, dropout=0.0)
    batch = min(128, max(16, SMALL_BATCH // length), work.rows)
    return Autoregressive(width=64, depth=2, batch=batch, label_dropout=0.0, dropout=0.0)


def _repeated(value: Any, n: int, name: str) -> list[Any]:
    """A value for each of n rows, as often as the row has candidates."""
    return [each for each in entries(value, n, where=name) for _ in range(CANDIDATES)]
