"""Peers on loopback that are having a bad day."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

from tests.engine.workflows.talking import Talker, free_port, listening, silent
from tests.faults.steps.carrying import Given, Peer

At = Callable[[str], Mapping[str, Any]]
"""A step's specification for a target at `host:port`."""

GARBAGE = b"\xff\x00\xfe\x1b]52;c;aGk=\x07\x1b[31m[/red]\x9b2J\xe2\x80\xae" * 40 + b"\r\n\r\n"
PAUSE = 0.02
"""Seconds between two bytes of a peer that trickles."""

__all__ = ["FAULTS", "GARBAGE", "behind", "closing", "endless", "resetting", "saying", "silent", "trickling"]


def behind(talker: Talker, at: At, context: Callable[[Path], ssl.SSLContext] | None = None) -> Peer:
    """A step that talks to `talker`, over TLS when a context is made for it."""

    @contextlib.asynccontextmanager
    async def peer(place: Path) -> AsyncIterator[Given]:
        async with listening(talker, context(place) if context is not None else None) as port:
            yield Given(at(f"127.0.0.1:{port}"))

    return peer


def saying(data: bytes, *, then: Talker = silent) -> Talker:
    """Says this at once."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await then(reader, writer)

    return talk


async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hangs up when it hears something, or a moment after."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PAUSE):
            await reader.read(65_536)


async def resetting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Breaks the connection off instead."""
    await closing(reader, writer)
    raw = writer.transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    writer.transport.abort()


def endless(piece: bytes) -> Talker:
    """Never stops, as fast as it is let."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)

    return talk


def trickling(piece: bytes, before: bytes = b"") -> Talker:
    """Never stops, and never says much."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(before)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(PAUSE)

    return talk


def nobody(at: At) -> Peer:
    """A port that refuses."""

    @contextlib.asynccontextmanager
    async def peer(place: Path) -> AsyncIterator[Given]:
        yield Given(at(f"127.0.0.1:{free_port()}"))

    return peer


def unanswering(at: At) -> Peer:
    """A host that answers no request for a connection: its queue is full and nobody empties it."""

    @contextlib.asynccontextmanager
    async def peer(place: Path) -> AsyncIterator[Given]:
        with contextlib.ExitStack() as sockets:
            server = sockets.enter_context(socket.socket())
            server.bind(("127.0.0.1", 0))
            server.listen(0)
            for _ in range(3):
                waiting = sockets.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(server.getsockname())
            yield Given(at(f"127.0.0.1:{server.getsockname()[1]}"))

    return peer


FAULTS: dict[str, Callable[[At], Peer]] = {
    "refuses": nobody,
    "answers no connecting": unanswering,
    "is silent": lambda at: behind(silent, at),
    "resets": lambda at: behind(resetting, at),
    "hangs up": lambda at: behind(closing, at),
    "says garbage": lambda at: behind(saying(GARBAGE), at),
    "trickles": lambda at: behind(trickling(b"\xff"), at),
    "never ends": lambda at: behind(endless(b"\xff" * 16_384), at),
}
"""What any server can do to whoever connects."""
