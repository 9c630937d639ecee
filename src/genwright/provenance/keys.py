"""Keys in a folder: what files are signed with, who vouches for it, and the secret that marks are made of."""

import datetime
import os
import secrets
import stat
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genwright.errors import ArgumentError, StorageError
from genwright.folders import SWAP_SECONDS, locked, replacing, writing
from genwright.provenance.certificates import (
    in_time,
    new_authority,
    new_leaf,
    organisation_of,
    parsed,
    require_trust,
)
from genwright.storage import read_file

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

PLACE = "GENWRIGHT_KEYS"  # the environment variable that names the folder
AUTHORITY, AUTHORITY_KEY, MARK_KEY = "ca.pem", "ca.key", "mark.key"
KINDS = ("es256", "ed25519")  # for media by C2PA, and for what stands beside other files
ORGANISATION = "unnamed user of genwright"
WARN_DAYS = 90
MARK_BYTES = 32
LONGEST_NAME = 64  # of X.520, for an organisation


@dataclass(frozen=True, eq=False)
class Keys:
    """The certificates and private keys of a folder, which `Keys.make` wrote.

    `certificates` and `private` are in PEM, by kind: es256 and ed25519. `mark` is the secret of watermarks.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     keys = Keys.make(Path(folder) / "keys", organisation="Example Hospital")
    >>> keys.organisation, len(keys.mark), keys.ends.year - datetime.datetime.now().year
    ('Example Hospital', 32, 10)
    """

    folder: Path
    authority: bytes
    certificates: dict[str, bytes]
    private: dict[str, bytes]
    mark: bytes

    @classmethod
    def make(cls, folder: Path, *, organisation: str = ORGANISATION, now: datetime.datetime | None = None) -> "Keys":
        """New keys in `folder`, private ones readable by their owner alone; ArgumentError where there are some.

        They hold for ten years from `now`, by default today.
        """
        require_trust("making keys")
        if not organisation.strip() or len(organisation) > LONGEST_NAME:
            what = f"an organisation has 1 to {LONGEST_NAME} characters"
            raise ArgumentError(what, where="organisation", hint="give a shorter name, or leave it out")
        with locked(folder, wait=SWAP_SECONDS):
            if folder.is_dir() and any(not each.name.startswith(".") for each in folder.iterdir()):
                hint = "give another folder: keys are not replaced, since what they signed would lose its signer"
                raise ArgumentError("there is already something here", where=str(folder), hint=hint)
            with replacing(folder) as new:
                for name, (raw, private) in _made(organisation, now or datetime.datetime.now(datetime.UTC)).items():
                    _write(new / name, raw, private=private)
        return cls.load(folder)

    @classmethod
    def load(cls, folder: Path) -> "Keys":
        """The keys in `folder`; StorageError where they are damaged, or others may read what is secret."""
        require_trust("signing")
        if not folder.is_dir():
            hint = "make keys there: genwright keys new --out DIR"
            raise StorageError("no such folder of keys", where=str(folder), hint=hint)
        certificates = {kind: read_file(folder / f"{kind}.pem") for kind in KINDS}
        private = {kind: _secret(folder / f"{kind}.key") for kind in KINDS}
        mark = parsed(lambda raw: bytes.fromhex(raw.decode()), _secret(folder / MARK_KEY))
        if mark is None or len(mark) != MARK_BYTES or len(set(mark)) < 8:  # zeros, or a pattern: no secret
            what = f"not {MARK_BYTES} random bytes in hexadecimal"
            raise StorageError(what, where=str(folder / MARK_KEY), hint="make new keys: genwright keys new --out DIR")
        found = cls(folder, read_file(folder / AUTHORITY), certificates, private, mark)
        for kind in KINDS:
            _check_pair(folder, kind, found)
        return found

    @classmethod
    def found(cls, folder: Path | None = None) -> tuple["Keys", str | None]:
        """Those in `folder`, in the folder that GENWRIGHT_KEYS names, or of the user; and a note where these were made.

        Only keys of the user are made where there are none.
        """
        if folder is None and os.environ.get(PLACE):
            folder = Path(os.environ[PLACE])
        if folder is not None:
            return cls.load(folder), None
        folder = usual_folder()
        if (folder / AUTHORITY).is_file():
            return cls.load(folder), None
        require_trust("signing")
        made = cls.make(folder)
        return made, f"made keys to sign with in {folder}; files are signed by {made.organisation!r} from now on"

    @classmethod
    def at_hand(cls, folder: Path | None = None) -> "Keys | None":
        """Those that `found` finds, or None where there are none yet; none are made."""
        if folder is None and not os.environ.get(PLACE) and not (usual_folder() / AUTHORITY).is_file():
            return None
        return cls.found(folder)[0]

    @cached_property
    def certificate(self) -> "Certificate":
        """The certificate of the Ed25519 key."""
        return _certificate(self.certificates["ed25519"])

    @property
    def organisation(self) -> str:
        """Whom files are signed by."""
        return organisation_of(self.certificate)

    @property
    def ends(self) -> datetime.datetime:
        """When the certificates end."""
        return self.certificate.not_valid_after_utc

    def warning(self, now: datetime.datetime | None = None) -> str | None:
        """A note where the certificates end soon; ArgumentError where they have ended, or not begun by this clock."""
        now = now or datetime.datetime.now(datetime.UTC)
        if not in_time(self.certificate, now):
            told = f"valid from {self.certificate.not_valid_before_utc:%Y-%m-%d} to {self.ends:%Y-%m-%d}"
            hint = "make new keys (genwright keys new --out DIR), or set the clock right"
            raise ArgumentError(f"the certificate does not hold today: {told}", where=str(self.folder), hint=hint)
        left = (self.ends - now).days
        return f"the keys in {self.folder} end in {left} days; make new ones" if left < WARN_DAYS else None


