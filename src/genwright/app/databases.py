"""The verbs fit-database and sample-database: whole databases in, whole databases out."""

from functools import partial
from pathlib import Path
from typing import Any, Literal

import click

from genwright.app.exits import answering
from genwright.app.folders import afresh, claimed, unfitted
from genwright.app.output import print_json
from genwright.app.progress import shown
from genwright.app.provenance import Sign, signing
from genwright.app.wording import tell


@click.command("fit-database")
@click.argument("source")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="The folder to write.  [default: runs/NAME]")
@click.option("--minutes", type=float, help="Training time for all tables, in minutes.  [default: 5]")
@click.option("--steps", type=int, help="Training steps for each table, instead of --minutes.")
@click.option("--missing", metavar="MARK", multiple=True, help="A mark that also means “missing”. Repeatable.")
@click.option("--keys", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A keys.json of your own.")
@click.option(
    "--keep",
    metavar="TABLE",
    multiple=True,
    help="A table that samples have as it is; repeatable, 'none' for none.  [default: small ones, lists of names]",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything random.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--force", is_flag=True, help="Replace what is in the folder.")
@answering
def fit_database(
    source: str,
    out: Path | None,
    minutes: float | None,
    steps: int | None,
    missing: tuple[str, ...],
    keys: Path | None,
    keep: tuple[str, ...],
    seed: int,
    device: str,
    force: bool,
    as_json: bool,
) -> None:
    """Fit all tables of a database, and how their rows belong together.

    \b
    genwright fit-database postgresql://ann@host/shop --out runs/shop --minutes 10
    genwright fit-database tables/ --out runs/shop

    SOURCE is the URL of a database, or a folder of .csv or .parquet files, one for each table. Which columns are keys
    is what the database declares, or the folder's keys.json, or else found by names and values, and then told.
    Stopped with Ctrl-C, the same command goes on with the table where it was.
    """
    from genwright.relational.files import read_database
    from genwright.relational.fit import fit_database as fit
    from genwright.storage import read_json

    kept = None if not keep else () if keep == ("none",) else keep
    database = read_database(source, keys=None if keys is None else read_json(keys), keep=kept, missing=missing)
    with claimed(out, database.name, force=force) as folder, shown() as listener:
        unfitted(folder)
        how: dict[str, Any] = {"minutes": minutes, "steps": steps, "seed": seed, "device": device}
        model = afresh(folder, partial(fit, database, **how, folder=folder, listener=listener), force=force)
        model.save(folder)
    if as_json:
        print_json(
            {
                "folder": str(folder),
                "tables": dict(model.sizes),
                "record": dict(model.record),
                "notes": list(database.notes),
            }
        )
        return
    for note in database.notes:
        tell(f"note: {note}")
    click.echo(str(folder))


@click.command("sample-database")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("-o", "--out", required=True, help="The database URL or folder to write.")
@click.option("--scale", type=float, default=1.0, show_default=True, help="Rows, relative to the database fitted to.")
@click.option(
    "--if-exists",
    type=click.Choice(["fail", "replace", "append"]),
    default="fail",
    show_default=True,
    help="What becomes of tables that are there.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same database.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@signing
@answering
def sample_database(
    folder: Path,
    out: str,
    scale: float,
    if_exists: Literal["fail", "replace", "append"],
    seed: int,
    device: str,
    sign: Sign,
    as_json: bool,
) -> None:
    """Draw a whole database from the generator saved in DIR, with new keys that fit together.

    \b
    genwright sample-database runs/shop --out sqlite:///fake.db --scale 0.1
    genwright sample-database runs/shop --out fake/
    """
    from genwright.data.sql import is_url, without_password
    from genwright.folders import probe, safe_join
    from genwright.relational.files import write_database
    from genwright.relational.generator import load_database

    with shown() as listener:
        model = load_database(folder, device=device)
        if not is_url(out):
            for table in model.tables:
                probe(safe_join(Path(out), f"{table}.csv"))
        signer = sign.signer(out, folder)
        fake = model.sample(scale, seed=seed, listener=listener)
    notes = [*fake.notes, *write_database(fake, out, if_exists=if_exists, signer=signer)]
    rows = {name: len(table) for name, table in fake.tables.items()}
    if as_json:
        print_json({"out": without_password(out), "rows": rows, "seed": seed, "scale": scale, "notes": notes})
        return
    for note in notes:
        tell(f"note: {note}")
    told = ", ".join(f"{n:,} {name}" for name, n in rows.items())
    click.echo(f"wrote {told} to {without_password(out)}", err=True)
