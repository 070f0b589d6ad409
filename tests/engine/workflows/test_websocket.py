import asyncio
import contextlib
import gc
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    RejectConnection,
    Request,
    TextMessage,
)

from engine.clock import SystemClock, settle
from engine.model import ErrorCategory, ErrorType
from engine.workflows.steps import websocket
from engine.workflows.steps.base import CheckError, Reply, StepContext, StepError
from engine.workflows.steps.websocket import WEBSOCKET_FIELDS, WebSocketSpec, WebSocketStep
from tests.engine.workflows.examples import example_of
from tests.engine.workflows.pki import Authority
from tests.engine.workflows.servers import hanging, resetting, saying, serving

TRACEPARENT = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


@dataclass
class Peer:
    """One connection of the server: what came, and a way to say something."""

    writer: asyncio.StreamWriter
    protocol: WSConnection = field(default_factory=lambda: WSConnection(ConnectionType.SERVER))
    seen: list[Event] = field(default_factory=list)

    def say(self, *events: Event) -> None:
        self.writer.write(b"".join(map(self.protocol.send, events)))


Behaviour = Callable[[Peer, Event], Awaitable[None]]


@dataclass
class Socketed:
    port: int
    peers: list[Peer]
    ended: asyncio.Semaphore


@contextlib.asynccontextmanager
async def serving_websocket(behave: Behaviour, tls: ssl.SSLContext | None = None) -> AsyncIterator[Socketed]:
    """Call `behave(peer, event)` for each event of each connection."""

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(writer)
        served.peers.append(peer)
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                peer.protocol.receive_data(data)
                for event in peer.protocol.events():
                    peer.seen.append(event)
                    await behave(peer, event)
                await writer.drain()
        writer.close()
        served.ended.release()

    server = await asyncio.start_server(on_connection, "127.0.0.1", 0, ssl=tls)
    served = Socketed(server.sockets[0].getsockname()[1], [], asyncio.Semaphore(0))
    async with server:
        yield served


async def feed(peer: Peer, event: Event) -> None:
    """Accepts; answers every text with a ping, a note, and the text in two pieces."""
    if isinstance(event, Request):
        name = "feed.v2" if "feed.v2" in event.subprotocols else None
        peer.say(AcceptConnection(subprotocol=name, extra_headers=[(b"X-Room", b"7")]))
    elif isinstance(event, TextMessage):
        peer.say(Ping(b"?"), TextMessage(data="note"))
        peer.say(TextMessage(data='{"echo": ', message_finished=False), TextMessage(data=f'"{event.data}"}}'))


@pytest.fixture
async def step() -> AsyncIterator[WebSocketStep]:
    made = WebSocketStep(SystemClock())
    yield made
    await made.close()


async def talk(step: WebSocketStep, url: str, timeout: float = 2.0, **spec: Any) -> Reply:
    return await step.run(
        WebSocketSpec.model_validate({"url": url, **spec}), StepContext(TRACEPARENT, timeout)
    )


async def refusal(step: WebSocketStep, url: str, timeout: float = 2.0, **spec: Any) -> StepError:
    with pytest.raises(StepError) as caught:
        await talk(step, url, timeout, **spec)
    return caught.value


def test_the_example_is_a_step() -> None:
    assert example_of(websocket).kind == "websocket"


