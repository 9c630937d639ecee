"""Checks proofs of a log on its own: this file imports nothing of genwright, so that it can be read and run apart.

    python checker.py proof.json --trust ca.pem [--file fake.csv]

RFC 9162, sections 2.1.3.2 and 2.1.4.2, on the hashes of RFC 6962; heads are signed by Ed25519. Needs `cryptography`.
"""

import argparse
import base64
import hashlib
import json
import sys
from collections.abc import Sequence
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

HEAD = "genwright log head v1\n{size}\n{root}\n{time}\n"


class Unproven(Exception):
    """What a proof does not prove, and why."""


def leaf_hash(data: bytes) -> bytes:
    """That of an entry."""
    return hashlib.sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """That of two subtrees."""
    return hashlib.sha256(b"\1" + left + right).digest()


def check_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Raise Unproven unless the tree of this size and root holds the leaf at this index."""
    if not 0 <= index < size:
        raise Unproven("no such entry in a log of this size")
    at, last, found = index, size - 1, leaf
    for each in path:
        if last == 0:
            raise Unproven("the path is too long")
        if at & 1 or at == last:
            found = node_hash(each, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, each)
        at, last = at >> 1, last >> 1
    if last or found != root:
        raise Unproven("the path does not lead from the entry to the root")


def check_consistency(first: int, second: int, path: Sequence[bytes], old: bytes, new: bytes) -> None:
    """Raise Unproven unless the tree `new` of size `second` goes on from the tree `old` of size `first`."""
    if not 0 < first <= second:
        raise Unproven("the log got shorter, or was empty")
    if first == second:
        if path or old != new:
            raise Unproven("two heads of one size differ")
        return
    steps = [old, *path] if first & (first - 1) == 0 else list(path)
    if not steps:
        raise Unproven("the path is too short")
    at, last = first - 1, second - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    before = after = steps[0]
    for each in steps[1:]:
        if last == 0:
            raise Unproven("the path is too long")
        if at & 1 or at == last:
            before, after = node_hash(each, before), node_hash(each, after)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            after = node_hash(after, each)
        at, last = at >> 1, last >> 1
    if last or before != old or after != new:
        raise Unproven("the newer log does not go on from the older one")


def check_head(head: dict[str, Any], anchors: Sequence[x509.Certificate]) -> tuple[int, bytes]:
    """Size and root of a head signed below one of `anchors`."""
    leaf = x509.load_pem_x509_certificate(head["cert"].encode())
    key, text = leaf.public_key(), HEAD.format(**{name: head[name] for name in ("size", "root", "time")})
    try:
        if not isinstance(key, Ed25519PublicKey):
            raise InvalidSignature
        key.verify(base64.b64decode(head["signature"], validate=True), text.encode())
    except InvalidSignature:
        raise Unproven("the signature of the head does not hold") from None
    for anchor in anchors:
        try:
            leaf.verify_directly_issued_by(anchor)
        except (ValueError, TypeError, InvalidSignature):
            continue
        return int(head["size"]), bytes.fromhex(head["root"])
    raise Unproven("the head is signed by someone whom the trusted certificates do not vouch for")


def check(proof: dict[str, Any], anchors: Sequence[x509.Certificate], file_sha256: str | None = None) -> str:
    """What the proof proves, in words; Unproven where it does not."""
    try:
        size, root = check_head(proof["head"], anchors)
        path = [bytes.fromhex(each) for each in proof["path"]]
        if "older" in proof:
            first, old = check_head(proof["older"], anchors)
            check_consistency(first, size, path, old, root)
            return f"the log of {size} entries goes on from that of {first}"
        entry = base64.b64decode(proof["entry"], validate=True)
        check_inclusion(leaf_hash(entry), int(proof["index"]), size, path, root)
        logged = json.loads(entry)["file"]
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise Unproven(f"no proof ({type(error).__name__}: {error})"[:200]) from None
    if file_sha256 is not None and logged != file_sha256:
        raise Unproven("the proof is of another file")
    return f"entry {proof['index']} of {size} since {proof['head']['time']}: the file with SHA-256 {logged}"


def main() -> int:
    """0 if the proof holds, else 1."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("proof")
    options.add_argument("--trust", required=True)
    options.add_argument("--file")
    asked = options.parse_args()
    with open(asked.proof, encoding="utf-8") as file, open(asked.trust, "rb") as trust:
        proof, anchors = json.load(file), x509.load_pem_x509_certificates(trust.read())
    digest = None
    if asked.file:
        with open(asked.file, "rb") as named:
            digest = hashlib.file_digest(named, "sha256").hexdigest()
    try:
        print(check(proof, anchors, digest))
    except Unproven as error:
        print(f"not proven: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
