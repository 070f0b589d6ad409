"""What the stand-in engine has recorded: realistic, deterministic, and hostile on demand."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from engine.model import (
    Alert,
    AlertState,
    Attempt,
    ErrorCategory,
    ErrorType,
    Execution,
    Failure,
    LogLevel,
    LogRecord,
    Outcome,
    PointBucket,
    Priority,
    Series,
    SeriesKind,
    Severity,
    Span,
    SpanEvent,
    SpanKind,
    SpanStatus,
)

Say = Callable[[str, int], str]
NOW = 1_764_000_000.0
HOSTILE = (
    "[/foo] [@click=app.quit]quit[/] [red]",
    "\x1b]52;c;cHduZWQ=\x07\x1b[2J\x1b]0;owned\x07 \x9b31m",
    "\u202egnirts\u202c \u200b\x00\x7f bell\x07",
    "日本語テキスト 🚨👩‍👩‍👧 wide",
    "a\nb\r\nc\td",
    "Z" + "\u0301" * 40,
    "x" * 3_000,
)

WORKFLOWS = (
    ("user-login", "User login", Priority.CRITICAL, "every 30s", ("login", "profile"), 0.24),
    ("checkout", "Checkout", Priority.CRITICAL, "every 1m", ("cart", "pay", "confirm"), 0.9),
    ("search", "Product search", Priority.HIGH, "every 30s", ("query",), 0.12),
    ("api-health", "API health", Priority.HIGH, "every 15s", ("ping",), 0.03),
    ("image-cdn", "Image CDN", Priority.NORMAL, "every 5m", ("head", "fetch"), 0.4),
    ("nightly-report", "Nightly report", Priority.LOW, "cron 0 2 * * *", ("export",), 12.0),
)
FAILURE = Failure("status (503) == 200", ErrorType.TRANSIENT, ErrorCategory.VALIDATION)


def make_executions(say: Say, now: float) -> list[Execution]:
    """420 executions of six workflows over the last hour, ids from 1, oldest first."""
    chance = random.Random(7)
    made: list[Execution] = []
    for number in range(420):
        index = number % len(WORKFLOWS)
        at = now - 3_500 + number * 8.3
        id, name, priority, _, _, base = WORKFLOWS[index]
        bad = (index == 1 and (number // 6) % 9 in (5, 6)) or number == 414
        outcome = Outcome.FAILED if bad else Outcome.DEGRADED if number % 37 == 5 else Outcome.OK
        failure = replace(FAILURE, message=say(FAILURE.message, number)) if bad else None
        duration = base * chance.uniform(0.8, 1.5) * (3 if bad else 1)
        attempts = tuple(
            Attempt(n, at + (n - 1) * duration / 3, duration / 3, outcome, failure) for n in (1, 2, 3)
        )
        made.append(
            Execution(
                number + 1,
                id,
                say(name, number),
                priority,
                f"{number + 1:032x}",
                at,
                at,
                duration,
                outcome,
                "",
                failure,
                3 if bad else 1,
                attempts if bad else attempts[:1],
            )
        )
    return made


def _alert(
    say: Say, now: float, id: int, name: str, subject: str, severity: Severity, age: float, **more: object
) -> Alert:
    made = Alert(
        id,
        f"{name}|{subject}",
        name.lower().replace(" ", "-"),
        say(name, id),
        say(subject, id + 1),
        severity,
        AlertState.FIRING,
        say(f"{subject} failed: status (503) == 200", id + 2),
        now - age,
        now - 20,
        "failed",
        420 - id * 6 + 2,
        f"{420 - id * 6 + 2:032x}",
        now - age,
    )
    return replace(made, **more)  # type: ignore[arg-type]


def make_alerts(say: Say, now: float) -> list[Alert]:
    """Six alerts: firing, acknowledged and resolved."""

    alert = partial(_alert, say, now)
    done = AlertState.RESOLVED
    return [
        alert(1, "Critical workflow failure", "checkout", Severity.CRITICAL, 125),
        alert(2, "High failure rate", "checkout", Severity.ERROR, 95),
        alert(
            3,
            "Slow response time",
            "image-cdn",
            Severity.WARNING,
            1_400,
            state=AlertState.ACKNOWLEDGED,
            acked_at=now - 1_200,
            acked_by=say("ann", 3),
            ack_note=say("looking at the cache", 4),
        ),
        alert(
            4,
            "Consecutive failures",
            "checkout",
            Severity.ERROR,
            2_500,
            state=done,
            resolved_at=now - 1_900,
            resolved_by="recovery",
        ),
        alert(
            5,
            "Low success rate",
            "search",
            Severity.WARNING,
            3_100,
            state=done,
            resolved_at=now - 2_600,
            resolved_by=say("bob", 5),
            resolve_note="deploy rolled back",
        ),
        alert(
            6,
            "Health-check failure",
            "notifier",
            Severity.INFO,
            3_300,
            state=done,
            resolved_at=now - 3_000,
            resolved_by="auto",
            execution_id=None,
            trace_id=None,
        ),
    ]


def make_logs(say: Say, executions: list[Execution]) -> list[LogRecord]:
    """Two lines an execution, ids from 1, oldest first."""
    made: list[LogRecord] = []
    for execution in executions:
        bad = execution.outcome.is_failure
        words = (
            (LogLevel.ERROR, "step pay failed: status (503) == 200")
            if bad
            else (LogLevel.INFO, f"finished {execution.outcome} in {execution.duration:.3f} s")
        )
        for level, text in ((LogLevel.DEBUG, "connection reused for 127.0.0.1:8777"), words):
            made.append(
                LogRecord(
                    execution.started_at,
                    level,
                    say(text, len(made)),
                    execution.workflow_id,
                    execution.id,
                    execution.trace_id,
                    f"{11:016x}" if level is not LogLevel.DEBUG else None,
                    {"attempt": 1, "peer": say("127.0.0.1", len(made))},
                    len(made) + 1,
                )
            )
    return made


def make_spans(say: Say, execution: Execution) -> tuple[Span, ...]:
    """Root, attempts, and one client span a step."""
    trace, at, took = execution.trace_id, execution.started_at, execution.duration
    bad = execution.outcome.is_failure
    status = SpanStatus.ERROR if bad else SpanStatus.OK

    def span(number: int, parent: int | None, name: str, start: float, length: float, **more: object) -> Span:
        made = Span(
            trace,
            f"{number:016x}",
            f"{parent:016x}" if parent else None,
            say(name, number),
            SpanKind.INTERNAL,
            at + start * took,
            length * took,
            status,
            execution_id=execution.id,
        )
        return replace(made, **more)  # type: ignore[arg-type]

    steps = next(steps for id, _, _, _, steps, _ in WORKFLOWS if id == execution.workflow_id)
    spans = [span(1, None, execution.workflow_name, 0, 1)]
    for number in range(execution.attempt_count):
        share = 1 / execution.attempt_count
        attempt = 10 * (number + 1)
        spans.append(span(attempt, 1, f"attempt {number + 1}", number * share, share * 0.95))
        for place, step in enumerate(steps):
            length = share * 0.9 / len(steps)
            attributes = {
                "step.type": "http",
                "http.request.method": "GET",
                "url.full": say("http://127.0.0.1:8777/pay", place),
                "http.response.status_code": 503 if bad else 200,
                "phase.dns": length * took * 0.1,
                "phase.connect": length * took * 0.1,
                "phase.first_byte": length * took * 0.6,
                "phase.transfer": length * took * 0.2,
            }
            if bad:
                attributes["error.type"] = "TRANSIENT"
            event = SpanEvent(at, "assertion failed", {"text": say("status (503) == 200", place)})
            spans.append(
                span(
                    attempt + place + 1,
                    attempt,
                    step,
                    number * share + place * length,
                    length,
                    kind=SpanKind.CLIENT,
                    attributes=attributes,
                    events=(event,) if bad else (),
                )
            )
    return tuple(spans)


def make_series(say: Say) -> tuple[Series, ...]:
    """Two series of each workflow, one of them of a step, and a counter."""
    found = [Series("jobs.done", (("queue", say("mail", 3)),), SeriesKind.COUNTER)]
    for number, (workflow_id, *_) in enumerate(WORKFLOWS):
        labels = (("workflow", say(workflow_id, number)),)
        found.append(Series("workflow.duration", labels, SeriesKind.DURATION))
        found.append(Series("workflow.success", labels, SeriesKind.GAUGE))
        found.append(Series("step.duration", (("step", "get"), *labels), SeriesKind.DURATION))
    return tuple(sorted(found, key=lambda one: (one.name, one.labels)))


def make_points(name: str, since: float, until: float, count: int) -> tuple[PointBucket, ...]:
    """Buckets that rise from 0.1 on; every seventh is empty."""
    width = (until - since) / count
    found = []
    for number in range(count):
        value = None if number % 7 == 6 else 0.1 + number / count
        high, higher = (None, None) if value is None else (value * 1.6, value * 2)
        rate = value if name == "jobs.done" else None
        found.append(
            PointBucket(
                since + number * width,
                width,
                0 if value is None else 4,
                value,
                value,
                higher,
                value,
                high,
                high,
                higher,
                rate,
            )
        )
    return tuple(found)
