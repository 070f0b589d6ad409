"""Step types on datagrams, and peers that are absent, silent, lying or endless."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import dns.message

from engine.model import ErrorCategory, ErrorType, Outcome
from engine.workflows.steps.icmp import IcmpStep
from tests.engine.workflows.name_server import Answer, name_server, records
from tests.engine.workflows.talking import free_port
from tests.faults.steps.carrying import AMPLE, BRIEF, Case, Given, Peer
from tests.faults.steps.peers import GARBAGE

PERMANENT, TIMEOUT = ErrorType.PERMANENT, ErrorType.TIMEOUT
VALIDATION = ErrorCategory.VALIDATION
Reply = Callable[[bytes], Iterator[bytes]]


class Endless(socket.socket):
    """Has always one more datagram to be read, as under a flood that is faster than its reader."""

    def recv(self, *_: Any) -> bytes:
        return b""

    def send(self, data: Any, *_: Any) -> int:
        return len(data)


def datagram_cases() -> Iterator[Case]:
    """All of them."""
    yield from _udp()
    yield from _dns()
    yield from _icmp()


def _udp() -> Iterator[Case]:
    def udp(fault: str, peer: Peer, words: str, type: ErrorType = TIMEOUT, late: bool = True) -> Case:
        category = VALIDATION if type is PERMANENT else ErrorCategory.NETWORK
        return Case("udp", fault, (54,), peer, words, type, category, timeout=BRIEF if late else AMPLE)

    late = r"no answer with '\^yes\$' in it{} within 200 ms from PEER"
    yield udp("nobody there", _nobody, "connection refused by PEER .first byte.", ErrorType.NETWORK, False)
    yield udp("silence", _answering(lambda _: iter(())), late.format("") + " .first byte.")
    yield udp("garbage", _answering(lambda _: iter([GARBAGE])), late.format(", only '.+',") + " .transfer.")
    yield udp("empty answers without end", _flooding(b""), late.format("") + " .transfer.")
    too_much = "PEER sent over 65536 bytes .transfer."
    yield udp("answers without end", _flooding(b"n" * 8_000), too_much, PERMANENT, False)
    yield udp("an answer by somebody else", _strangers, late.format("") + " .first byte.")


def _spec(port: int) -> dict[str, Any]:
    return {"address": f"127.0.0.1:{port}", "talk": [{"send": "well?"}, {"expect": "^yes$"}]}


@contextlib.asynccontextmanager
async def _nobody(place: Path) -> AsyncIterator[Given]:
    yield Given(_spec(free_port()))


@contextlib.asynccontextmanager
async def _bound(on_datagram: Callable[[socket.socket, bytes, Any], None]) -> AsyncIterator[int]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as raw:
        raw.bind(("127.0.0.1", 0))
        raw.setblocking(False)
        loop = asyncio.get_running_loop()
        loop.add_reader(raw, lambda: on_datagram(raw, *raw.recvfrom(65_535)))
        try:
            yield raw.getsockname()[1]
        finally:
            loop.remove_reader(raw)


def _answering(reply: Reply) -> Peer:
    @contextlib.asynccontextmanager
    async def peer(place: Path) -> AsyncIterator[Given]:
        def answer(raw: socket.socket, data: bytes, sender: Any) -> None:
            for piece in reply(data):
                raw.sendto(piece, sender)

        async with _bound(answer) as port:
            yield Given(_spec(port))

    return peer


def _flooding(piece: bytes) -> Peer:
    """Answers from another process that never pauses, so that there is always one more to be read."""

    @contextlib.asynccontextmanager
    async def peer(place: Path) -> AsyncIterator[Given]:
        flood = await asyncio.create_subprocess_exec(
            "python3", "-c", _FLOOD, str(len(piece)), stdout=asyncio.subprocess.PIPE
        )
        assert flood.stdout is not None
        try:
            yield Given(_spec(int(await flood.stdout.readline())))
        finally:
            flood.kill()
            await flood.communicate()

    return peer


# Whoever asks is flooded until the next one asks, or a second is over.
_FLOOD = """
import contextlib, socket, sys, time
raw = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
raw.bind(("127.0.0.1", 0))
print(raw.getsockname()[1], flush=True)
piece, peers, ends = b"n" * int(sys.argv[1]), [], 0
while True:
    raw.setblocking(not peers)
    with contextlib.suppress(BlockingIOError, ConnectionError):
        peers.append(raw.recvfrom(100)[1])
        ends = time.monotonic() + 1
    for peer in peers:
        with contextlib.suppress(OSError):
            raw.sendto(piece, peer)
    if time.monotonic() > ends:
        peers.clear()
