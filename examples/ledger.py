"""A log that only grows: what was generated is written down so that nobody, its keeper included, can change it unseen.

Each entry is a hash; a tree of hashes stands over them (RFC 6962, as for the certificates of web sites), and its head
is signed. A few hashes prove that a file is in the log, and a few that a log goes on from a head that was kept. Proofs
are checked by a program of its own, which shares nothing with what made them.

    python examples/ledger.py

You should see proofs of at most ten hashes for a thousand entries, all of which hold; and every edit, every entry that
was taken out and a rewritten log be caught.
"""

import sqlite3
import tempfile
from pathlib import Path

from cryptography import x509

from genwright.errors import StorageError
from genwright.provenance.checker import Unproven, check
from genwright.provenance.keys import Keys
from genwright.provenance.log import Log, consistency_proof, inclusion_proof, signed_head

ENTRIES = 1000

EXPECTED = {
    "entries": (ENTRIES, ENTRIES),
    "hashes in the longest proof": (9, 10),
    "proofs that hold": (50, 50),
    "proofs that hold for another file": (0, 0),
    "edits that were caught": (3, 3),
    "rewritten logs that were caught": (1, 1),
}


def main(out: Path | None = None) -> dict[str, float]:
    """Log a thousand files, prove some, and tamper."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        keys, log = Keys.make(folder / "keys"), Log(folder / "log.sqlite")
        log.append(log.entry(b"file %d" % i) for i in range(ENTRIES // 2))
        kept = signed_head(log, keys)
        log.append(log.entry(b"file %d" % i) for i in range(ENTRIES // 2, ENTRIES))
        anchors = x509.load_pem_x509_certificates(keys.authority)
        print(check(consistency_proof(log, kept, keys), anchors))

        hashes = [sha256(b"file %d" % i) for i in range(0, ENTRIES, 20)]
        proofs = [inclusion_proof(log, each, keys) for each in hashes]
        numbers = {
            "entries": float(log.check()),
            "hashes in the longest proof": float(max(len(proof["path"]) for proof in proofs)),
            "proofs that hold": sum(holds(p, anchors, own) for p, own in zip(proofs, hashes, strict=True)),
            "proofs that hold for another file": sum(holds(p, anchors, sha256(b"other")) for p in proofs),
            "edits that were caught": sum(
                caught(folder / f"copy{i}.sqlite", log, change)
                for i, change in enumerate(
                    (
                        "UPDATE entries SET data = (SELECT data FROM entries WHERE at = 8) WHERE at = 7",
                        "DELETE FROM entries WHERE at = 500",
                        "DELETE FROM entries WHERE at = 999",
                    )
                )
            ),
        }
        forged = Log(folder / "forged.sqlite")
        forged.append(forged.entry(b"file %d" % (i if i != 13 else -1)) for i in range(ENTRIES))
        numbers["rewritten logs that were caught"] = 1 - holds(consistency_proof(forged, kept, keys), anchors, None)
    for name, value in numbers.items():
        print(f"{name}: {value:.4g}")
    return numbers


def sha256(content: bytes) -> str:
    """What the log holds of a file."""
    import hashlib

    return hashlib.sha256(content).hexdigest()


def holds(proof: dict, anchors: list, file: str | None) -> float:
    """1 where the checker finds it proven."""
    try:
        check(proof, anchors, file)
    except Unproven:
        return 0.0
    return 1.0


def caught(path: Path, log: Log, change: str) -> float:
    """1 where a copy of the log with a change in it is found to be broken."""
    path.write_bytes(log.path.read_bytes())
    with sqlite3.connect(path) as database:
        database.execute(change)
    try:
        Log(path).check()
    except StorageError:
        return 1.0
    return 0.0


if __name__ == "__main__":
    main()
