"""Real servers on loopback for tests to talk to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Target:
    """An HTTP server that answers every request with what a test sets; `hits` counts requests."""

    port: int = 0
    status: int = 200
    reason: str = "OK"
    body: bytes = b'{"ok": true}'
    headers: dict[str, str] = field(default_factory=dict)
    hits: int = 0
    _hit: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def more_hits(self, count: int, deadline: float = 10.0) -> None:
        """Until `count` more requests have come. TimeoutError when they do not within `deadline` seconds."""
        wanted = self.hits + count
        async with asyncio.timeout(deadline), self._hit:
            await self._hit.wait_for(lambda: self.hits >= wanted)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request and close."""
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.hits += 1
            async with self._hit:
                self._hit.notify_all()
            lines = [f"HTTP/1.1 {self.status} {self.reason}", f"Content-Length: {len(self.body)}"]
            lines += [f"{name}: {value}" for name, value in self.headers.items()]
            writer.write("\r\n".join([*lines, "", ""]).encode() + self.body)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def http_target() -> AsyncIterator[Target]:
    """A `Target` on a free port, closed at the end."""
    target = Target()
    server = await asyncio.start_server(target.serve, "127.0.0.1", 0)
    target.port = server.sockets[0].getsockname()[1]
    async with server:
        yield target
