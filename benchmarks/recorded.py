"""What executions of one HTTP step leave behind, made up."""

from __future__ import annotations

import random

from engine.model import (
    Attempt,
    Execution,
    LogLevel,
    LogRecord,
    Outcome,
    Point,
    Priority,
    Recording,
    Scalar,
    Span,
    SpanKind,
    SpanStatus,
)

WORKFLOWS = 100
START = 1_750_000_000.0
PHASES = ("dns", "connect", "first_byte", "transfer")


def recordings(count: int, *, lines: int, first: int = 1, workflows: int = WORKFLOWS) -> list[Recording]:
    """`count` executions 5 ms apart: 3 spans, 8 points, `lines` (0–3) log lines, the first with fields."""
    chance = random.Random(first)
    return [_recording(number, number % workflows, lines, chance) for number in range(first, first + count)]


def _recording(number: int, place: int, lines: int, chance: random.Random) -> Recording:
    name, at = f"shop-{place}", START + number * 0.005 + chance.random() / 1000
    phases = [round(chance.lognormvariate(-6, 0.5), 6) for _ in PHASES]
    took = sum(phases)
    execution = Execution(
        id=number,
        workflow_id=name,
        workflow_name=f"Shop {place}",
        priority=Priority.NORMAL,
        trace_id=f"{chance.getrandbits(128):032x}",
        scheduled_at=at,
        started_at=at + 0.001,
        duration=took + 0.0004,
        outcome=Outcome.OK,
        attempt_count=1,
        attempts=(Attempt(1, at + 0.0011, took + 0.0002, Outcome.OK),),
    )
    spans = _spans(execution, phases, chance)
    points = _points(execution, (execution.duration, 1.0, 1.0, took, *phases))
    return Recording(execution, spans, points, _logs(execution, spans[0].span_id, took)[:lines])


def _spans(execution: Execution, phases: list[float], chance: random.Random) -> tuple[Span, ...]:
    root, attempt, step = (f"{chance.getrandbits(64):016x}" for _ in range(3))
    at, took = execution.started_at, sum(phases)
    url = f"http://{execution.workflow_id}.example.test/api/v1/orders"
    of_step: dict[str, Scalar] = {
        "step.type": "http",
        "outcome": "ok",
        "target": url,
        "http.request.method": "GET",
        "url.full": url,
        "http.response.status_code": 200,
        "http.response.body.size": 180 + execution.id % 37,
        "network.peer.address": "127.0.0.1",
        "network.protocol.version": "1.1",
        **{f"phase.{phase}": seconds for phase, seconds in zip(PHASES, phases, strict=True)},
    }
    of_root: dict[str, Scalar] = {"workflow.id": execution.workflow_id, "outcome": "ok"}

    inner, client, ok = SpanKind.INTERNAL, SpanKind.CLIENT, SpanStatus.OK
    trace, of_attempt = execution.trace_id, {"outcome": "ok"}
    name, number = execution.workflow_name, execution.id
    return (
        Span(trace, root, None, name, inner, at, took + 0.0004, ok, of_root, (), number),
        Span(trace, attempt, root, "attempt 1", inner, at + 1e-4, took + 2e-4, ok, of_attempt, (), number),
        Span(trace, step, attempt, "orders", client, at + 2e-4, took, ok, of_step, (), number),
    )


def _points(execution: Execution, values: tuple[float, ...]) -> tuple[Point, ...]:
    of_workflow = (("workflow", execution.workflow_id),)
    of_step = (("step", "orders"), *of_workflow)
    series = (
        ("workflow.duration", of_workflow),
        ("workflow.success", of_workflow),
        ("workflow.attempts", of_workflow),
        ("step.duration", of_step),
        *((f"http.{phase}", of_step) for phase in PHASES),
    )
    return tuple(
        Point(name, labels, execution.started_at, value)
        for (name, labels), value in zip(series, values, strict=True)
    )


def _logs(execution: Execution, span_id: str, took: float) -> tuple[LogRecord, ...]:
    messages = (
        f"{execution.workflow_id} ok in {took * 1000:.0f}ms",
        "orders assertion passed: status (200) == 200",
        f"orders response time {took * 1000:.1f}ms below the limit of 800ms",
    )
    return tuple(
        LogRecord(
            at=execution.ended_at,
            level=LogLevel.INFO,
            message=message,
            workflow_id=execution.workflow_id,
            execution_id=execution.id,
            trace_id=execution.trace_id,
            span_id=span_id,
            fields={} if place else {"outcome": "ok", "duration": round(took, 6)},
        )
        for place, message in enumerate(messages)
    )
