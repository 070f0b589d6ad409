"""Spans as they are built, and W3C Trace Context to pass on."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.model import Scalar, Span, SpanEvent, SpanKind, SpanLink, SpanStatus

TRACESTATE = "w3c.tracestate"
"""The attribute in which a span keeps the W3C `tracestate` that it came with."""
TRACESTATE_LIMIT = 512
"""Characters of one that is kept; the standard asks for no more, and what is cut means something else."""

_TRACEPARENT = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(-.*)?"
)

# Identifiers are no secrets: a generator of their own, seeded by the system, is random enough.
_random_bits = random.Random().getrandbits


def new_trace_id() -> str:
    """32 random hexadecimal digits."""
    return _random_bits(128).to_bytes(16, "big").hex()


def new_span_id() -> str:
    """16 random hexadecimal digits."""
    return _random_bits(64).to_bytes(8, "big").hex()


def traceparent(trace_id: str, span_id: str, *, sampled: bool = True) -> str:
    """The W3C header that makes the receiver's spans children of `span_id`, and says whether to keep them."""
    return f"00-{trace_id}-{span_id}-{'01' if sampled else '00'}"


def parse_traceparent(header: str) -> tuple[str, str] | None:
    """Trace and span id of a W3C `traceparent`, None when it is not valid.

    Versions later than 00 may say more behind a dash; of them as much is read as is known.
    """
    match = _TRACEPARENT.fullmatch(header.strip(" \t"))
    if match is None or (match[1] == "00" and match[4]):
        return None
    return match[2], match[3]


@dataclass(slots=True)
class OpenSpan:
    """A span that has begun; its id is known before its end, so that children and headers can name it."""

    trace_id: str
    name: str
    started_at: float
    kind: SpanKind = SpanKind.INTERNAL
    parent_id: str | None = None
    span_id: str = field(default_factory=new_span_id)
    events: list[SpanEvent] = field(default_factory=list)
    links: tuple[SpanLink, ...] = ()

    def child(self, name: str, started_at: float, kind: SpanKind = SpanKind.INTERNAL) -> OpenSpan:
        """A span below this one."""
        return OpenSpan(self.trace_id, name, started_at, kind, self.span_id)

    def add_event(self, at: float, name: str, **attributes: Scalar) -> None:
        self.events.append(SpanEvent(at, name, attributes))

    def finish(
        self,
        duration: float,
        status: SpanStatus,
        attributes: Mapping[str, Scalar],
        execution_id: int | None = None,
    ) -> Span:
        """The finished record; `duration` in seconds."""
        return Span(
            self.trace_id,
            self.span_id,
            self.parent_id,
            self.name,
            self.kind,
            self.started_at,
            duration,
            status,
            attributes,
            tuple(self.events),
            execution_id,
            self.links,
        )
