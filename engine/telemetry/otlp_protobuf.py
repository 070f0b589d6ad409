"""Spans out of OTLP/protobuf documents, and the answer to such: with the extra `otlp` alone.

A document is turned into what its JSON would say, so that there is one reader of spans.
"""

from __future__ import annotations

import base64
from importlib.util import find_spec
from typing import Any

from engine.telemetry.otlp_reading import Read, UnreadableError, read_document

MEDIA_TYPE = "application/x-protobuf"
MISSING = "send OTLP as JSON, or install tocsin[otlp] where this runs for protobuf"
_IDENTIFIERS = ("traceId", "spanId", "parentSpanId")


def is_available() -> bool:
    """Whether the extra is installed."""
    try:
        return find_spec("opentelemetry.proto.collector.trace.v1") is not None
    except ModuleNotFoundError:
        return False


def read_spans(body: bytes) -> Read:
    """Read an ExportTraceServiceRequest; imports protobuf, which takes some tens of milliseconds.

    Raises:
        UnreadableError: it is something else.
    """
    from google.protobuf.json_format import MessageToDict
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(body)
        document: dict[str, Any] = MessageToDict(request, use_integers_for_enums=True)
    except (DecodeError, ValueError, RecursionError):
        raise UnreadableError("this is no OTLP/protobuf document of spans") from None
    for group in document.get("resourceSpans", ()):
        for scope in group.get("scopeSpans", ()):
            for span in scope.get("spans", ()):
                for owner in (span, *span.get("links", ())):
                    _make_hexadecimal(owner)
    return read_document(document)


def answer(refused: int, message: str) -> bytes:
    """An ExportTraceServiceResponse; an empty one says that everything was taken."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
        ExportTracePartialSuccess,
        ExportTraceServiceResponse,
    )

    if not refused:
        return b""
    partial = ExportTracePartialSuccess(rejected_spans=refused, error_message=message)
    return bytes(ExportTraceServiceResponse(partial_success=partial).SerializeToString())


def _make_hexadecimal(owner: dict[str, Any]) -> None:
    """Bytes are in base64 in the JSON of protobuf; OTLP/JSON has identifiers in hexadecimal."""
    for name in _IDENTIFIERS:
        if name in owner:
            owner[name] = base64.b64decode(owner[name]).hex()
    # Of a time that is not said, protobuf leaves out the zero.
    if "spanId" in owner:
        owner.setdefault("startTimeUnixNano", 0)
        owner.setdefault("endTimeUnixNano", 0)
