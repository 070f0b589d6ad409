"""Hears heartbeats, and spans of other programs: a small HTTP server on loopback.

`/TOKEN` or `/TOKEN/success`, `/TOKEN/start`, `/TOKEN/fail`, `/TOKEN/log`, `/TOKEN/EXIT_CODE` (0–255).
A signal is stored before it is answered. `/TOKEN/v1/traces` takes OTLP as JSON, and with the extra `otlp` as
protobuf (1 MiB, gzip or not), so that `http://HOST:PORT/TOKEN` is the endpoint that an exporter is given.

One request a connection; whoever does not come to the point within five seconds is hung up on, and when more
than 64 are connected the oldest who is still to say something, so that idle ones keep no job from it.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from engine.errors import EngineUnavailableError, TocsinError
from engine.model import Signal
from engine.telemetry import otlp_protobuf
from engine.telemetry.otlp_reading import UnreadableError
from engine.text import own_words

if TYPE_CHECKING:
    import h11

BODY_KEPT = 10_000
BODY_LIMIT = 1_048_576
HEAD_LIMIT = 16_384
MAX_CONNECTIONS = 64
READ_ON = 4_194_304
"""Bytes of a refused request that are read and forgotten, so that the answer arrives."""
DEADLINE = 5.0

_REFUSED_UNREAD = (400, 413, 431)
_METHODS = (b"GET", b"HEAD", b"POST", b"PUT")

_SPANS = b"/v1/traces"

Heard = Callable[[str, Signal, bytes, "int | None", str], Awaitable[bool]]
"""Takes token, signal, note, exit code and `traceparent` (as sent, or empty); returns when it is stored.
False: nobody waits for this token."""


class Joined(Protocol):
    """Takes token and an OTLP document; returns how many spans were refused, None for a wrong token.

    Raises UnreadableError.
    """

    def __call__(self, token: str, body: bytes, *, is_protobuf: bool = False) -> Awaitable[int | None]: ...


class Listener:
    """Hears heartbeats until closed; `port` is the one it listens on.

    Args:
        crowded: told each time that somebody is hung up on since there are too many.
        deadline: seconds within which a request has to be there and answered.
    """

    def __init__(
        self,
        host: str,
        port: int,
        heard: Heard,
        joined: Joined | None = None,
        crowded: Callable[[], None] = lambda: None,
        deadline: float = DEADLINE,
    ) -> None:
        self._host = host
        self.port = port
        self._heard = heard
        self._joined = joined
        self._crowded = crowded
        self._deadline = deadline
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._unfinished: dict[asyncio.Task[None], None] = {}

    @property
    def is_open(self) -> bool:
        """Whether it listens."""
        return self._server is not None

    async def start(self) -> None:
        """Listen.

        Raises:
            EngineUnavailableError: the address cannot be had.
        """
        try:
            self._server = await asyncio.start_server(self._accept, self._host, self.port)
        except OSError as error:
            raise EngineUnavailableError(
                f"heartbeats cannot be heard on {self._host}:{self.port}: {own_words(error)}",
                "set settings.heartbeats to another address",
            ) from error
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and hang up."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            if self._has_room():
                self._unfinished[task] = None
                async with asyncio.timeout(self._deadline):
                    await self._converse(task, reader, writer)
        except (OSError, TimeoutError):
            pass  # the job went away or does not come to the point: nobody is left to tell
        except asyncio.CancelledError:
            pass  # the listener closes or makes room: nobody else cancels this task
        finally:
            self._connections.discard(task)
            self._unfinished.pop(task, None)
            writer.transport.abort() if writer.transport.get_write_buffer_size() else writer.close()

    def _has_room(self) -> bool:
        """Whether one more can be heard, after hanging up on the oldest who is still to say something."""
        if len(self._connections) <= MAX_CONNECTIONS:
            return True
        self._crowded()
        oldest = next(iter(self._unfinished), None)
        if oldest is None:
            return False
        del self._unfinished[oldest]
        oldest.cancel()
        return True

    async def _converse(
        self, task: asyncio.Task[None], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        import h11

        request: h11.Request | None = None
        protocol = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)
        try:
            request, body = await _request(protocol, reader, writer)
            # What has been heard whole is stored, however many come.
            self._unfinished.pop(task, None)
            status, words = await self._answer(request, body) if request else (413, "too long")
        except h11.RemoteProtocolError as error:
            status, words = error.error_status_hint, "this is no HTTP request"
        if protocol.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        self._unfinished[task] = None
        kind, text = _written(words)
        headers = [("content-type", kind), ("connection", "close")]
        headers.append(("content-length", str(len(text))))
        response = h11.Response(status_code=status, headers=headers)
        writer.write(protocol.send(response) or b"")
        if request is None or request.method != b"HEAD":
            writer.write(protocol.send(h11.Data(data=text)) or b"")
        await writer.drain()
        if status in _REFUSED_UNREAD:
            await _read_on(reader, writer)

    async def _answer(self, request: h11.Request, body: bytes) -> tuple[int, str | bytes]:
        if request.method not in _METHODS:
            return 405, "use GET or POST"
        if _is_about_spans(request):
            return await self._answer_spans(request, body)
        path = request.target.split(b"?")[0].decode("ascii", "replace")
        token, _, word = path.removeprefix("/").partition("/")
        said = _signal(word)
        if said is None:
            return 404, "not found"
        signal, exit_code = said
        try:
            known = await self._heard(token, signal, body, exit_code, _header(request, b"traceparent"))
        except TocsinError:
            return 503, "not stored, try again"
        return (200, "ok") if known else (404, "not found")

    async def _answer_spans(self, request: h11.Request, body: bytes) -> tuple[int, str | bytes]:
        """As OTLP/HTTP has it, in the form of the request; an empty answer says that everything was taken."""
        token = request.target.removesuffix(_SPANS).removeprefix(b"/").decode("ascii", "replace")
        if self._joined is None or request.method != b"POST":
            return (404, "not found") if self._joined is None else (405, "use POST")
        media_type = _header(request, b"content-type").partition(";")[0].strip().lower()
        is_protobuf = media_type == otlp_protobuf.MEDIA_TYPE
        if is_protobuf and not otlp_protobuf.is_available():
            return 415, otlp_protobuf.MISSING
        if not is_protobuf and media_type != "application/json":
            return 415, "send OTLP as JSON or protobuf"
        try:
            content = _inflated(body, _header(request, b"content-encoding"))
            refused = await self._joined(token, content, is_protobuf=is_protobuf)
        except UnreadableError as error:
            return 400, str(error)
        except TocsinError:
            return 503, "not stored, try again"
        if refused is None:
            return 404, "not found"
        why = "not to be read, or too many of one trace"
        if is_protobuf:
            return 200, otlp_protobuf.answer(refused, why)
        said = {"rejectedSpans": str(refused), "errorMessage": why}
        return 200, json.dumps({"partialSuccess": said} if refused else {})


def _written(words: str | bytes) -> tuple[str, bytes]:
    """The content type of an answer, and its bytes."""
    if isinstance(words, bytes):
        return otlp_protobuf.MEDIA_TYPE, words
    kind = "application/json" if words.startswith("{") else "text/plain; charset=utf-8"
    return kind, f"{words}\n".encode()


async def _read_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Let somebody who still sends get the answer: hanging up on unread bytes would reset it away."""
    writer.write_eof()
    left = READ_ON
    while left > 0 and (data := await reader.read(65_536)):
        left -= len(data)


