"""An httpx transport for probes: a fresh connection each time, every phase timed apart.

httpx's own pool reports DNS and TCP as one and costs several times as much; h11 speaks the protocol here.
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
from engine.workflows.steps.resolver import Resolver, is_inside
from engine.workflows.steps.wire import Wire, connect, network_fault, tls_context

HEADER_LIMIT = 65_536
INFORMATIONAL_LIMIT = 10

_PORTS = {"http": 80, "https": 443}
_REFUSED = (ErrorType.PERMANENT, ErrorCategory.VALIDATION)


class ProbeTransport(httpx.AsyncBaseTransport):
    """Carries out requests whose extensions hold a `Probe`; raises StepError with a sentence."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        probe = request.extensions["probe"]
        url = request.url
        if url.scheme not in _PORTS:
            raise probe.fault(f"{plain(url.scheme, 20)}: addresses are refused", *_REFUSED)
        addresses = await self._resolver.resolve(url.host, probe)
        if probe.is_outside and any(map(is_inside, addresses)):
            raise probe.fault(f"redirect from outside to {plain(url.host, 255)} is refused", *_REFUSED)
        probe.is_outside = not any(map(is_inside, addresses))
        context = tls_context(probe.verify) if url.scheme == "https" else None
        wire = await connect(addresses, url.port or _PORTS[url.scheme], url.host, context, probe)
        exchange = _Exchange(wire, probe)
        try:
            return await exchange.respond(request)
        except BaseException:
            wire.close()
            raise

    async def aclose(self) -> None:
        await self._resolver.close()


class _Exchange(httpx.AsyncByteStream):
    """One request and its answer on one connection; iterating gives the body as it was sent."""

    def __init__(self, wire: Wire, probe: Probe) -> None:
        self._wire = wire
        self._probe = probe
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
            head = h11.Request(
                method=request.method, target=request.url.raw_path, headers=request.headers.raw
            )
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
                if probe.phase == "first_byte" and "first_byte" not in probe.seconds:
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
