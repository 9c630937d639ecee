"""The verb sample: records drawn from a saved generator."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from genwright.app.conditions import giving, read_given
from genwright.app.exits import answering
from genwright.app.options import choosing, drawing, read_choice, read_sampling
from genwright.app.output import as_written, check_output, print_dataset, print_json
from genwright.app.progress import shown
from genwright.app.provenance import Sign, signing
from genwright.app.wording import tell

if TYPE_CHECKING:
    from genwright.data.dataset import Dataset
    from genwright.data.signer import Signer


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("-n", "--number", "n", type=int, default=100, show_default=True, help="How many records to draw.")
@click.option("-o", "--out", help="File, folder or database URL to write; standard output if not given.")
@click.option("--table", metavar="NAME", help="The table to write, where --out is the URL of a database.")
@click.option(
    "--if-exists",
    type=click.Choice(["fail", "replace", "append"]),
    default="fail",
    show_default=True,
    help="What becomes of a table that is there.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same records.")
@giving
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--origin", metavar="FILE", help="Also write which draw of which model these are, for reproduce.")
@choosing
@drawing
@signing
@answering
def sample(
    folder: Path,
    n: int,
    out: str | None,
    table: str | None,
    if_exists: Literal["fail", "replace", "append"],
    seed: int,
    given: tuple[str, ...],
    device: str,
    origin: str | None,
    sign: Sign,
    as_json: bool,
    **how: Any,
) -> None:
    """Draw records from the generator saved in DIR.

    \b
    genwright sample runs/patients -n 1000 --out fake.csv --given sex=F --origin fake.origin.json
    genwright sample runs/patients -n 1000 --given age=30..40 --given "country in {DE,FR}" --given note=missing
    genwright sample runs/adults -n 1000 --given "income: >50K=.5, <=50K=.5"
    genwright sample runs/digits -n 100 --out fake/ --given label=7
    genwright sample runs/pictures -n 9 --out filled.png --given image=photo.png --mask hole.png
    genwright sample runs/digits -n 64 --out best.png --best-of 4 --by judge --real digits
    genwright sample runs/prose -n 1 --given text="It was a dark" --how temperature=.8,top_p=.95,max_tokens=200
    genwright sample runs/prose -n 5 --how "max_tokens=120,stop=." --grammar "[A-Z][a-z ,]+[.]" --out s.jsonl
    genwright sample runs/orders -n 1000 --out postgresql://ann@host/shop --table orders_synthetic

    Tables are written as .csv, .tsv, .parquet or .jsonl, images as a folder of PNGs with labels.csv, or on one sheet
    called .png, text as .jsonl or .txt; all signed. Without --out, tables go to standard output as CSV, text as JSON.
    """
    from genwright.model.saving import load
    from genwright.storage import write_json

    with shown() as listener:
        generator = load(folder, device=device)
        check_output(out, generator)
        known = read_given(given, generator, how)
        choice, cost = read_choice(how, generator, seed)
        signer, settings = sign.signer(out, folder), read_sampling(how)
        generator = sign.marked(generator, settings)
        fake = generator.sample(n, given=known, how=settings, **choice, seed=seed, listener=listener)
    _tell_notes((*fake.notes, *filter(None, [cost(fake)])))
    if origin is not None and fake.origin is not None:
        write_json(Path(origin), fake.origin.to_json())
    fake = as_written(fake, out, generator)
    facts = {"n": len(fake), "seed": seed, "given": list(given)}
    if out is None:
        print_dataset(fake, facts=facts if as_json else None)
    else:
        _write(fake, out, facts, table=table, if_exists=if_exists, signer=signer, as_json=as_json)


def _write(
    fake: "Dataset",
    out: str,
    facts: dict[str, Any],
    *,
    table: str | None,
    if_exists: Literal["fail", "replace", "append"],
    signer: "Signer",
    as_json: bool,
) -> None:
    """The records where --out says, and what became of it."""
    from genwright.data.sql import without_password
    from genwright.data.write import held_at, write

    out, moved = held_at(fake, out)
    _tell_notes(moved + write(fake, out, table=table, if_exists=if_exists, signer=signer))
    out = without_password(out)
    print_json({"out": out} | facts) if as_json else tell(f"wrote {len(fake):,} records to {out}")


def _tell_notes(notes: tuple[str, ...]) -> None:
    for note in notes:
        tell(f"note: {note}")
