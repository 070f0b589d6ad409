"""What certificates say, and why one is not trusted."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from engine.text import plain

if TYPE_CHECKING:
    from cryptography import x509

CHAIN_LIMIT = 20
NAME_LIMIT = 100
_SHOWN = 200

_STATUS = {
    9: "not_yet_valid",
    10: "expired",
    18: "self_signed",
    19: "untrusted",
    20: "untrusted",
    21: "untrusted",
    62: "wrong_host",
    64: "wrong_host",
    66: "weak",
    67: "weak",
    68: "weak",
}


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate of a chain; times are seconds since the epoch."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: float
    not_after: float
    serial: str
    fingerprint: str
    key: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """`status` in one word, and why, in words that follow the certificate's name; empty when it is good."""

    status: str
    why: str = ""


GOOD = Judgement("ok")


def read_certificate(data: bytes) -> Certificate:
    """Read a certificate in DER.

    Raises:
        ValueError: it cannot be read.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    found = x509.load_der_x509_certificate(data)
    names = _names(found)
    subject = _common_name(found.subject)
    return Certificate(
        subject=subject or (names[0] if names else ""),
        issuer=_common_name(found.issuer),
        names=names,
        not_before=found.not_valid_before_utc.timestamp(),
        not_after=found.not_valid_after_utc.timestamp(),
        serial=f"{found.serial_number:x}",
        fingerprint=found.fingerprint(hashes.SHA256()).hex(),
        key=_key(found),
    )


def chain_of(tls: ssl.SSLObject, *, is_verified: bool) -> list[bytes]:
    """The chain in DER, the server's own certificate first.

    Of a verified handshake it is the way to the authority that was found; otherwise what the server sent,
    where certificates that nobody needs may stand, too.

    Raises:
        ValueError: it has none.
    """
    name = "get_verified_chain" if is_verified else "get_unverified_chain"
    # Public from Python 3.13 on; before, the object underneath has it, and gives no bytes yet.
    source: Any = tls if hasattr(tls, name) else tls._sslobj  # type: ignore[attr-defined]
    chain = [
        found if isinstance(found, bytes) else ssl.PEM_cert_to_DER_cert(found.public_bytes())
        for found in (getattr(source, name)() or ())[:CHAIN_LIMIT]
    ]
    if not chain:
        raise ValueError("there is none")
    return chain


def judge(code: int, words: str, chain: Sequence[Certificate], now: float) -> Judgement:
    """Why OpenSSL refused a chain.

    Args:
        code, words: how OpenSSL says it.
        chain: as the server sent it, its own certificate first.
    """
    status, leaf = _STATUS.get(code, "invalid"), chain[0]
    match status:
        case "expired":
            old = next((found for found in chain if found.not_after <= now), None)
            if old is leaf:
                return Judgement(status, f"expired on {day(leaf.not_after)}")
            # A server need not send the authority itself.
            whose = f"{_named(old)} expired on {day(old.not_after)}" if old else "its authority expired"
            return Judgement("chain_expired", f"cannot be relied on: {whose}")
        case "not_yet_valid":
            new = next((found for found in chain if found.not_before > now), None)
            if new is leaf:
                return Judgement(status, f"is not valid before {day(leaf.not_before)}")
            whose = (
                f"{_named(new)} is not valid before {day(new.not_before)}" if new else "its authority is new"
            )
            return Judgement(status, f"cannot be relied on: {whose}")
        case "self_signed":
            return Judgement(status, "is self-signed")
        case "untrusted":
            last = plain(chain[-1].issuer, _SHOWN)
            return Judgement(status, f"is signed by an authority that is not known: '{last}'")
        case "wrong_host":
            names = ", ".join(leaf.names[:5]) or leaf.subject
            return Judgement(status, f"is for another host: {plain(names, _SHOWN)}")
        case "weak":
            return Judgement(status, f"is too weak: {plain(words, 120).lower()}")
    return Judgement(status, f"is not trusted: {plain(words, 120)}")


def day(moment: float) -> str:
    """A moment as a date and time of UTC."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _named(certificate: Certificate) -> str:
    return f"'{plain(certificate.subject, _SHOWN)}' in its chain"


def _common_name(name: x509.Name) -> str:
    from cryptography.x509.oid import NameOID

    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return plain(found[0].value if found else name.rfc4514_string(), _SHOWN)


def _names(found: x509.Certificate) -> tuple[str, ...]:
    from cryptography import x509

    try:
        extension = found.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    values = (*extension.value.get_values_for_type(x509.DNSName),)
    addresses = map(str, extension.value.get_values_for_type(x509.IPAddress))
    return tuple(plain(name, 255) for name in (*values, *addresses))[:NAME_LIMIT]


def _key(found: x509.Certificate) -> str:
    """Such as `RSA 2048` or `EC 256`."""
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        key = found.public_key()
    except (UnsupportedAlgorithm, ValueError):
        return "unknown"
    kind = type(key).__name__.lstrip("_").removesuffix("PublicKey").removeprefix("Elliptic").upper()
    kind = {"CURVE": "EC"}.get(kind, kind)
    size = getattr(key, "key_size", None)
    return kind if size is None else f"{kind} {size}"
