"""The command line: run, fit, sample, evaluate, inspect. Verbs only translate; torch is imported inside them."""

import json
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from genwright import __version__
from genwright.app.adapting import adapt, adapters
from genwright.app.auditing import audit
from genwright.app.cards import card
from genwright.app.chat import chat
from genwright.app.conditions import impute
from genwright.app.databases import fit_database, sample_database
from genwright.app.exits import EXIT_CODES, answering
from genwright.app.exporting import export
from genwright.app.folders import afresh, claimed, no_run
from genwright.app.logs import log
from genwright.app.measuring import compare, evaluate
from genwright.app.options import (
    modelling,
    protecting,
    read_data,
    read_modelling,
    read_ruled,
    reading,
    ruling,
    size_of,
    told_privacy,
)
from genwright.app.origins import reproduce
from genwright.app.output import print_json, save
from genwright.app.progress import shown
from genwright.app.provenance import keys_group, verify
from genwright.app.publishing import publish
from genwright.app.rating import rate
from genwright.app.ratings import ratings
from genwright.app.sampling import sample
from genwright.app.serving import serve
from genwright.app.tuning import tune
from genwright.app.wording import in_options, tell
from genwright.errors import ArgumentError
from genwright.families import FAMILIES

FAMILY_NAMES = ["auto", *FAMILIES]


