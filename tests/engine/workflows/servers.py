"""Loopback servers that behave, and ones that do not."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

Handler = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Served:
    """A listening server: its port, and the heads of the requests it got."""

    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def reached(self, count: int) -> None:
        """Wait until `count` requests have come."""
        async with asyncio.timeout(5), self.arrived:
            await self.arrived.wait_for(lambda: len(self.requests) >= count)


@contextlib.asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[Served]:
    """Call `handler(head, writer)` for each request head; its end closes the connection."""
    served = Served()
    tasks: set[asyncio.Task[None]] = set()

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = await reader.readuntil(b"\r\n\r\n")
            async with served.arrived:
                served.requests.append(head)
                served.arrived.notify_all()
            await handler(head, writer)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        tasks.discard(task)

    server = await asyncio.start_server(on_connection, "127.0.0.1", 0, ssl=tls)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


def saying(data: bytes) -> Handler:
    """A server that answers every request with these bytes."""

    async def handler(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return handler


def answer(body: bytes = b"{}", status: str = "200 OK", headers: str = "") -> bytes:
    """A whole response."""
    head = f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n{headers}\r\n"
    return head.encode("latin-1") + body


def trickling(before: bytes, piece: bytes, pause: float = 0.02) -> Handler:
    """A server that never ends, and never pauses for long."""

    async def handler(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(before)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return handler


async def hanging(_: bytes, writer: asyncio.StreamWriter) -> None:
    """A server that takes the request and says nothing."""
    await asyncio.Event().wait()


async def resetting(_: bytes, writer: asyncio.StreamWriter) -> None:
    """A server that breaks the connection off."""
    transport = writer.transport
    assert isinstance(transport, asyncio.Transport)
    raw = transport.get_extra_info("socket")
    raw.setsockopt(1, 13, b"\x01\x00\x00\x00\x00\x00\x00\x00")  # SO_LINGER of 0: close sends RST
    transport.abort()
