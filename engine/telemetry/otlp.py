"""Spans, log lines and points as OTLP/JSON documents (opentelemetry-proto 1, JSON mapping of OTLP 1.x).

That mapping is protobuf's but for identifiers, which are hexadecimal, and enumerations, which are numbers.
What has no place in it is left out or said as text: no record shall make a collector refuse its whole batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from engine.model import LogRecord, Point, Scalar, Span, SpanStatus
from engine.telemetry.tracing import TRACESTATE
from engine.version import __version__

Document = dict[str, Any]

SERVICE: Mapping[str, Scalar] = {"service.name": "tocsin", "service.version": __version__}
"""The resource that everything comes from, unless told otherwise."""

_SCOPE = {"name": "tocsin", "version": __version__}
_KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
_STATUS = {SpanStatus.OK: 1, SpanStatus.ERROR: 2}
_SECONDS = ("workflow.duration", "step.duration", "http.")
_INT64 = range(-(2**63), 2**63)
_LATEST = 2**63 - 1


def spans_document(spans: Iterable[Span], resource: Mapping[str, Scalar] = SERVICE) -> Document:
    """An ExportTraceServiceRequest; also what a file of traces holds."""
    return _document("resourceSpans", "scopeSpans", "spans", map(_span, spans), resource)


def logs_document(records: Iterable[LogRecord], resource: Mapping[str, Scalar] = SERVICE) -> Document:
    """An ExportLogsServiceRequest."""
    return _document("resourceLogs", "scopeLogs", "logRecords", map(_log, records), resource)


def points_document(points: Sequence[Point], resource: Mapping[str, Scalar] = SERVICE) -> Document:
    """An ExportMetricsServiceRequest: a gauge of each name, its labels as attributes."""
    by_name: dict[str, list[Point]] = {}
    for point in points:
        by_name.setdefault(point.name, []).append(point)
    return _document(
        "resourceMetrics",
        "scopeMetrics",
        "metrics",
        (_gauge(*series) for series in by_name.items()),
        resource,
    )


def _document(
    outer: str, inner: str, name: str, items: Iterable[Document], resource: Mapping[str, Scalar]
) -> Document:
    scoped = {"scope": _SCOPE, name: list(items)}
    return {outer: [{"resource": {"attributes": _attributes(resource)}, inner: [scoped]}]}


def _span(span: Span) -> Document:
    start = _nanos(span.started_at)
    attributes = dict(span.attributes)
    state = attributes.pop(TRACESTATE, None)
    if span.execution_id is not None:
        attributes["execution.id"] = span.execution_id
    document: Document = {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "name": _text(span.name),
        "kind": _KINDS.index(span.kind.value),
        "startTimeUnixNano": str(start),
        # Added in whole nanoseconds: a sum of floats would round to a quarter of a microsecond.
        "endTimeUnixNano": str(min(start + _nanos(span.duration), _LATEST)),
        "attributes": _attributes(attributes),
        "status": _status(span),
    }
    if isinstance(state, str):
        document["traceState"] = _text(state)
    if span.parent_id:
        document["parentSpanId"] = span.parent_id
    if span.events:
        document["events"] = [
            {
                "timeUnixNano": str(_nanos(event.at)),
                "name": _text(event.name),
                "attributes": _attributes(event.attributes),
            }
            for event in span.events
        ]
    if span.links:
        document["links"] = [
            {"traceId": link.trace_id, "spanId": link.span_id, "attributes": _attributes(link.attributes)}
            for link in span.links
        ]
    return document


def _status(span: Span) -> Document:
    if span.status not in _STATUS:
        return {}
    status: Document = {"code": _STATUS[span.status]}
    message = span.attributes.get("error.message")
    if span.status is SpanStatus.ERROR and message is not None:
        status["message"] = _text(str(message))
    return status


def _log(record: LogRecord) -> Document:
    at = str(_nanos(record.at))
    attributes = dict(record.fields)
    if record.workflow_id is not None:
        attributes["workflow.id"] = record.workflow_id
    if record.execution_id is not None:
        attributes["execution.id"] = record.execution_id
    document: Document = {
        "timeUnixNano": at,
        "observedTimeUnixNano": at,
        "severityNumber": int(record.level),
        "severityText": record.level.name,
        "body": {"stringValue": _text(record.message)},
        "attributes": _attributes(attributes),
    }
    if record.trace_id:
        document["traceId"] = record.trace_id
    if record.span_id:
        document["spanId"] = record.span_id
    return document


def _gauge(name: str, points: Sequence[Point]) -> Document:
    values = [
        {
            "timeUnixNano": str(_nanos(point.at)),
            "asDouble": _double(point.value),
            "attributes": _attributes(dict(point.labels)),
        }
        for point in points
    ]
    unit = "s" if name.startswith(_SECONDS) else "1"
    return {"name": _text(name), "unit": unit, "gauge": {"dataPoints": values}}


def _attributes(values: Mapping[str, Scalar]) -> list[Document]:
    """Typed; what is None is left out, as OpenTelemetry has it."""
    return [
        {"key": _text(key), "value": _value(value)}
        for key, value in values.items()
        if value is not None and key
    ]


def _value(value: str | float | bool) -> Document:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)} if value in _INT64 else {"stringValue": str(value)}
    return {"doubleValue": _double(value)} if isinstance(value, float) else {"stringValue": _text(value)}


def _double(value: float) -> float | str:
    if math.isnan(value):
        return "NaN"
    return value if math.isfinite(value) else ("Infinity" if value > 0 else "-Infinity")


def _nanos(seconds: float) -> int:
    """Unsigned in the protocol; times that are none, or before 1970, are 0."""
    if not math.isfinite(seconds):
        return 0
    # Apart, since a float of the whole has no room for nanoseconds.
    whole = math.floor(seconds)
    return min(max(whole * 10**9 + round((seconds - whole) * 1e9), 0), _LATEST)


def _text(text: str) -> str:
    """UTF-8 has no lone surrogates, and one of them would cost the whole batch."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
