"""Reading what other programs send: what was written comes back, and nothing foreign does harm."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model import Span, SpanEvent, SpanKind, SpanLink, SpanStatus
from engine.telemetry.otlp import spans_document
from engine.telemetry.otlp_reading import MAX_ATTRIBUTES, Read, UnreadableError, read_spans

TRACE, SPAN, PARENT = "a1" * 16, "b2" * 8, "c3" * 8


def item(**changes: Any) -> dict[str, Any]:
    times = {"startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000000250000000"}
    return {"traceId": TRACE, "spanId": SPAN, "parentSpanId": PARENT, "name": "charge", **times, **changes}


def read(*items: Any, resource: Any = None) -> Read:
    document = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": list(items)}]}]}
    return read_spans(json.dumps(document).encode())


def attribute(key: str, **value: Any) -> dict[str, Any]:
    return {"key": key, "value": value}


def test_what_was_written_comes_back() -> None:
    span = Span(
        TRACE, SPAN, PARENT, "charge", SpanKind.SERVER, 1_700_000_000.0, 0.25, SpanStatus.ERROR,
        {"http.route": "/pay", "retries": 2, "ratio": 0.5, "cached": False, "error.message": "no funds"},
        (SpanEvent(1_700_000_000.125, "declined", {"code": 51}),),
        links=(SpanLink("d4" * 16, "e5" * 8, {"why": "batch"}),),
    )  # fmt: skip
    body = json.dumps(spans_document([span], {"service.name": "till"})).encode()
    (found,) = read_spans(body).spans
    assert found.attributes == {"service.name": "till", **span.attributes}
    assert (found.events, found.links) == (span.events, span.links)
    assert (found.parent_id, found.kind, found.status) == (PARENT, SpanKind.SERVER, SpanStatus.ERROR)
    assert (found.started_at, found.duration) == (1_700_000_000.0, 0.25)


def test_other_spellings_are_understood() -> None:
    (found,) = read(
        item(
            traceId=TRACE.upper(), kind="SPAN_KIND_CLIENT", startTimeUnixNano=1_700_000_000_000_000_000,
            status={"code": "STATUS_CODE_ERROR", "message": "gone"}, parentSpanId="",
        )
    ).spans  # fmt: skip
    assert (found.trace_id, found.kind, found.status) == (TRACE, SpanKind.CLIENT, SpanStatus.ERROR)
    assert found.parent_id is None
    assert found.attributes["error.message"] == "gone"


@pytest.mark.parametrize(
    "wrong",
    [
        {"traceId": "0" * 32},
        {"traceId": "short"},
        {"spanId": None},
        {"spanId": "x" * 16},
        {"parentSpanId": "nonsense"},
        {"startTimeUnixNano": "yesterday"},
        {"endTimeUnixNano": None},
        {"startTimeUnixNano": -1},
        {"startTimeUnixNano": str(2**70)},
        {"attributes": [attribute("n", intValue="many")]},
        {"links": [{"traceId": TRACE}]},
        {"status": "bad"},
    ],
)
def test_a_bad_span_is_counted_and_costs_its_neighbour_nothing(wrong: dict[str, Any]) -> None:
    found = read(item(**wrong), item(), "no object")
    assert (len(found.spans), found.unreadable) == (1, 2)


def test_texts_are_made_safe_and_everything_is_bounded() -> None:
    many = [attribute(f"k{number}", stringValue="\x1b]52;c;x\x07" + "y" * 5_000) for number in range(200)]
    (found,) = read(
        item(
            name="\x1b[31m" + "n" * 999, attributes=many, events=[{"timeUnixNano": 1, "name": "e"}] * 99,
            endTimeUnixNano=str(2**63 - 1),
        )
    ).spans  # fmt: skip
    assert "\x1b" not in found.name + str(found.attributes)
    assert len(found.name) < 230
    assert len(found.attributes) == MAX_ATTRIBUTES
    assert len(found.events) == 32
    assert found.duration <= 366 * 86_400
    assert all(len(str(value)) < 1_100 for value in found.attributes.values())


def test_a_tracestate_is_kept_and_passed_on() -> None:
    sent = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"
    (found,) = read(item(traceState=sent)).spans
    assert found.attributes["w3c.tracestate"] == sent
    (written,) = spans_document([found])["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert written["traceState"] == sent
    assert "w3c.tracestate" not in str(written["attributes"])
    (long,) = read(item(traceState="a=" + "x" * 600)).spans
    assert "w3c.tracestate" not in long.attributes


def test_odd_values_are_kept_as_text() -> None:
    (found,) = read(
        item(
            attributes=[
                attribute("list", arrayValue={"values": [{"intValue": "1"}]}),
                attribute("nan", doubleValue="NaN"),
                attribute("huge", intValue=str(2**90)),
                attribute("empty"),
            ]
        )
    ).spans
    assert found.attributes == {
        "list": '{"values": [{"intValue": "1"}]}',
        "nan": "nan",
        "huge": None,
        "empty": None,
    }


@pytest.mark.parametrize("body", [b"", b"[1]", b"\xff", b'{"resourceSpans": 7}', b"[" * 100_000])
def test_what_is_no_document_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(UnreadableError):
        read_spans(body)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_FIELDS = (
    "traceId spanId parentSpanId name kind startTimeUnixNano endTimeUnixNano attributes status events links"
)


@given(st.dictionaries(st.sampled_from(_FIELDS.split()), anything), anything)
def test_no_document_breaks_the_reader(changes: dict[str, Any], resource: Any) -> None:
    found = read(item(**changes), resource=resource)
    assert len(found.spans) + found.unreadable == 1
