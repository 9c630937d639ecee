"""Fitting: from a Dataset to a Generator, within a time or a number of steps."""

import hashlib
import json
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from genwright.codecs import Codec, fit_codec
from genwright.codecs.batches import encoded
from genwright.codecs.others import Derived
from genwright.codecs.text import reads_text
from genwright.codecs.text_columns import TextColumnsCodec
from genwright.codecs.tokenizers import Maker
from genwright.constraints import Constraints, Rule, check_rules
from genwright.data.dataset import Dataset
from genwright.errors import ArgumentError, UnsupportedError
from genwright.families.autoregressive import Autoregressive
from genwright.families.capabilities import settled
from genwright.families.copula import Copula
from genwright.families.family import DEFAULT, Family, Work
from genwright.families.flow import FlowMatching
from genwright.families.recipe import check_family, recipe_to_json
from genwright.families.sampling import Sampling
from genwright.folders import locked
from genwright.model.column_texts import TextColumns, token_model
from genwright.model.correction import Correction, learn_correction, less_reserved, reserved_seconds
from genwright.model.generator import Generator
from genwright.model.lora import LoRA, checked_rank
from genwright.model.prior import fit_prior
from genwright.privacy import Privacy, private_fit
from genwright.randomness import checked_seed
from genwright.spaces import Columns, Encoded, Reals, RowSource, Space, Tokens
from genwright.train.devices import choose_device
from genwright.train.doctor import WATCHING, Doctor
from genwright.train.fit import Fitted, fit_family
from genwright.train.limits import check_limits, checked_budget, checked_count
from genwright.train.progress import Listener, Progress, silent
from genwright.train.record import circumstances
from genwright.train.stages import Kept, Stages
from genwright.train.start import Start, as_start

FEW_ROWS = 500  # of a table mostly of numbers, below which few parameters are better than many
TEXT_SHARE = 0.5  # of the time goes to the free-text columns of a table, where there are any


def fit(
    data: Dataset,
    *,
    family: Family | None = None,
    minutes: float | None = None,
    steps: int | None = None,
    seed: int = 0,
    device: str = "auto",
    constraints: Sequence[Rule] = (),
    privacy: Privacy | None = None,
    target: str | None = None,
    derived: Sequence[Derived] = (),
    tokenizer: Maker | None = None,
    context: int | None = None,
    start: Generator | None = None,
    trainable: Sequence[str] = (),
    lora: int | None = None,
    how: Sampling = DEFAULT,
    doctor: Doctor | None = WATCHING,
    folder: str | Path | None = None,
    listener: Listener = silent,
) -> Generator:
    """Fit a generative model to `data.train`, stopping by `data.valid`; `data.test` is not looked at.

    `minutes` (5 if neither is given) or `steps` bounds the work. With a `folder`, which no other process may write to,
    every stage is checkpointed and logged there, and an interrupted fit of the same data and recipe goes on where it
    stopped. `family` None takes the family that does best on this kind of data at short budgets. `constraints` are
    rules of `genwright.constraints` that every record will keep, checked against each other and the data first.
    `privacy`: see `Privacy`; fits to all rows. `how` becomes the model's default way to draw.

    `target` names the image or text field to model given all others: captions, texts and images beside it become
    conditions, and so does what is `derived` from a field. Those not given when sampling are unknown to the model.
    `tokenizer` says how texts become tokens, by default `codecs.tokenizers.chosen`; `context` is how many are seen.
    `start` is a fitted model to go on from with this data: its family, codec and weights are taken over, so that new
    data must have its fields and keep its rules. Of its net only parameters that match a pattern in `trainable` move,
    or with `lora`, a rank, low-rank matrices beside it. Of the minutes, free-text columns of a table get TEXT_SHARE.
    `doctor` says what goes wrong and stops before samples are copies, see `Doctor`; None leaves a fit to itself.
    """
    _check_what(data, family)
    minutes, steps = checked_budget(minutes, steps, where="fit")
    seed, context = checked_seed(seed, where="fit"), _checked_tokens(tokenizer, context)
    place = None if folder is None else Path(folder)
    course = _Course(minutes, steps, seed, device, place, listener, target, tuple(derived), tokenizer, context, doctor)
    if start is not None or trainable or lora is not None:
        course = replace(course, start=_checked_start(start, trainable, lora, data, family))
    with nullcontext() if course.folder is None else locked(course.folder):
        made = _fit(data, family, course, constraints, privacy)
    return replace(made, how=settled(made.family, made.codec.space, how, made.how))


