"""One connection to one address: TCP and TLS timed apart, reads with a bound."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import cache, partial
from typing import NamedTuple, TypeVar

from engine.model import ErrorType
from engine.text import plain
from engine.workflows.steps.base import StepError
from engine.workflows.steps.probe import Probe

T = TypeVar("T")
Prepare = Callable[[socket.socket], Awaitable[None]]

READ_SIZE = 65_536
"""Bytes taken at once: four records of TLS."""
FALLBACK_AFTER = 1.0
"""Seconds given to an address while another one is left to try."""

_REASONS = {
    errno.ECONNREFUSED: "connection refused by {}",
    errno.ECONNRESET: "connection reset by {}",
    errno.EPIPE: "connection closed by {}",
    errno.EHOSTUNREACH: "no route to {}",
    errno.ENETUNREACH: "no route to {}",
    errno.EMFILE: "too many open files to connect to {}",
}
_DECORATION = re.compile(r"^\[[^\]]*\] | \(_ssl\.c:\d+\)$")
_CERTIFICATES = {
    9: "is not yet valid",
    10: "has expired",
    18: "is self-signed",
    19: "has a self-signed authority in its chain",
    20: "is signed by an authority that is not known",
    21: "is signed by an authority that is not known",
    62: "is for another host",
    64: "is for another address",
    66: "has a key that is too weak",
    67: "has an authority in its chain whose key is too weak",
    68: "has a signature in its chain that is too weak",
}


class Wire:
    """One connection: `write()` sends at once, `read()` waits for bytes; with TLS after `shake_hands()`.

    Nothing is read ahead: what nobody asks for waits with the system, and in the end makes the peer wait.

    Args:
        connected: a socket that does not block; the wire closes it.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._loop = asyncio.get_running_loop()
        self._unsent = b""
        self._error: OSError | None = None
        self._tls: _Tls | None = None

    @property
    def protocol(self) -> str | None:
        """What TLS agreed on by ALPN, such as `h2`; None when it agreed on nothing."""
        return None if self.tls is None else self.tls.selected_alpn_protocol()

    @property
    def tls(self) -> ssl.SSLObject | None:
        """What hands were shaken by; None on a connection without TLS."""
        return None if self._tls is None else self._tls.object

    async def shake_hands(self, context: ssl.SSLContext, host: str) -> None:
        """Go on with TLS, which asks for `host`.

        Raises:
            OSError: the connection broke, or TLS failed.
        """
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        made = context.wrap_bio(incoming, outgoing, server_hostname=host)
        self._tls = tls = _Tls(made, incoming, outgoing)
        try:
            await self._secured(tls, made.do_handshake)
        except ssl.SSLEOFError as error:
            raise ConnectionResetError from error

    def write(self, data: bytes) -> None:
        """Send, as soon as the peer takes it; what goes wrong, `read()` raises."""
        if self._tls is not None:
            try:
                self._tls.object.write(data)
            except OSError as error:
                self._error = error
            data = self._tls.outgoing.read()
        self._post(data)

    async def read(self) -> bytes:
        """What has arrived, at least one byte; empty at the end. Raises what broke the connection."""
        if self._tls is None:
            return await self._receive()
        try:
            return await self._secured(self._tls, partial(self._tls.object.read, READ_SIZE))
        except ssl.SSLEOFError:
            return b""

    def close(self) -> None:
        """Let go at once: a probe waits for no farewell."""
        if self._unsent:
            self._unsent = b""
            self._loop.remove_writer(self._socket)
        self._socket.close()

    async def _secured(self, tls: _Tls, act: Callable[[], T]) -> T:
        """What TLS does as soon as it has heard enough."""
        while True:
            try:
                return act()
            except ssl.SSLWantReadError:
                pass
            finally:
                self._post(tls.outgoing.read())
            if data := await self._receive():
                tls.incoming.write(data)
            else:
                tls.incoming.write_eof()

    async def _receive(self) -> bytes:
        """What has arrived at the socket; once sending has failed, no more than that."""
        while True:
            if self._error is None:
                await _until_ready(self._socket, self._loop.add_reader, self._loop.remove_reader)
            with suppress(BlockingIOError):
                if data := self._socket.recv(READ_SIZE):
                    return data
                if self._error is None:
                    return b""
            if self._error is not None:
                raise self._error

    def _post(self, data: bytes) -> None:
        if self._unsent:
            self._unsent += data
        elif data:
            self._unsent = data
            self._send()
            if self._unsent:
                self._loop.add_writer(self._socket, self._send_more)

    def _send_more(self) -> None:
        self._send()
        if not self._unsent:
            self._loop.remove_writer(self._socket)

    def _send(self) -> None:
        try:
            self._unsent = self._unsent[self._socket.send(self._unsent) :]
        except BlockingIOError:
            pass
        except OSError as error:
            # The socket can be read from then: what is left in it, and its end.
            self._unsent, self._error = b"", error


