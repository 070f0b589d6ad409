"""An httpx transport for probes: a fresh connection each time, every phase timed apart.

httpx's own pool reports DNS and TCP as one and costs several times as much; h11 and h2 speak the protocols.
The deadline is the caller's; cancelling leaves no socket and no task behind.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import h11
import httpx

from engine.model import ErrorCategory, ErrorType, Failure
from engine.text import plain
from engine.workflows.steps.base import CheckError
from engine.workflows.steps.probe import Probe
from engine.workflows.steps.resolver import Resolver, is_inside, is_written_inside
from engine.workflows.steps.route import DIRECT, Proxy, Route
from engine.workflows.steps.wire import Wire, connect, network_fault

HEADER_LIMIT = 65_536
INFORMATIONAL_LIMIT = 10

_PORTS = {"http": 80, "https": 443}
_HOP_BY_HOP = frozenset(
    {b"host", b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)
_REFUSED = (ErrorType.PERMANENT, ErrorCategory.VALIDATION)


class ProbeTransport(httpx.AsyncBaseTransport):
    """Carries out requests whose extensions hold a `Probe`; raises StepError with a sentence."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        probe: Probe = request.extensions["probe"]
        route: Route = request.extensions.get("route", DIRECT)
        url = request.url
        if url.scheme not in _PORTS:
            raise probe.fault(f"{plain(url.scheme, 20)}: addresses are refused", *_REFUSED)
        wire = await self._open(url, route, probe)
        try:
            return await _exchange(wire, url, route, probe).respond(request)
        except BaseException:
            wire.close()
            raise

    async def aclose(self) -> None:
        await self._resolver.close()

    async def _open(self, url: httpx.URL, route: Route, probe: Probe) -> Wire:
        """A connection to the host of `url`, or to the proxy that leads to it."""
        port = url.port or _PORTS[url.scheme]
        is_tls = url.scheme == "https"
        context = route.context(probe.verify, (url.scheme, url.host, port)) if is_tls else None
        proxy = route.proxy
        if proxy is None:
            addresses = await self._resolver.resolve(url.host, probe)
            _keep_outside(url, any(map(is_inside, addresses)), probe)
            return await connect(addresses, port, url.host, context, probe)
        # The proxy resolves names; what is written as inside is known without asking.
        _keep_outside(url, is_written_inside(url.host), probe)
        addresses = await self._resolver.resolve(proxy.host, probe)
        tunnel = proxy.tunnel(url.raw_host.decode("ascii"), port, probe) if is_tls else None
        return await connect(addresses, proxy.port, url.host, context, probe, tunnel)


def _keep_outside(url: httpx.URL, inside: bool, probe: Probe) -> None:
    """Refuse what a server outside redirects to when it is this machine or its link."""
    if probe.is_outside and inside:
        raise probe.fault(f"redirect from outside to {plain(url.host, 255)} is refused", *_REFUSED)
    probe.is_outside = not inside


def _exchange(wire: Wire, url: httpx.URL, route: Route, probe: Probe) -> _Exchange | _Http2Exchange:
    is_tls = url.scheme == "https"
    if route.version == "2" and route.proxy is not None and not is_tls:
        message = "HTTP/2 without TLS does not go through a proxy"
        raise CheckError(Failure(message, *_REFUSED))
    if wire.protocol == "h2" or (route.version == "2" and not is_tls):
        return _Http2Exchange(wire, probe)
    if route.version == "2":
        raise probe.fault(f"{probe.peer} does not offer HTTP/2", *_REFUSED)
    return _Exchange(wire, probe, None if is_tls else route.proxy)


