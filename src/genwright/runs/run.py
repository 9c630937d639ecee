"""`run`: compare the suitable families under an equal budget, keep the best, train it on, measure it, report."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from genwright.card import expression
from genwright.constraints import Rule, check_rules
from genwright.data.dataset import Category, Dataset, Image, Text
from genwright.families.family import Family, HasLatent
from genwright.generator import Generator
from genwright.metrics.evaluate import Evaluation, evaluate
from genwright.report.report import Report, Walk
from genwright.runs.arena import TESTED_CHARACTERS, Arena, drawn, part, suitable
from genwright.runs.budget import COMPARISON_SHARE, Stopwatch
from genwright.runs.folder import claim, write_run
from genwright.runs.ranking import choose, ranked, rule
from genwright.train.progress import Listener, Progress, silent

WALK_STEPS = 9


@dataclass(frozen=True, kw_only=True)
class Run:
    """What `run` leaves behind: the folder, and everything in it as objects."""

    folder: Path
    generator: Generator
    evaluation: Evaluation
    report: Report


def run(
    data: Dataset,
    *,
    out: str | Path,
    minutes: float = 5.0,
    seed: int = 0,
    families: Sequence[Family] | None = None,
    constraints: Sequence[Rule] = (),
    command: str | None = None,
    listener: Listener = silent,
) -> Run:
    """Compare `families` (default: all that suit the data), keep the best, and write the run folder `out`.

    `minutes` is the training time in all: half is shared equally by the families, the rest trains the winner anew on
    a plan made for the longer time. Drawing, scoring and the report come on top. An interrupted run goes on where it
    stopped when called again with the same data and arguments; a folder with another run is an ArgumentError. All
    families keep the `constraints`. `command` is how the report says to repeat the run; by default this call.
    """
    out, watch, candidates = Path(out), Stopwatch(), list(suitable(data) if families is None else families)
    rules = check_rules(data, constraints)
    claim(out, data, minutes=minutes, seed=seed, families=candidates, rules=rules)
    arena = Arena(data, COMPARISON_SHARE * minutes / len(candidates), seed, out / "comparison", watch, listener, rules)
    contestants = [replace(arena, data=data.without_texts()).contest(family) for family in candidates]
    best = choose(contestants)
    left = max(minutes - sum(c.entry.seconds for c in contestants) / 60, arena.minutes)
    (generator, notes), unseen = arena.train_on(best, left, out), part(data.test, TESTED_CHARACTERS)
    listener(Progress("drawing samples"))
    with watch("drawing samples"):
        fake, walks = generator.sample(drawn(unseen), seed=seed), _walks(generator, data, seed)
    with watch("scoring on the test part"):
        listener(Progress("scoring on the test part"))
        evaluation = evaluate(fake, real=unseen, train=data.train, generator=generator, seed=seed)
    report = Report(
        data=data,
        fake=fake,
        family=generator.family.name,
        recipe=expression(generator.family),
        record=generator.record,
        scores=evaluation.scores,
        notes=(*notes, *evaluation.notes),
        leaderboard=tuple(replace(c.entry, chosen=c is best) for c in ranked(contestants)),
        rule=rule(best.entry, minutes=arena.minutes, records=drawn(data.valid)),
        walks=walks,
        seconds=watch.seconds,
        commands=_commands(data, out, command or _call(data, out, minutes, seed)),
    )
    listener(Progress("writing the report"))
    write_run(out, generator, evaluation, report)
    listener(Progress("done", 1, 1))
    return Run(folder=out, generator=generator, evaluation=evaluation, report=report)


def _walks(generator: Generator, data: Dataset, seed: int) -> tuple[Walk, ...]:
    """Interpolations between latents of images, one per class where there are classes."""
    if not isinstance(data.media, Image) or not isinstance(generator.family, HasLatent):
        return ()
    label = None if data.label is None else data.field(data.label)
    if not isinstance(label, Category):
        records = generator.interpolate(4, steps=WALK_STEPS, seed=seed)
        return tuple(Walk(name="", records=records.take(slice(k, k + WALK_STEPS))) for k in range(0, 36, WALK_STEPS))
    levels = label.levels[:12]
    records = generator.interpolate(len(levels), steps=WALK_STEPS, given={label.name: list(levels)}, seed=seed)
    starts = range(0, len(records), WALK_STEPS)
    return tuple(
        Walk(name=level, records=records.take(slice(s, s + WALK_STEPS)))
        for level, s in zip(levels, starts, strict=True)
    )


def _call(data: Dataset, out: Path, minutes: float, seed: int) -> str:
    """The call of `run` that this was."""
    return f'gw.run(gw.read("{data.name}"), out="{out}", minutes={minutes:g}, seed={seed})'


def _commands(data: Dataset, out: Path, command: str) -> tuple[str, ...]:
    """What to type to get this run again, and to use it."""
    suffix = {Image: "", Text: ".jsonl"}.get(type(data.media), ".csv")
    return (command, f"genwright sample {out} -n 1000 --seed 1 --out more{suffix}")
