"""The verb reproduce: records drawn again from what was written of their origin."""

from pathlib import Path
from typing import Any

import click

from genwright.app.conditions import giving, read_given
from genwright.app.exits import answering
from genwright.app.output import check_output, print_dataset, print_json
from genwright.app.wording import tell


@click.command()
@click.argument("origin", metavar="ORIGIN", type=click.Path(path_type=Path))
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("-o", "--out", help="File or folder to write; standard output if not given.")
@giving
@answering
def reproduce(origin: Path, folder: Path, out: str | None, given: tuple[str, ...], as_json: bool, **how: Any) -> None:
    """Draw the same records again, from ORIGIN that `genwright sample --origin` wrote and the generator in DIR.

    \b
    genwright reproduce fake.origin.json runs/patients --given sex=F --out again.csv
    """
    from genwright.data.write import write
    from genwright.model.reproduce import reproduce as drawn_again
    from genwright.model.saving import load

    generator = load(folder, device="cpu")
    check_output(out, generator)
    again = drawn_again(origin, generator, given=read_given(given, generator, how))
    if out is None:
        print_dataset(again, facts={"n": len(again)} if as_json else None)
        return
    for note in write(again, out):
        tell(note)
    if as_json:
        print_json({"out": out, "n": len(again)})
    else:
        click.echo(f"wrote {len(again):,} records to {out}", err=True)
