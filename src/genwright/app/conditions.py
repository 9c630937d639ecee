"""`--given` as written on the command line, and the verb `impute`."""

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from genwright.app.exits import answering
from genwright.app.output import check_output, print_dataset, print_json
from genwright.app.provenance import Sign, signing
from genwright.app.wording import tell
from genwright.errors import ArgumentError

if TYPE_CHECKING:
    from genwright.data.dataset import Field
    from genwright.model.generator import Generator

FORMS = "write NAME=VALUE, NAME=LOW..HIGH, NAME in {A,B}, or NAME: A=0.5, B=0.5"
MISSING = "missing"
WHITE = 128  # and above, of 256 grey levels of a mask
Verb = TypeVar("Verb", bound=Callable[..., Any])


_EDITING = [
    click.option("--mask", metavar="PATH", help="Draw a picture that is given anew where this one is white."),
    click.option("--strength", type=float, help="Vary it: 0 leaves it as it is, 1 forgets it.  [default: .5]"),
]


def giving(verb: Verb) -> Verb:
    """The options that say what is given."""
    for option in reversed(_EDITING):
        verb = option(verb)
    given = click.option("--given", multiple=True, metavar="K=V", help="A condition on a field, a prompt, a picture.")
    return given(verb)


def read_given(texts: Sequence[str], generator: "Generator", how: dict[str, Any]) -> dict[str, Any]:
    """What is given, as the options say: pictures by their paths, one of the target's with what is to become of it."""
    from genwright.codecs.edits import Inpaint, Variation
    from genwright.data.dataset import MEDIA, Image
    from genwright.data.images import read_picture
    from genwright.data.media import KINDS

    mask, strength = how.pop("mask"), how.pop("strength")
    given, target = parse_given(texts, generator), generator.codec.field
    for field in (*generator.fields, *generator.codec.derived):
        read = KINDS[type(field)].picture if isinstance(field, MEDIA) else None
        if read is not None and field.name in given:
            given[field.name], notes = read(given[field.name], field)
            for note in notes:
                tell(f"note: {note}")
    pictured = target if isinstance(target, MEDIA) and KINDS[type(target)].picture is not None else None
    if pictured is None or pictured.name not in given:
        for option, value in (("--mask", mask), ("--strength", strength)):
            if value is not None:
                hint = f"add --given {pictured.name}=PATH" if pictured else "leave it out"
                raise ArgumentError("there is no picture given that it could be for", where=option, hint=hint)
        return given
    shape = replace(cast(Image, pictured), mode="L", levels=256)
    drawn = None if mask is None else read_picture(mask, shape)[0][..., 0] >= WHITE
    image = given[pictured.name]
    vary = strength is not None or mask is None
    given[pictured.name] = (
        Variation(image, 0.5 if strength is None else strength, drawn) if vary else Inpaint(image, drawn)
    )
    return given


def parse_given(texts: Sequence[str], generator: "Generator") -> dict[str, Any]:
    """`--given` options as a mapping for `Generator.sample`.

    `age=40`, `age=30..40` with either end left out, `country in {DE,FR}`, `note=missing`, `note=..` (not missing), and
    as shares of the rows `income: >50K=.5, <=50K=.5`. Other ranges are of numbers and times only, so that dots in
    levels mean themselves; so does "missing" where it is a level. Values with commas are put in double quotes within
    sets.
    """
    given: dict[str, Any] = {}
    for text in texts:
        name, value = _parse(text, (*generator.fields, *generator.codec.derived))
        if name in given:
            raise ArgumentError(f"{name!r} is given twice", where="--given", hint="give one condition for each field")
        given[name] = value
    return given


