"""Carries requests to their hosts: a fresh connection each time, every phase timed apart.

A pool of connections would hide what connecting costs, and clients that have one report DNS and TCP as one.
llhttp and h2 speak the protocols.
The deadline is the caller's; cancelling leaves no socket and no task behind.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator
from contextlib import aclosing, closing
from http import HTTPStatus

from engine.model import ErrorCategory, ErrorType, Failure
from engine.text import plain
from engine.workflows.steps.answer import Answer
from engine.workflows.steps.base import CheckError
from engine.workflows.steps.decoding import Body, body_fault
from engine.workflows.steps.http1 import Http1Stream
from engine.workflows.steps.probe import Probe
from engine.workflows.steps.request import PORTS, Place, Request
from engine.workflows.steps.resolver import Resolver, is_inside, is_written_inside
from engine.workflows.steps.route import Route
from engine.workflows.steps.wire import Wire, connect

_HOP_BY_HOP = frozenset(
    {b"host", b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)
_REFUSED = (ErrorType.PERMANENT, ErrorCategory.VALIDATION)


class Transport:
    """Carries requests out; raises StepError with a sentence."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    async def fetch(self, request: Request, route: Route, probe: Probe, *, follows: bool = False) -> Answer:
        """The answer with its body; without, when it is a redirect and `follows`.

        Raises:
            StepError: no usable answer. CheckError: the request cannot be sent so.
        """
        place = request.place
        if place.scheme not in PORTS:
            raise probe.fault(f"{plain(place.scheme, 20)}: addresses are refused", *_REFUSED)
        wire = await self._open(place, route, probe)
        try:
            with closing(_stream(wire, place, route, probe)) as stream:
                answer = await stream.respond(request)
                probe.status = answer.status
                probe.begin("transfer")
                if not (follows and answer.is_redirect):
                    answer.body = await _body(stream, answer, probe)
                    probe.end()
                return answer
        finally:
            wire.close()

    async def close(self) -> None:
        await self._resolver.close()

    async def _open(self, place: Place, route: Route, probe: Probe) -> Wire:
        """A connection to a host, or to the proxy that leads to it."""
        host, port, proxy = place.host, place.port, route.proxy
        is_tls = place.scheme == "https"
        context = route.context(probe.verify, (place.scheme, host, port)) if is_tls else None
        if proxy is None:
            addresses = await self._resolver.resolve(host, probe)
            _keep_outside(host, any(map(is_inside, addresses)), probe)
            return await connect(addresses, port, host, context, probe)
        # The proxy resolves names; what is written as inside is known without asking.
        _keep_outside(host, is_written_inside(host), probe)
        addresses = await self._resolver.resolve(proxy.host, probe)
        tunnel = None
        if proxy.is_tunnel(is_tls):
            tunnel = proxy.tunnel(place.url.raw_host.decode("ascii"), port, probe)
        return await connect(addresses, proxy.port, host, context, probe, tunnel)


async def _body(stream: Http1Stream | _Http2Exchange, answer: Answer, probe: Probe) -> bytes:
    body = Body(answer.value(b"content-encoding"), probe.max_body)
    try:
        await stream.take(body)
        return body.finish()
    except (ValueError, zlib.error) as error:
        raise body_fault(error, probe) from error


def _keep_outside(host: str, inside: bool, probe: Probe) -> None:
    """Refuse what a server outside redirects to when it is this machine or its link."""
    if probe.is_outside and inside:
        raise probe.fault(f"redirect from outside to {plain(host, 255)} is refused", *_REFUSED)
    probe.is_outside = not inside


def _stream(wire: Wire, place: Place, route: Route, probe: Probe) -> Http1Stream | _Http2Exchange:
    is_tls = place.scheme == "https"
    forwarder = None if route.proxy is None or route.proxy.is_tunnel(is_tls) else route.proxy
    if route.version == "2" and forwarder is not None:
        message = "HTTP/2 without TLS does not go through an HTTP proxy"
        raise CheckError(Failure(message, *_REFUSED))
    if wire.protocol == "h2" or (route.version == "2" and not is_tls):
        return _Http2Exchange(wire, probe)
    if route.version == "2":
        raise probe.fault(f"{probe.peer} does not offer HTTP/2", *_REFUSED)
    return Http1Stream(wire, probe, forwarder)


class _Http2Exchange:
    """One request and its answer over HTTP/2."""

    def __init__(self, wire: Wire, probe: Probe) -> None:
        # h2 takes 20 ms to import, and few checks need it.
        from engine.workflows.steps.http2 import Http2Stream

        self._wire = wire
        self._probe = probe
        self._stream = Http2Stream(wire, probe)

    async def respond(self, request: Request) -> Answer:
        """Send, and read as far as the headers."""
        self._probe.begin("first_byte")
        await self._stream.send(_http2_headers(request), _once(request.body))
        status, headers = await self._stream.head()
        self._probe.end()
        return Answer(status, _reason(status), "2", headers)

    async def take(self, body: Body) -> None:
        """Read the rest into `body`."""
        async with aclosing(self._stream.pieces()) as pieces:
            async for piece in pieces:
                body.feed(piece)

    def close(self) -> None:
        self._wire.close()


def _reason(status: int) -> str:
    """HTTP/2 has none; the standard's own says the same as a server of HTTP/1.1 would."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


async def _once(data: bytes) -> AsyncGenerator[bytes, None]:
    yield data


def _http2_headers(request: Request) -> list[tuple[bytes, bytes]]:
    place, headers = request.place, request.headers
    host = next((value for name, value in headers if name.lower() == b"host"), place.authority)
    return [
        (b":method", request.method.encode("ascii")),
        (b":authority", host),
        (b":scheme", place.url.raw_scheme),
        (b":path", place.target),
        *((name.lower(), value) for name, value in headers if name.lower() not in _HOP_BY_HOP),
    ]
