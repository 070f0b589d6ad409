"""One connection: what is sent at once and what later, what waits unread, and what breaks."""

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Iterator

import pytest

from engine.model import ErrorType
from engine.workflows.steps.base import StepError
from engine.workflows.steps.probe import Probe
from engine.workflows.steps.wire import Wire, connect, tls_context
from tests.engine.workflows.pki import Authority

LARGE = os.urandom(1_000_000) * 8
"""More than the system takes at once, on either side."""


@contextlib.contextmanager
def paired() -> Iterator[tuple[Wire, socket.socket]]:
    """A wire, and the other end of it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    ours.setblocking(False)
    theirs.setblocking(False)
    wire = Wire(ours)
    with theirs:
        try:
            yield wire, theirs
        finally:
            wire.close()


async def read(wire: Wire, size: int) -> bytes:
    found = bytearray()
    while len(found) < size and (data := await wire.read()):
        found += data
    return bytes(found)


async def heard(theirs: socket.socket, size: int) -> bytes:
    loop, found = asyncio.get_running_loop(), bytearray()
    while len(found) < size:
        found += await loop.sock_recv(theirs, 65_536)
    return bytes(found)


async def test_what_the_peer_does_not_take_at_once_follows_in_order() -> None:
    with paired() as (wire, theirs):
        wire.write(LARGE)
        wire.write(b"and more")
        assert await heard(theirs, len(LARGE) + 8) == LARGE + b"and more"


async def test_nothing_is_read_ahead() -> None:
    with paired() as (wire, theirs):
        sent = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                sent += theirs.send(LARGE)
        # The peer waits; what it has sent is not lost when it goes.
        theirs.close()
        assert len(await read(wire, sent + 1)) == sent


async def test_an_answer_before_the_end_of_the_request_is_read_before_the_break() -> None:
    with paired() as (wire, theirs):
        theirs.send(b"too large")
        theirs.close()
        # The first of these is answered by a reset; from the second on sending fails.
        for _ in range(3):
            wire.write(b"more")
        assert await wire.read() == b"too large"
        with pytest.raises(OSError, match=r"Broken pipe|reset"):
            await wire.read()


async def test_a_half_closed_peer_still_hears() -> None:
    with paired() as (wire, theirs):
        theirs.shutdown(socket.SHUT_WR)
        assert await wire.read() == b""
        wire.write(b"still here")
        assert await heard(theirs, 10) == b"still here"


async def test_a_cancelled_read_leaves_nothing_watched() -> None:
    loop, complaints = asyncio.get_running_loop(), list[object]()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    with paired() as (wire, theirs):
        reading = asyncio.create_task(wire.read())
        await asyncio.sleep(0)
        # It becomes readable in the very turn in which it is cancelled.
        theirs.send(b"late")
        loop.call_soon(reading.cancel)
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert not loop.remove_reader(wire._socket)
        assert await wire.read() == b"late"
    assert not complaints


async def test_closing_with_bytes_unsent_lets_go_of_them() -> None:
    with paired() as (wire, _):
        wire.write(LARGE)
        number = wire._socket.fileno()
        wire.close()
        wire.close()
        assert not asyncio.get_running_loop().remove_writer(number)


async def test_with_tls_much_goes_both_ways_and_the_end_needs_no_farewell(authority: Authority) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(len(LARGE)))
        await writer.drain()
        await reader.readexactly(3)
        writer.transport.abort()

    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=authority.server())
    async with server:
        port = server.sockets[0].getsockname()[1]
        wire = await connect(["127.0.0.1"], port, "localhost", tls_context(verify=False), Probe())
        with contextlib.closing(wire):
            wire.write(LARGE)
            assert await read(wire, len(LARGE)) == LARGE
            wire.write(b"bye")
            assert await wire.read() == b""
            assert await wire.read() == b""


async def test_a_peer_that_ends_the_handshake_resets_the_connection() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        before = os.listdir("/proc/self/fd")
        with pytest.raises(StepError, match=r"connection reset by localhost \(tls\)"):
            await connect(["127.0.0.1"], port, "localhost", tls_context(verify=False), Probe())
        assert len(os.listdir("/proc/self/fd")) <= len(before)


async def test_a_cancelled_connect_leaves_no_descriptor() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, contextlib.ExitStack() as others:
        port = server.getsockname()[1]
        # Whoever comes once the queue is full gets no answer.
        for _ in range(3):
            waiting = others.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        before = os.listdir("/proc/self/fd")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await connect(["127.0.0.1"], port, "h", None, Probe())
        assert os.listdir("/proc/self/fd") == before


class Far(socket.socket):
    """One that connects to somewhere else: how that went is not known at once."""

    _is_asked = False

    def connect_ex(self, address: tuple[str, int]) -> int:  # type: ignore[override]
        if self._is_asked:
            return errno.EALREADY
        self._is_asked = True
        return super().connect_ex(address)


@pytest.mark.parametrize("kind", [socket.socket, Far])
async def test_who_refuses_is_named(kind: type[socket.socket], monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setattr(socket, "socket", kind)
    with pytest.raises(StepError, match=f"connection refused by 127.0.0.1:{port}") as caught:
        await connect(["127.0.0.1"], port, "h", None, Probe())
    assert caught.value.failure.type is ErrorType.NETWORK


async def test_a_connection_that_takes_its_time_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(socket, "socket", Far)
        wire = await connect(["127.0.0.1"], server.getsockname()[1], "h", None, probe := Probe())
        with contextlib.closing(wire), server.accept()[0] as theirs:
            theirs.send(b"welcome")
            assert await wire.read() == b"welcome"
    assert probe.phases.connect is not None
