"""`genwright card`: measure a saved model for its card, and check a card that somebody gave you."""

import sys
from pathlib import Path
from typing import Any

import click

from genwright.app.exits import answering
from genwright.app.options import read_data, reading
from genwright.app.output import print_json
from genwright.app.wording import tell


@click.group("card")
def card() -> None:
    """Model cards whose every number was measured.

    \b
    genwright card write runs/wine --data wine
    genwright card verify runs/wine --data wine
    """


@card.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--data", required=True, metavar="DATA", help="The data that the model was fitted to.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the samples.")
@reading
@answering
def write(folder: Path, data: str, seed: int, as_json: bool, **how: Any) -> None:
    """Measure the model in DIR on the test part of DATA; write scores.json and the card (README.md).

    \b
    genwright card write runs/wine --data wine
    """
    from genwright.model.saving import load
    from genwright.report.checked import write_card

    found = write_card(load(folder), read_data(data, how), folder, seed=seed)
    if as_json:
        print_json(found.to_json())
        return
    click.echo(str(folder / "README.md"))


@card.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--data", metavar="DATA", help="The data that the model was fitted to, to compute scores again.")
@reading
@answering
def verify(folder: Path, data: str | None, as_json: bool, **how: Any) -> None:
    """Check the card in DIR: weights by their hashes, its lines by scores.json, and with DATA every score again.

    \b
    genwright card verify runs/wine --data wine

    Exit 0 if nothing is wrong, 1 if something is.
    """
    from genwright.report.checked import verify_card

    found = verify_card(folder, None if data is None else read_data(data, how))
    if as_json:
        print_json(
            {
                "holds": found.holds,
                "wrong": list(found.wrong),
                "lines": found.lines,
                "recomputed": found.recomputed,
                "notes": list(found.notes),
            }
        )
    else:
        click.echo("the card holds" if found.holds else "the card does not hold")
        for line in found.wrong:
            click.echo(f"  {line}")
        click.echo(f"  {found.lines} lines compared, {found.recomputed} scores computed again")
        for note in found.notes:
            tell(f"note: {note}")
    sys.exit(0 if found.holds else 1)
