"""Who signed a file, and whether it is as it was signed; what cannot be known is said, not guessed."""

import datetime
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from genwright.data.origin import Origin
from genwright.data.signer import BESIDE
from genwright.errors import DataError, GenwrightError, StorageError
from genwright.provenance.certificates import in_time, issued_by, organisation_of, parsed, require_trust
from genwright.provenance.claims import LABEL
from genwright.provenance.envelope import LARGEST, opened
from genwright.provenance.keys import Keys
from genwright.provenance.log import NAME as LOG_NAME
from genwright.provenance.log import Log
from genwright.provenance.marking import THRESHOLD, mark_in
from genwright.provenance.media import manifest_of, type_of
from genwright.storage import check_regular, read_file

LARGEST_FILE = 1 << 30
UNKNOWN = "whoever signed may have chosen any name: give a certificate that you trust with trust=CA.pem"
AGED = "signingCredential.expired", "claimSignature.outsideValidity"
SHOWN = 160  # characters of what strangers wrote


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What is known of a file; None where it cannot be told.

    `signed`: by anyone, or by those trusted where some were named; `signer` is the organisation in the certificate.
    `intact`: as it was signed. `marked`: watermarked by the key at hand, with the probability `p_value` that what bears
    no mark looks like this. `logged`: in the log at hand. `claims` is what genwright says of it, once that is verified.
    """

    file: str
    signed: bool | None = None
    signer: str | None = None
    intact: bool | None = None
    marked: bool | None = None
    p_value: float | None = None
    logged: bool | None = None
    notes: tuple[str, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)

    @property
    def exit_code(self) -> Literal[0, 1, 8]:
        """0: signed and intact, 1: not, 8: cannot be told."""
        if self.signed is False or self.intact is False:
            return 1
        return 0 if self.signed and self.intact else 8

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        names = ("file", "signed", "signer", "intact", "marked", "p_value", "logged", "claims")
        return {name: getattr(self, name) for name in names} | {"notes": list(self.notes)}


def verify(path: str | Path, *, trust: str | Path | None = None, keys: Keys | None = None) -> Finding:
    """What the signature in a file, or beside it, says; `trust` is a file of certificates of those to believe (PEM).

    With `keys`, marks that were made with them are looked for, and the file in the log beside them. A hostile file is a
    finding, never an error; DataError where `trust` holds no certificates. Nothing is fetched.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (path := Path(folder) / "a.csv").write_text("x\\n1\\n")
    ...     verify(path).signed
    False
    """
    require_trust("verifying")
    path, anchors = Path(path), b"" if trust is None else anchors_in(Path(trust))
    try:
        check_regular(path)
        if path.stat().st_size > LARGEST_FILE:
            return Finding(file=str(path), notes=(f"larger than {LARGEST_FILE:,} bytes: not looked at",))
        raw = path.read_bytes()
    except (OSError, StorageError) as error:
        what = error.what if isinstance(error, GenwrightError) else error.strerror or str(error)
        return Finding(file=str(path), notes=(f"cannot be read: {what}",))
    found = _signature(path, raw, anchors)
    if keys is None:
        return found
    log, (p_value, notes) = Log(keys.folder / LOG_NAME), mark_in(path, raw, keys)
    sha256 = hashlib.sha256(raw).hexdigest()
    return replace(
        found,
        logged=log.find(sha256) is not None if log.path.is_file() else None,
        marked=None if p_value is None else p_value < THRESHOLD,
        p_value=p_value,
        notes=(*found.notes, *notes),
    )


def _signature(path: Path, raw: bytes, anchors: bytes) -> Finding:
    """What the signature in a file, or beside it, says."""
    kind, beside = type_of(path.name), path.with_name(path.name + BESIDE)
    if kind is not None and (found := _within(path, raw, kind, anchors)) is not None:
        return found
    if beside.exists():
        return _beside(path, raw, beside, anchors)
    where = "in it or beside it" if kind is not None else f"beside it ({beside.name})"
    unsure = f"no signature {where}; that says nothing about who or what made it"
    return Finding(file=str(path), signed=False, notes=(unsure,))


def anchors_in(path: Path) -> bytes:
    """The certificates in a file."""
    from cryptography import x509

    raw = read_file(path)
    if not parsed(x509.load_pem_x509_certificates, raw):
        raise DataError("no certificates in PEM", where=str(path), hint="give the ca.pem of whom you trust")
    return raw


def _within(path: Path, raw: bytes, kind: str, anchors: bytes) -> Finding | None:
    """What the manifest in a media file says; None without one."""
    try:
        found = manifest_of(raw, kind, anchors)
    except ValueError as error:
        note = f"it has no manifest that can be read, or is no such file: {shown(error)}"
        alone = not path.with_name(path.name + BESIDE).exists()
        return Finding(file=str(path), signed=False, notes=(note,)) if alone else None
    active = (found or {}).get("manifests", {}).get((found or {}).get("active_manifest"))
    if found is None or not isinstance(active, dict):
        return None
    state, failures = found.get("validation_state"), _failures(found)
    signer = shown((active.get("signature_info") or {}).get("issuer") or "a certificate without an organisation")
    codes = {code for code in failures if code != "signingCredential.untrusted"}
    if codes & set(AGED):
        note = f"signed by {signer!r}, whose certificate does not hold now; without a timestamp nobody knows when"
        return Finding(file=str(path), notes=(note,))
    if codes or state not in ("Valid", "Trusted"):
        told = ", ".join(sorted(codes)) or str(state)
        return Finding(file=str(path), signed=True, intact=False, notes=(f"changed, or never valid: {shown(told)}",))
    claims = next((a.get("data") for a in active.get("assertions", []) if a.get("label") == LABEL), None)
    trusted = (state == "Trusted") if anchors else None
    return _judged(path, signer, trusted, claims if isinstance(claims, dict) else None)


def _failures(found: Mapping[str, Any]) -> set[str]:
    results = found.get("validation_results") or {}
    entries: Sequence[Any] = (results.get("activeManifest") or {}).get("failure") or []
    return {str(each.get("code")) for each in entries if isinstance(each, dict)}


def _beside(path: Path, raw: bytes, beside: Path, anchors: bytes) -> Finding:
    """What the envelope beside a file says."""
    from cryptography import x509

    try:
        check_regular(beside)
        with open(beside, "rb") as file:
            said = opened(file.read(LARGEST + 1), where=beside.name)
    except (OSError, StorageError) as error:
        what = error.what if isinstance(error, GenwrightError) else error.strerror or str(error)
        return Finding(file=str(path), signed=False, notes=(f"{beside.name}: {shown(what)}",))
    signer = shown(organisation_of(said.certificate))
    if not in_time(said.certificate, datetime.datetime.now(datetime.UTC)):
        note = f"signed by {signer!r}, whose certificate does not hold now; without a timestamp nobody knows when"
        return Finding(file=str(path), notes=(note,))
    if hashlib.sha256(raw).hexdigest() != said.sha256:
        note = f"changed since {signer!r} signed it"
        return Finding(file=str(path), signed=True, intact=False, notes=(note,))
    trusted = issued_by(said.certificate, x509.load_pem_x509_certificates(anchors)) if anchors else None
    return _judged(path, signer, trusted, said.claims)


def _judged(path: Path, signer: str, trusted: bool | None, claims: Mapping[str, Any] | None) -> Finding:
    """That of a file which is as it was signed by someone."""
    if trusted is False:
        note = f"signed by someone called {signer!r}, for whom none of the trusted certificates vouches"
        return Finding(file=str(path), signed=False, intact=True, notes=(note,))
    notes = () if trusted else (UNKNOWN,)
    if claims is None:
        notes = (*notes, "not made by genwright, as far as its signature says")
    return Finding(file=str(path), signed=True, signer=signer, intact=True, notes=notes, claims=claims or {})


def shown(text: Any) -> str:
    """What strangers wrote, as one short line without control characters."""
    return "".join(c if c.isprintable() else " " for c in str(text))[:SHOWN]


def origin_in(path: Path) -> Origin:
    """Which draw of which model the records of a signed file are; DataError where it does not tell, or was changed."""
    found = verify(path)
    if found.exit_code:
        raise DataError(f"{found.notes[0]}", where=str(path), hint="its origin is that of a file that is intact")
    told = found.claims.get("origin")
    if told is None:
        raise DataError("its signature tells of no draw", where=str(path), hint="was it written by genwright sample?")
    return Origin.from_json(told, where=str(path))
