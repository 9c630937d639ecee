"""The verb log: what was signed, written down so that nothing can be taken out or changed unnoticed."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genwright.app.exits import answering
from genwright.app.output import print_json
from genwright.app.wording import tell
from genwright.errors import GenwrightError

if TYPE_CHECKING:
    from genwright.provenance.keys import Keys

KEYS = click.option(
    "--keys", type=click.Path(path_type=Path), help="Folder of keys.  [default: $GENWRIGHT_KEYS, or yours]"
)
LOG = click.option(
    "--log", "path", type=click.Path(path_type=Path), help="The log.  [default: log.sqlite in the folder of keys]"
)


@click.group()
def log() -> None:
    """A log that can only grow, with proofs for others.

    \b
    genwright log append signed.csv
    genwright log prove signed.csv --out proof.json
    genwright log check
    """


@log.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@LOG
@KEYS
@answering
def append(files: tuple[Path, ...], path: Path | None, keys: Path | None, as_json: bool) -> None:
    """Write the SHA-256 of FILEs down, all or none, and print the signed head of the log.

    \b
    genwright log append signed.csv

    Keep heads elsewhere too, or publish them: against them, any later change of the log shows.
    """
    from genwright.provenance.log import signed_head
    from genwright.storage import read_file

    own, found = _opened(path, keys)
    found.append([found.entry(read_file(each)) for each in files])
    head = signed_head(found, own)
    print_json(head) if as_json else click.echo(json.dumps(head))


@log.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--since", metavar="HEAD", type=click.Path(path_type=Path), help="A head that was kept, as JSON.")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="File to write; standard output if not given.")
@LOG
@KEYS
@answering
def prove(
    file: Path, since: Path | None, out: Path | None, path: Path | None, keys: Path | None, as_json: bool
) -> None:
    """Write a proof that FILE is in the log, or with --since that the log only grew from an older head.

    \b
    genwright log prove signed.csv --out proof.json
    """
    import hashlib

    from genwright.provenance.log import consistency_proof, inclusion_proof
    from genwright.storage import read_file, read_json, write_json

    own, found = _opened(path, keys)
    if since is not None:
        proof = consistency_proof(found, read_json(since), own)
    else:
        proof = inclusion_proof(found, hashlib.sha256(read_file(file)).hexdigest(), own)
    if out is None:
        print_json(proof)
        return
    write_json(out, proof)
    print_json({"out": str(out)}) if as_json else tell(f"wrote the proof to {out}")


@log.command()
@click.argument("proof", required=False, type=click.Path(path_type=Path))
@click.option("--trust", type=click.Path(path_type=Path), help="Certificates of those to believe.  [default: yours]")
@click.option("--file", type=click.Path(path_type=Path), help="The file that PROOF is to be of.")
@LOG
@KEYS
@answering
def check(
    proof: Path | None, trust: Path | None, file: Path | None, path: Path | None, keys: Path | None, as_json: bool
) -> None:
    """Check PROOF, or without one all of the log.

    \b
    genwright log check proof.json --file signed.csv
    genwright log check

    Proofs are checked by genwright/provenance/checker.py, which needs no genwright: give it to others.
    """
    if proof is None:
        size = _opened(path, keys)[1].check()
        print_json({"entries": size, "sound": True}) if as_json else click.echo(f"{size:,} entries, all as they were")
        return
    told = _checked(proof, trust, file, keys)
    print_json({"proven": True, "what": told}) if as_json else click.echo(told)


def _checked(proof: Path, trust: Path | None, file: Path | None, keys: Path | None) -> str:
    import hashlib

    from cryptography import x509

    from genwright.provenance.checker import Unproven
    from genwright.provenance.checker import check as checked
    from genwright.provenance.verify import anchors_in
    from genwright.storage import read_file, read_json

    raw = _keys(keys).authority if trust is None else anchors_in(trust)
    digest = None if file is None else hashlib.sha256(read_file(file)).hexdigest()
    try:
        return checked(read_json(proof), x509.load_pem_x509_certificates(raw), digest)
    except Unproven as error:
        raise GenwrightError(f"not proven: {error}", where=str(proof)) from None


def _keys(folder: Path | None) -> "Keys":
    from genwright.provenance.keys import Keys

    keys, note = Keys.found(folder)
    if note is not None:
        tell(f"note: {note}")
    return keys


def _opened(path: Path | None, folder: Path | None) -> tuple["Keys", Any]:
    """The keys and the log."""
    from genwright.provenance.log import NAME, Log

    keys = _keys(folder)
    found: Log = Log(path or keys.folder / NAME)
    return keys, found
