"""Records in full, as text: alerts, executions, workflows and log lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from textual.content import Content

from engine.client import AlertDetail, RetryFigures, RetryReport, WorkflowStatus
from engine.model import (
    Alert,
    AlertEvent,
    BreakerState,
    BreakerStatus,
    Decision,
    Execution,
    Gate,
    LogRecord,
    Notification,
    NotificationState,
    Scalar,
)
from tui import present

_LABEL_WIDTH = 12
_NOTIFICATION_STYLES = {
    NotificationState.SENT: "$text-success",
    NotificationState.DEAD: "$text-error",
    NotificationState.QUEUED: "$text-warning",
    NotificationState.SENDING: "$text-warning",
    NotificationState.COLLAPSED: "$text-muted",
    NotificationState.MOVED: "$text-warning",
}


def alert_text(detail: AlertDetail, cause: Execution | None, now: float) -> Content:
    """An alert, the execution that raised it, what happened to it, why, and who was told."""
    head = _alert_head(detail.alert, now)
    blocks = [Content("\n").join([head, _cause(cause, now)]) if cause is not None else head]
    if detail.events:
        blocks.append(_block("History", (_event_line(event, now) for event in detail.events)))
    if detail.decisions:
        blocks.append(_block("Decisions", (_decision_lines(item) for item in reversed(detail.decisions))))
    told: Iterable[Content] = (_notification_line(item, now) for item in detail.notifications)
    nobody = [Content.styled("nobody: the rule names no channel, or a gate stopped it", present.MUTED)]
    blocks.append(_block("Told", told if detail.notifications else nobody))
    return Content("\n\n").join(blocks)


def execution_text(execution: Execution, now: float) -> Content:
    """One execution: how it went, when, and what each attempt came to."""
    took = f"  {present.duration_text(execution.duration)}"
    lines = [fact("Outcome", present.outcome(execution.outcome).append(took))]
    if execution.reason:
        lines.append(fact("Reason", present.foreign(execution.reason, 200)))
    if execution.failure is not None:
        kind = f"{execution.failure.type} · {execution.failure.category}"
        lines.append(fact("Failure", present.foreign(execution.failure.message, 1000, "$text-error")))
        lines.append(fact("", Content.styled(kind, present.MUTED)))
    for attempt in execution.attempts if len(execution.attempts) > 1 else ():
        error = attempt.failure.message if attempt.failure else ""
        text = Content.assemble(
            present.outcome(attempt.outcome), f"  {present.duration_text(attempt.duration)}  "
        )
        lines.append(
            fact(f"Attempt {attempt.number}", text.append(present.foreign(error, 300, present.MUTED)))
        )
    lines += [
        fact("Started", _when(execution.started_at, now)),
        fact("Trace", present.foreign(execution.trace_id, 32, present.MUTED)),
    ]
    return Content("\n").join(lines)


def workflow_text(
    status: WorkflowStatus, now: float, range_label: str, retries: RetryReport | None = None
) -> Content:
    """One workflow: its outcomes, rates, schedule, what trying again was good for, and breakers."""
    rate = present.percent_text(status.success_rate)
    figures = (
        f"{status.executions} in {range_label} · {rate} ok · p50 {present.duration_text(status.p50)}"
        f" · p95 {present.duration_text(status.p95)}"
    )
    schedule = present.foreign(status.schedule, 60)
    if status.paused:
        upcoming = present.paused().append(" · running now" if status.running else "")
    else:
        words = "running now" if status.running else f"next {present.age_text(status.next_at, now)}"
        upcoming = Content.styled(words, present.MUTED)
    lines = [
        fact("Recent", present.uptime_bar(status.recent, 60)),
        fact("Executions", Content(figures)),
        fact("Schedule", schedule.append(Content.styled(" · ", present.MUTED)).append(upcoming)),
        fact("Steps", present.foreign(" → ".join(status.steps), 400)),
    ]
    lines += _retry_lines(retries or RetryReport())
    lines += [fact("Breaker", breaker_line(breaker, now)) for breaker in status.breakers]
    return Content("\n").join(lines)


def _retry_lines(report: RetryReport) -> list[Content]:
    """Of a workflow: how many executions were tried again, what came of it, and on whose account."""
    lines = []
    for one in (one for one in report.workflows if one.retried):
        lines.append(
            fact("Retries", Content(f"{one.retried} of {one.executions} tried again: {_result(one)}"))
        )
        if one.rescued:
            by = ", ".join(f"{count} by attempt {number}" for number, count in one.rescued_by)
            lines.append(fact("", Content.styled(f"rescued {by}", present.MUTED)))
    for one in report.targets if len(report.targets) > 1 else ():
        lines.append(fact("", present.foreign(one.subject, 120).append(f": {_result(one)}")))
    return lines


def _result(figures: RetryFigures) -> str:
    """`9 rescued, 3 given up, 31.0 s waited`."""
    waited = present.duration_text(figures.waited)
    return f"{figures.rescued} rescued, {figures.given_up} given up, {waited} waited"


def breaker_line(breaker: BreakerStatus, now: float) -> Content:
    """A circuit breaker: its state, since when, when the next trial is due, and its target."""
    parts = []
    if breaker.since is not None:
        parts.append(present.lasting_text(breaker.since, now))
    if breaker.failures:
        parts.append("1 failure" if breaker.failures == 1 else f"{breaker.failures} failures")
    if breaker.state is BreakerState.OPEN:
        is_due = breaker.trial_at is None or breaker.trial_at <= now
        parts.append(
            "trial with the next run" if is_due else f"trial {present.age_text(breaker.trial_at, now)}"
        )
    elif breaker.state is BreakerState.HALF_OPEN:
        parts.append("a trial is under way")
    words = f" {' · '.join(parts)}" if parts else ""
    return Content.assemble(
        present.breaker(breaker.state), (words, present.MUTED), "  ", present.foreign(breaker.target, 120)
    )


def log_text(record: LogRecord, now: float) -> Content:
    """One log line with its fields."""
    lines = [
        fact("Time", _when(record.at, now)),
        fact("Level", present.log_level(record.level)),
        _origin(record),
        fact("Message", present.foreign(record.message, 4096)),
    ]
    return Content("\n").join([*lines, *_fields(record.fields)])


def _origin(record: LogRecord) -> Content:
    if record.source is not None:
        return fact("Source", present.foreign(record.source, 64))
    return fact("Workflow", present.foreign(record.workflow_id or "–", 64))


def fact(label: str, value: Content) -> Content:
    """One line of a page of facts: a muted label, then the value."""
    return Content.assemble((label.ljust(_LABEL_WIDTH), present.MUTED), value)


def _alert_head(alert: Alert, now: float) -> Content:
    head = Content("  ").join(
        [
            present.severity(alert.severity),
            present.alert_state(alert.state),
            present.foreign(alert.rule_name, 120, "bold"),
        ]
    )
    lines = [
        head,
        present.foreign(alert.message, 2000),
        Content(""),
        fact("Subject", present.foreign(alert.subject, 200)),
        fact("Value", _value(alert.value)),
        fact("Since", _when(alert.fired_at or alert.started_at, now)),
    ]
    if alert.acked_at is not None:
        lines.append(fact("Acked", _by(alert.acked_by, alert.ack_note, alert.acked_at, now)))
    if alert.resolved_at is not None:
        lines.append(fact("Resolved", _by(alert.resolved_by, alert.resolve_note, alert.resolved_at, now)))
    return Content("\n").join(lines)


def _value(value: Scalar) -> Content:
    """What was measured, to four digits."""
    if value is None:
        return Content.styled(present.sign("–", "-"), present.MUTED)
    return present.foreign(f"{value:.4g}" if isinstance(value, float) else value, 200)


def _cause(execution: Execution, now: float) -> Content:
    """How the execution went that raised an alert."""
    said = present.foreign(execution.error or execution.reason, 500, "$text-error")
    took = (
        f"  {present.duration_text(execution.duration)} · {present.age_text(execution.started_at, now)} ago"
    )
    lines = [
        fact("Raised by", present.outcome(execution.outcome).append(Content.styled(took, present.MUTED)))
    ]
    return Content("\n").join([*lines, fact("", said)] if said else lines)


def _by(author: str, note: str, at: float, now: float) -> Content:
    text = present.foreign(f"{author} " if author else "", 80).append(_when(at, now))
    return text.append(present.foreign(f" “{note}”", 500)) if note else text


def _when(at: float, now: float) -> Content:
    return Content.assemble(
        present.clock_text(at),
        (f"  {present.age_text(at, now)} ago" if now - at >= 1 else "  now", present.MUTED),
    )


def _event_line(event: AlertEvent, now: float) -> Content:
    who = f" by {event.author}" if event.author else ""
    note = f" “{event.note}”" if event.note else ""
    return Content.assemble(
        (present.clock_text(event.at), present.MUTED),
        f"  {event.kind.value}",
        present.foreign(who + note, 500, present.MUTED),
    )


def _decision_lines(decision: Decision) -> Content:
    verdict = {True: "true", False: "false", None: "unknown"}[decision.result]
    head = Content.assemble(
        (present.clock_text(decision.at), present.MUTED),
        f"  {verdict}  ",
        present.foreign(decision.explanation, 500),
    )
    return Content("\n").join([head, *(_gate_line(gate) for gate in decision.gates)])


def _gate_line(gate: Gate) -> Content:
    sign = (
        Content.styled(present.sign("✓", "+"), "$text-success")
        if gate.passed
        else Content.styled(present.sign("✗", "x"), "$text-warning")
    )
    return Content.assemble(
        "          ",
        sign,
        " ",
        present.foreign(gate.name, 64),
        "  ",
        present.foreign(gate.detail, 200, present.MUTED),
    )


def _notification_line(item: Notification, now: float) -> Content:
    tail = f"  {item.tries} tries" if item.tries > 1 else ""
    if item.state is NotificationState.QUEUED and item.next_at > now:
        tail += f"  next {present.age_text(item.next_at, now)}"
    if item.error:
        tail += f"  {item.error}"
    return Content.assemble(
        (present.clock_text(item.sent_at or item.created_at), present.MUTED),
        "  ",
        (f"{item.state.value:<9}", _NOTIFICATION_STYLES[item.state]),
        " ",
        present.foreign(item.channel, 64),
        (f"  {item.transition.value}", present.MUTED),
        present.foreign(tail, 400, present.MUTED),
    )


def _fields(fields: Mapping[str, Scalar]) -> list[Content]:
    return [
        Content.assemble(present.foreign(name, 40, present.MUTED), "  ", present.foreign(value, 1000))
        for name, value in sorted(fields.items())
    ]


def _block(title: str, lines: Iterable[Content]) -> Content:
    return Content("\n").join([Content.styled(title, "bold $text-primary"), *lines])
