"""Every step type that looks names up, and name servers that are dead, lying or of two minds."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import dns.message

from engine.clock import Clock
from engine.model import ErrorCategory, ErrorType
from engine.workflows.steps.icmp import IcmpStep
from engine.workflows.steps.resolver import Resolver
from tests.engine.workflows.name_server import Answer, name_server, records
from tests.engine.workflows.talking import free_port
from tests.faults.steps.carrying import BRIEF, Case, Given, Peer
from tests.faults.steps.peers import GARBAGE

NAME = "shop.test"
Spec = Callable[[int], Mapping[str, Any]]

SPECS: dict[str, Spec] = {
    "dns": lambda port: {"name": "x.test", "server": f"{NAME}:{port}"},
    "grpc": lambda port: {"address": f"{NAME}:{port}"},
    "http": lambda port: {"url": f"http://{NAME}:{port}/"},
    "icmp": lambda port: {"host": NAME, "count": 1},
    "sql": lambda port: {"url": f"postgresql://u@{NAME}:{port}/d", "query": "select 1"},
    "tcp": lambda port: {"address": f"{NAME}:{port}"},
    "tls": lambda port: {"address": f"{NAME}:{port}"},
    "udp": lambda port: {"address": f"{NAME}:{port}", "talk": [{"send": "a"}, {"expect": "b"}]},
    "websocket": lambda port: {"url": f"ws://{NAME}:{port}/"},
}
_LATE = {"sql": "no answer from PEER within 200 ms .dns."}
_REFUSED = {
    "dns": "connection refused by {} .first byte.",
    "icmp": "no route to {} .echo.",
    "udp": "connection refused by {} .first byte.",
}
_BY_TURNS = frozenset(SPECS) - {"sql"}
"""Those whose sentences say which address it was."""


def by_turns(*answers: Answer) -> Answer:
    """One answer for each address that is asked for, from the first again after the last."""
    asked = 0

    def answer(question: dns.message.Message, over_tcp: bool) -> list[bytes]:
        nonlocal asked
        found = question.question[0]
        if found.name.to_text() != f"{NAME}.":
            return records(code=3)(question, over_tcp)
        if found.rdtype != 1:
            return records()(question, over_tcp)
        asked += 1
        return answers[(asked - 1) % len(answers)](question, over_tcp)

    return answer


def at(address: str) -> Answer:
    return records(f"{NAME}. 0 A {address}")


FAILING, UNKNOWN = records(code=2), records(code=3)


def silence(question: dns.message.Message, over_tcp: bool) -> list[bytes]:
    """Says nothing."""
    return []


def nonsense(question: dns.message.Message, over_tcp: bool) -> list[bytes]:
    """The right number, and garbage after it."""
    return [question.id.to_bytes(2, "big") + GARBAGE[:500], GARBAGE[:3], b""]


def name_cases() -> Iterator[Case]:
    """Every type with every fault of a name server."""
    for kind, spec in SPECS.items():
        late = _LATE.get(kind, f"no answer within 200 ms from {NAME} .dns.")
        unknown = f"name {NAME} does not resolve .dns."

        def case(
            fault: str,
            answer: Answer,
            words: str,
            type: ErrorType = ErrorType.NETWORK,
            attempts: int = 1,
            kind: str = kind,
            spec: Spec = spec,
        ) -> Case:
            is_late = type is ErrorType.TIMEOUT
            category = ErrorCategory.DATABASE if kind == "sql" and is_late else ErrorCategory.NETWORK
            timeout = BRIEF if is_late else 4.0
            peer = _named(answer, spec)
            return Case(
                kind,
                f"name server: {fault}",
                (58,),
                peer,
                words,
                type,
                category,
                timeout=timeout,
                attempts=attempts,
            )

        yield case("no such name", UNKNOWN, unknown)
        yield case("it fails", FAILING, f"name {NAME} does not resolve.* .dns.|no name server answered.*")
        yield case("it is silent", silence, late, ErrorType.TIMEOUT)
        yield case("it says garbage", nonsense, f"name {NAME} does not resolve: .+ .dns.")
        if kind in _BY_TURNS:
            refused = _REFUSED.get(kind, "connection refused by {} .connect.")
            moving = by_turns(at("127.0.0.1"), at("127.0.0.2"))
            yield case("the address changes between attempts", moving, refused.format("OTHER"), attempts=2)
            flapping = by_turns(UNKNOWN, at("127.0.0.2"))
            yield case("no such name, then an address", flapping, refused.format("OTHER"), attempts=2)
            going = by_turns(at("127.0.0.2"), UNKNOWN)
            yield case("an address, then no such name", going, unknown, attempts=2)


def _named(answer: Answer, spec: Spec) -> Peer:
    """A name server, and a port that nobody listens at."""

    @contextlib.asynccontextmanager
    async def peer(place: Path) -> AsyncIterator[Given]:
        async with name_server(answer) as server:

            def echoless(clock: Clock) -> IcmpStep:
                return IcmpStep(clock, Resolver([server]), _no_way)

            yield Given(spec(free_port()), server, {"icmp": echoless})

    return peer


def _no_way(address: str) -> socket.socket:
    raise OSError(errno.ENETUNREACH, "Network is unreachable")
