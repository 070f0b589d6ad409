"""One request over HTTP/1.1 on a connection of its own: llhttp reads the answer, within bounds."""

from __future__ import annotations

import httptools

from engine.text import plain
from engine.workflows.steps.answer import Answer, text
from engine.workflows.steps.base import StepError
from engine.workflows.steps.decoding import Body
from engine.workflows.steps.probe import Probe
from engine.workflows.steps.request import Request
from engine.workflows.steps.route import Proxy
from engine.workflows.steps.wire import Wire, network_fault

HEADER_LIMIT = 65_536
"""Bytes that bring no body: a head, the extensions of a chunk, what follows the last one."""
INTERIM_LIMIT = 10


class Http1Stream:
    """The only exchange of `wire`; `on_…` is what the parser calls.

    Given the proxy at the other end, the request asks for the whole address, as proxies want it.
    """

    def __init__(self, wire: Wire, probe: Probe, proxy: Proxy | None = None) -> None:
        self._wire = wire
        self._probe = probe
        self._proxy = proxy
        self._parser = httptools.HttpResponseParser(self)
        # Old servers end lines without CR and fill chunk sizes up; nothing but this answer is read here.
        self._parser.set_dangerous_leniencies(
            lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self._reason = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._pieces: list[bytes] = []
        self._answer: Answer | None = None
        self._complaint = ""
        self._interim = 0
        self._idle = 0
        self._has_body = True
        self._ends_with_connection = False
        self._is_answering = False
        self._is_complete = False

    async def respond(self, request: Request) -> Answer:
        """Send, and read as far as the headers.

        Raises:
            StepError: no answer, or none in HTTP.
        """
        self._has_body = request.method != "HEAD"
        self._probe.begin("first_byte")
        self._wire.write(encode(request, self._proxy))
        while self._answer is None:
            await self._receive()
        return self._answer

    async def take(self, body: Body) -> None:
        """Read the rest into `body`.

        Raises:
            StepError: it breaks off. Whatever `body` raises.
        """
        while True:
            for piece in self._pieces:
                body.feed(piece)
            self._pieces.clear()
            if self._is_complete:
                return
            await self._receive()

    def close(self) -> None:
        """Let go of the parser, which holds on to what it calls."""
        del self._parser

    def on_status(self, reason: bytes) -> None:
        if self._answer is None:
            self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._answer is None:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._answer is not None:
            return
        self._idle = 0
        status = self._parser.get_status_code()
        if status < 100 or status == 101:
            self._complaint = f"status {status}"
        elif status < 200:
            self._interim += 1
            self._reason, self._headers = b"", []
        else:
            self._begin(status)

    def on_body(self, data: bytes) -> None:
        self._idle = 0
        if not self._is_complete:
            self._pieces.append(data)

    def on_message_complete(self) -> None:
        self._is_complete = self._answer is not None

    def _begin(self, status: int) -> None:
        version = self._parser.get_http_version()
        answer = self._answer = Answer(status, text(self._reason), version, self._headers)
        codings = answer.value(b"transfer-encoding").lower()
        if codings not in ("", "chunked"):
            self._complaint = f"transfer-encoding {codings}"
        self._ends_with_connection = not codings and not answer.values(b"content-length")
        self._is_complete = not self._has_body

    async def _receive(self) -> None:
        probe = self._probe
        try:
            data = await self._wire.read()
        except OSError as error:
            raise network_fault(error, probe.peer, probe) from error
        if not self._is_answering:
            self._is_answering = True
            probe.end()
            if data[:1] in (b"R", b"I"):
                raise self._nonsense("it is no HTTP")  # the parser takes RTSP and ICE for it
        if not data:
            self._end()
            return
        self._idle += len(data)
        self._feed(data)
        if self._interim > INTERIM_LIMIT:
            raise probe.fault(f"{probe.peer} sent over {INTERIM_LIMIT} interim answers")
        if self._idle > HEADER_LIMIT:
            raise probe.fault(f"{probe.peer} sent headers over {HEADER_LIMIT} bytes")

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            raise
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            # What follows a complete answer is nobody's business.
            if not self._is_complete:
                raise self._nonsense(self._complaint or plain(error, 120)) from error
        if self._complaint:
            raise self._nonsense(self._complaint)

    def _end(self) -> None:
        if self._answer is None:
            raise self._probe.fault(f"{self._probe.peer} closed the connection without an answer")
        if not self._ends_with_connection:
            raise self._probe.fault(f"{self._probe.peer} closed the connection before the body was complete")
        self._is_complete = True

    def _nonsense(self, what: str) -> StepError:
        return self._probe.fault(f"{self._probe.peer} does not speak HTTP as it should: {plain(what, 120)}")


def encode(request: Request, proxy: Proxy | None) -> bytes:
    """A request as it goes over the connection."""
    place, headers, body = request.place, request.headers, request.body
    target = place.target
    if proxy is not None:
        target = b"http://%b%b" % (place.authority, target)
        headers = (*headers, *proxy.headers)
    if request.is_chunked:
        body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
    lines = [b"%b: %b\r\n" % header for header in headers]
    return b"%b %b HTTP/1.1\r\n%b\r\n%b" % (request.method.encode("ascii"), target, b"".join(lines), body)
