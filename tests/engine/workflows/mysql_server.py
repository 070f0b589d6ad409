"""As much of a MySQL server as a client needs that logs in, sets things up and asks once."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

# Protocol 4.1, secure connection, authentication by plugin, transactions, connecting with a database.
_FLAGS = 0x00000200 | 0x00008000 | 0x00080000 | 0x00002000 | 0x00000008
_OK = b"\x00\x00\x00\x02\x00\x00\x00"
_EOF = b"\xfe\x00\x00\x02\x00"


def greeting(version: str, flags: int = _FLAGS, plugin: bytes = b"mysql_native_password") -> bytes:
    """The first packet of a server, without its head."""
    data = b"\x0a" + version.encode() + b"\0" + struct.pack("<I", 7) + b"a" * 8 + b"\0"
    data += struct.pack("<HBHHB10x", flags & 0xFFFF, 45, 2, flags >> 16, 21) + b"b" * 12 + b"\0"
    return data + plugin + b"\0"


def framed(number: int, packet: bytes) -> bytes:
    """A packet with its head."""
    return len(packet).to_bytes(3, "little") + bytes([number % 256]) + packet


GREETING_WITH_TLS = framed(0, greeting("8.4.0", _FLAGS | 0x800))
"""What a server says first that is ready to go on with TLS."""


class Hold(Exception):  # noqa: N818 - it is no error
    """Say nothing more."""


Answer = Callable[[str], Iterator[bytes]]


@dataclass
class Asked:
    """A listening server: its port, who logged in, and what was asked."""

    port: int = 0
    logins: list[bytes] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)


def text(value: str | bytes) -> bytes:
    data = value if isinstance(value, bytes) else value.encode()
    return b"\xfd" + len(data).to_bytes(3, "little") + data


def refusing(code: int, message: str) -> bytes:
    return b"\xff" + struct.pack("<H", code) + b"#HY000" + message.encode()


def table(columns: dict[str, int], rows: Iterator[tuple[str | None, ...]]) -> Iterator[bytes]:
    """The packets of a result; the numbers are the types of columns."""
    yield bytes([len(columns)])
    for name, kind in columns.items():
        names = b"".join(map(text, ("def", "", "", "", name, name)))
        yield names + b"\x0c" + struct.pack("<HIBHB2x", 45, 1024, kind, 0, 0)
    yield _EOF
    for row in rows:
        yield b"".join(b"\xfb" if value is None else text(value) for value in row)
    yield _EOF


def welcome() -> bytes:
    """The packet of a login that was accepted, and of a statement that was carried out."""
    return _OK


@contextlib.asynccontextmanager
async def serving_mysql(answer: Answer, login: bytes = _OK, version: str = "8.4.0") -> AsyncIterator[Asked]:
    """Answer queries other than SET and START by `answer(query)`, which gives packets."""
    asked = Asked()
    tasks: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _send(writer, 0, iter([greeting(version)]))
        asked.logins.append((await _packet(reader))[1])
        await _send(writer, 2, iter([login]))
        while login == _OK:
            _, data = await _packet(reader)
            if data[0] != 3:
                return
            asked.queries.append(data[1:].decode())
            is_setting = asked.queries[-1].startswith(("SET ", "START "))
            await _send(writer, 1, iter([_OK]) if is_setting else answer(asked.queries[-1]))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await converse(reader, writer)
        except Hold:
            await reader.read()
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    asked.port = server.sockets[0].getsockname()[1]
    try:
        yield asked
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def _packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readexactly(4)
    return head[3], await reader.readexactly(int.from_bytes(head[:3], "little"))


async def _send(writer: asyncio.StreamWriter, number: int, packets: Iterator[bytes]) -> None:
    for offset, packet in enumerate(packets):
        writer.write(framed(number + offset, packet))
        await writer.drain()
        # Who asked may have heard enough.
        await asyncio.sleep(0)
