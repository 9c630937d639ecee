"""Signed manifests beside files that hold none: an in-toto statement in a DSSE envelope, signed by Ed25519.

The envelope is that of https://github.com/secure-systems-lab/dsse (protocol 1.0.0), the statement that of in-toto v1;
the signature covers the type of the payload too. The certificate stands beside the signature.
"""

import base64
import binascii
import datetime
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from genwright.data.signer import BESIDE
from genwright.errors import StorageError
from genwright.provenance.certificates import fingerprint, parsed, read_through
from genwright.provenance.claims import MINING, SOURCE_TYPE, USE, agent
from genwright.provenance.keys import Keys
from genwright.storage import parse_json

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

__all__ = ["BESIDE", "Statement", "opened", "sealed"]

PAYLOAD = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:genwright:made:v1"
LARGEST = 1 << 20  # bytes of an envelope


@dataclass(frozen=True, eq=False)
class Statement:
    """What an envelope says: the SHA-256 of the file, what is claimed of it, and by which certificate."""

    sha256: str
    claims: Mapping[str, Any]
    made: str
    certificate: "Certificate"


def sealed(raw: bytes, name: str, told: Mapping[str, Any], keys: Keys) -> bytes:
    """The envelope for a file of this name and content."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    predicate = {
        "action": "c2pa.created",
        "digitalSourceType": SOURCE_TYPE,
        "agent": agent(),
        "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "training_mining": dict.fromkeys(MINING, USE),
        "claims": dict(told),
    }
    subject = [{"name": name, "digest": {"sha256": hashlib.sha256(raw).hexdigest()}}]
    statement = {"_type": STATEMENT, "subject": subject, "predicateType": PREDICATE, "predicate": predicate}
    payload = json.dumps(statement, ensure_ascii=True, separators=(",", ":")).encode()
    key: Any = load_pem_private_key(keys.private["ed25519"], None)
    signature = {
        "keyid": fingerprint(keys.certificate),
        "sig": base64.b64encode(key.sign(_authenticated(payload))).decode(),
        "cert": keys.certificates["ed25519"].decode(),
    }
    whole = {"payload": base64.b64encode(payload).decode(), "payloadType": PAYLOAD, "signatures": [signature]}
    return json.dumps(whole, indent=1).encode() + b"\n"


def opened(raw: bytes, *, where: str) -> Statement:
    """The statement of an envelope whose signature holds; StorageError for anything else."""
    if len(raw) > LARGEST:
        raise StorageError(f"larger than {LARGEST:,} bytes", where=where, hint="no signature is so large")
    whole = parse_json(raw, where=where)
    try:
        [signature] = whole["signatures"]
        payload = base64.b64decode(whole["payload"], validate=True)
        given, certificate = base64.b64decode(signature["sig"], validate=True), signature["cert"].encode()
        if whole["payloadType"] != PAYLOAD:
            raise KeyError("payloadType")
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, binascii.Error) as error:
        raise StorageError(f"not a signature of genwright ({error})"[:200], where=where) from None
    from cryptography import x509

    leaf = parsed(lambda raw: read_through(x509.load_pem_x509_certificate(raw)), certificate)
    if leaf is None or not _holds(leaf, given, payload):
        raise StorageError("the signature does not hold", where=where, hint="it was changed, or never valid")
    return _statement(parse_json(payload, where=where), leaf, where)


def _statement(told: Any, leaf: "Certificate", where: str) -> Statement:
    try:
        [subject], predicate = told["subject"], told["predicate"]
        digest, claims, made = subject["digest"]["sha256"], predicate["claims"], predicate["made"]
        typed = told["_type"] == STATEMENT and told["predicateType"] == PREDICATE
    except (KeyError, TypeError, ValueError, IndexError):
        typed, digest, claims, made = False, None, None, None
    if not typed or not isinstance(digest, str) or not isinstance(claims, dict) or not isinstance(made, str):
        raise StorageError("signed, but not a statement of genwright", where=where)
    return Statement(digest, claims, made, leaf)


def _authenticated(payload: bytes) -> bytes:
    """What is signed: DSSE's pre-authentication encoding."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD), PAYLOAD.encode(), len(payload), payload)


def _holds(leaf: "Certificate", signature: bytes, payload: bytes) -> bool:
    """Whether a certificate of an Ed25519 key signed the payload."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = leaf.public_key()
        if not isinstance(key, Ed25519PublicKey):
            return False
        key.verify(signature, _authenticated(payload))
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True
