"""The verbs of provenance: keys, verify; and the options of verbs that sign what they write."""

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genwright.app.exits import answering
from genwright.app.output import print_json
from genwright.app.wording import tell

if TYPE_CHECKING:
    from genwright.data.signer import Signer
    from genwright.families.sampling import Sampling
    from genwright.model.generator import Generator
    from genwright.provenance.verify import Finding


@dataclass(frozen=True)
class Sign:
    """How a verb signs what it writes and marks what it draws, by its options."""

    keys: Path | None
    unsigned: bool
    unmarked: bool

    def signer(self, out: str | None, run: Path | None) -> "Signer":
        """What signs the files at `out` that are drawn from a run; what there is to say about it is told."""
        from genwright.data.signer import unsigned as plain
        from genwright.data.sql import is_url
        from genwright.provenance.signing import signing as found

        if self.unsigned or out is None or is_url(out):
            return plain
        signer, notes = found(self.keys, run=run)
        for note in notes:
            tell(f"note: {note}")
        return signer or plain

    def marked(self, model: "Generator", how: "Sampling") -> "Generator":
        """The model with its longer texts marked, unless the options or the settings leave nothing to mark."""
        from genwright.provenance.marking import marked_by_default

        if self.unmarked:
            return model
        found, notes = marked_by_default(model, how, self.keys)
        for note in notes:
            tell(f"note: {note}")
        return found


def signing(verb: Callable[..., Any]) -> Callable[..., Any]:
    """The options of verbs that sign what they write, which are given to it as `sign`."""

    folder = "Folder of keys.  [default: $GENWRIGHT_KEYS, or yours]"

    @click.option("--keys", type=click.Path(path_type=Path), help=folder)
    @click.option("--unsigned", is_flag=True, help="Write without a signature.")
    @click.option("--unmarked", is_flag=True, help="Draw long texts without a watermark.")
    @functools.wraps(verb)
    def signed(*, keys: Path | None, unsigned: bool, unmarked: bool, **arguments: Any) -> Any:
        return verb(sign=Sign(keys, unsigned, unmarked), **arguments)

    return signed


@click.group("keys")
def keys_group() -> None:
    """Keys that files are signed and marked with.

    \b
    genwright keys new --out keys --organisation "Example Hospital"
    """


@keys_group.command()
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="The folder to make.")
@click.option("--organisation", metavar="NAME", help="Who signs; it stands in every signed file.")
@answering
def new(out: Path, organisation: str | None, as_json: bool) -> None:
    """Make keys: a certificate authority of your own, certificates below it, and the secret of watermarks.

    \b
    genwright keys new --out keys --organisation "Example Hospital"

    Give ca.pem to those who are to verify your files; keep all others to yourself, and a copy of the folder.
    """
    from genwright.provenance.keys import ORGANISATION, Keys

    made = Keys.make(out, organisation=organisation or ORGANISATION)
    if as_json:
        ends = made.ends.date().isoformat()
        print_json({"folder": str(out), "organisation": made.organisation, "ends": ends, "trust": str(out / "ca.pem")})
        return
    tell(f"keys of {made.organisation!r}, until {made.ends:%Y-%m-%d}; others verify with ca.pem")
    click.echo(str(out))


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--trust", type=click.Path(path_type=Path), help="Certificates of those to believe, such as ca.pem.")
@click.option("--keys", type=click.Path(path_type=Path), help="Folder of the keys that marks and the log belong to.")
@answering
def verify(files: tuple[Path, ...], trust: Path | None, keys: Path | None, as_json: bool) -> None:
    """Tell who signed FILEs, whether they are as they were signed, and whether they are marked and logged.

    \b
    genwright verify signed.csv --trust keys/ca.pem
    genwright verify filled.png --json

    Ends with 0 if all are signed and intact, 1 if one is not, 8 if it cannot be told. That neither signature nor mark
    is found does not say that a person made it. Marks and the log are looked for with your own keys, or --keys.
    """
    from genwright.provenance.keys import Keys
    from genwright.provenance.verify import verify as look

    own = Keys.at_hand(keys)
    found = [look(path, trust=trust, keys=own) for path in files]
    if as_json:
        told = [each.to_json() for each in found]
        print_json(told[0] if len(told) == 1 else told)
    else:
        for each in found:
            click.echo(_line(each))
            for note in each.notes:
                tell(f"  {note}")
    codes = {each.exit_code for each in found}
    sys.exit(next(code for code in (1, 8, 0) if code in codes))


def _line(found: "Finding") -> str:
    words = {
        0: f"signed by {found.signer}, and intact",
        1: "changed since it was signed" if found.intact is False else "not signed by anyone trusted",
        8: "cannot be told",
    }
    if found.signed is False and found.intact is None:
        words[1] = "not signed"
    marked = {None: "", False: ", no mark found", True: f", marked (p = {found.p_value or 0.0:.1g})"}[found.marked]
    return f"{found.file}: {words[found.exit_code]}{marked}{', logged' if found.logged else ''}"
