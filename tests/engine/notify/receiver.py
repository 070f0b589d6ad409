"""A webhook on loopback that takes, refuses, stalls or trickles, and remembers what it was told."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

MODES = ("ok", "fail", "hang", "trickle", "garbage")


@dataclass
class Receiver:
    """`status` answers paths that start with no mode; `got` holds the payloads that were taken."""

    port: int = 0
    status: int = 200
    got: list[dict[str, Any]] = field(default_factory=list)
    seen: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, mode: str = "ok", query: str = "", user: str = "") -> str:
        return f"json://{user}127.0.0.1:{self.port}/{mode}{query}"

    @property
    def titles(self) -> list[str]:
        return [payload["title"] for payload in self.got]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(
                int(line[15:]) for line in head.lower().split("\r\n") if line.startswith("content-length")
            )
            payload = json.loads(await reader.readexactly(length))
            await self._answer(head.split()[1].lstrip("/").split("/")[0].split("?")[0], payload, writer)
        writer.close()

    async def _answer(self, mode: str, payload: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        if mode == "ok" and self.status == 200:
            self.got.append(payload)
        self.seen.put_nowait(payload)
        match mode:
            case "ok" | "fail":
                status = self.status if mode == "ok" else 500
                writer.write(f"HTTP/1.1 {status} \x1b[31mx\r\nContent-Length: 0\r\n\r\n".encode())
            case "hang":
                await self.released.wait()
            case "trickle":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while not self.released.is_set():
                    writer.write(b"x")
                    await writer.drain()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self.released.wait(), 0.05)
            case "garbage":
                writer.write(b"\x00\xff not http at all\r\n\r\n")


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    connections: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(receiver.serve(reader, writer))
        connections.add(task)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        receiver.released.set()
        server.close()
        await asyncio.wait_for(asyncio.gather(*connections), 10)
        await server.wait_closed()
