"""Asking a server, on a connection that began without, to go on with TLS."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import Awaitable, Callable

from engine.model import ErrorCategory, ErrorType
from engine.text import plain
from engine.workflows.steps.base import StepError
from engine.workflows.steps.probe import Probe
from engine.workflows.steps.secured import Upgrade
from engine.workflows.steps.wire import Prepare

LIMIT = 16_384
"""Bytes a server may say before TLS begins."""

_POSTGRES_REQUEST = struct.pack("!ii", 8, 80_877_103)
_LDAP_NAME = b"1.3.6.1.4.1.1466.20037"
_LDAP_REQUEST = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x16" + _LDAP_NAME
_MYSQL_TLS = 0x0800
# Long passwords, protocol 4.1, TLS, secure connection.
_MYSQL_CLIENT = 0x0001 | 0x0200 | _MYSQL_TLS | 0x8000
_MYSQL_CHARSET = 45


def upgrade(protocol: Upgrade, probe: Probe) -> Prepare:
    """What talks on a fresh connection until TLS may begin; raises StepError when it may not."""

    async def prepare(raw: socket.socket) -> None:
        probe.begin("tls")
        dialogue = _Dialogue(raw, protocol, probe)
        await _WAYS[protocol](dialogue)
        dialogue.finish()
        probe.end()

    return prepare


class _Dialogue:
    def __init__(self, raw: socket.socket, protocol: str, probe: Probe) -> None:
        self._raw = raw
        self._protocol = protocol
        self._probe = probe
        self._buffer = b""
        self._size = 0

    async def say(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._raw, data)

    async def line(self) -> bytes:
        """The next line, without its end."""
        while b"\n" not in self._buffer:
            await self._more()
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.rstrip(b"\r")

    async def exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            await self._more()
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    async def expect(self, pattern: bytes, command: str = "") -> bytes:
        """The last line of the next reply, which has to match; lines such as `250-…` lead up to it."""
        while re.match(rb"\d{3}-", line := await self.line()):
            pass
        if not re.match(pattern, line):
            raise self.refused(f"{command or 'the greeting'} gave '{plain(line, 100)}'")
        return line

    def refused(self, why: str) -> StepError:
        """The error for a server that does not let TLS begin."""
        message = f"{self._probe.peer} does not begin TLS by {self._protocol}: {why}"
        return self._probe.fault(message, ErrorType.PERMANENT, ErrorCategory.VALIDATION)

    def finish(self) -> None:
        """What comes before TLS and is read after would be taken for what TLS protects."""
        if self._buffer:
            raise self.refused("it went on in plain text")

    async def _more(self) -> None:
        data = await asyncio.get_running_loop().sock_recv(self._raw, 4096)
        if not data:
            raise self._probe.fault(f"{self._probe.peer} closed the connection before TLS began")
        self._buffer += data
        self._size += len(data)
        if self._size > LIMIT:
            raise self.refused(f"it said over {LIMIT} bytes")


async def _smtp(dialogue: _Dialogue) -> None:
    await dialogue.expect(rb"220\b")
    await dialogue.say(b"EHLO tocsin.invalid\r\n")
    await dialogue.expect(rb"250\b", "EHLO")
    await dialogue.say(b"STARTTLS\r\n")
    await dialogue.expect(rb"220\b", "STARTTLS")


async def _imap(dialogue: _Dialogue) -> None:
    await dialogue.expect(rb"\* OK\b")
    await dialogue.say(b"a1 STARTTLS\r\n")
    while (line := await dialogue.line()).startswith(b"* "):
        pass
    if not line.startswith(b"a1 OK"):
        raise dialogue.refused(f"STARTTLS gave '{plain(line, 100)}'")


async def _pop3(dialogue: _Dialogue) -> None:
    await dialogue.expect(rb"\+OK\b")
    await dialogue.say(b"STLS\r\n")
    await dialogue.expect(rb"\+OK\b", "STLS")


async def _ftp(dialogue: _Dialogue) -> None:
    await dialogue.expect(rb"220\b")
    await dialogue.say(b"AUTH TLS\r\n")
    await dialogue.expect(rb"234\b", "AUTH TLS")


async def _nntp(dialogue: _Dialogue) -> None:
    await dialogue.expect(rb"20[01]\b")
    await dialogue.say(b"STARTTLS\r\n")
    await dialogue.expect(rb"382\b", "STARTTLS")


async def _postgres(dialogue: _Dialogue) -> None:
    await dialogue.say(_POSTGRES_REQUEST)
    if (answer := await dialogue.exactly(1)) != b"S":
        known = {b"N": "it has no TLS", b"E": "it does not know the request"}
        raise dialogue.refused(known.get(answer, f"it said '{plain(answer, 10)}'"))


async def _mysql(dialogue: _Dialogue) -> None:
    size = int.from_bytes((await dialogue.exactly(4))[:3], "little")
    greeting = await dialogue.exactly(min(size, LIMIT))
    # After the version's text: thread (4), salt (8), filler (1), then what the server can (2).
    version, _, rest = greeting[1:].partition(b"\0")
    if greeting[:1] != b"\x0a" or len(rest) < 15:
        said = greeting[3:] if greeting[:1] == b"\xff" else version
        raise dialogue.refused(f"the greeting is '{plain(said, 100)}'")
    if not int.from_bytes(rest[13:15], "little") & _MYSQL_TLS:
        raise dialogue.refused("it has no TLS")
    request = struct.pack("<IIB23x", _MYSQL_CLIENT, 1 << 24, _MYSQL_CHARSET)
    await dialogue.say(len(request).to_bytes(3, "little") + b"\x01" + request)


async def _ldap(dialogue: _Dialogue) -> None:
    await dialogue.say(_LDAP_REQUEST)
    head = await dialogue.exactly(2)
    size = head[1]
    if size > 0x80:
        size = int.from_bytes(await dialogue.exactly(size & 0x7F), "big")
    if head[0] != 0x30 or size > LIMIT:
        raise dialogue.refused("the answer is no LDAP")
    message = await dialogue.exactly(size)
    # The message's number, then an extended response that begins with its result code.
    found = re.match(rb"\x02\x01\x01\x78(?:[\x00-\x7f]|\x81.|\x82..|\x84....)\x0a\x01(.)", message, re.DOTALL)
    if found is None or found[1] != b"\0":
        raise dialogue.refused(f"result {found[1][0]}" if found else "the answer is no LDAP")


_WAYS: dict[Upgrade, Callable[[_Dialogue], Awaitable[None]]] = {
    "ftp": _ftp,
    "imap": _imap,
    "ldap": _ldap,
    "mysql": _mysql,
    "nntp": _nntp,
    "pop3": _pop3,
    "postgres": _postgres,
    "smtp": _smtp,
}
