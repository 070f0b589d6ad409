"""What is recorded about a run: spans, log records, points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from engine.model.record import record
from engine.model.words import Direction, LogLevel, Scalar, SpanKind, SpanStatus


@record(frozen=True, slots=True)
class SpanEvent:
    at: float
    name: str
    attributes: Mapping[str, Scalar] = field(default_factory=dict)


@record(frozen=True, slots=True)
class SpanLink:
    """A span, mostly of another trace, that has to do with this one without being its parent."""

    trace_id: str
    span_id: str
    attributes: Mapping[str, Scalar] = field(default_factory=dict)


@record(frozen=True, slots=True)
class Span:
    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: SpanKind
    started_at: float
    duration: float
    status: SpanStatus = SpanStatus.UNSET
    attributes: Mapping[str, Scalar] = field(default_factory=dict)
    events: tuple[SpanEvent, ...] = ()
    execution_id: int | None = None
    links: tuple[SpanLink, ...] = ()


@record(frozen=True, slots=True)
class LogRecord:
    """One structured log line; `id` is 0 until stored. `source` names the files it was read from, if any."""

    at: float
    level: LogLevel
    message: str
    workflow_id: str | None = None
    execution_id: int | None = None
    trace_id: str | None = None
    span_id: str | None = None
    fields: Mapping[str, Scalar] = field(default_factory=dict)
    id: int = 0
    source: str | None = None


@record(frozen=True, slots=True)
class SourceFile:
    """How far a file of a source has been read.

    Args:
        source: the name of the source.
        file: `device:inode`, which a file keeps when it is renamed.
        path: where it was when it was last read.
        offset: bytes.
        read_at: seconds since the epoch.
    """

    source: str
    file: str
    path: str
    offset: int
    read_at: float


@record(frozen=True, slots=True)
class Point:
    """One value of a series; `labels` is sorted pairs, so that equal series compare equal."""

    name: str
    labels: tuple[tuple[str, str], ...]
    at: float
    value: float


@record(frozen=True, slots=True)
class Trend:
    """Where a measure went over a period.

    Args:
        change: of the second half against the first, as a share (0.2: a fifth more); None when the first
            half is nothing, or too little is known.
        chance: how probable, 0–1, so steep a slope is where there is none.
    """

    direction: Direction
    change: float | None
    chance: float