"""


@contextlib.asynccontextmanager
async def _strangers(place: Path) -> AsyncIterator[Given]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.1", 0))

        def answer(_: socket.socket, data: bytes, sender: Any) -> None:
            stranger.sendto(b"yes", sender)

        async with _bound(answer) as port:
            yield Given(_spec(port))


def _dns() -> Iterator[Case]:
    def ask(
        fault: str,
        answer: Answer,
        words: str,
        type: ErrorType = PERMANENT,
        category: ErrorCategory = VALIDATION,
    ) -> Case:
        timeout = BRIEF if type is TIMEOUT else AMPLE
        return Case("dns", fault, (54, 58), _serving(answer), words, type, category, timeout=timeout)

    network, late = ErrorCategory.NETWORK, "no answer within 200 ms from PEER .first byte."
    asked = r"PEER answered {} for x\.test A"
    yield ask("no such name", records(code=3), asked.format("NXDOMAIN"), PERMANENT, ErrorCategory.NOT_FOUND)
    yield ask("it fails", records(code=2), asked.format("SERVFAIL"), ErrorType.TRANSIENT, network)
    yield ask("silence", lambda question, over_tcp: [], late, TIMEOUT, network)
    yield ask("garbage without the question's number", lambda *_: [GARBAGE[:500]], late, TIMEOUT, network)
    words = "PEER does not speak DNS as it should: .+ .first byte."
    yield ask("garbage", _after_number(GARBAGE[:500]), words)
    yield ask("an answer that is cut short", _cut_short, words)
    yield ask("an answer to another question", _another, "PEER answered another question .first byte.")
    strays = "PEER sent 100 answers to other questions .first byte."
    yield ask("a flood of other answers", lambda *_: [b"\0" * 20] * 120, strays, ErrorType.NETWORK, network)
    yield ask("a pointer that leads to itself", _after_number(_LOOP), words)
    words = "PEER closed the connection before the answer was complete .first byte."
    yield ask("an answer that does not fit, and none over TCP", _half, words, ErrorType.NETWORK, network)


_LOOP = b"\x81\x80" + b"\0\1\0\1\0\0\0\0" + b"\xc0\x0c\0\1\0\1" * 2


def _serving(answer: Answer) -> Peer:
    @contextlib.asynccontextmanager
    async def peer(place: Path) -> AsyncIterator[Given]:
        async with name_server(answer) as server:
            yield Given({"name": "x.test", "server": server})

    return peer


def _after_number(data: bytes) -> Answer:
    return lambda question, over_tcp: [question.id.to_bytes(2, "big") + data]


def _cut_short(question: dns.message.Message, over_tcp: bool) -> list[bytes]:
    return [records("x.test. 60 A 192.0.2.1")(question, over_tcp)[0][:-3]]


def _another(question: dns.message.Message, over_tcp: bool) -> list[bytes]:
    other = dns.message.make_query("y.test", "A", id=question.id)
    return records("y.test. 60 A 192.0.2.1")(other, over_tcp)


def _half(question: dns.message.Message, over_tcp: bool) -> list[bytes]:
    """Too long for a datagram; over TCP it never comes."""
    if over_tcp:
        return []
    return records(*[f"x.test. 60 A 10.0.0.{n}" for n in range(250)])(question, False)


def _icmp() -> Iterator[Case]:
    def ping(
        fault: str,
        peer: Peer,
        words: str,
        type: ErrorType = ErrorType.NETWORK,
        outcome: Outcome = Outcome.FAILED,
    ) -> Case:
        category = VALIDATION if type is PERMANENT else ErrorCategory.NETWORK
        return Case("icmp", fault, (54,), peer, words, type, category, outcome, timeout=BRIEF)

    nothing = r"no answer to 2 echo requests from 127\.0\.0\.1 .echo."
    yield ping("silence", _echoing(_answering(lambda _: iter(()))), nothing, TIMEOUT)
    yield ping("answers to somebody else", _echoing(_answering(_foreign)), nothing, TIMEOUT)
    flood = _opening(lambda: Endless(socket.AF_INET, socket.SOCK_DGRAM))
    yield ping("a flood", flood, nothing, TIMEOUT)
    yield ping("nobody there", _echoing(_nobody), r"connection refused by 127\.0\.0\.1 .echo.")
    yield ping("no way there", _refusing(OSError(errno.ENETUNREACH, "x")), r"no route to 127\.0\.0\.1 .echo.")
    forbidden = PermissionError(errno.EPERM, "Operation not permitted")
    words = "this user may not ping; .+"
    yield ping("the kernel forbids it", _refusing(forbidden), words, PERMANENT, Outcome.ERROR)


_PING = {"host": "127.0.0.1", "count": 2, "interval": "10ms", "wait": "50ms"}


def _foreign(request: bytes) -> Iterator[bytes]:
    yield b"\0" + request[1:8] + b"x" * 56
    yield GARBAGE[:40]
    yield b""


def _echoing(udp: Peer) -> Peer:
    """Datagrams to a port in place of echo requests: the kernel gives both as they come."""

    @contextlib.asynccontextmanager
    async def peer(place: Path) -> AsyncIterator[Given]:
        async with udp(place) as given:
            host, _, port = given.spec["address"].partition(":")

            def opened() -> socket.socket:
                raw = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                raw.connect((host, int(port)))
                return raw

            async with _opening(opened)(place) as pinging:
                yield pinging

    return peer


def _refusing(error: OSError) -> Peer:
    def opened() -> socket.socket:
        raise error

    return _opening(opened)


def _opening(opened: Callable[[], socket.socket]) -> Peer:
    @contextlib.asynccontextmanager
    async def peer(place: Path) -> AsyncIterator[Given]:
        yield Given(_PING, makers={"icmp": lambda clock: IcmpStep(clock, None, lambda _: opened())})

    return peer
