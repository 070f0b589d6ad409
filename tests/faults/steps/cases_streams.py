"""Step types on one connection, and servers that are dead, slow, half-open, resetting, lying or endless."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from engine.model import ErrorCategory, ErrorType
from tests.faults.steps.carrying import AMPLE, BRIEF, Case
from tests.faults.steps.peers import FAULTS, At


class Way(NamedTuple):
    """How a step reaches a server, and the sentences that are its own.

    `place` is where it is when the server does not answer; `own` has a sentence per fault, with the error's
    type where it is not of the network.
    """

    label: str
    kind: str
    at: At
    place: str
    own: Mapping[str, str | tuple[str, ErrorType]]
    category: ErrorCategory = ErrorCategory.NETWORK


PERMANENT, TIMEOUT = ErrorType.PERMANENT, ErrorType.TIMEOUT
LATE = "no answer within 200 ms from PEER"
SQL_LATE = "no answer from PEER within 200 ms"
NO_TLS = r"TLS with 127\.0\.0\.1 failed: wrong version number .tls."
NO_HTTP2 = "PEER does not speak HTTP/2 as it should: .+ .first byte."

STREAMS = (
    Way(
        "plain",
        "tcp",
        lambda at: {"address": at, "talk": [{"send": "hi\r\n"}, {"expect": "never"}]},
        "first byte",
        {
            "is silent": ("no answer with 'never' in it within 200 ms from PEER .first byte.", TIMEOUT),
            "hangs up": "PEER closed the connection before 'never' came .first byte.",
            "says garbage": (
                "no answer with 'never' in it, only '.+', within 200 ms from PEER .transfer.",
                TIMEOUT,
            ),
            "trickles": (
                "no answer with 'never' in it, only '.+', within 200 ms from PEER .transfer.",
                TIMEOUT,
            ),
            "never ends": ("PEER sent over 65536 bytes .transfer.", PERMANENT),
        },
    ),
    Way(
        "STARTTLS",
        "tcp",
        lambda at: {"address": at, "starttls": "smtp"},
        "tls",
        {
            "hangs up": "PEER closed the connection before TLS began .tls.",
            "says garbage": ("PEER does not begin TLS by smtp: the greeting gave '.+' .tls.", PERMANENT),
            "trickles": (f"{LATE} .tls.", TIMEOUT),
            "never ends": ("PEER does not begin TLS by smtp: it said over 16384 bytes .tls.", PERMANENT),
        },
    ),
    Way(
        "handshake",
        "tls",
        lambda at: {"address": at},
        "tls",
        {
            "resets": r"connection reset by 127\.0\.0\.1 .tls.",
            "hangs up": r"connection (closed|reset) by 127\.0\.0\.1 .tls.",
            "says garbage": NO_TLS,
            "trickles": NO_TLS,
            "never ends": NO_TLS,
        },
    ),
    Way(
        "HTTP/1.1",
        "http",
        lambda at: {"url": f"http://{at}/"},
        "first byte",
        {
            "hangs up": "PEER closed the connection without an answer .first byte.",
            "says garbage": "PEER does not speak HTTP as it should: .+ .first byte.",
            "trickles": "PEER does not speak HTTP as it should: .+ .first byte.",
            "never ends": "PEER (sent headers over 65536 bytes|does not speak HTTP .+) .first byte.",
        },
    ),
    Way(
        "HTTP/2",
        "http",
        lambda at: {"url": f"http://{at}/", "http_version": "2"},
        "first byte",
        {
            "hangs up": "PEER closed the connection without an answer .first byte.",
            "says garbage": (f"{LATE} .first byte.", TIMEOUT),
            "trickles": (f"{LATE} .first byte.", TIMEOUT),
            "never ends": NO_HTTP2,
        },
    ),
    Way(
        "plain",
        "websocket",
        lambda at: {"url": f"ws://{at}/"},
        "first byte",
        {
            "hangs up": "PEER closed the connection in the middle .first byte.",
            "says garbage": "PEER does not speak WebSocket as it should: .+ .first byte.",
            "trickles": (f"{LATE} .first byte.", TIMEOUT),
            "never ends": "PEER does not speak WebSocket as it should: .+ .first byte.",
        },
    ),
    Way(
        "plain",
        "grpc",
        lambda at: {"address": at},
        "first byte",
        {
            "hangs up": "PEER closed the connection without an answer .first byte.",
            "says garbage": (f"{LATE} .first byte.", TIMEOUT),
            "trickles": (f"{LATE} .first byte.", TIMEOUT),
            "never ends": NO_HTTP2,
        },
    ),
    Way(
        "over TCP",
        "dns",
        lambda at: {"name": "shop.test", "server": at, "protocol": "tcp"},
        "first byte",
        {
            "hangs up": "PEER closed the connection before the answer was complete .first byte.",
            "says garbage": (f"{LATE} .first byte.", TIMEOUT),
            "trickles": (f"{LATE} .first byte.", TIMEOUT),
            "never ends": ("PEER does not speak DNS as it should: .+ .first byte.", PERMANENT),
        },
    ),
    Way(
        "PostgreSQL",
        "sql",
        lambda at: {"url": f"postgresql://u@{at}/d", "query": "select 1"},
        "connect",
        {
            "refuses": "PEER: connection refused .connect.",
            "resets": "PEER: (server closed the connection unexpectedly|.*reset by peer) .connect.",
            "hangs up": "PEER: server closed the connection unexpectedly .connect.",
            "says garbage": "PEER does not speak PostgreSQL as it should: .+ .connect.",
            "trickles": "PEER does not speak PostgreSQL as it should: .+ .connect.",
            "never ends": "PEER does not speak PostgreSQL as it should: .+ .connect.",
        },
        ErrorCategory.DATABASE,
    ),
    Way(
        "MySQL",
        "sql",
        lambda at: {"url": f"mysql://u@{at}/d", "query": "select 1"},
        "connect",
        {
            "refuses": "PEER: connection refused .connect.",
            "resets": "PEER: the connection broke: connection reset by peer .connect.",
            "hangs up": "PEER: the server closed the connection .connect.",
            "says garbage": "PEER does not speak MySQL as it should: .+ .connect.",
            "trickles": "PEER does not speak MySQL as it should: .+ .connect.",
            "never ends": "PEER does not speak MySQL as it should: .+ .connect.",
        },
        ErrorCategory.DATABASE,
    ),
)


def stream_cases() -> Iterator[Case]:
    """Every way with every fault that any server may have."""
    for way in STREAMS:
        late = SQL_LATE if way.kind == "sql" else LATE
        common = {
            "refuses": "connection refused by PEER .connect.",
            "answers no connecting": (f"{late} .connect.", TIMEOUT),
            "is silent": (f"{late} .{way.place}.", TIMEOUT),
            "resets": f"connection reset by PEER .{way.place}.",
        }
        for fault, make in FAULTS.items():
            said = {**common, **way.own}[fault]
            words, kind = said if isinstance(said, tuple) else (said, ErrorType.NETWORK)
            yield Case(
                way.kind,
                f"{way.label}: a server that {fault}",
                (54,),
                make(way.at),
                words,
                kind,
                # What cannot be read is the target's fault as a whole, and no trouble of the way to it.
                ErrorCategory.VALIDATION if kind is PERMANENT else way.category,
                timeout=BRIEF if kind is TIMEOUT else AMPLE,
            )