class FamilyName(click.ParamType):
    """One of `names` as reports write it, with hyphens for spaces, or as its Python class is called."""

    name = "family"

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """What stands after the option in --help."""
        return f"[{'|'.join(name.replace(' ', '-') for name in self.names)}]"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name that `value` means, whatever its spelling; a usage error where it is none."""
        meant = _letters(value)
        for name in self.names:
            if meant in (short := _letters(name), f"{short}matching", f"{short}mixture"):
                return name
        self.fail(f"{value!r} is no family: choose from {', '.join(self.names)}", param, ctx)


def _letters(text: str) -> str:
    return re.sub("[^a-z]", "", text.lower())


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=f"\b\nExit codes:\n{EXIT_CODES}",
)
@click.version_option(__version__, prog_name="genwright")
def main() -> None:
    """Give it your data, it gives back a generative model.

    \b
    genwright run patients.csv              compare families, keep the best, write a report
    genwright fit digits --family vae       fit one family
    genwright sample runs/digits -n 100 --out fake/   draw from what was fitted
    genwright evaluate fake.csv --real patients.csv
    genwright tune runs/prose --pairs pairs.jsonl   completions, chats, preferences, rewards
    genwright adapt runs/animals birds/ --given label=bird   something new from few examples, nothing forgotten
    genwright chat runs/chatty              talk to a language model
    genwright inspect patients.csv          what genwright sees in the data
    genwright fit-database sqlite:///shop.db    all tables of a database, and how they belong together

    DATA is a table (.csv, .tsv, .parquet, .jsonl, or the URL of a database), images (a folder, .zip, IDX or .npz),
    text (.txt, .jsonl, a folder of .txt), readings over time (a table or folder of tables, with --series time=COL),
    or a built-in set: digits, wine, diabetes, python-stdlib.

    Data goes to standard output, everything else to standard error. Every verb takes --json.
    """


@main.command()
@click.argument("data")
@click.option("--minutes", type=float, default=5.0, show_default=True, help="Training time in all, in minutes.")
@click.option("--family", "families", multiple=True, type=FamilyName(FAMILY_NAMES[1:]), help="Compare only these.")
@click.option("--out", type=click.Path(path_type=Path), help="The folder to write.  [default: runs/NAME]")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything random.")
@click.option("--force", is_flag=True, help="Replace what is in the folder.")
@reading
@ruling
@answering
def run(
    data: str,
    minutes: float,
    families: tuple[str, ...],
    out: Path | None,
    seed: int,
    force: bool,
    as_json: bool,
    **how: Any,
) -> None:
    """Compare families on DATA, keep the best, write the model and a report.

    \b
    genwright run wine --minutes 1
    genwright run patients.csv --label outcome --minutes 10 --out runs/patients
    genwright run photos/ --size 32x32 --family flow --family gan

    All families that suit the data share half of the time equally; the best by the headline score on the validation
    part trains on for the rest. The folder then holds the model, samples, scores.json, leaderboard.json, a model card
    (README.md) and report.html. Stopped with Ctrl-C, the same command goes on where it was.
    """
    from genwright.data.sql import without_password
    from genwright.runs.run import run as contest

    source, rules = read_ruled(data, how)
    command = without_password(shlex.join(["genwright", *sys.argv[1:]]))
    chosen = [_family(name, source) for name in dict.fromkeys(families)] or None
    with claimed(out, source.name, force=force) as folder, shown() as listener:
        contested = partial(
            contest,
            source,
            out=folder,
            minutes=minutes,
            seed=seed,
            families=chosen,
            constraints=rules,
            command=command,
            listener=listener,
        )
        done = afresh(folder, contested, force=force)
    _tell_run(done, source.notes, as_json=as_json)


@main.command()
@click.argument("data")
@click.option("--family", type=FamilyName(FAMILY_NAMES), default="auto", show_default=True, help="What to fit.")
@click.option("--minutes", type=float, help="Training time in minutes.  [default: 5]")
@click.option("--steps", type=int, help="Training steps, instead of --minutes: the same result on any day.")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="The folder to write.  [default: runs/NAME]")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything random.")
@click.option("--net", type=click.Choice(["portable"]), help="A net that opens in diffusers, in place of its own.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--force", is_flag=True, help="Replace what is in the folder.")
@reading
@ruling
@protecting
@modelling
@answering
def fit(
    data: str,
    family: str,
    minutes: float | None,
    steps: int | None,
    out: Path | None,
    seed: int,
    device: str,
    force: bool,
    as_json: bool,
    **how: Any,
) -> None:
    """Fit one family to DATA and save it.

    \b
    genwright fit prose.txt --tokenizer bpe --minutes 2 --out runs/prose
    genwright fit patients.csv --label outcome --missing -200 --constraints rules.json
    genwright fit patients.csv --epsilon 3 --delta 1e-6
    genwright fit "postgresql://ann@host/shop?table=orders" --out runs/orders
    genwright fit captioned/ --target image --derive "image: low resolution"
    genwright fit new.csv --start runs/first --minutes 1

    Stopped with Ctrl-C, the same command goes on where it was.
    """
    from genwright.model.fit import fit as fit_generator

    source, rules = read_ruled(data, how)
    with claimed(out, source.name, force=force) as folder, shown() as listener:
        no_run(folder, force=force)
        fitted = partial(
            fit_generator,
            source,
            family=_with_net(None if family == "auto" else _family(family, source), how.pop("net")),
            minutes=minutes,
            steps=steps,
            seed=seed,
            device=device,
            constraints=rules,
            **read_modelling(how),
            folder=folder,
            listener=listener,
        )
        generator = afresh(folder, fitted, force=force)
        save(generator, folder)
    if as_json:
        print_json({"folder": str(folder), "family": generator.family.name, "record": generator.record})
        return
    _tell_notes(source.notes + told_privacy(generator.record))
    click.echo(f"fitted {generator.family.name} in {generator.record['seconds']:.0f} s", err=True)
    click.echo(str(folder))


@main.command()
@click.argument("data")
@click.option("--other", multiple=True, metavar="FILE", help="Further data to look for rows of DATA in. Repeatable.")
@reading
@answering
def inspect(data: str, other: tuple[str, ...], as_json: bool, **how: Any) -> None:
    """Show what genwright sees in DATA: fields, types, ranges, missing values, parts, and rules that rows may keep.

    \b
    genwright inspect patients.csv --missing -200
    genwright inspect train.csv --other test.csv
    genwright inspect photos/ --json

    What looks like personal data, or like a mark for "no value", is shown to confirm, with what will become of it.
    """
    from genwright.constraints import rule_to_json, suggest
    from genwright.data.inspect import inspect as look
    from genwright.data.like import read_like
    from genwright.data.sql import without_password

    source = read_data(data, how)
    others = {
        without_password(path): read_like(path, source, missing=how["missing"], size=size_of(how)) for path in other
    }
    found, rules = look(source, others=others), [rule_to_json(rule) for rule in suggest(source)]
    if as_json:
        print_json(found.to_json() | {"suggested_constraints": rules})
        return
    click.echo(in_options(str(found)))
    if rules:
        click.echo("  rules that hold in every row; those that you confirm, in a file, are kept by --constraints FILE:")
        click.echo("  [\n" + ",\n".join(f"    {json.dumps(rule, ensure_ascii=False)}" for rule in rules) + "\n  ]")


for verb in (
    sample,
    impute,
    reproduce,
    tune,
    adapt,
    adapters,
    chat,
    fit_database,
    sample_database,
    evaluate,
    compare,
    rate,
    ratings,
    serve,
    publish,
    export,
    keys_group,
    verify,
    log,
    audit,
    card,
):
    main.add_command(verb)


def _with_net(family: Any, name: str | None) -> Any:
    """The family with a net of this name in place of its own."""
    from genwright.families.recipe import NETS

    if name is None:
        return family
    if not hasattr(family, "net"):
        what = "a family has nets, and none with networks is named" if family is None else f"{family.name} has no nets"
        raise ArgumentError(what, where="--net", hint="add --family flow or --family diffusion")
    return replace(family, net=NETS[name])


def _family(name: str, data: Any) -> Any:
    """The family called `name` with its defaults; diffusion over text is masked diffusion."""
    from genwright.codecs import expected_space
    from genwright.families.capabilities import models

    masked = name == "diffusion" and not models(FAMILIES[name](), expected_space(data))
    return FAMILIES["masked diffusion" if masked else name]()


def _tell_run(done: Any, notes: tuple[str, ...], *, as_json: bool) -> None:
    """What became of `run`."""
    if as_json:
        print_json(
            {
                "folder": str(done.folder),
                "family": done.generator.family.name,
                "verdict": done.report.verdict.summary,
                "scores": done.evaluation.to_json()["scores"],
                "leaderboard": [entry.to_json() for entry in done.report.leaderboard],
                "seconds": done.report.seconds,
            }
        )
        return
    _tell_notes(notes)
    families = [entry for entry in done.report.leaderboard if not entry.baseline]
    click.echo(done.report.verdict.summary)
    click.echo(f"{done.generator.family.name} was the best of {len(families)}")
    for score in done.evaluation.scores:
        click.echo(f"  {score}")
    click.echo(f"{done.folder / 'report.html'}")


def _tell_notes(notes: tuple[str, ...]) -> None:
    for note in notes:
        tell(f"note: {note}")
