"""`genwright ratings`: what a rating study found, its export, and how large a study must be. Verbs only translate."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genwright.app.exits import answering
from genwright.app.output import print_json

if TYPE_CHECKING:
    from genwright.rating.analysis import Analysis, Findings
    from genwright.rating.power import Design
    from genwright.rating.rankings import Ranking
    from genwright.rating.records import Study


class _Verbs(click.Group):
    """A group whose verb may be left out: `genwright ratings DIR` analyses DIR."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and not any(arg in self.commands or arg in ("-h", "--help") for arg in args[:1]):
            args = ["analyse", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
def ratings() -> None:
    """Analyse a rating study, export it, or plan one.

    \b
    genwright ratings runs/rating                     leaderboard, agreement, exclusions
    genwright ratings runs/rating --json
    genwright ratings export runs/rating --out export/
    genwright ratings export/study.jsonl                    the same analysis, bit for bit
    genwright ratings power --win-rate 0.6 --per-rater 30   how many raters that takes
    """


@ratings.command()
@click.argument("study", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--store", metavar="URL", help="Where the answers are, if not in DIR: a PostgreSQL URL.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the resamples.")
@answering
def analyse(study: Path, store: str | None, seed: int, as_json: bool) -> None:
    """What the study in DIR found; DIR may also be an exported study.jsonl.

    \b
    genwright ratings runs/rating
    genwright ratings export/study.jsonl --json

    Systems are ranked by question, with 95 % intervals in which each rater counts as one sample of people, and
    grouped where they cannot be told apart (Holm over all pairs). Shown after the exclusions that the protocol fixed;
    --json has both, with and without.
    """
    from genwright.rating.analysis import analyse as analysed

    found = analysed(_study(study, store), seed=seed)
    if as_json:
        print_json(found.to_json())
        return
    for line in lines(found):
        click.echo(line)


@ratings.command()
@click.argument("study", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder to write.")
@click.option("--store", metavar="URL", help="Where the answers are, if not in DIR: a PostgreSQL URL.")
@answering
def export(study: Path, out: Path, store: str | None, as_json: bool) -> None:
    """Write the study in DIR as files that others can analyse.

    \b
    genwright ratings export runs/rating --out export/

    study.jsonl holds every record and the hash of them all; ratings.csv is one row per answer; pairs.jsonl has the
    preferences, chosen and rejected, for preference optimisation; SHA256SUMS is for sha256sum -c.
    """
    from genwright.rating.export import write_export

    sha256 = write_export(_study(study, store), out)
    if as_json:
        print_json({"out": str(out), "sha256": sha256})
        return
    click.echo(f"the study's SHA-256 is {sha256}", err=True)
    click.echo(str(out))


@ratings.command()
@click.option("--win-rate", type=float, help="The win rate to tell from one half; ties count half.")
@click.option("--accuracy", type=float, help="The accuracy of real-or-generated to tell from guessing, 0.5 to 1.")
@click.option("--difference", type=float, help="The difference of two means to find, in points of a scale.")
@click.option("--deviation", type=float, default=1.5, show_default=True, help="Spread of answers for one system.")
@click.option("--raters", type=int, help="Number of raters: what can they tell, instead of how many it takes.")
@click.option("--per-rater", type=int, default=30, show_default=True, help="Answers of each rater to the question.")
@click.option("--systems", type=int, default=2, show_default=True, help="Systems in all, real data among them.")
@click.option("--ties", type=float, default=0.0, show_default=True, help="Expected share of ties.")
@click.option("--correlation", type=float, default=0.1, show_default=True, help="How alike a rater's answers are.")
@click.option("--power", type=float, default=0.8, show_default=True, help="Probability of finding it.")
@answering
def power(
    win_rate: float | None,
    accuracy: float | None,
    difference: float | None,
    deviation: float,
    raters: int | None,
    power: float,
    as_json: bool,
    **design: Any,
) -> None:
    """How many raters a study needs, or what a given number can tell. To be asked before the study.

    \b
    genwright ratings power --win-rate 0.6 --per-rater 30
    genwright ratings power --difference 0.5 --systems 4
    genwright ratings power --raters 12 --per-rater 40

    --correlation is 0 if raters differ by chance only, 0.1 if their tastes differ noticeably, more if strongly. With
    several systems, pairs are controlled together, so that 5 % is the probability of any false finding.
    """
    from genwright.rating.power import Design

    goals = {"win rate": win_rate, "accuracy": accuracy, "difference": difference}
    if raters is None:
        plans = _raters_needed(goals, Design(raters=2, **design), deviation, power)
        answer: Any = {
            goal: {**plan.to_json(), "answers": plan.raters * plan.per_rater} for goal, plan in plans.items()
        }
        told = [f"{goal} {goals[goal]:g}: {plan.raters} raters, {plan.raters * plan.per_rater:,} answers"
                for goal, plan in plans.items()]  # fmt: skip
    else:
        answer = _detectable(Design(raters=raters, **design), deviation, power)
        told = [f"smallest {goal} found with probability {power:g}: {value:.3g}" for goal, value in answer.items()]
    if as_json:
        print_json(answer)
        return
    for line in told:
        click.echo(line)


def lines(found: "Analysis") -> list[str]:
    """The analysis as text, one line each."""
    kept = found.kept
    text = [f"{kept.ratings:,} ratings of {kept.raters} raters"]
    for reason, count in found.exclusions.counts().items():
        if count:
            text.append(f"left out: {reason}: {count}")
    if found.withdrawn:
        text.append(f"withdrawn: {found.withdrawn}")
    for question in found.changed:
        text.append(f"note: without exclusions, {question} comes out differently (--json has both)")
    for ranking in kept.rankings.values():
        text += ["", *_ranking(ranking)]
    return [*text, "", *_besides(kept), f"study SHA-256 {found.sha256}"]


def _ranking(ranking: "Ranking") -> list[str]:
    named = [f"  {score}" for score in ranking.scores]
    together = [f"  cannot tell apart: {', '.join(group)}" for group in ranking.groups if len(group) > 1]
    return [ranking.question, *named, *together, *(f"  note: {note}" for note in ranking.notes)]


def _besides(findings: "Findings") -> list[str]:
    agreed = [f"{score}: {score.note}" for score in findings.agreement.values()]
    same = [str(score) for score in findings.consistency.values()]
    took = [f"seconds per answer, {kind}: {times['median']:.1f}" for kind, times in findings.seconds.items()]
    return [*agreed, *same, *took, *(f"note: {note}" for note in findings.notes)]


def _study(path: Path, store: str | None) -> "Study":
    """The study of a file, an exported folder, or a live one."""
    from genwright.rating.export import STUDY, read_export

    if path.is_file() or (path / STUDY).is_file():
        return read_export(path)
    from genwright.errors import StorageError
    from genwright.rating.protocol import Protocol
    from genwright.rating.store import Store
    from genwright.rating.study import DATABASE, PROTOCOL
    from genwright.storage import read_json

    protocol = Protocol.from_json(read_json(path / PROTOCOL), where=str(path / PROTOCOL))
    if store is None and not (path / DATABASE).is_file():
        hint = "say where with --store: the PostgreSQL URL or the SQLite file it was set up with"
        raise StorageError("the answers are not in this folder", where=str(path), hint=hint)
    opened = Store(store or path / DATABASE, study=protocol.study)
    try:
        return opened.study()
    finally:
        opened.close()


def _raters_needed(
    goals: dict[str, float | None], design: "Design", deviation: float, power: float
) -> dict[str, "Design"]:
    from genwright.errors import ArgumentError
    from genwright.rating.power import raters_for_accuracy, raters_for_scale, raters_for_win_rate

    planners = {
        "win rate": lambda goal: raters_for_win_rate(goal, design=design, power=power),
        "accuracy": lambda goal: raters_for_accuracy(goal, design=design, power=power),
        "difference": lambda goal: raters_for_scale(goal, design=design, deviation=deviation, power=power),
    }
    plans = {name: planners[name](goal) for name, goal in goals.items() if goal is not None}
    if not plans:
        hint = "for example --win-rate 0.6, or --raters 12 for what twelve can tell"
        raise ArgumentError("what is to be found?", where="--win-rate, --accuracy or --difference", hint=hint)
    return plans


def _detectable(design: "Design", deviation: float, power: float) -> dict[str, float]:
    from genwright.rating.power import detectable_accuracy, detectable_difference, detectable_win_rate

    return {
        "win rate": detectable_win_rate(design, power=power),
        "accuracy": detectable_accuracy(design, power=power),
        "difference": detectable_difference(design, deviation=deviation, power=power),
    }
