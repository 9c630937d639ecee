"""A reader of C2PA that shares no code with what signs: boxes, CBOR, COSE and hashes by the specification.

C2PA 2.4: the manifest store of a PNG is its chunk caBX (A.3.2); boxes are those of JUMBF (ISO 19566-5); the claim is
CBOR, whose hashed URIs cover the assertions (8.4.2), c2pa.hash.data covers the file but for its exclusions (18.5), and
the signature is COSE_Sign1 over the claim, detached (13.2).
"""

import hashlib
import struct

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature


def check_png(raw: bytes, authority: bytes) -> dict[str, object]:
    """The assertions of a signed PNG by label; AssertionError unless everything in it holds."""
    [store] = [body for kind, body in chunks(raw) if kind == b"caBX"]
    manifest = boxes(store)[0][1][-1][1]
    held = dict(manifest)
    claim_raw = held["c2pa.claim.v2"][0][1]
    claim, _ = cbor(claim_raw, 0)
    check_signature(held["c2pa.signature"][0][1], claim_raw, authority)
    found = {}
    labels = dict(held["c2pa.assertions"])
    for entry in claim["created_assertions"]:
        label = entry["url"].rpartition("/")[2]
        assert hashlib.sha256(labels[label].raw).digest() == entry["hash"], label
        found[label] = cbor(labels[label][0][1], 0)[0]
    bound = found["c2pa.hash.data"]
    digest, at = hashlib.sha256(), 0
    for span in bound["exclusions"]:
        digest.update(raw[at : span["start"]])
        at = span["start"] + span["length"]
        assert b"caBX" in raw[span["start"] : span["start"] + 8], "only the manifest is left out"
    assert len(bound["exclusions"]) == 1
    digest.update(raw[at:])
    assert digest.digest() == bound["hash"], "the picture was changed"
    return found


def check_signature(raw: bytes, claim: bytes, authority: bytes) -> None:
    (protected, unprotected, payload, signature), _ = cbor(raw, 0)
    header, _ = cbor(protected, 0)
    assert header[1] == -7 and payload is None  # ES256, detached
    chain = header.get(33, unprotected.get(33))
    leaf = x509.load_der_x509_certificate(chain if isinstance(chain, bytes) else chain[0])
    leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(authority))
    signed = b"\x84" + encoded(b"Signature1", 3) + encoded(protected, 2) + encoded(b"", 2) + encoded(claim, 2)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    leaf.public_key().verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))


def chunks(raw: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 8
    while at < len(raw):
        size = int.from_bytes(raw[at : at + 4], "big")
        found.append((raw[at + 4 : at + 8], raw[at + 8 : at + 8 + size]))
        at += size + 12
    return found


class Held(list):
    """Boxes within a box: (label, its boxes) or (type, its bytes); `raw` is what hashed URIs cover."""

    raw = b""


def boxes(raw: bytes) -> Held:
    found, at = Held(), 0
    while at < len(raw):
        size, kind = struct.unpack_from(">I4s", raw, at)
        body = raw[at + 8 : at + size]
        if kind == b"jumb":
            described = int.from_bytes(body[:4], "big")
            label = body[25 : body.index(b"\0", 25)].decode()
            inner = boxes(body[described:])
            inner.raw = body
            found.append((label, inner))
        else:
            found.append((kind, body))
        at += size
    return found


def encoded(raw: bytes, major: int) -> bytes:
    """A string of bytes (2) or text (3) as CBOR."""
    n, first = len(raw), major << 5
    if n < 24:
        return bytes([first | n]) + raw
    width = 1 if n < 256 else 2 if n < 65536 else 4
    return bytes([first | {1: 24, 2: 25, 4: 26}[width]]) + n.to_bytes(width, "big") + raw


def cbor(raw: bytes, at: int) -> tuple[object, int]:
    """The item at a place of RFC 8949, and where the next begins."""
    major, few = raw[at] >> 5, raw[at] & 31
    at += 1
    if few in (24, 25, 26, 27):
        width = 1 << (few - 24)
        n, at = int.from_bytes(raw[at : at + width], "big"), at + width
    else:
        n = few
    match major:
        case 0:
            return n, at
        case 1:
            return -1 - n, at
        case 2 | 3:
            whole = raw[at : at + n]
            return (whole if major == 2 else whole.decode()), at + n
        case 4:
            items = []
            for _ in range(n):
                item, at = cbor(raw, at)
                items.append(item)
            return items, at
        case 5:
            pairs = {}
            for _ in range(n):
                key, at = cbor(raw, at)
                pairs[key], at = cbor(raw, at)
            return pairs, at
        case 6:
            return cbor(raw, at)
    return {20: False, 21: True, 22: None}[few], at
