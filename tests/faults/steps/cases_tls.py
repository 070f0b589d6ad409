"""Certificates that are not to be trusted, for every step type that shakes hands."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from engine.model import ErrorCategory, ErrorType
from tests.engine.workflows.mysql_server import GREETING_WITH_TLS
from tests.engine.workflows.pki import Paper, certify, server_context
from tests.engine.workflows.talking import Talker, listening, silent
from tests.faults.steps.carrying import BRIEF, Case, Given, Peer
from tests.faults.steps.peers import At, behind

Papers = tuple[Paper, tuple[Paper, ...]]
"""The authority that is trusted, and the chain that the server sends."""


def _papers(fault: str) -> Papers:
    root = certify("Root", is_authority=True)
    match fault:
        case "expired":
            return root, (certify("shop", root, since=-9, until=-3),)
        case "not yet valid":
            return root, (certify("shop", root, since=1),)
        case "of another host":
            return root, (certify("shop", root, hosts=["a.test"]),)
        case "self-signed":
            return root, (certify("shop"),)
        case "of an unknown authority":
            return root, (certify("shop", certify("Nobody", is_authority=True)),)
        case "below one that is expired":
            old = certify("Middle", root, is_authority=True, since=-9, until=-3)
            return root, (certify("shop", old), old)
    return root, (certify("shop", root, key=rsa.generate_private_key(65537, 1024)),)


# What each is called by a step that only needs the connection, and by the tls step.
_WORDS = {
    "expired": ("has expired", "expired on .+"),
    "not yet valid": ("is not yet valid", "is not valid before .+"),
    "of another host": ("is for another (host|address)", r"is for another host: a\.test"),
    "self-signed": ("is self-signed", "is self-signed"),
    "of an unknown authority": ("is signed by an authority that is not known",) * 2,
    "below one that is expired": ("has expired", "cannot be relied on: 'Middle' in its chain expired on .+"),
    "too weak": ("has a key that is too weak", "is too weak: .+"),
}

_WAYS: tuple[tuple[str, str, At, Talker | None], ...] = (
    ("https", "http", lambda at: {"url": f"https://{at}/"}, None),
    ("HTTP/2 and TLS", "http", lambda at: {"url": f"https://{at}/", "http_version": "2"}, None),
    ("TLS", "tcp", lambda at: {"address": at, "tls": True}, None),
    ("handshake", "tls", lambda at: {"address": at}, None),
    ("wss", "websocket", lambda at: {"url": f"wss://{at}/"}, None),
    ("TLS", "grpc", lambda at: {"address": at, "tls": True}, None),
)


def tls_cases() -> Iterator[Case]:
    """Every way with every certificate, and with a handshake that hangs."""
    for label, kind, at, _ in _WAYS:
        for fault, words in _WORDS.items():
            said = f"TLS certificate of 127.0.0.1 {words[kind == 'tls']}.* .tls."
            yield Case(
                kind,
                f"{label}: a certificate {fault}",
                (57,),
                _certified(fault, at, in_tls=kind in ("http", "websocket")),
                said,
                ErrorType.PERMANENT,
            )
        hanging = f"{label}: a handshake that hangs"
        if kind != "tls":
            yield Case(kind, hanging, (57,), behind(silent, at), _HANGS, ErrorType.TIMEOUT, timeout=BRIEF)
    yield from _upgraded()


_HANGS = "no answer within 200 ms from PEER .tls."


def _certified(fault: str, at: At, *, in_tls: bool) -> Peer:
    """A server with these papers; its authority is named by `tls: {ca}` or by `ca`."""

    @contextlib.asynccontextmanager
    async def peer(place: Path) -> AsyncIterator[Given]:
        root, chain = _papers(fault)
        ca = place / "ca.pem"
        ca.write_bytes(root.pem)
        async with listening(silent, server_context(place, *chain)) as port:
            trust = {"tls": {"ca": str(ca)}} if in_tls else {"ca": str(ca)}
            yield Given({**at(f"127.0.0.1:{port}"), **trust})

    return peer


def _upgraded() -> Iterator[Case]:
    """Protocols that begin without TLS."""
    ways: tuple[tuple[str, str, At, Callable[[ssl.SSLContext], Talker]], ...] = (
        ("STARTTLS", "tcp", lambda at: {"address": at, "starttls": "smtp"}, _smtp),
        ("STARTTLS", "tls", lambda at: {"address": at, "starttls": "smtp"}, _smtp),
        ("PostgreSQL", "sql", lambda at: {"url": f"postgresql://u@{at}/d", **_SQL}, _postgres),
        ("MySQL", "sql", lambda at: {"url": f"mysql://u@{at}/d", **_SQL}, _mysql),
    )
    for label, kind, at, talk in ways:
        for fault, words in _WORDS.items():
            said = f"TLS certificate of 127.0.0.1 {words[kind == 'tls']}.* .tls."
            if label == "MySQL":
                said = said.replace("tls.", "connect.")
            yield Case(
                kind,
                f"{label}: a certificate {fault}",
                (57,),
                _upgrading(fault, at, talk),
                said,
                ErrorType.PERMANENT,
                ErrorCategory.NETWORK,
            )


_SQL = {"query": "select 1", "tls": True}


def _upgrading(fault: str, at: At, talk: Callable[[ssl.SSLContext], Talker]) -> Peer:
    @contextlib.asynccontextmanager
    async def peer(place: Path) -> AsyncIterator[Given]:
        root, chain = _papers(fault)
        ca = place / "ca.pem"
        ca.write_bytes(root.pem)
        async with listening(talk(server_context(place, *chain))) as port:
            yield Given({**at(f"127.0.0.1:{port}"), "ca": str(ca)})

    return peer


def _smtp(context: ssl.SSLContext) -> Talker:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready\r\n")
        await reader.readline()
        writer.write(b"250 STARTTLS\r\n")
        await reader.readline()
        writer.write(b"220 go\r\n")
        await _secure(reader, writer, context)

    return talk


def _postgres(context: ssl.SSLContext) -> Talker:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(b"S")
        await _secure(reader, writer, context)

    return talk


def _mysql(context: ssl.SSLContext) -> Talker:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GREETING_WITH_TLS)
        head = await reader.readexactly(4)
        await reader.readexactly(int.from_bytes(head[:3], "little"))
        await _secure(reader, writer, context)

    return talk


async def _secure(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext
) -> None:
    """Shake hands as a server; what came with the request for it is the beginning of the handshake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_side=True)
    while data := await reader.read(65_536):
        incoming.write(data)
        with contextlib.suppress(ssl.SSLError):
            tls.do_handshake()
        writer.write(outgoing.read())