async def _request(
    protocol: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> tuple[h11.Request | None, bytes]:
    """The head and as much of the body as is kept; no head when the body is too long to read to its end."""
    import h11

    request: h11.Request | None = None
    body, size = bytearray(), 0
    kept = BODY_KEPT
    while True:
        event = protocol.next_event()
        if event is h11.NEED_DATA:
            if protocol.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                writer.write(protocol.send(go_on) or b"")
            protocol.receive_data(await reader.read(65_536))
        elif isinstance(event, h11.Request):
            request = event
            kept = BODY_LIMIT if _is_about_spans(request) else BODY_KEPT
        elif isinstance(event, h11.Data):
            size += len(event.data)
            body += event.data[: max(kept - len(body), 0)]
            if size > BODY_LIMIT:
                return None, b""
        elif isinstance(event, h11.EndOfMessage):
            return request, bytes(body)
        else:
            raise ConnectionResetError("the job hung up")


def _is_about_spans(request: h11.Request) -> bool:
    return bytes(request.target).endswith(_SPANS)


def _header(request: h11.Request, name: bytes) -> str:
    """The value of a header that is there once; otherwise empty, as the standard has it of traceparent."""
    values = [value for key, value in request.headers if key == name]
    return values[0].decode("latin-1") if len(values) == 1 else ""


def _inflated(body: bytes, encoding: str) -> bytes:
    """The body as it was before compression. UnreadableError when it is not, or would be over the limit."""
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise UnreadableError("compress it with gzip, or not at all")
    inflating = zlib.decompressobj(wbits=31)
    try:
        content = inflating.decompress(body, BODY_LIMIT)
    except zlib.error:
        raise UnreadableError("this is no gzip") from None
    if not inflating.eof:
        raise UnreadableError(f"this is cut off, or longer than {BODY_LIMIT} bytes")
    return content


def _signal(word: str) -> tuple[Signal, int | None] | None:
    """What the last part of a path says."""
    if word.isascii() and word.isdecimal() and len(word) <= 3 and int(word) <= 255:
        code = int(word)
        return (Signal.FAIL if code else Signal.SUCCESS), code
    try:
        return Signal(word or "success"), None
    except ValueError:
        return None
