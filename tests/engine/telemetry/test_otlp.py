"""OTLP/JSON documents."""

from __future__ import annotations

import json
import math

import pytest

from engine.model import (
    LogLevel,
    LogRecord,
    Point,
    Scalar,
    Span,
    SpanEvent,
    SpanKind,
    SpanLink,
    SpanStatus,
)
from engine.telemetry.otlp import Document, logs_document, points_document, spans_document
from engine.version import __version__

TRACE, OTHER = "0af7651916cd43dd8448eb211c80319c", "1" * 32
PARENT, SPAN = "b7ad6b7169203331", "00f067aa0ba902b7"
AT = 1_700_000_000.25
SCOPE = {"name": "tocsin", "version": __version__}
RESOURCE = {
    "attributes": [
        {"key": "service.name", "value": {"stringValue": "tocsin"}},
        {"key": "service.version", "value": {"stringValue": __version__}},
    ]
}


def text(key: str, value: str) -> Document:
    return {"key": key, "value": {"stringValue": value}}


def a_span() -> Span:
    return Span(
        TRACE, SPAN, PARENT, "login", SpanKind.CLIENT, AT, 0.1234567, SpanStatus.ERROR,
        {"http.response.status_code": 503, "phase.dns": 0.5, "cached": False, "none": None,
         "error.message": "down"},
        (SpanEvent(AT + 1, "retry", {"attempt": 2}),), 42, (SpanLink(OTHER, PARENT, {"why": "cause"}),),
    )  # fmt: skip


def test_a_span_with_all_it_can_have() -> None:
    expected = {
        "traceId": TRACE,
        "spanId": SPAN,
        "parentSpanId": PARENT,
        "name": "login",
        "kind": 3,
        "startTimeUnixNano": "1700000000250000000",
        "endTimeUnixNano": "1700000000373456700",
        "attributes": [
            {"key": "http.response.status_code", "value": {"intValue": "503"}},
            {"key": "phase.dns", "value": {"doubleValue": 0.5}},
            {"key": "cached", "value": {"boolValue": False}},
            text("error.message", "down"),
            {"key": "execution.id", "value": {"intValue": "42"}},
        ],
        "status": {"code": 2, "message": "down"},
        "events": [
            {
                "timeUnixNano": "1700000001250000000",
                "name": "retry",
                "attributes": [{"key": "attempt", "value": {"intValue": "2"}}],
            }
        ],
        "links": [{"traceId": OTHER, "spanId": PARENT, "attributes": [text("why", "cause")]}],
    }
    assert spans_document([a_span()]) == {
        "resourceSpans": [{"resource": RESOURCE, "scopeSpans": [{"scope": SCOPE, "spans": [expected]}]}]
    }


@pytest.mark.parametrize(
    ("status", "expected"),
    [(SpanStatus.UNSET, {}), (SpanStatus.OK, {"code": 1}), (SpanStatus.ERROR, {"code": 2})],
)
def test_a_root_span_is_bare(status: SpanStatus, expected: Document) -> None:
    document = spans_document([Span(TRACE, SPAN, None, "run", SpanKind.INTERNAL, AT, 0.0, status)])
    (span,) = document["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert span["status"] == expected
    assert not {"parentSpanId", "events", "links"} & set(span)
    assert span["kind"] == 1


def test_a_log_record() -> None:
    record = LogRecord(AT, LogLevel.WARNING, "slow ⏎ 7", "user-login", 42, TRACE, SPAN, {"took": 2.5})
    bare = LogRecord(AT, LogLevel.FATAL, "stopped")
    document = logs_document([record, bare], {"service.name": "other"})
    (resource,) = document["resourceLogs"]
    assert resource["resource"] == {"attributes": [text("service.name", "other")]}
    first, second = resource["scopeLogs"][0]["logRecords"]
    assert first == {
        "timeUnixNano": "1700000000250000000",
        "observedTimeUnixNano": "1700000000250000000",
        "severityNumber": 13,
        "severityText": "WARNING",
        "body": {"stringValue": "slow ⏎ 7"},
        "attributes": [
            {"key": "took", "value": {"doubleValue": 2.5}},
            text("workflow.id", "user-login"),
            {"key": "execution.id", "value": {"intValue": "42"}},
        ],
        "traceId": TRACE,
        "spanId": SPAN,
    }
    assert (second["severityNumber"], second["attributes"]) == (21, [])
    assert "traceId" not in second


def test_points_become_a_gauge_of_each_name() -> None:
    of = (("workflow", "user-login"),)
    points = [
        Point("workflow.duration", of, AT, 0.5),
        Point("workflow.success", of, AT, 1.0),
        Point("workflow.duration", of, AT + 30, 0.75),
    ]
    metrics = points_document(points)["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]
    assert [(metric["name"], metric["unit"]) for metric in metrics] == [
        ("workflow.duration", "s"),
        ("workflow.success", "1"),
    ]
    assert metrics[0]["gauge"]["dataPoints"][1] == {
        "timeUnixNano": "1700000030250000000",
        "asDouble": 0.75,
        "attributes": [text("workflow", "user-login")],
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2**63 - 1, {"intValue": "9223372036854775807"}),
        (2**63, {"stringValue": "9223372036854775808"}),
        (True, {"boolValue": True}),
        (math.nan, {"doubleValue": "NaN"}),
        (-math.inf, {"doubleValue": "-Infinity"}),
        ("a\ud800b", {"stringValue": "a?b"}),
    ],
)
def test_no_value_spoils_its_batch(value: Scalar, expected: Document) -> None:
    record = LogRecord(AT, LogLevel.INFO, "x", fields={"value": value, "": "no name"})
    (said,) = logs_document([record])["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["attributes"]
    assert said == {"key": "value", "value": expected}


@pytest.mark.parametrize(("at", "expected"), [(-5.0, 0), (math.nan, 0), (1e300, 2**63 - 1)])
def test_no_time_spoils_its_batch(at: float, expected: int) -> None:
    span = Span(TRACE, SPAN, None, "x", SpanKind.INTERNAL, at, 1e300)
    (said,) = spans_document([span])["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert said["startTimeUnixNano"] == str(expected)
    assert said["endTimeUnixNano"] == str(2**63 - 1)
    json.dumps(said, allow_nan=False)