def _check_what(data: Any, family: Any) -> None:
    """Raise unless there is a dataset to fit to, and a recipe if any."""
    if not isinstance(data, Dataset):
        what = f"fit takes a dataset, not a {type(data).__name__}"
        raise ArgumentError(what, where="fit", hint="read it first: gw.fit(gw.read(data))")
    if family is not None:
        check_family(family, where="fit")


def _fit(
    data: Dataset, family: Family | None, course: "_Course", constraints: Sequence[Rule], privacy: Privacy | None
) -> Generator:
    """`fit` within the bounds of `course`, whose folder is nobody else's."""
    if course.start is not None:
        more = {"target": course.target, "derived": course.derived, "tokenizer": course.tokenizer}
        _check_no_more("start", constraints=constraints, context=course.context, **more)
    if not data.texts or course.target is not None:
        return _fit_rows(data, family, course, constraints, privacy)
    if privacy is not None:
        what = f"free text is not fitted privately: {', '.join(f.name for f in data.texts)}"
        raise UnsupportedError(what, where=data.name, hint="drop the column, or read it as a category")
    minutes = check_limits(data, course.minutes, course.steps)
    share = None if minutes is None else (1 - TEXT_SHARE) * minutes
    made = _fit_rows(data.without_texts(), family, course.part("rows", share), constraints)
    course = course.caught_up(made.record["seconds"])
    texts = _fit_texts(data, course.part("texts", minutes))
    course = course.caught_up(texts.fitted.record["seconds"])
    course.listener(Progress("done", 1, 1))
    record = made.record | {"minutes": minutes, "seconds": round(time.monotonic() - course.started, 2)}
    return replace(made, parts=(*made.parts, texts), record=record | {"texts": texts.fitted.record})


@dataclass(frozen=True)
class _Course:
    """What bounds and watches a fit, from the moment it began."""

    minutes: float | None
    steps: int | None
    seed: int
    device: str
    folder: Path | None
    listener: Listener
    target: str | None = None
    derived: tuple[Derived, ...] = ()
    tokenizer: Maker | None = None
    context: int | None = None
    doctor: Doctor | None = None
    start: "_Start | None" = None
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        if self.doctor is not None and not isinstance(self.doctor, Doctor):
            hint = "give doctor=gw.Doctor(), or None"
            raise ArgumentError(f"doctor={self.doctor!r:.60} is no doctor", where="fit", hint=hint)

    def part(self, name: str, minutes: float | None) -> "_Course":
        """The same for a part of a fit that ends `minutes` after the whole began, and whose end is not the end."""

        def tell(progress: Progress) -> None:
            if progress.stage != "done":
                self.listener(replace(progress, stage=f"{name}: {progress.stage}"))

        return replace(self, minutes=minutes, listener=tell)

    def work(self, rows: int) -> Work:
        return Work(rows=rows, minutes=self.minutes, steps=self.steps)

    def caught_up(self, seconds: float) -> "_Course":
        """The same with its beginning put back where parts of it took so long in earlier processes."""
        return replace(self, started=min(self.started, time.monotonic() - seconds))

    def train(
        self, family: Family, codec: Codec, train: RowSource, valid: RowSource, work: Work, stages: Stages
    ) -> Fitted:
        """`fit_family` within these bounds."""
        return fit_family(
            family,
            codec.space,
            codec.conditions,
            train,
            valid,
            work=work,
            seed=self.seed,
            started=self.started,
            device=choose_device(self.device),
            stages=stages,
            start=None if self.start is None or codec is not self.start.codec else self.start.net,
            doctor=self.doctor,
            listener=self.listener,
        )


