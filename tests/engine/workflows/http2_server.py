"""A loopback server that speaks HTTP/2, and misbehaves when told to."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events

Answer = Callable[["Http2Peer"], None]


@dataclass
class Http2Peer:
    """One connection: the request it got, and the state machine an answer may use at will."""

    connection: h2.connection.H2Connection
    transport: asyncio.WriteTransport
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    stream: int = 0
    pending: bytes = b""
    trailers: list[tuple[str, str]] | None = None

    def reply(
        self, headers: list[tuple[str, str]], body: bytes = b"", trailers: list[tuple[str, str]] | None = None
    ) -> None:
        """Answer whole, as fast as the client opens its window."""
        self.pending, self.trailers = body, trailers
        self.connection.send_headers(self.stream, headers, end_stream=not body and trailers is None)
        self.push()

    def push(self) -> None:
        """Send what the window has room for."""
        connection = self.connection
        while self.pending:
            window = connection.local_flow_control_window(self.stream)
            size = min(window, connection.max_outbound_frame_size)
            if size <= 0:
                return
            piece, self.pending = self.pending[:size], self.pending[size:]
            ends = not self.pending and self.trailers is None
            connection.send_data(self.stream, piece, end_stream=ends)
        if self.trailers is not None:
            connection.send_headers(self.stream, self.trailers, end_stream=True)
            self.trailers = None


class _Protocol(asyncio.Protocol):
    def __init__(self, answer: Answer, seen: list[Http2Peer]) -> None:
        self._answer, self._seen = answer, seen

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        connection.initiate_connection()
        self._peer = Http2Peer(connection, transport)
        transport.write(connection.data_to_send())

    def data_received(self, data: bytes) -> None:
        peer = self._peer
        for event in peer.connection.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                peer.headers = {name.decode(): value.decode() for name, value in event.headers}
                peer.stream = event.stream_id
            elif isinstance(event, h2.events.DataReceived):
                peer.body += event.data
                peer.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.WindowUpdated):
                peer.push()
            elif isinstance(event, h2.events.StreamEnded):
                self._seen.append(peer)
                self._answer(peer)
        if not peer.transport.is_closing():
            peer.transport.write(peer.connection.data_to_send())


@dataclass
class Http2Served:
    """A listening server and the requests it got."""

    port: int
    seen: list[Http2Peer]


@contextlib.asynccontextmanager
async def serving_http2(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[Http2Served]:
    """Call `answer(peer)` at the end of each request."""
    seen: list[Http2Peer] = []
    transports: list[asyncio.BaseTransport] = []

    class Remembering(_Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            transports.append(transport)
            super().connection_made(transport)

    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Remembering(answer, seen), "127.0.0.1", 0, ssl=tls)
    try:
        yield Http2Served(server.sockets[0].getsockname()[1], seen)
    finally:
        server.close()
        for transport in transports:
            assert isinstance(transport, asyncio.Transport)
            transport.abort()
        await server.wait_closed()
