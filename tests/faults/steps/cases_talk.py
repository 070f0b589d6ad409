"""Servers that speak the right language, and lie in it or never stop."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Event, Ping, Request, TextMessage

from engine.model import ErrorCategory, ErrorType
from tests.engine.workflows.http2_server import Http2Peer, serving_http2
from tests.engine.workflows.talking import Talker
from tests.faults.steps.carrying import AMPLE, BRIEF, Case, Given, Peer
from tests.faults.steps.peers import behind, endless, trickling

NETWORK, PERMANENT, TIMEOUT = ErrorType.NETWORK, ErrorType.PERMANENT, ErrorType.TIMEOUT
VALIDATION = ErrorCategory.VALIDATION
HEAD = b"HTTP/1.1 200 OK\r\n"
GZIP = HEAD + b"content-encoding: gzip\r\n\r\n"
FOREVER = "PEER sent over 10000 frames .transfer."


def talk_cases() -> Iterator[Case]:
    """All of them."""
    yield from _http()
    yield from _websocket()
    yield from _grpc()


def _http() -> Iterator[Case]:
    def get(
        fault: str,
        talker: Talker,
        words: str,
        type: ErrorType = NETWORK,
        category: ErrorCategory = ErrorCategory.NETWORK,
        row: int = 54,
    ) -> Case:
        timeout = BRIEF if type is TIMEOUT else AMPLE
        return Case("http", fault, (row,), _site(talker), words, type, category, timeout=timeout)

    late = "no answer within 200 ms from PEER {}"
    bad = "PEER does not speak HTTP as it should.* .(transfer|first byte)."
    short = HEAD + b"content-length: 99\r\n\r\nshort"
    yield get("a short body", answering(short), "PEER closed the connection before the body was complete.*")
    yield get("a bad chunk", answering(HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\nx"), bad)
    yield get("a head that trickles", trickling(b"x-slow: 1\r\n", HEAD), late.format(".first byte."), TIMEOUT)
    yield get("a body that trickles", trickling(b"x", HEAD + b"\r\n"), late.format(".transfer."), TIMEOUT)
    interim = endless(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
    yield get("interim answers without end", interim, "PEER sent over 10 interim answers .first byte.")
    many = answering(HEAD + b"x: y\r\n" * 200_000)
    yield get("headers without end", many, "PEER sent headers over 65536 bytes .first byte.")
    body = answering(HEAD + b"\r\n", endless(b"x" * 65_536))
    over = "body over 1000 bytes .transfer."
    yield get("a body without end", body, over, PERMANENT, VALIDATION, row=55)
    bomb = answering(GZIP + gzip.compress(b"x" * 50_000_000))
    yield get("a bomb", bomb, over, PERMANENT, VALIDATION, row=55)
    broken = "the compressed body is broken .transfer."
    torn = answering(GZIP + b"no")
    yield get("a broken compression", torn, broken, ErrorType.TRANSIENT, VALIDATION, row=55)
    for fault, location, words in (
        ("redirects in a circle", "/again", "over 5 redirects .+"),
        ("a redirect to a file", "file:///etc/passwd", "file: addresses are refused .+"),
        (
            "a redirect to no address",
            "http://[x",
            "redirect to another host, .+, is refused .+|.+ no address .+",
        ),
    ):
        yield get(fault, answering(_moved(location)), words, PERMANENT, VALIDATION, row=56)
    other = answering(_moved("http://other.test/"))
    words = r"redirect to another host, other\.test, is refused .+"
    yield get("a redirect to another host", other, words, PERMANENT, VALIDATION, row=56)


def answering(data: bytes, then: Talker | None = None) -> Talker:
    """Says this when it has heard something, and hangs up or goes on."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        await writer.drain()
        if then is not None:
            await then(reader, writer)

    return talk


def _moved(location: str) -> bytes:
    head = f"HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    return head.encode()


def _site(talker: Talker) -> Peer:
    spec = {"follow_redirects": "same-host", "max_body": 1000}
    return behind(talker, lambda at: {"url": f"http://{at}/", **spec})


def _websocket() -> Iterator[Case]:
    def hear(
        fault: str,
        event: Event,
        words: str,
        type: ErrorType = NETWORK,
        category: ErrorCategory = ErrorCategory.NETWORK,
    ) -> Case:
        return Case("websocket", fault, (54, 55), _feed(event), words, type, category)

    yield hear("pings without end", Ping(b"x" * 100), FOREVER)
    yield hear("empty pieces without end", TextMessage("", message_finished=False), FOREVER)
    words = "messages over 1048576 bytes .transfer."
    large = TextMessage("x" * 10_000, message_finished=False)
    yield hear("a message without end", large, words, PERMANENT, VALIDATION)
    words = "PEER sent 100 messages without 'never' in them .transfer."
    yield hear("messages without end", TextMessage("x"), words)


def _feed(event: Event) -> Peer:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        protocol = WSConnection(ConnectionType.SERVER)
        while not any(isinstance(heard, Request) for heard in protocol.events()):
            protocol.receive_data(await reader.read(65_536))
        writer.write(protocol.send(AcceptConnection()))
        while True:
            writer.write(b"".join(protocol.send(event) for _ in range(100)))
            await writer.drain()
            await asyncio.sleep(0)

    return behind(talk, lambda at: {"url": f"ws://{at}/", "talk": [{"expect": "never"}]})


def _grpc() -> Iterator[Case]:
    head = [(":status", "200"), ("content-type", "application/grpc")]

    def refusing(peer: Http2Peer) -> None:
        peer.connection.reset_stream(peer.stream, 7)

    def sending_away(peer: Http2Peer) -> None:
        peer.connection.close_connection(11, last_stream_id=0)

    def silent_after(peer: Http2Peer) -> None:
        peer.connection.send_headers(peer.stream, head)

    def without_status(peer: Http2Peer) -> None:
        peer.reply(head, b"\0" * 5)

    def too_long(peer: Http2Peer) -> None:
        peer.reply(head, b"x" * 10_000)

    late = "no answer within 200 ms from PEER .transfer."
    network = ErrorCategory.NETWORK
    for fault, answer, words, kind, category in (
        ("a stream that is reset", refusing, "PEER broke the stream off: .+", NETWORK, network),
        ("a call that is sent away", sending_away, "PEER sent the request away: .+", NETWORK, network),
        ("half an answer", silent_after, late, TIMEOUT, network),
        ("no status at the end", without_status, "PEER does not speak gRPC: .+", NETWORK, network),
        ("too long an answer", too_long, "an answer over 4096 bytes .transfer.", PERMANENT, VALIDATION),
    ):
        timeout = BRIEF if kind is TIMEOUT else AMPLE
        yield Case("grpc", fault, (54,), _health(answer), words, kind, category, timeout=timeout)
    flood = behind(_settings, lambda at: {"address": at})
    yield Case("grpc", "settings without end", (54, 55), flood, "PEER .+ .first byte.")


def _health(answer: Callable[[Http2Peer], None]) -> Peer:
    @contextlib.asynccontextmanager
    async def peer(place: Path) -> AsyncIterator[Given]:
        async with serving_http2(answer) as served:
            yield Given({"address": f"127.0.0.1:{served.port}"})

    return peer


async def _settings(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(65_536)
    await endless(b"\0\0\0\4\0\0\0\0\0" * 500)(reader, writer)
