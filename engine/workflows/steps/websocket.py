"""The `websocket` step: open a WebSocket, say and hear what the check is about, close it.

```yaml
id: feed
websocket:
  url: wss://shop.example/feed
  headers: {Authorization: "Bearer secret"}
  subprotocols: [feed.v2]
  talk:
    - send: '{"subscribe": "prices"}'
    - expect: '"type": ?"snapshot"'
expect: ["status == 101", "subprotocol == feed.v2", "json.type == snapshot", "duration < 800ms"]
```
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, model_validator

from engine.clock import Clock
from engine.config.types import Strict
from engine.model import ErrorCategory, ErrorType, Failure, Scalar
from engine.resilience.classify import classify_status
from engine.text import clean, plain
from engine.workflows.steps.base import Reply, StepContext
from engine.workflows.steps.decoding import parse_json
from engine.workflows.steps.dial import conversation, one_line, wrong
from engine.workflows.steps.probe import Probe

if TYPE_CHECKING:
    from wsproto import WSConnection
    from wsproto.events import Event

    from engine.workflows.steps.resolver import Resolver
    from engine.workflows.steps.wire import Wire

HEARD_LIMIT = 100
"""Messages kept, and messages that may pass before an expected one comes."""
FRAME_LIMIT = 10_000
"""Frames of any kind, pings and pieces of messages included, before the peer is taken for a flood."""
_TURN = 100
"""Frames after which others have their turn: a buffer holds more tiny ones than can be read in a second."""

_PORTS = {"ws": 80, "wss": 443}
_PROTOCOLS = ("http/1.1",)


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


class WebSocketSpec(Strict):
    """One conversation.

    Keys:
        url: `ws://` or `wss://`.
        headers, subprotocols: what the handshake says.
        talk: steps in order, each `{send: text}` or `{expect: pattern}`; `expect` waits for a message in
            which the RE2 pattern is found and passes over others, at most 100.
        tls: files in PEM: `certificate` and `key` of the client, `ca` for authorities trusted instead of the
            system's. `verify`: whether the server's certificate is checked.
        max_size: bytes of all messages together; more is a failure.
    """

    url: Annotated[str, Field(min_length=1)]
    headers: dict[str, str] = Field(default_factory=dict)
    subprotocols: Annotated[tuple[str, ...], BeforeValidator(_tuple), Field(max_length=20)] = ()
    talk: Annotated[
        tuple[dict[Literal["send", "expect"], str], ...], BeforeValidator(_tuple), Field(max_length=50)
    ] = ()
    tls: dict[Literal["certificate", "key", "ca"], str] | None = None
    verify: bool = True
    max_size: Annotated[int, Field(ge=0, le=16 * 1024 * 1024)] = 1024 * 1024

    @model_validator(mode="after")
    def _talk_makes_sense(self) -> WebSocketSpec:
        from engine.patterns import compile_pattern

        for line in self.talk:
            if len(line) != 1:
                raise ValueError("each step of talk is either {send: text} or {expect: pattern}")
            if "{{" not in (pattern := line.get("expect", "")):
                compile_pattern(pattern)
        if self.tls is not None and "key" in self.tls and "certificate" not in self.tls:
            raise ValueError("tls.key belongs to a tls.certificate")
        return self


WEBSOCKET_FIELDS = frozenset(
    {"status", "headers", "subprotocol", "message", "json", "messages", "duration"}
    | {"dns", "connect", "tls", "first_byte", "transfer"}
)


class _Address(NamedTuple):
    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


class WebSocketStep:
    """Serves all websocket steps; each conversation has a connection of its own."""

    name = "websocket"

    def __init__(self, clock: Clock, resolver: Resolver | None = None) -> None:
        from engine.workflows.steps.resolver import Resolver

        self._clock = clock
        self._resolver = Resolver() if resolver is None else resolver

    def target(self, spec: WebSocketSpec) -> str:
        """`scheme://host:port`."""
        address = _address(spec.url)
        return plain(f"{address.scheme}://{address.host}:{address.port}", 300)

    async def run(self, spec: WebSocketSpec, context: StepContext) -> Reply:
        """Shake hands, talk, and close.

        Raises:
            StepError: no connection, a broken one, or an expected message that did not come.
            CheckError: the check itself cannot be carried out.
        """
        from engine.workflows.steps.route import context_with

        address, probe = _address(spec.url), Probe(spec.verify, spec.max_size)
        files = spec.tls or {}
        tls = None
        if address.scheme == "wss":
            tls = context_with(
                spec.verify, _PROTOCOLS, files.get("certificate"), files.get("key"), files.get("ca")
            )
        request = _request(spec, address, context.traceparent)
        started = time.perf_counter()
        async with conversation(
            self._resolver, address.host, address.port, tls, probe, context.timeout
        ) as wire:
            talk = _Talk(wire, probe)
            status = await talk.open(request)
            if status == 101:
                await talk.hold(spec.talk)
                talk.close()
        fields: dict[str, Any] = {
            "status": status,
            "headers": talk.headers,
            "subprotocol": talk.subprotocol,
            "message": talk.heard[-1] if talk.heard else None,
            "json": parse_json(talk.heard[-1]) if talk.heard else None,
            "messages": talk.heard,
            "duration": time.perf_counter() - started,
            **probe.seconds,
        }
        attributes: dict[str, Scalar] = {
            "url.full": clean(f"{address.scheme}://{address.authority}{address.target.split('?')[0]}", 500),
            "http.response.status_code": status,
            "network.peer.address": probe.peer,
            "websocket.messages": len(talk.heard),
        }
        return Reply(fields, probe.phases, attributes, _rejection(status, probe))

    async def close(self) -> None:
        await self._resolver.close()


class _Talk:
    """The conversation while it goes on; `heard` are the messages of the other side."""

    def __init__(self, wire: Wire, probe: Probe) -> None:
        from wsproto import ConnectionType, WSConnection

        self._wire = wire
        self._probe = probe
        self._protocol: WSConnection = WSConnection(ConnectionType.CLIENT)
        self._events: Iterator[Event] = iter(())
        self._parts: list[str] = []
        self._size = 0
        self._frames = 0
        self.headers: dict[str, str] = {}
        self.subprotocol: str | None = None
        self.heard: list[str] = []

    async def open(self, request: Event) -> int:
        """Shake hands; the status is 101 when there is a WebSocket now."""
        from wsproto.events import AcceptConnection, RejectConnection
        from wsproto.utilities import LocalProtocolError

        self._probe.begin("first_byte")
        try:
            self._wire.write(self._protocol.send(request))
        except (LocalProtocolError, ValueError) as error:
            raise wrong(f"the handshake cannot be made: {plain(error, 200)}") from error
        while not isinstance(event := await self._next(), (AcceptConnection, RejectConnection)):
            pass
        self._probe.end()
        self._probe.begin("transfer")
        if isinstance(event, RejectConnection):
            self.headers = _headers(event.headers)
            self._probe.end()
            return event.status_code
        self.headers, self.subprotocol = _headers(event.extra_headers), event.subprotocol
        return 101

    async def hold(self, talk: tuple[Mapping[Literal["send", "expect"], str], ...]) -> None:
        """Go through `talk`."""
        from wsproto.events import TextMessage

        for line in talk:
            if "send" in line:
                self._wire.write(self._protocol.send(TextMessage(data=_sendable(line["send"]))))
            else:
                await self._expect(line["expect"])
        self._probe.end()

    def close(self) -> None:
        """Say goodbye without waiting for an answer."""
        from wsproto.connection import ConnectionState
        from wsproto.events import CloseConnection

        if self._protocol.state is ConnectionState.OPEN:
            self._wire.write(self._protocol.send(CloseConnection(code=1000)))

    async def _expect(self, pattern: str) -> None:
        from engine.patterns import compile_pattern

        try:
            compiled = compile_pattern(pattern)
        except ValueError as error:
            raise wrong(plain(error, 300)) from None
        while True:
            message = await self._message(pattern)
            if compiled.search(message.encode("utf-8", "replace").decode()):
                return

    async def _message(self, pattern: str) -> str:
        """The next whole message. `pattern` is what it is waited for, to say so when it does not come."""
        from wsproto.connection import ConnectionState
        from wsproto.events import BytesMessage, CloseConnection, Message, TextMessage

        while True:
            event = await self._next()
            if isinstance(event, CloseConnection):
                if self._protocol.state is ConnectionState.OPEN:
                    # Not the peer's goodbye, but how the library says what it could not read.
                    raise self._fault(f"does not speak WebSocket as it should: {plain(event.reason, 120)}")
                reason = f" {plain(event.reason, 120)}" if event.reason else ""
                shown = plain(pattern, 80)
                raise self._fault(f"closed the conversation ({event.code}{reason}) before '{shown}' came")
            if isinstance(event, TextMessage | BytesMessage):
                part: Message[Any] = event
                data = part.data
                self._grow(len(data))
                self._parts.append(data if isinstance(data, str) else bytes(data).decode("utf-8", "replace"))
                if part.message_finished:
                    return self._keep("".join(self._parts), pattern)

    def _keep(self, message: str, pattern: str) -> str:
        self._parts.clear()
        if len(self.heard) == HEARD_LIMIT:
            raise self._fault(f"sent {HEARD_LIMIT} messages without '{plain(pattern, 80)}' in them")
        self.heard.append(message)
        return message

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > self._probe.max_body:
            message = f"messages over {self._probe.max_body} bytes"
            raise self._probe.fault(message, ErrorType.PERMANENT, ErrorCategory.VALIDATION)

    async def _next(self) -> Event:
        """The next event that is not the protocol's own business."""
        from wsproto.events import Ping, Pong, RejectData
        from wsproto.utilities import RemoteProtocolError

        from engine.workflows.steps.wire import network_fault

        while True:
            try:
                for event in self._events:
                    await self._count()
                    if isinstance(event, Ping):
                        self._wire.write(self._protocol.send(event.response()))
                    elif not isinstance(event, Pong | RejectData):
                        return event
                data = await self._wire.read()
                if not data:
                    raise self._fault("closed the connection in the middle")
                self._protocol.receive_data(data)
                self._events = self._protocol.events()
            except OSError as error:
                raise network_fault(error, self._probe.peer, self._probe) from error
            except RemoteProtocolError as error:
                raise self._fault(f"does not speak WebSocket as it should: {plain(error, 120)}") from error

    async def _count(self) -> None:
        self._frames += 1
        if self._frames > FRAME_LIMIT:
            raise self._fault(f"sent over {FRAME_LIMIT} frames")
        if self._frames % _TURN == 0:
            await asyncio.sleep(0)

    def _fault(self, what: str) -> Exception:
        return self._probe.fault(f"{self._probe.peer} {what}")


