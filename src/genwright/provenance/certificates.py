"""A certificate authority of one's own, and the certificates below it that readers of C2PA take for signing."""

import datetime
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from genwright.errors import MissingDependencyError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate

INSTALL = "pip install 'genwright[trust]'"
YEARS = 10
DAY = datetime.timedelta(days=1)
SKEW = datetime.timedelta(minutes=5)  # by which the clock of a reader may be behind
USAGES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)
Found = TypeVar("Found")


def require_trust(what: str) -> None:
    """Raise MissingDependencyError unless what `what` needs is installed."""
    try:
        import c2pa  # noqa: F401
        import cryptography  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(f"{what} needs {error.name}, which is not installed", hint=INSTALL) from None


def has_trust() -> bool:
    """Whether the packages that signing needs are installed."""
    try:
        require_trust("signing")
    except MissingDependencyError:
        return False
    return True


def new_authority(organisation: str, *, now: datetime.datetime) -> tuple[Any, "Certificate"]:
    """A private key on P-256, and a certificate signed by itself that may only sign certificates."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = ec.generate_private_key(ec.SECP256R1()), _name(organisation, "genwright certificate authority")
    builder = (
        _builder(name, name, key.public_key(), now, YEARS * 365.25 * DAY + DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
    )
    return key, builder.sign(key, hashes.SHA256())


def new_leaf(key: Any, authority: "Certificate", by: "EllipticCurvePrivateKey", *, now: datetime.datetime) -> Any:
    """The certificate of `key` below `authority`, with just the extensions that C2PA 2.4, section 14.5.1, asks for.

    An organisation stands in its subject: older readers take a certificate without one for a broken signature.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    organisation = str(authority.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value)
    subject = _name(organisation, "genwright")
    builder = (
        _builder(subject, authority.subject, key.public_key(), now, YEARS * 365.25 * DAY)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage("digital_signature"), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
    )
    return builder.sign(by, hashes.SHA256())


def issued_by(leaf: "Certificate", anchors: Sequence["Certificate"]) -> bool:
    """Whether one of the authorities signed `leaf`, which is one for signing and not itself an authority."""
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.x509.oid import ExtendedKeyUsageOID

    def extension(certificate: "Certificate", kind: Any) -> Any:
        try:
            return certificate.extensions.get_extension_for_class(kind).value
        except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
            return None

    purposes, own, usage = (extension(leaf, k) for k in (x509.ExtendedKeyUsage, x509.BasicConstraints, x509.KeyUsage))
    fit = purposes is not None and ExtendedKeyUsageOID.EMAIL_PROTECTION in purposes
    if not fit or own is None or own.ca or usage is None or not usage.digital_signature:
        return False
    for anchor in anchors:
        limits = extension(anchor, x509.BasicConstraints)
        try:
            leaf.verify_directly_issued_by(anchor)
        except (ValueError, TypeError, InvalidSignature):
            continue
        if limits is not None and limits.ca:
            return True
    return False


def in_time(certificate: "Certificate", now: datetime.datetime) -> bool:
    """Whether a certificate is valid at `now`."""
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def organisation_of(certificate: "Certificate") -> str:
    """The organisation in its subject, or the whole subject where there is none."""
    from cryptography.x509.oid import NameOID

    named = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return str(named[0].value) if named else certificate.subject.rfc4514_string()


def read_through(certificate: "Certificate") -> "Certificate":
    """The certificate after all of it has been parsed, which cryptography leaves until it is asked for."""
    _ = certificate.extensions, organisation_of(certificate), certificate.issuer, certificate.public_key()
    _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return certificate


def fingerprint(certificate: "Certificate") -> str:
    """Its SHA-256, in hexadecimal."""
    from cryptography.hazmat.primitives import hashes

    return certificate.fingerprint(hashes.SHA256()).hex()


def parsed(parse: Callable[[bytes], Found], raw: bytes) -> Found | None:
    """What `parse` makes of bytes that may be anything; None where it makes nothing."""
    try:
        return parse(raw)
    except Exception:  # the parsers of cryptography raise many types, some of them undocumented
        return None


def _name(organisation: str, common: str) -> Any:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    named = ((NameOID.ORGANIZATION_NAME, organisation), (NameOID.COMMON_NAME, common))
    return x509.Name([x509.NameAttribute(kind, text) for kind, text in named])


def _usage(*granted: str) -> Any:
    from cryptography import x509

    return x509.KeyUsage(**{usage: usage in granted for usage in USAGES})


def _builder(subject: Any, issuer: Any, public: Any, now: datetime.datetime, valid: datetime.timedelta) -> Any:
    from cryptography import x509

    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + valid)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )
