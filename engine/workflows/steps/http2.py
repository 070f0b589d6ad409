"""One request over HTTP/2 on a connection of its own: what h2 leaves to its user, with bounds."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Iterable

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from engine.model import ErrorCategory, ErrorType, Failure
from engine.text import plain
from engine.workflows.steps.base import CheckError
from engine.workflows.steps.probe import Probe
from engine.workflows.steps.wire import Wire, network_fault

HEADER_LIMIT = 65_536
IDLE_FRAMES = 10_000
"""Frames that bring nothing (pings, settings, empty data) before the peer is taken for a flood."""
INTERIM_LIMIT = 10

Headers = list[tuple[bytes, bytes]]

_CONFIG = h2.config.H2Configuration(client_side=True, header_encoding=None)
_SETTINGS = {
    h2.settings.SettingCodes.ENABLE_PUSH: 0,
    h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 1,
    h2.settings.SettingCodes.MAX_HEADER_LIST_SIZE: HEADER_LIMIT,
}


class Http2Stream:
    """The only stream of `wire`: send, then read the head, the body's pieces, and `trailers`."""

    def __init__(self, wire: Wire, probe: Probe) -> None:
        self._wire = wire
        self._probe = probe
        self._connection = h2.connection.H2Connection(_CONFIG)
        self._connection.local_settings = h2.settings.Settings(client=True, initial_values=_SETTINGS)
        self._events: deque[h2.events.Event] = deque()
        self._idle = 0
        self._ended = False
        self._id = 0
        self.trailers: Headers = []

    async def send(self, headers: Iterable[tuple[bytes, bytes]], body: AsyncIterable[bytes]) -> None:
        """Send a request whole, as fast as the peer takes it; no further when it has answered already.

        Raises:
            CheckError: HTTP/2 has no such headers.
            StepError: the connection broke.
        """
        connection = self._connection
        connection.initiate_connection()
        self._id = connection.get_next_available_stream_id()
        try:
            connection.send_headers(self._id, headers)
        except h2.exceptions.ProtocolError as error:
            failure = Failure(
                f"the request cannot be made: {plain(error, 200)}",
                ErrorType.PERMANENT,
                ErrorCategory.VALIDATION,
            )
            raise CheckError(failure) from error
        async for chunk in body:
            await self._send_data(chunk)
        if not self._ended:
            connection.end_stream(self._id)
        self._flush()

    async def head(self) -> tuple[int, Headers]:
        """The status and the headers of the answer."""
        interim = 0
        while interim < INTERIM_LIMIT:
            event = await self._next()
            if isinstance(event, h2.events.ResponseReceived):
                found = [(bytes(name), bytes(value)) for name, value in event.headers]
                status = int(dict(found)[b":status"])
                return status, [pair for pair in found if not pair[0].startswith(b":")]
            if isinstance(event, h2.events.InformationalResponseReceived):
                interim += 1
        raise self._probe.fault(f"{self._probe.peer} sent over {INTERIM_LIMIT} interim answers")

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes; `trailers` are known at its end."""
        while True:
            event = await self._next()
            if isinstance(event, h2.events.DataReceived):
                # Only now the windows open again: a peer never has more than one window under way.
                self._connection.acknowledge_received_data(event.flow_controlled_length or 0, self._id)
                self._flush()
                if event.data:
                    self._idle = 0
                    yield bytes(event.data)
            elif isinstance(event, h2.events.TrailersReceived):
                self.trailers = [(bytes(name), bytes(value)) for name, value in event.headers]
            elif isinstance(event, h2.events.StreamEnded):
                return

    async def _send_data(self, data: bytes) -> None:
        connection = self._connection
        while data and not self._ended:
            room = min(connection.local_flow_control_window(self._id), connection.max_outbound_frame_size)
            if room > 0:
                connection.send_data(self._id, data[:room])
                data = data[room:]
            self._flush()
            if room <= 0:
                await self._receive()

    async def _next(self) -> h2.events.Event:
        while not self._events:
            await self._receive()
        event = self._events.popleft()
        probe, peer = self._probe, self._probe.peer
        if isinstance(event, h2.events.StreamReset):
            raise probe.fault(f"{peer} broke the stream off: {_code(event.error_code)}")
        if isinstance(event, h2.events.ConnectionTerminated) and (event.last_stream_id or 0) < self._id:
            raise probe.fault(f"{peer} sent the request away: {_code(event.error_code)}")
        return event

    async def _receive(self) -> None:
        """Wait for bytes and turn them into events, answering what is the protocol's own business."""
        probe = self._probe
        try:
            data = await self._wire.read()
        except OSError as error:
            raise network_fault(error, probe.peer, probe) from error
        if not data:
            place = "before the body was complete" if probe.phase == "transfer" else "without an answer"
            raise probe.fault(f"{probe.peer} closed the connection {place}")
        try:
            events = self._connection.receive_data(data)
            for event in events:
                self._take(event)
            self._flush()
        except h2.exceptions.ProtocolError as error:
            reason = plain(error, 120) or type(error).__name__
            raise probe.fault(f"{probe.peer} does not speak HTTP/2 as it should: {reason}") from error
        if self._idle > IDLE_FRAMES:
            raise probe.fault(f"{probe.peer} sent over {IDLE_FRAMES} frames that bring nothing")

    def _take(self, event: h2.events.Event) -> None:
        self._idle += 1
        if isinstance(event, h2.events.StreamEnded | h2.events.StreamReset):
            self._ended = True
        self._events.append(event)

    def _flush(self) -> None:
        if data := self._connection.data_to_send():
            self._wire.write(data)


def _code(code: h2.errors.ErrorCodes | int | None) -> str:
    """The word of an error code, as the standard writes it."""
    return code.name.lower().replace("_", " ") if isinstance(code, h2.errors.ErrorCodes) else f"code {code}"
