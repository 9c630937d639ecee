"""The verb reproduce: records drawn again from what was written of their origin."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genwright.app.conditions import giving, read_given
from genwright.app.exits import answering
from genwright.app.output import check_output, print_dataset, print_json
from genwright.app.provenance import Sign, signing
from genwright.app.wording import tell
from genwright.errors import ArgumentError

if TYPE_CHECKING:
    from genwright.data.origin import Origin


@click.command()
@click.argument("origin", metavar="FILE", type=click.Path(path_type=Path))
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option("--from", "source", metavar="DIR", type=click.Path(path_type=Path), help="The run it was drawn from.")
@click.option("-o", "--out", help="File or folder to write; standard output if not given.")
@giving
@signing
@answering
def reproduce(
    origin: Path,
    folder: Path | None,
    source: Path | None,
    out: str | None,
    given: tuple[str, ...],
    sign: Sign,
    as_json: bool,
    **how: Any,
) -> None:
    """Draw the same records again, from a signed FILE or what `genwright sample --origin` wrote, and the generator in
    DIR.

    \b
    genwright reproduce signed.csv --from runs/patients --given sex=F --out again.csv
    genwright reproduce fake.origin.json --from runs/patients --given sex=F --out again.csv

    A signed file must be as it was signed. Bit for bit the same on a processor of the same kind.
    """
    from genwright.data.write import write
    from genwright.model.reproduce import reproduce as drawn_again
    from genwright.model.saving import load

    run = source or folder
    if run is None:
        raise ArgumentError("from which run?", where=str(origin), hint="give its folder: --from DIR")
    generator = load(run, device="cpu")
    check_output(out, generator)
    again = drawn_again(_origin(origin), generator, given=read_given(given, generator, how))
    if out is None:
        print_dataset(again, facts={"n": len(again)} if as_json else None)
        return
    for note in write(again, out, signer=sign(out, run)):
        tell(note)
    if as_json:
        print_json({"out": out, "n": len(again)})
    else:
        click.echo(f"wrote {len(again):,} records to {out}", err=True)


def _origin(path: Path) -> "Origin | Path":
    """That which a signed file tells of, else the file itself."""
    from genwright.provenance.certificates import has_trust
    from genwright.provenance.verify import origin_in

    return path if path.suffix.lower() == ".json" or not has_trust() else origin_in(path)