def _fit_rows(
    data: Dataset,
    family: Family | None,
    course: _Course,
    constraints: Sequence[Rule],
    privacy: Privacy | None = None,
) -> Generator:
    """`fit` where there is no free text beside other columns."""
    course = replace(course, minutes=check_limits(data, course.minutes, course.steps))
    device, seed, listener = choose_device(course.device), course.seed, course.listener
    if privacy is not None:
        if course.start is not None or course.target is not None or course.derived:
            hint = "leave out start, target and derived"
            raise UnsupportedError("private fits begin anew, with whole tables", where="privacy", hint=hint)
        work = course.work(len(data))
        hidden = private_fit(data, privacy, family=family, work=work, seed=seed, rules=constraints, listener=listener)
        return Generator(codec=hidden.codec, family=hidden.family, net=hidden.net.to(device), record=hidden.record)
    rules, codec, rows, held_out = _encode(data, constraints, course)
    family = course.start.family if course.start is not None else family
    family = family or default_family(codec.space, len(rows))
    work = less_reserved(course.work(len(rows)), codec.space)
    digest = None if course.start is None else course.start.net.digest()
    stages = Stages(course.folder, fingerprint(family, codec, work, seed, start=digest))
    ways: dict[str, Any] = {"minutes": course.minutes, "forgets": family.can(codec.space).forgets}
    prior = fit_prior(codec.conditions, rows, held_out, **ways, seed=seed, device=device, stages=stages)
    fitted = course.train(family, codec, rows, held_out, work, stages)
    course = course.caught_up(fitted.record["seconds"])
    adapter = LoRA.taken_from(fitted.net) if course.start is not None and course.start.net.lora else None
    correction, measured = _correct(fitted, codec.space, (rows, held_out), course, stages)
    record = {"minutes": course.minutes, "steps": course.steps, "seed": seed} | fitted.record | measured
    record |= circumstances(data, started=course.started)
    listener(Progress("done", 1, 1))
    parts = tuple(part for part in (adapter, prior, correction, rules) if part is not None)
    return Generator(codec=codec, family=fitted.family, net=fitted.net, parts=parts, record=record)


def _fit_texts(data: Dataset, course: _Course) -> TextColumns:
    """The distribution of the text columns given the others."""
    course.listener(Progress("encoding"))
    rng = torch.Generator().manual_seed(course.seed)
    train_rows, valid_rows = data.train, data.valid if len(data.valid) else data.train
    codec = TextColumnsCodec.fit(train_rows, rng=rng)
    train, valid = (codec.encode(rows, rng=rng) for rows in (train_rows, valid_rows))
    work = course.work(len(train_rows))
    family = token_model(codec.length, work)
    folder = course.folder and course.folder / "texts"
    stages = Stages(folder, fingerprint(family, codec, work, course.seed))
    fitted = course.train(family, codec, train, valid, work, stages)
    return TextColumns(codec, fitted, tuple(f.name for f in data.fields))


def _correct(
    fitted: Fitted, space: Space, rows: tuple[RowSource, RowSource], course: _Course, stages: Stages
) -> tuple[Correction | None, dict[str, Any]]:
    """The correction of a fitted table generator where there is time for one and it helps, and what was measured."""
    train, valid = rows
    minutes = course.minutes
    if minutes is None or not isinstance(space, Columns) or not reserved_seconds(space, len(train), minutes):
        return None, {}
    assert isinstance(train, Encoded) and isinstance(valid, Encoded), "tables are in memory"
    course.listener(Progress("correcting"))
    deadline = course.started + 60.0 * minutes

    def corrected() -> Kept:
        found, measured = learn_correction(
            fitted.family, fitted.net, space, train, valid, deadline=deadline, seed=course.seed
        )
        return {} if found is None else found.state_dict(), {"correction": measured | {"kept": found is not None}}

    tensors, record = stages.done("correction", corrected)
    correction = Correction.of(space, tensors)
    return correction and correction.to(choose_device(course.device)), record


