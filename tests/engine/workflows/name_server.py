"""A small name server on loopback, over UDP and TCP, that answers as a test wants."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import dns.flags
import dns.message
import dns.rrset

Answer = Callable[[dns.message.Message, bool], list[bytes]]
"""What to send for a question; the second argument is whether it came over TCP."""


def records(*lines: str, code: int = 0, flags: int = 0) -> Answer:
    """Answers with these records, written as `name ttl type data`; too many for a datagram are cut off."""

    def answer(question: dns.message.Message, over_tcp: bool) -> list[bytes]:
        response = dns.message.make_response(question, recursion_available=True)
        response.set_rcode(code)  # type: ignore[arg-type]
        response.flags |= flags
        for line in lines:
            name, ttl, kind, data = line.split(" ", 3)
            response.answer.append(dns.rrset.from_text(name, int(ttl), "IN", kind, data))
        whole = response.to_wire(max_size=65_535)
        if len(whole) > 1232 and not over_tcp:
            response.answer.clear()
            response.flags |= dns.flags.TC
            whole = response.to_wire()
        return [whole]

    return answer


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        for piece in self._answer(dns.message.from_wire(data), False):
            self._transport.sendto(piece, address)


@contextlib.asynccontextmanager
async def name_server(answer: Answer) -> AsyncIterator[str]:
    """`127.0.0.1:port` of a server that answers so."""

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            size = int.from_bytes(await reader.readexactly(2), "big")
            for piece in answer(dns.message.from_wire(await reader.readexactly(size)), True):
                writer.write(len(piece).to_bytes(2, "big") + piece)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(on_connection, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Datagrams(answer), local_addr=("127.0.0.1", port)
    )
    try:
        async with server:
            yield f"127.0.0.1:{port}"
    finally:
        transport.close()