def usual_folder() -> Path:
    """Where the keys of this user are."""
    import click

    return Path(click.get_app_dir("genwright")) / "keys"


def _made(organisation: str, now: datetime.datetime) -> dict[str, tuple[bytes, bool]]:
    """The files of new keys, and which of them are secret."""
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    def private(key: Any) -> bytes:
        raw: bytes = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
        return raw

    by, authority = new_authority(organisation, now=now)
    files = {AUTHORITY: (authority.public_bytes(form.Encoding.PEM), False), AUTHORITY_KEY: (private(by), True)}
    own = (ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate())
    for kind, key in zip(KINDS, own, strict=True):
        leaf = new_leaf(key, authority, by, now=now)
        files |= {f"{kind}.pem": (leaf.public_bytes(form.Encoding.PEM), False), f"{kind}.key": (private(key), True)}
    return files | {MARK_KEY: (secrets.token_hex(MARK_BYTES).encode(), True)}


def _write(path: Path, raw: bytes, *, private: bool) -> None:
    with writing(path):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o644)
        with os.fdopen(handle, "wb") as file:
            file.write(raw)


def _secret(path: Path) -> bytes:
    """A file that its owner alone may read."""
    raw = read_file(path)
    if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise StorageError("others may read this secret", where=str(path), hint=f"chmod 600 {path}")
    return raw


def _certificate(raw: bytes) -> "Certificate":
    from cryptography import x509

    return x509.load_pem_x509_certificate(raw)


def _check_pair(folder: Path, kind: str, keys: Keys) -> None:
    """Raise StorageError unless the private key of a kind is that of its certificate."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    certificate = parsed(_certificate, keys.certificates[kind])
    if certificate is None:
        raise StorageError("not a certificate", where=str(folder / f"{kind}.pem"), hint="the file is damaged")
    key = parsed(lambda raw: load_pem_private_key(raw, None), keys.private[kind])
    if key is None or parsed(lambda _: key.public_key() == certificate.public_key(), b"") is not True:
        what = "not the private key of the certificate beside it"
        raise StorageError(what, where=str(folder / f"{kind}.key"), hint="the file is damaged")