def default_family(space: Space, rows: int) -> Family:
    """The family that does best at short budgets on each kind of space (see docs/how-to-choose.md)."""
    match space:
        case Reals():
            return FlowMatching()
        case Columns() if rows < FEW_ROWS and 2 * len(space.continuous) > len(space.columns):
            return Copula()  # docs/evidence/small_tables.md
        case Tokens() | Columns():
            return Autoregressive()


def _encode(
    data: Dataset, constraints: Sequence[Rule], course: _Course
) -> tuple[Constraints | None, Codec, RowSource, RowSource]:
    """The rules, a codec fitted to the training part, and the training and the validation part (if any) encoded."""
    course.listener(Progress("encoding"))
    rng = torch.Generator().manual_seed(course.seed)
    rules = Constraints.of(data, constraints) if constraints else None
    if course.start is not None:
        rules = course.start.rules_for(data)
    train_rows, valid_rows = data.train, data.valid if len(data.valid) else data.train
    if rules is not None:
        train_rows, valid_rows = rules.inner(train_rows), rules.inner(valid_rows)
    if course.start is not None:
        codec = course.start.codec
    else:
        ways: dict[str, Any] = {"tokenizer": course.tokenizer, "context": course.context}
        codec = fit_codec(train_rows, rng=rng, target=course.target, derived=course.derived, **ways)
    return rules, codec, encoded(codec, train_rows, rng=rng), encoded(codec, valid_rows, rng=rng)


@dataclass(frozen=True)
class _Start:
    """What a fit takes over from another."""

    family: Family
    codec: Codec
    net: Start
    rules: Constraints | None

    def rules_for(self, data: Dataset) -> Constraints | None:
        """The rules of the model; DataError where rows of the new data break one."""
        if self.rules is not None:
            check_rules(data, self.rules.rules)
        return self.rules


def _checked_tokens(tokenizer: Any, context: Any) -> int | None:
    """`context`; ArgumentError where it is no count, or `tokenizer` makes none."""
    if tokenizer is not None and not callable(tokenizer):
        hint = "give what makes one of texts: genwright.codecs.tokenizers has BPE.trained, or leave it out"
        raise ArgumentError(f"tokenizer={tokenizer!r} makes no tokenizer", where="fit", hint=hint)
    return None if context is None else checked_count(context, "context", "fit")


def _check_no_more(chosen: str, **others: Any) -> None:
    """Raise if anything is said beside `chosen` that it has brought with it."""
    for name, value in others.items():
        if value:
            what = f"{name} comes with the model that is started from"
            raise ArgumentError(what, where=chosen, hint=f"leave {name} out, or fit anew")


def _checked_start(
    start: Generator | None, trainable: Sequence[str], lora: int | None, data: Dataset, family: Family | None
) -> _Start:
    """What is taken over from a model; raises where the data or the family are others than its own."""
    if start is not None and not isinstance(start, Generator):
        what = f"a model to start from, not a {type(start).__name__}"
        raise ArgumentError(what, where="start", hint="load it first: start=gw.load(folder)")
    trainable = (trainable,) if isinstance(trainable, str) else trainable
    rank = None if lora is None else checked_rank(lora)
    found = as_start(None if start is None else start.net, trainable, rank)
    assert start is not None and found is not None
    if family is not None and family.name != start.family.name:
        what = f"{family.name} cannot go on from {start.family.name}"
        raise ArgumentError(what, where="start", hint="leave family out: it is that of the model")
    found.check(start.family)
    if data.texts and not reads_text(start.codec):
        raise UnsupportedError("tables with free text are fitted anew", where="start", hint="drop these columns")
    missing = [field.name for field in start.fields if field.name not in data.columns]
    if missing:
        what = f"the model has {', '.join(map(repr, missing))}, which the data lacks"
        raise ArgumentError(what, where="start", hint="rename its columns, or fit anew")
    return _Start(start.family, start.codec, found, start.part(Constraints))


def fingerprint(family: Family, codec: Codec, work: Work, seed: int, *, start: str | None = None) -> str:
    """Identifies a fit, so that only the same fit is resumed."""
    parts = [recipe_to_json(family), codec.to_json(), vars(work), seed, *([start] if start else [])]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
