"""What is recorded about a run: spans, log records, points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.model.words import LogLevel, Scalar, SpanKind, SpanStatus


@dataclass(frozen=True, slots=True)
class SpanEvent:
    at: float
    name: str
    attributes: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One structured log line; `id` is 0 until stored."""

    at: float
    level: LogLevel
    message: str
    workflow_id: str | None = None
    execution_id: int | None = None
    trace_id: str | None = None
    span_id: str | None = None
    fields: Mapping[str, Scalar] = field(default_factory=dict)
    id: int = 0


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a series; `labels` is sorted pairs, so that equal series compare equal."""

    name: str
    labels: tuple[tuple[str, str], ...]
    at: float
    value: float
