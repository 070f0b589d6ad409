"""Records for tests of the store."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from engine.model import (
    Alert,
    AlertEvent,
    AlertEventKind,
    AlertState,
    Attempt,
    Decision,
    ErrorCategory,
    ErrorType,
    Execution,
    Failure,
    Gate,
    HealthCheck,
    HealthStatus,
    LogLevel,
    LogRecord,
    Notification,
    NotificationState,
    Outcome,
    Point,
    Priority,
    Recording,
    ScheduleCursor,
    Severity,
    Span,
    SpanEvent,
    SpanKind,
    SpanStatus,
)
from engine.store import retention
from engine.store.limits import Kind
from engine.store.retention import Cut
from engine.store.store import Store

START = 1_700_000_000.0
FAILURE = Failure("status (503) == 200", ErrorType.TRANSIENT, ErrorCategory.NETWORK, 2.5)


def trace_of(number: int) -> str:
    return f"{number:032x}"


def execution(number: int, **changes: Any) -> Execution:
    result = Execution(
        id=number,
        workflow_id="user-login",
        workflow_name="User login",
        priority=Priority.CRITICAL,
        trace_id=trace_of(number),
        scheduled_at=START + number,
        started_at=START + number + 0.25,
        duration=0.5,
        outcome=Outcome.OK,
        attempt_count=1,
    )
    return replace(result, **changes)


def attempts() -> tuple[Attempt, ...]:
    return (
        Attempt(1, START, 0.25, Outcome.FAILED, FAILURE),
        Attempt(2, START + 1, 0.125, Outcome.OK),
    )


def span(number: int, parent: str | None = None, **changes: Any) -> Span:
    result = Span(
        trace_id=trace_of(1),
        span_id=f"{number:016x}",
        parent_id=parent,
        name="login",
        kind=SpanKind.CLIENT,
        started_at=START + number,
        duration=0.125,
        status=SpanStatus.ERROR,
        attributes={"http.response.status_code": 503, "phase.dns": 0.001, "ok": False, "none": None},
        events=(SpanEvent(START, "assertion failed", {"text": "status == 200"}),),
        execution_id=1,
    )
    return replace(result, **changes)


def log(message: str, **changes: Any) -> LogRecord:
    return replace(LogRecord(at=START, level=LogLevel.INFO, message=message), **changes)


def point(value: float, at: float = START, name: str = "workflow.duration") -> Point:
    return Point(name, (("workflow", "user-login"),), at, value)


def recording(number: int) -> Recording:
    trace = trace_of(number)
    mine: dict[str, Any] = {"trace_id": trace, "execution_id": number}
    root = span(number * 10, **mine)
    return Recording(
        execution(number, attempts=attempts()),
        spans=(
            root,
            span(number * 10 + 1, root.span_id, **mine),
            span(number * 10 + 2, root.span_id, **mine),
        ),
        points=tuple(point(float(i), START + number, f"metric.{i}") for i in range(8)),
        logs=tuple(
            log(f"execution {number} line {i}", workflow_id="user-login", span_id=root.span_id, **mine)
            for i in range(3)
        ),
    )


def alert(number: int, **changes: Any) -> Alert:
    result = Alert(
        id=number,
        fingerprint=f"rule|{number}",
        rule_id="rule",
        rule_name="Rule",
        subject="user-login",
        severity=Severity.WARNING,
        state=AlertState.FIRING,
        message="workflow.duration (31) > 30",
        started_at=START + number,
        last_true_at=START + number,
        value=31.5,
        execution_id=1,
        trace_id=trace_of(1),
        fired_at=START + number,
    )
    return replace(result, **changes)


def event(alert_id: int) -> AlertEvent:
    return AlertEvent(alert_id, START, AlertEventKind.FIRED, "rule", "")


def decision(alert_id: int | None = None) -> Decision:
    return Decision(
        at=START,
        rule_id="rule",
        subject="user-login",
        result=True,
        value=True,
        threshold="> 30",
        explanation="31 is above 30",
        gates=(Gate("cooldown", True, "none"), Gate("limit", False)),
        alert_id=alert_id,
        execution_id=1,
    )


def notification(number: int, **changes: Any) -> Notification:
    result = Notification(
        key=f"{number}:fired:ops",
        alert_id=number,
        channel="ops",
        transition=AlertEventKind.FIRED,
        severity=Severity.WARNING,
        title="Rule",
        body="Läuft nicht: 東京",
        created_at=START + number,
        state=NotificationState.QUEUED,
    )
    return replace(result, **changes)


def health_check(component: str = "store", at: float = START) -> HealthCheck:
    return HealthCheck(at, component, HealthStatus.DEGRADED, 71.5, "slow")


def cursor(last_slot: float = START) -> ScheduleCursor:
    return ScheduleCursor("user-login", last_slot, True)


async def prune(store: Store, before: float) -> int:
    """Remove what is older than `before`, of every kind."""
    return await retention.prune(store.writer, {kind: Cut(before) for kind in Kind})
