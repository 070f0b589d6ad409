from hypothesis import given
from hypothesis import strategies as st

from engine.model import (
    Attempt,
    Execution,
    Outcome,
    Phases,
    Priority,
    SpanKind,
    SpanStatus,
    StepResult,
)
from engine.telemetry.points import points_of
from engine.telemetry.tracing import OpenSpan, new_span_id, new_trace_id, parse_traceparent, traceparent


def test_a_traceparent_comes_back_as_it_went() -> None:
    trace_id, span_id = new_trace_id(), new_span_id()
    header = traceparent(trace_id, span_id)
    assert len(header) == 55
    assert parse_traceparent(header) == (trace_id, span_id)


def test_the_flag_says_whether_to_keep() -> None:
    trace, span = "a" * 32, "b" * 16
    assert traceparent(trace, span, sampled=False) == f"00-{trace}-{span}-00"
    assert traceparent(trace, span) == f"00-{trace}-{span}-01"


hexadecimal = st.text("0123456789abcdef", min_size=32, max_size=32)


@given(st.integers(1, 254), hexadecimal, hexadecimal, st.sampled_from(["", "-", "-what-the-future-says"]))
def test_later_versions_may_say_more(version: int, trace: str, span: str, more: str) -> None:
    header = f"{version:02x}-{trace}-{span[:16]}-01{more}"
    expected = (trace, span[:16]) if trace.strip("0") and span[:16].strip("0") else None
    assert parse_traceparent(header) == expected


def test_invalid_headers_are_refused() -> None:
    trace, span = "a" * 32, "b" * 16
    for header in (
        "",
        f"ff-{trace}-{span}-01",
        f"00-{'0' * 32}-{span}-01",
        f"00-{trace}-{'0' * 16}-01",
        "00-a-b-01",
        f"00-{trace}-{span}-01-more",
        f"00-{trace}-{span}-01-",
        f"01-{trace}-{span}-01more",
        f"00-{trace.upper()}-{span}-01",
        f"00-{trace}-{span}-1",
        f"00-{trace}-{span}",
        f"00-{trace}-{span}-01\n",
    ):
        assert parse_traceparent(header) is None


@given(st.text())
def test_no_header_breaks_the_parser(header: str) -> None:
    parse_traceparent(header)


def test_a_child_belongs_to_its_parent() -> None:
    root = OpenSpan(new_trace_id(), "checkout", 10.0)
    child = root.child("pay", 11.0, SpanKind.CLIENT)
    child.add_event(11.5, "assertion failed", expectation="status (503) == 200")
    span = child.finish(1.0, SpanStatus.ERROR, {"a": 1}, 7)
    assert (span.trace_id, span.parent_id, span.kind) == (root.trace_id, root.span_id, SpanKind.CLIENT)
    assert (span.duration, span.execution_id, len(span.events)) == (1.0, 7, 1)
    assert span.span_id != root.span_id


def execution(outcome: Outcome, *attempts: Attempt) -> Execution:
    return Execution(
        1,
        "w",
        "W",
        Priority.NORMAL,
        "t",
        5.0,
        5.0,
        0.5,
        outcome,
        attempt_count=len(attempts),
        attempts=attempts,
    )


def test_points_are_those_of_the_last_attempt() -> None:
    def attempt(number: int, connect: float) -> Attempt:
        phases = Phases(connect=connect, first_byte=0.2)
        step = StepResult("login", "http", Outcome.OK, 5.0, 0.4, phases=phases)
        return Attempt(number, 5.0, 0.4, Outcome.OK, steps=(step,))

    points = points_of(execution(Outcome.OK, attempt(1, 9.0), attempt(2, 0.1)))
    assert {(point.name, point.value) for point in points} == {
        ("workflow.duration", 0.5),
        ("workflow.success", 1.0),
        ("workflow.attempts", 2.0),
        ("step.duration", 0.4),
        ("http.connect", 0.1),
        ("http.first_byte", 0.2),
    }
    assert all(point.labels == tuple(sorted(point.labels)) for point in points)


def test_a_skipped_execution_gives_no_points() -> None:
    assert points_of(execution(Outcome.SKIPPED)) == ()
    assert {
        point.value for point in points_of(execution(Outcome.FAILED)) if point.name == "workflow.success"
    } == {0.0}