def _address(url: str) -> _Address:
    shown = plain(url.split("?")[0].rsplit("@", 1)[-1], 100)
    try:
        parts = urlsplit(one_line("the address", url))
        host, port = (parts.hostname or "").encode("idna").decode("ascii"), parts.port
    except ValueError:
        # The library's own words quote parts of the address, which may be parts of a secret.
        raise wrong(f"the address {shown} is not one: host or port cannot be read") from None
    if parts.scheme not in _PORTS or not host:
        raise wrong(f"the address {shown} does not begin with ws:// or wss:// and a host")
    if parts.username is not None:
        raise wrong(f"the address {shown} has a user in it, which belongs into headers")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not target.isascii() or " " in target:
        raise wrong(f"the address {shown} has a character that an address writes as %xx")
    return _Address(parts.scheme, host, port or _PORTS[parts.scheme], target)


def _request(spec: WebSocketSpec, address: _Address, traceparent: str) -> Event:
    from wsproto.events import Request

    headers = {"traceparent": traceparent, **spec.headers}
    pairs = [
        (
            one_line("a header", name).encode("utf-8"),
            one_line(f"the header {plain(name, 80)}", value).encode("utf-8"),
        )
        for name, value in headers.items()
    ]
    subprotocols = [one_line("a subprotocol", name) for name in spec.subprotocols]
    return Request(
        host=address.authority, target=address.target, subprotocols=subprotocols, extra_headers=pairs
    )


def _sendable(text: str) -> str:
    """Text as UTF-8 has it: no lone surrogates."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _headers(pairs: Any) -> dict[str, str]:
    """By names in lower case."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in pairs}


def _rejection(status: int, probe: Probe) -> Failure | None:
    if status == 101:
        return None
    kind, category = classify_status(status) if status >= 400 else (ErrorType.PERMANENT, None)
    message = f"status {status} instead of a WebSocket from {probe.peer}"
    return Failure(message, kind, category or ErrorCategory.VALIDATION)
