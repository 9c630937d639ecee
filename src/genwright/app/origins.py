"""The verb reproduce: records drawn again from what was written of their origin."""

from pathlib import Path
from typing import Any

import click

from genwright.app.conditions import giving, read_given
from genwright.app.exits import answering
from genwright.app.output import check_output, print_dataset, print_json
from genwright.app.provenance import Sign, signing
from genwright.app.wording import tell
from genwright.errors import ArgumentError


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
    from genwright.data.origin import Origin
    from genwright.data.write import write
    from genwright.model.reproduce import reproduce as drawn_again
    from genwright.model.saving import load
    from genwright.provenance.marking import again_marked
    from genwright.provenance.verify import origin_in
    from genwright.storage import read_json

    run = source or folder
    if run is None:
        raise ArgumentError("from which run?", where=str(origin), hint="give its folder: --from DIR")
    generator = load(run, device="cpu")
    check_output(out, generator)
    told = Origin.from_json(read_json(origin), where=str(origin)) if origin.suffix == ".json" else origin_in(origin)
    generator = again_marked(generator, told.draw.mark, sign.keys)
    again = drawn_again(told, generator, given=read_given(given, generator, how))
    if out is None:
        print_dataset(again, facts={"n": len(again)} if as_json else None)
        return
    for note in write(again, out, signer=sign.signer(out, run)):
        tell(note)
    if as_json:
        print_json({"out": out, "n": len(again)})
    else:
        click.echo(f"wrote {len(again):,} records to {out}", err=True)