def _parse(text: str, fields: "Sequence[Field]") -> tuple[str, Any]:
    from genwright.codecs.conditions import Shares
    from genwright.data.dataset import SCALARS

    for field in sorted(fields, key=lambda f: -len(f.name)):
        rest = text.removeprefix(field.name)
        if rest == text:
            continue
        if found := re.match(r"\s*=", rest):
            return field.name, _value(rest[found.end() :], field)
        if found := re.match(r"\s+in\s*(?={)", rest):
            if not isinstance(field, SCALARS):
                hint = f"write {field.name}=A, or {field.name}: A=0.5, B=0.5"
                raise ArgumentError(f"{field.name!r} is given as it is, not by a set", where="--given", hint=hint)
            return field.name, _value(rest[found.end() :], field)
        if found := re.match(r"\s*:", rest):
            parts = [_share(part, field) for part in _split(rest[found.end() :])]
            return field.name, Shares(dict(parts))
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise ArgumentError(f"{text!r} is no condition", where="--given", hint=FORMS)
    return name, value  # no such field: what draws says which there are


def _value(text: str, field: "Field") -> Any:
    """A value, range or set of a field."""
    from genwright.codecs.conditions import Between, OneOf
    from genwright.data.dataset import Category, Number, Time

    if not isinstance(field, (Number, Category, Time)) or (isinstance(field, Category) and text in field.levels):
        return text
    plain = text.strip()
    if plain == MISSING:
        return None
    if plain.startswith("{") and plain.endswith("}"):
        return OneOf(*(_value(part, field) for part in _split(plain[1:-1])))
    if plain == "..":
        return Between()
    if ".." in plain and not (isinstance(field, Category) and field.dtype in ("str", "bool")):
        low, _, high = (end.strip() for end in plain.partition(".."))
        return Between(low or None, high or None)
    return text


def _share(text: str, field: "Field") -> tuple[Any, float]:
    value, equals, share = text.rpartition("=")
    try:
        percent = share.strip().endswith("%")
        number = float(share.strip().removesuffix("%")) / (100 if percent else 1)
    except ValueError:
        equals = ""
    if not equals:
        raise ArgumentError(f"{text!r} is no share of {field.name!r}", where="--given", hint=FORMS)
    return _value(value.strip(), field), number


def _split(text: str) -> list[str]:
    """Parts between commas; in double quotes a comma is one."""
    return [part.strip() for part in next(csv.reader([text], skipinitialspace=True), [])]


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("data")
@click.option("-o", "--out", help="File or database URL to write; standard output if not given.")
@click.option("--draws", type=int, default=1, show_default=True, help="Completions of each row, one after the other.")
@click.option("--keep-missing", metavar="COL", multiple=True, help="A column that may stay missing. Repeatable.")
@click.option("--missing", metavar="MARK", multiple=True, help="A mark that also means “missing”. Repeatable.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same values.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@signing
@answering
def impute(
    folder: Path,
    data: str,
    out: str | None,
    draws: int,
    keep_missing: tuple[str, ...],
    missing: tuple[str, ...],
    seed: int,
    device: str,
    sign: Sign,
    as_json: bool,
) -> None:
    """Fill in what is missing in the rows of DATA, with the generator saved in DIR.

    \b
    genwright impute runs/patients partial.csv --out complete.csv
    genwright impute runs/patients partial.csv --out five.csv --draws 5 --keep-missing died_on

    Values that are there stay as they are; missing ones are drawn given all others of their row. For families with
    exact conditional distributions: tree, mixture and autoregressive.
    """
    from genwright.data.like import read_whole
    from genwright.data.sql import without_password
    from genwright.data.write import write
    from genwright.model.saving import load

    generator = load(folder, device=device)
    check_output(out, generator)
    signer = sign.signer(out, folder)
    rows = read_whole(data, generator.fields, missing=missing)
    for note in rows.notes:
        tell(f"note: {note}")
    complete = generator.impute(rows, draws, keep_missing=keep_missing, seed=seed)
    facts = {"n": len(complete), "seed": seed}
    if out is None:
        print_dataset(complete, facts=facts if as_json else None)
        return
    write(complete, out, signer=signer)
    if as_json:
        print_json({"out": without_password(out)} | facts)
    else:
        click.echo(f"wrote {len(complete):,} records to {without_password(out)}", err=True)
