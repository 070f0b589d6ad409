"""Loopback servers of any protocol, and a count of what a test leaves open."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

from engine.clock import settle

Talker = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def listening(talker: Talker, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A port on 127.0.0.1 where `talker` has each connection; its end closes it."""
    tasks: set[asyncio.Task[None]] = set()

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await talker(reader, writer)
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(5):
                await writer.wait_closed()
        tasks.discard(task)

    server = await asyncio.start_server(on_connection, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Takes everything and says nothing."""
    while await reader.read(65_536):
        pass


async def polite(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Greets in SMTP's manner and answers each line with its own words."""
    writer.write(b"220-mail.test\r\n220 ready\r\n")
    while line := await reader.readline():
        writer.write(b"250-first\r\n250 you said " + line)


@contextlib.asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """Fails when tasks or open files are left over at the end."""
    gc.collect()  # what earlier tests left behind is not ours to count
    files, tasks = len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())
    yield
    async with asyncio.timeout(5):
        while len(asyncio.all_tasks()) > tasks or len(os.listdir("/proc/self/fd")) > files:
            await settle()


def free_port() -> int:
    """A port of 127.0.0.1 that refuses connections."""
    import socket

    with socket.socket() as raw:
        raw.bind(("127.0.0.1", 0))
        return int(raw.getsockname()[1])