async def test_a_conversation_has_its_fields_and_phases(step: WebSocketStep) -> None:
    lines = [{"send": "prices"}, {"expect": '"echo": ?"prices"'}]
    async with serving_websocket(feed) as served:
        url = f"ws://127.0.0.1:{served.port}/feed?key=S3CR3T"
        reply = await talk(
            step, url, talk=lines, subprotocols=["feed.v1", "feed.v2"], headers={"Authorization": "Bearer x"}
        )
        async with asyncio.timeout(2):
            await served.ended.acquire()
    assert reply.fields.keys() <= WEBSOCKET_FIELDS
    assert (reply.fields["status"], reply.fields["subprotocol"]) == (101, "feed.v2")
    assert reply.fields["messages"] == ["note", '{"echo": "prices"}']
    assert reply.fields["json"] == {"echo": "prices"}
    assert reply.fields["headers"]["x-room"] == "7"
    assert reply.phases.connect is not None
    assert reply.phases.transfer is not None
    assert reply.attributes["url.full"] == f"ws://127.0.0.1:{served.port}/feed"
    asked = served.peers[0].seen[0]
    assert isinstance(asked, Request)
    assert asked.target == "/feed?key=S3CR3T"
    assert (b"traceparent", TRACEPARENT.encode()) in [(n.lower(), v) for n, v in asked.extra_headers]
    kinds = [type(event) for event in served.peers[0].seen]
    assert kinds == [Request, TextMessage, Pong, CloseConnection]


async def test_over_tls_with_a_named_authority(step: WebSocketStep, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with serving_websocket(feed, authority.server()) as served:
        url = f"wss://127.0.0.1:{served.port}/"
        reply = await talk(step, url, tls={"ca": str(authority.ca)})
        error = await refusal(step, url)
    assert reply.phases.tls is not None
    assert "TLS certificate" in error.failure.message


async def test_bytes_are_heard_as_text(step: WebSocketStep) -> None:
    async def behave(peer: Peer, event: Event) -> None:
        if isinstance(event, Request):
            peer.say(AcceptConnection(), BytesMessage(data=b"\xffok"))

    async with serving_websocket(behave) as served:
        reply = await talk(step, f"ws://127.0.0.1:{served.port}", talk=[{"expect": "ok$"}])
    assert reply.fields["message"] == "\ufffdok"


@pytest.mark.parametrize(
    ("status", "kind", "category"),
    [
        (401, ErrorType.PERMANENT, ErrorCategory.AUTHENTICATION),
        (503, ErrorType.TRANSIENT, None),
        (200, ErrorType.PERMANENT, ErrorCategory.VALIDATION),
    ],
)
async def test_a_refused_handshake_is_a_failure_that_can_be_expected(
    step: WebSocketStep, status: int, kind: ErrorType, category: ErrorCategory | None
) -> None:
    async def behave(peer: Peer, event: Event) -> None:
        if isinstance(event, Request):
            peer.say(RejectConnection(status_code=status, headers=[(b"x-why", b"no")]))
            peer.writer.close()

    async with serving_websocket(behave) as served:
        reply = await talk(step, f"ws://127.0.0.1:{served.port}", talk=[{"expect": "never"}])
    assert reply.failure is not None
    assert reply.failure.message == f"status {status} instead of a WebSocket from 127.0.0.1:{served.port}"
    assert reply.failure.type is kind
    assert category in (reply.failure.category, None)
    assert reply.fields["headers"]["x-why"] == "no"


async def accept_and(peer: Peer, event: Event, *then: Event) -> None:
    if isinstance(event, Request):
        peer.say(AcceptConnection(), *then)


def saying_then(*then: Event) -> Behaviour:
    return lambda peer, event: accept_and(peer, event, *then)


async def breaking(peer: Peer, event: Event) -> None:
    await accept_and(peer, event)
    peer.writer.write(b"\xff\xff\xff\xff")


async def leaving(peer: Peer, event: Event) -> None:
    await accept_and(peer, event)
    peer.writer.close()


@pytest.mark.parametrize(
    ("behave", "words"),
    [
        (
            saying_then(CloseConnection(1011, "\x1b[31mbusy")),
            "closed the conversation (1011 busy) before 'never' came",
        ),
        (saying_then(*[TextMessage(data="x")] * 101), "sent 100 messages without 'never' in them"),
        (breaking, "does not speak WebSocket as it should"),
        (leaving, "closed the connection in the middle"),
    ],
)
async def test_a_broken_conversation_is_a_failure_in_words(
    step: WebSocketStep, behave: Behaviour, words: str
) -> None:
    async with serving_websocket(behave) as served:
        error = await refusal(step, f"ws://127.0.0.1:{served.port}", talk=[{"expect": "never"}])
    assert error.failure.message.startswith(f"127.0.0.1:{served.port} {words}")
    assert error.failure.message.endswith("(transfer)")
    assert error.failure.type is ErrorType.NETWORK


async def test_messages_have_a_limit_though_they_never_end(step: WebSocketStep) -> None:
    async def behave(peer: Peer, event: Event) -> None:
        if isinstance(event, Request):
            peer.say(AcceptConnection())
            for _ in range(20):
                peer.say(TextMessage(data="x" * 1000, message_finished=False))

    async with serving_websocket(behave) as served:
        url = f"ws://127.0.0.1:{served.port}"
        error = await refusal(step, url, talk=[{"expect": "never"}], max_size=5000)
    assert error.failure.message == "messages over 5000 bytes (transfer)"


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (resetting, "connection reset by"),
        (saying(b""), "127.0.0.1 closed the connection in the middle (first byte)"),
        (saying(b"\x00garbage\r\n\r\n"), "127.0.0.1 does not speak WebSocket as it should"),
        (
            saying(b"HTTP/1.1 101 Go\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"),
            "127.0.0.1 does not speak WebSocket",
        ),
        (saying(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000), "127.0.0.1 does not speak WebSocket"),
        (hanging, "no answer within 200 ms from 127.0.0.1 (first byte)"),
    ],
)
async def test_a_server_that_is_none_is_told_apart(step: WebSocketStep, handler: Any, words: str) -> None:
    async with serving(handler) as served:
        error = await refusal(step, f"ws://127.0.0.1:{served.port}", 0.2)
    assert error.failure.message.replace(f":{served.port}", "").startswith(words)