class _Exchange(httpx.AsyncByteStream):
    """One request and its answer on one connection; iterating gives the body as it was sent.

    Given the proxy at the other end, the request asks for the whole address, as proxies want it.
    """

    def __init__(self, wire: Wire, probe: Probe, proxy: Proxy | None = None) -> None:
        self._wire = wire
        self._probe = probe
        self._proxy = proxy
        self._is_answering = False
        self._protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEADER_LIMIT)

    async def respond(self, request: httpx.Request) -> httpx.Response:
        """Send, and read as far as the headers."""
        self._probe.begin("first_byte")
        self._wire.write(await self._outgoing(request))
        response = await self._head()
        self._probe.begin("transfer")
        return httpx.Response(
            response.status_code,
            headers=response.headers.raw_items(),
            stream=self,
            extensions={"http_version": b"HTTP/" + response.http_version, "reason_phrase": response.reason},
        )

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while not isinstance(event := await self._next(), h11.EndOfMessage):
            if isinstance(event, h11.Data):
                yield bytes(event.data)
        self._probe.end()

    async def aclose(self) -> None:
        self._wire.close()

    async def _outgoing(self, request: httpx.Request) -> bytes:
        assert isinstance(request.stream, httpx.AsyncByteStream)
        try:
            target, headers = request.url.raw_path, request.headers.raw
            if self._proxy is not None:
                url = request.url
                target = f"http://{url.netloc.decode('ascii')}".encode() + target
                headers = [*headers, *self._proxy.headers]
            head = h11.Request(method=request.method, target=target, headers=headers)
            parts = [self._protocol.send(head)]
            async for chunk in request.stream:
                parts.append(self._protocol.send(h11.Data(data=chunk)))
            parts.append(self._protocol.send(h11.EndOfMessage()))
        except h11.LocalProtocolError as error:
            message = f"the request cannot be made: {plain(error, 200)}"
            raise CheckError(Failure(message, *_REFUSED)) from error
        return b"".join(part for part in parts if part)

    async def _head(self) -> h11.Response:
        for _ in range(INFORMATIONAL_LIMIT):
            event = await self._next()
            if isinstance(event, h11.Response):
                return event
        raise self._probe.fault(f"{self._probe.peer} sent over {INFORMATIONAL_LIMIT} interim answers")

    async def _next(self) -> h11.Event:
        protocol, probe = self._protocol, self._probe
        try:
            while (event := protocol.next_event()) is h11.NEED_DATA:
                data = await self._wire.read()
                if not self._is_answering:
                    self._is_answering = True
                    probe.end()
                protocol.receive_data(data)
        except h11.RemoteProtocolError as error:
            raise probe.fault(self._complaint(error)) from error
        except OSError as error:
            raise network_fault(error, probe.peer, probe) from error
        if isinstance(event, h11.Event) and not isinstance(event, h11.ConnectionClosed):
            return event
        raise probe.fault(f"{probe.peer} closed the connection without an answer")

    def _complaint(self, error: h11.RemoteProtocolError) -> str:
        peer = self._probe.peer
        if self._protocol.trailing_data[1] and self._probe.phase == "transfer":
            return f"{peer} closed the connection before the body was complete"
        if error.error_status_hint == 431:
            return f"{peer} sent headers over {HEADER_LIMIT} bytes"
        if self._protocol.trailing_data[1]:
            return f"{peer} closed the connection without an answer"
        return f"{peer} does not speak HTTP as it should: {plain(error, 120)}"


class _Http2Exchange(httpx.AsyncByteStream):
    """One request and its answer over HTTP/2; iterating gives the body as it was sent."""

    def __init__(self, wire: Wire, probe: Probe) -> None:
        # h2 takes 20 ms to import, and few checks need it.
        from engine.workflows.steps.http2 import Http2Stream

        self._wire = wire
        self._probe = probe
        self._stream = Http2Stream(wire, probe)

    async def respond(self, request: httpx.Request) -> httpx.Response:
        """Send, and read as far as the headers."""
        assert isinstance(request.stream, httpx.AsyncByteStream)
        self._probe.begin("first_byte")
        await self._stream.send(_http2_headers(request), request.stream)
        status, headers = await self._stream.head()
        self._probe.end()
        self._probe.begin("transfer")
        return httpx.Response(status, headers=headers, stream=self, extensions={"http_version": b"HTTP/2"})

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream.pieces():
            yield piece
        self._probe.end()

    async def aclose(self) -> None:
        self._wire.close()


def _http2_headers(request: httpx.Request) -> list[tuple[bytes, bytes]]:
    url = request.url
    return [
        (b":method", request.method.encode("ascii")),
        (b":authority", request.headers.get("host", "").encode("latin-1")),
        (b":scheme", url.raw_scheme),
        (b":path", url.raw_path),
        *((name.lower(), value) for name, value in request.headers.raw if name.lower() not in _HOP_BY_HOP),
    ]