class _Tls(NamedTuple):
    """TLS, with what came for it and what it has to say."""

    object: ssl.SSLObject
    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO


async def connect(
    addresses: Sequence[str],
    port: int,
    host: str,
    context: ssl.SSLContext | None,
    probe: Probe,
    prepare: Prepare | None = None,
) -> Wire:
    """Connect to the first address that answers; with `context`, shake hands for `host`.

    `prepare`, when given, talks on the connection before that.

    Raises:
        StepError: refused, unreachable, or TLS failed.
    """
    raw = await _connect_any(addresses, port, probe)
    if prepare is not None:
        try:
            await prepare(raw)
        except OSError as error:
            raw.close()
            raise network_fault(error, probe.peer, probe) from error
        except BaseException:
            raw.close()
            raise
    wire = Wire(raw)
    if context is None:
        return wire
    probe.begin("tls")
    try:
        await wire.shake_hands(context, host)
    except OSError as error:
        wire.close()
        raise network_fault(error, host, probe) from error
    except BaseException:
        wire.close()
        raise
    probe.end()
    return wire


async def _connect_any(addresses: Sequence[str], port: int, probe: Probe) -> socket.socket:
    probe.begin("connect")
    for address in addresses[:-1]:
        try:
            async with asyncio.timeout(FALLBACK_AFTER):
                return await _connect_one(address, port, probe)
        except (StepError, TimeoutError):
            continue
    return await _connect_one(addresses[-1], port, probe)


async def _connect_one(address: str, port: int, probe: Probe) -> socket.socket:
    probe.peer = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        raw = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    except OSError as error:
        raise network_fault(error, probe.peer, probe) from error
    try:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if code := await _connected(raw, (address, port)):
            raise OSError(code, os.strerror(code))
    except OSError as error:
        raw.close()
        raise network_fault(error, probe.peer, probe) from error
    except BaseException:
        raw.close()
        raise
    probe.end()
    return raw


async def _connected(raw: socket.socket, place: tuple[str, int]) -> int:
    """What became of connecting: 0, or the number of an error."""
    code = raw.connect_ex(place)
    if code == errno.EINPROGRESS:
        # On this machine it is done by now, and asking again spares a turn of the loop.
        code = raw.connect_ex(place)
    if code == errno.EALREADY:
        loop = asyncio.get_running_loop()
        await _until_ready(raw, loop.add_writer, loop.remove_writer)
        code = raw.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return code


async def _until_ready(
    raw: socket.socket, watch: Callable[..., None], ignore: Callable[[int], object]
) -> None:
    """Wait for what the loop is told to `watch` for at a socket, and then to `ignore`."""
    ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    # By its number: given the socket, the loop spells it out for an error that it then drops.
    number = raw.fileno()
    watch(number, _settle, ready)
    try:
        await ready
    finally:
        ignore(number)


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def network_fault(error: OSError, peer: str, probe: Probe) -> StepError:
    """What an operating system or TLS error means, as a sentence about `peer`."""
    name = plain(peer, 300)
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = _CERTIFICATES.get(error.verify_code) or f"is not trusted: {plain(error.verify_message, 120)}"
        return probe.fault(f"TLS certificate of {name} {reason}", ErrorType.PERMANENT)
    if isinstance(error, ssl.SSLError):
        words = error.reason or _DECORATION.sub("", str(error.args[-1]))
        reason = plain(words, 120).replace("_", " ").lower()
        return probe.fault(f"TLS with {name} failed: {reason}")
    if isinstance(error, ConnectionResetError):
        return probe.fault(f"connection reset by {name}")
    if isinstance(error, ConnectionError) and error.errno is None:
        return probe.fault(f"connection closed by {name}")
    template = _REASONS.get(error.errno or 0)
    if template is None:
        return probe.fault(f"cannot reach {name}: {plain(error.strerror or error, 120).lower()}")
    return probe.fault(template.format(name))


@cache
def tls_context(verify: bool, protocols: tuple[str, ...] = ("http/1.1",)) -> ssl.SSLContext:
    """The one context of its kind, offering `protocols` by ALPN; loading the authorities takes 20 ms."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(protocols)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