@pytest.mark.parametrize(
    "spec",
    [
        {"url": "http://h/"},
        {"url": "ws://"},
        {"url": "ws://h:99999/"},
        {"url": "ws://u:p@127.0.0.1/"},
        {"url": "ws://h/a b"},
        {"url": "ws://h/\r\n"},
        {"url": "ws://127.0.0.1:PORT/", "headers": {"x": "a\r\nb: c"}},
        {"url": "ws://127.0.0.1:PORT/", "subprotocols": ["a\n"]},
    ],
)
async def test_what_cannot_be_asked_is_the_checks_own_fault(
    step: WebSocketStep, spec: dict[str, Any]
) -> None:
    async with serving_websocket(feed) as served:
        error = await refusal(step, **(spec | {"url": spec["url"].replace("PORT", str(served.port))}))
    assert isinstance(error, CheckError)
    assert not any(peer.seen for peer in served.peers)


@pytest.mark.parametrize("lines", [[{"send": "a", "expect": "b"}], [{}], [{"expect": "("}], [{"say": "a"}]])
def test_talk_is_checked_when_it_is_read(lines: list[dict[str, str]]) -> None:
    with pytest.raises(ValidationError):
        WebSocketSpec.model_validate({"url": "ws://h", "talk": lines})


async def test_targets_are_scheme_host_and_port(step: WebSocketStep) -> None:
    assert step.target(WebSocketSpec(url="wss://Shop.example/x?y")) == "wss://shop.example:443"
    assert step.target(WebSocketSpec(url="ws://[::1]:81")) == "ws://::1:81"


async def test_nothing_is_left_open_after_trouble(step: WebSocketStep) -> None:
    gc.collect()  # what earlier tests left behind is not ours to count
    async with serving_websocket(saying_then()) as served:
        url = f"ws://127.0.0.1:{served.port}"
        files, tasks = len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())
        wait = {"talk": [{"expect": "never"}]}
        await asyncio.gather(*(refusal(step, url, 0.1, **wait) for _ in range(5)))
        call = asyncio.ensure_future(talk(step, url, 5.0, **wait))
        await settle()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        async with asyncio.timeout(5):
            for _ in served.peers:
                await served.ended.acquire()
        await settle()
        assert len(asyncio.all_tasks()) == tasks
        assert len(os.listdir("/proc/self/fd")) <= files
