"""One connection to one address: TCP and TLS timed apart, reads with a bound."""

from __future__ import annotations

import asyncio
import errno
import functools
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence

from engine.model import ErrorType
from engine.text import plain
from engine.workflows.steps.base import StepError
from engine.workflows.steps.probe import Probe

Prepare = Callable[[socket.socket], Awaitable[None]]

BUFFER_LIMIT = 262_144
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


class Wire(asyncio.Protocol):
    """Receives; `read()` waits for bytes. Beyond 256 KiB unread, the peer is made to wait."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._size = 0
        self._ended = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._chunks.append(data)
        self._size += len(data)
        if self._size > BUFFER_LIMIT and self._transport is not None:
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self._ended = True
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        self._ended, self._error = True, error
        self._wake()

    @property
    def protocol(self) -> str | None:
        """What TLS agreed on by ALPN, such as `h2`; None when it agreed on nothing."""
        return None if self.tls is None else self.tls.selected_alpn_protocol()

    @property
    def tls(self) -> ssl.SSLObject | None:
        """What hands were shaken by; None on a connection without TLS."""
        found = self._transport.get_extra_info("ssl_object") if self._transport is not None else None
        assert found is None or isinstance(found, ssl.SSLObject)
        return found

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    async def read(self) -> bytes:
        """What has arrived, at least one byte; empty at the end. Raises what broke the connection."""
        while not self._chunks:
            if self._error is not None:
                raise self._error
            if self._ended:
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        if self._size > BUFFER_LIMIT and self._transport is not None and not self._ended:
            self._transport.resume_reading()
        self._size = 0
        return data

    def close(self) -> None:
        """Let go at once: a probe waits for no farewell."""
        if self._transport is not None:
            self._transport.abort()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


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
    if context is not None:
        probe.begin("tls")
    try:
        # From its first step this call owns the socket: it closes it on errors and when cancelled.
        _, wire = await asyncio.get_running_loop().create_connection(
            Wire, sock=raw, ssl=context, server_hostname=host if context is not None else None
        )
    except OSError as error:
        raise network_fault(error, host, probe) from error
    if context is not None:
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
        await asyncio.get_running_loop().sock_connect(raw, (address, port))
    except OSError as error:
        raw.close()
        raise network_fault(error, probe.peer, probe) from error
    except BaseException:
        raw.close()
        raise
    probe.end()
    return raw


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


@functools.cache
def tls_context(verify: bool, protocols: tuple[str, ...] = ("http/1.1",)) -> ssl.SSLContext:
    """The one context of its kind, offering `protocols` by ALPN; loading the authorities takes 20 ms."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(protocols)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
