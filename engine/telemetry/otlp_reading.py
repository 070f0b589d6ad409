"""Spans out of OTLP/JSON documents that other programs send; the reverse is `engine.telemetry.otlp`.

What a document says is foreign: texts are made safe, numbers have to be numbers, and there is a bound to
everything. A span that cannot be read is counted and left out; it does not cost its neighbours their place.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.model import Scalar, Span, SpanEvent, SpanKind, SpanLink, SpanStatus
from engine.telemetry.tracing import TRACESTATE, TRACESTATE_LIMIT
from engine.text import clean

NAME_LIMIT = 200
VALUE_LIMIT = 1_000
MAX_ATTRIBUTES = 64
MAX_EVENTS = 32
MAX_LINKS = 16

_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}", re.IGNORECASE)
_SPAN_ID = re.compile(r"(?!0{16})[0-9a-f]{16}", re.IGNORECASE)
_KINDS = ("internal", "internal", "server", "client", "producer", "consumer")
_STATUS = (SpanStatus.UNSET, SpanStatus.OK, SpanStatus.ERROR)
_STATUS_NAMES = ("STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR")
_LATEST = 2**63
_YEAR_LONG = 366 * 86_400.0


class UnreadableError(ValueError):
    """This is no OTLP document of spans."""


@dataclass(frozen=True, slots=True)
class Read:
    """The spans that were found, and how many others could not be read."""

    spans: tuple[Span, ...]
    unreadable: int = 0


def read_spans(body: bytes) -> Read:
    """Read an ExportTraceServiceRequest.

    Raises:
        UnreadableError: it is something else.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise UnreadableError("this is no JSON") from None
    return read_document(document)


def read_document(document: object) -> Read:
    """Read an ExportTraceServiceRequest as JSON has it. Raises UnreadableError."""
    if not isinstance(document, dict) or not isinstance(document.get("resourceSpans", []), list):
        raise UnreadableError("this is no OTLP/JSON document with resourceSpans")
    spans: list[Span] = []
    unreadable = 0
    for resource, item in _items(document):
        try:
            spans.append(_span(item, resource))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError):
            unreadable += 1
    return Read(tuple(spans), unreadable)


def _items(document: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Scalar], Any]]:
    """Each span with what is said of its resource: the name of the service."""
    for group in _dicts(document.get("resourceSpans")):
        resource = group.get("resource")
        said = _attributes(resource.get("attributes") if isinstance(resource, dict) else None)
        service = {key: value for key, value in said.items() if key == "service.name"}
        for scope in _dicts(group.get("scopeSpans")):
            spans = scope.get("spans")
            for item in spans if isinstance(spans, list) else ():
                yield service, item


def _span(item: Mapping[str, Any], resource: Mapping[str, Scalar]) -> Span:
    parent = item.get("parentSpanId")
    started, ended = _nanos(item["startTimeUnixNano"]), _nanos(item["endTimeUnixNano"])
    status = item.get("status") or {}
    attributes = {**resource, **_attributes(item.get("attributes"))}
    if message := status.get("message"):
        attributes.setdefault("error.message", clean(str(message), VALUE_LIMIT))
    if isinstance(state := item.get("traceState"), str) and 0 < len(state) <= TRACESTATE_LIMIT:
        attributes[TRACESTATE] = clean(state)
    return Span(
        trace_id=_identifier(item["traceId"], _TRACE_ID),
        span_id=_identifier(item["spanId"], _SPAN_ID),
        parent_id=_identifier(parent, _SPAN_ID) if parent else None,
        name=clean(str(item.get("name", "")), NAME_LIMIT) or "unnamed",
        kind=_kind(item.get("kind")),
        started_at=started / 1e9,
        duration=min(max(ended - started, 0) / 1e9, _YEAR_LONG),
        status=_status(status.get("code")),
        attributes=attributes,
        events=tuple(
            SpanEvent(
                _nanos(event["timeUnixNano"]) / 1e9,
                clean(str(event.get("name", "")), NAME_LIMIT),
                _attributes(event.get("attributes")),
            )
            for event in _dicts(item.get("events"))[:MAX_EVENTS]
        ),
        links=tuple(
            SpanLink(
                _identifier(link["traceId"], _TRACE_ID),
                _identifier(link["spanId"], _SPAN_ID),
                _attributes(link.get("attributes")),
            )
            for link in _dicts(item.get("links"))[:MAX_LINKS]
        ),
    )


def _attributes(items: object) -> dict[str, Scalar]:
    return {
        clean(str(item["key"]), NAME_LIMIT): _value(item.get("value"))
        for item in _dicts(items)[:MAX_ATTRIBUTES]
        if item.get("key")
    }


def _value(value: object) -> Scalar:
    """An AnyValue; lists and the like as JSON."""
    if not isinstance(value, dict) or not value:
        return None
    kind, inner = next(iter(value.items()))
    match kind:
        case "stringValue":
            return clean(str(inner), VALUE_LIMIT)
        case "boolValue":
            return bool(inner)
        case "intValue":
            number = int(inner)
            return number if -_LATEST <= number < _LATEST else None
        case "doubleValue":
            decimal = float(inner)
            return decimal if math.isfinite(decimal) else str(decimal)
        case _:
            return clean(json.dumps(inner, ensure_ascii=False), VALUE_LIMIT)


def _kind(value: object) -> SpanKind:
    if isinstance(value, str):
        name = value.removeprefix("SPAN_KIND_").lower()
        return SpanKind(name) if name in _KINDS else SpanKind.INTERNAL
    known = isinstance(value, int) and 0 <= value < len(_KINDS)
    return SpanKind(_KINDS[value]) if known and isinstance(value, int) else SpanKind.INTERNAL


def _status(value: object) -> SpanStatus:
    if isinstance(value, str) and value in _STATUS_NAMES:
        return _STATUS[_STATUS_NAMES.index(value)]
    return _STATUS[value] if isinstance(value, int) and 0 <= value < len(_STATUS) else SpanStatus.UNSET


def _nanos(value: object) -> int:
    """Nanoseconds since the epoch, written as a number or as text. ValueError when it is no time."""
    number = int(value) if isinstance(value, (str, int)) else -1
    if not 0 <= number < _LATEST:
        raise ValueError("this is no time")
    return number


def _identifier(value: object, form: re.Pattern[str]) -> str:
    """ValueError when it is none."""
    if not isinstance(value, str) or form.fullmatch(value) is None:
        raise ValueError("this is no identifier")
    return value.lower()


def _dicts(items: object) -> list[dict[str, Any]]:
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
