"""`run`: compare the suitable families under an equal budget, keep the best, train it on, measure it, report."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from genwright.codecs import expected_space
from genwright.constraints import Rule, check_rules
from genwright.data import media
from genwright.data.dataset import Category, Dataset
from genwright.errors import ArgumentError
from genwright.families.capabilities import suitable
from genwright.families.family import Family
from genwright.families.recipe import check_family
from genwright.metrics.evaluate import Evaluation
from genwright.model.generator import Generator
from genwright.randomness import checked_seed
from genwright.report.card import expression
from genwright.report.kinds import KINDS
from genwright.report.report import Entry, Report, Walk
from genwright.runs.arena import Arena
from genwright.runs.budget import Budget, Stopwatch
from genwright.runs.folder import claim, write_run
from genwright.runs.parts import fits_each
from genwright.runs.ranking import Contestant, choose, leaderboard, rule, settled
from genwright.train.limits import checked_budget
from genwright.train.progress import Listener, Progress, silent

WALK_STEPS = 9


@dataclass(frozen=True, kw_only=True)
class Run:
    """What `run` leaves behind: the folder, and everything in it as objects."""

    folder: Path
    generator: Generator
    evaluation: Evaluation
    report: Report


def _candidates(data: Dataset, minutes: float, seed: int, families: Sequence[Family] | None) -> list[Family]:
    """The families to compare; raises for what is no time, no seed, and no list of families."""
    checked_budget(minutes, None, where="run")
    checked_seed(seed, where="run")
    if families is not None and (not isinstance(families, Sequence) or isinstance(families, str) or not families):
        what = f"families={families!r} is not a list of families"
        raise ArgumentError(what, where="run", hint="give a list: families=[genwright.Mixture()], or None for all")
    for family in families or ():
        check_family(family, where="run")
    return list(suitable(expected_space(data)) if families is None else families)


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
    a plan made for the longer time. With drawing, scoring and the report a run takes at most twice that, or three
    minutes: families are compared by the judge alone, on as many records as there is time for. Where there are too few
    to set some aside, families are judged by fits to four fifths of the data, beside the fifth that each has not seen.
    Below 10 records that is a DataError.

    An interrupted run goes on where it stopped when called again with the same data and arguments; a folder with
    another run is an ArgumentError. All families keep the `constraints`. `command` is how to repeat the run.
    """
    out, candidates = Path(out), _candidates(data, minutes, seed, families)
    budget, fits, rules = Budget(minutes, len(candidates)), fits_each(data), check_rules(data, constraints)
    claim(out, data, minutes=minutes, seed=seed, families=candidates, rules=rules)
    listener(Progress("comparing families", message=budget.told))
    arena = Arena(data, budget, seed, out / "comparison", Stopwatch(), listener, rules)
    compared = arena.compare(candidates) if fits == 1 else arena.cross_fit(candidates)
    contestants, baselines = _settled(compared, arena.baselines())
    best = choose(contestants)
    generator, notes = arena.train_on(best, minutes - sum(c.entry.seconds for c in contestants) / 60, out)
    trial = arena.trial(generator, best)
    evaluation = arena.scores(trial)
    report = Report(
        data=data,
        fake=trial.fake,
        family=generator.family.name,
        recipe=expression(generator.family),
        record=generator.record,
        scores=evaluation.scores,
        notes=(*notes, *trial.notes, *evaluation.notes),
        leaderboard=leaderboard(contestants, best, baselines),
        rule=rule(contestants, best, seconds=60 * budget.share, records=len(best.entry.preview or ()), fits=fits),
        walks=_walks(generator, data, seed),
        seconds=arena.watch.seconds,
        commands=_commands(data, out, command or _call(data, out, minutes, seed)),
    )
    write_run(out, generator, evaluation, report, listener)
    return Run(folder=out, generator=generator, evaluation=evaluation, report=report)


def _settled(contestants: Sequence[Contestant], baselines: Sequence[Entry]) -> tuple[list[Contestant], Sequence[Entry]]:
    """Families and baselines with the score that decides as their headline."""
    n, entries = len(contestants), settled([*(c.entry for c in contestants), *baselines])
    return [replace(c, entry=entry) for c, entry in zip(contestants, entries[:n], strict=True)], entries[n:]


def _walks(generator: Generator, data: Dataset, seed: int) -> tuple[Walk, ...]:
    """Interpolations between latents of images, one per class where there are classes."""
    if not KINDS[data.kind].walks or not generator.can.latent:
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
    return (command, f"genwright sample {out} -n 1000 --seed 1 --out more{media.KINDS[data.kind].suffix}")
