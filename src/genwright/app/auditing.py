"""`genwright audit`: what a saved model gives away of the data it was fitted to."""

from pathlib import Path
from typing import Any

import click

from genwright.app.exits import answering
from genwright.app.options import read_data, reading, size_of
from genwright.app.output import print_json
from genwright.app.wording import tell


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--data", required=True, metavar="DATA", help="The data that the model was fitted to.")
@click.option("--unseen", metavar="DATA", help="Records of the same source that were kept apart, for a private fit.")
@click.option("--most", type=int, default=500, show_default=True, help="Most records of each part to attack.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of samples and attacks.")
@reading
@answering
def audit(folder: Path, data: str, unseen: str | None, most: int, seed: int, as_json: bool, **how: Any) -> None:
    """Attack the model in DIR: can it be told which records it was trained on, and what they said?

    \b
    genwright audit runs/wine --data wine
    genwright audit runs/wine --data wine --most 100 --json

    A fixed list of attacks is made, and the strongest told with an interval that allows for its having been chosen.
    The verdict is added to the model card (README.md) and all numbers are written to audit.json, both in DIR.
    """
    from genwright.audit.audit import audit_model
    from genwright.data.like import read_like
    from genwright.model.saving import load
    from genwright.report.audited import write_audit

    model, source = load(folder), read_data(data, how)
    kept = None if unseen is None else read_like(unseen, source, missing=how["missing"], size=size_of(how))
    found = audit_model(model, source, unseen=kept, records=most, seed=seed)
    write_audit(found, folder)
    if as_json:
        print_json(found.to_json())
        return
    click.echo(found.verdict)
    told = found.membership
    click.echo(f"  {told.members} records that were trained on, {told.others} that were not; p = {told.p:.2g}")
    for each in told.attacks:
        caught = ", ".join(f"{100 * share[0]:.3g}% at {100 * alarm:g}%" for alarm, share in each.caught.items())
        click.echo(f"  {each.name}: AUC {each.auc:.3f} [{each.interval[0]:.3f}, {each.interval[1]:.3f}], {caught}")
    for line in (found.copies, found.inference):
        if line is not None:
            click.echo(f"  {line}")
    for note in found.notes:
        tell(f"note: {note}")
