"""How a request reaches its host: with which protocol, past which proxy, as whom."""

from __future__ import annotations

import asyncio
import base64
import functools
import os
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from engine.model import ErrorCategory, ErrorType, Failure
from engine.text import own_words, plain
from engine.workflows.steps import socks
from engine.workflows.steps.base import CheckError
from engine.workflows.steps.http_spec import ProxyScheme
from engine.workflows.steps.probe import Probe
from engine.workflows.steps.wire import Prepare, tls_context

Version = Literal["1.1", "2", "auto"]
Origin = tuple[str, str, int]
Files = Mapping[Literal["certificate", "key", "ca"], str]

_PROTOCOLS: dict[str, tuple[str, ...]] = {"1.1": ("http/1.1",), "2": ("h2",), "auto": ("h2", "http/1.1")}
_ANSWER_LIMIT = 16_384
_CACHED = 128


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy of HTTP or SOCKS5; `credentials` is `user:password`."""

    host: str
    port: int
    credentials: str | None = None
    scheme: ProxyScheme = "http"

    def is_tunnel(self, is_tls: bool) -> bool:
        """Whether bytes pass through it to the host; otherwise it is sent the request, and sends its own."""
        return is_tls or self.scheme == "socks5"

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """What the proxy alone is told."""
        if self.credentials is None:
            return []
        return [(b"proxy-authorization", basic(self.credentials).encode())]

    def tunnel(self, host: str, port: int, probe: Probe) -> Prepare:
        """What asks the proxy, on a fresh connection, for a way through to `host`."""

        async def prepare(raw: socket.socket) -> None:
            probe.begin("connect")
            if self.scheme == "socks5":
                await socks.ask(raw, host, port, self.credentials, probe)
            else:
                await _ask(raw, f"[{host}]:{port}" if ":" in host else f"{host}:{port}", self.headers, probe)
            probe.end()

        return prepare


@dataclass(frozen=True, slots=True)
class Route:
    """What all requests of one probe have in common; the client's certificate is for `origin` alone."""

    version: Version = "1.1"
    proxy: Proxy | None = None
    files: Files | None = None
    origin: Origin | None = None

    def context(self, verify: bool, to: Origin) -> ssl.SSLContext:
        """What to shake hands with `to` by.

        Raises:
            CheckError: a file of the client's certificate or of the authorities cannot be used.
        """
        files: Files = self.files or {}
        certificate, key, ca = files.get("certificate"), files.get("key"), files.get("ca")
        if to != self.origin:
            certificate = key = None
        return context_with(verify, _PROTOCOLS[self.version], certificate, key, ca)


DIRECT = Route()
"""To the host itself, over HTTP/1.1, as nobody in particular."""


def basic(credentials: str) -> str:
    """The value of a header for `user:password`."""
    return "Basic " + base64.b64encode(credentials.encode("utf-8")).decode("ascii")


def context_with(
    verify: bool, protocols: tuple[str, ...], certificate: str | None, key: str | None, ca: str | None
) -> ssl.SSLContext:
    """A TLS context with files in PEM, read anew when they have changed.

    Raises:
        CheckError: a file cannot be used.
    """
    if certificate is None and ca is None:
        return tls_context(verify, protocols)
    stamps = tuple(_stamp(path) for path in (certificate, key, ca) if path is not None)
    return _loaded(verify, protocols, certificate, key, ca, stamps)


@functools.lru_cache(_CACHED)
def _loaded(
    verify: bool,
    protocols: tuple[str, ...],
    certificate: str | None,
    key: str | None,
    ca: str | None,
    _: tuple[tuple[int, int], ...],
) -> ssl.SSLContext:
    try:
        # With a file of its own, the context does not trust the system's authorities beside it.
        context = ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise _unusable("authorities", ca or "", error) from error
    context.set_alpn_protocols(protocols)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        try:
            # Without a password of our own, OpenSSL would ask for one at the terminal.
            context.load_cert_chain(certificate, key, password=lambda: b"")
        except (OSError, ValueError) as error:
            raise _unusable("client's certificate", certificate, error) from error
    return context


def _stamp(path: str) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:
        raise _unusable("TLS file", path, error) from error
    return found.st_mtime_ns, found.st_ino


def _unusable(what: str, path: str, error: Exception) -> CheckError:
    reason = error.strerror if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else None
    words = plain(reason, 120).lower() if reason else own_words(error, 120)
    message = f"the {what} {plain(path, 200)} cannot be used: {words}"
    return CheckError(Failure(message, ErrorType.PERMANENT, ErrorCategory.VALIDATION))


async def _ask(raw: socket.socket, authority: str, headers: list[tuple[bytes, bytes]], probe: Probe) -> None:
    import h11

    loop = asyncio.get_running_loop()
    protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=_ANSWER_LIMIT)
    names = [(b"host", authority.encode("ascii")), *headers]
    request = h11.Request(method="CONNECT", target=authority, headers=names)
    await loop.sock_sendall(raw, (protocol.send(request) or b"") + (protocol.send(h11.EndOfMessage()) or b""))
    try:
        while not isinstance(event := protocol.next_event(), h11.Response):
            if event is h11.NEED_DATA:
                protocol.receive_data(await loop.sock_recv(raw, _ANSWER_LIMIT))
            elif not isinstance(event, h11.InformationalResponse):
                raise probe.fault(f"the proxy {probe.peer} closed the connection without an answer")
    except h11.RemoteProtocolError as error:
        words = f"the proxy {probe.peer} does not speak HTTP as it should: {plain(error, 120)}"
        raise probe.fault(words) from error
    if not 200 <= event.status_code < 300:
        raise _refused(event.status_code, authority, probe)
    if protocol.trailing_data[0]:
        raise probe.fault(f"the proxy {probe.peer} spoke before the tunnel was used")


def _refused(status: int, authority: str, probe: Probe) -> Exception:
    words = f"the proxy {probe.peer} refused a tunnel to {plain(authority, 255)}: status {status}"
    if status == 407:
        return probe.fault(words, ErrorType.PERMANENT, ErrorCategory.AUTHENTICATION)
    if status >= 500:
        return probe.fault(words)
    return probe.fault(words, ErrorType.PERMANENT)
