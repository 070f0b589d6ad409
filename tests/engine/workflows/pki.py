"""A certificate authority for tests, and what it signs."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PEM = serialization.Encoding.PEM


@dataclass(frozen=True)
class Paper:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(PEM)

    def key_pem(self, password: bytes | None = None) -> bytes:
        how = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        return self.key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, how)


def certify(
    name: str,
    issuer: Paper | None = None,
    *,
    is_authority: bool = False,
    hosts: Sequence[str] = ("localhost", "127.0.0.1"),
    since: float = -1,
    until: float = 2,
    key: Key | None = None,
) -> Paper:
    """A new certificate; self-signed without an `issuer`; `since` and `until` are days from now."""
    now, key = datetime.now(UTC), key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=since))
        .not_valid_after(now + timedelta(days=until))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if not is_authority:
        builder = builder.add_extension(x509.SubjectAlternativeName(list(map(_host, hosts))), critical=False)
    return Paper(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


def server_context(place: Path, *chain: Paper) -> ssl.SSLContext:
    """What a server shakes hands by that sends this chain, its own certificate first."""
    file = place / "server.pem"
    file.write_bytes(chain[0].key_pem() + b"".join(paper.pem for paper in chain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(file)
    return context


@dataclass
class Authority:
    """`ca` is its certificate's file; `server()` and `client()` make files of certificate and key."""

    place: Path

    def __post_init__(self) -> None:
        self.paper = certify("Test authority", is_authority=True)
        self.ca = self.place / "ca.pem"
        self.ca.write_bytes(self.paper.pem)

    def issue(self, name: str, password: bytes | None = None) -> Path:
        """A file with a certificate for `name` and 127.0.0.1, and its key."""
        paper = certify(name, self.paper)
        file = self.place / f"{name}.pem"
        file.write_bytes(paper.key_pem(password) + paper.pem)
        return file

    def server(self, *protocols: str, wants_client: bool = False) -> ssl.SSLContext:
        """What a server on 127.0.0.1 shakes hands by."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.issue("localhost"))
        if protocols:
            context.set_alpn_protocols(list(protocols))
        if wants_client:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.ca)
        return context


def _host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
