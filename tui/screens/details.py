"""Records in full, as text: alerts, executions, workflows and log lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from textual.content import Content

from engine.client import RetryFigures, RetryReport, WorkflowStatus
from engine.model import (
    Alert,
    BreakerState,
    BreakerStatus,
    Decision,
    Execution,
    Gate,
    LogRecord,
    Scalar,
)
from engine.reporting.model import Advice
from tui import present

_LABEL_WIDTH = 12
_LONGEST_NAME = 32


def alert_text(alert: Alert, cause: Execution | None, why: Content, now: float, muted: str = "") -> Content:
    """An alert, the execution that raised it, why it is as it is, and who was told.

    Args:
        why: the explanation, without its title.
        muted: why nobody is told of it now.
    """
    head = _alert_head(alert, now, muted)
    head = Content("\n").join([head, _cause(cause, now)]) if cause is not None else head
    return Content("\n\n").join([head, why])


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
        fact("Started", when(execution.started_at, now)),
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
    if status.paused or status.stopped:
        why = present.paused() if status.paused else present.stopped()
        upcoming = why.append(" · running now" if status.running else "")
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
        fact("Time", when(record.at, now)),
        fact("Level", present.log_level(record.level)),
        _origin(record),
        fact("Message", present.foreign(record.message, 4096)),
    ]
    return Content("\n").join([*lines, *_fields(record.fields)])


def advice_text(advice: Advice) -> Content:
    """A recommendation: what to do, and the figures that say so."""
    lines = [
        fact("About", present.foreign(advice.subject, 120, "bold")),
        fact("Weight", present.severity(advice.severity)),
        fact("Because", present.foreign(advice.evidence, 1000)),
        fact("What to do", present.foreign(advice.advice, 1000)),
    ]
    return Content("\n").join(lines)


def _origin(record: LogRecord) -> Content:
    if record.source is not None:
        return fact("Source", present.foreign(record.source, 64))
    return fact("Workflow", present.foreign(record.workflow_id or "–", 64))


def fact(label: str, value: Content) -> Content:
    """One line of a page of facts: a muted label, then the value."""
    return present.hanging(Content.styled(label.ljust(_LABEL_WIDTH), present.MUTED), value)


def _alert_head(alert: Alert, now: float, muted: str) -> Content:
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
        fact("Since", when(alert.fired_at or alert.started_at, now)),
    ]
    if muted:
        lines.append(fact("Muted", present.foreign(muted, 500, "$text-warning")))
    if alert.acked_at is not None:
        lines.append(fact("Acked", _by(alert.acked_by, alert.ack_note, alert.acked_at, now)))
        if alert.ack_until is not None and alert.resolved_at is None:
            ends = f"{present.clock_text(alert.ack_until)}, {present.age_text(alert.ack_until, now)}"
            lines.append(fact("", Content.styled(f"until {ends}: then it fires again", present.MUTED)))
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
    text = present.foreign(f"{author} " if author else "", 80).append(when(at, now))
    return text.append(present.foreign(f" “{note}”", 500)) if note else text


def when(at: float, now: float) -> Content:
    """A time of day, and how long ago it was."""
    return Content.assemble(
        present.clock_text(at),
        (f"  {present.age_text(at, now)} ago" if now - at >= 1 else "  now", present.MUTED),
    )


def decision_lines(decision: Decision) -> Content:
    """What one evaluation came to, and each gate that it passed or stopped at."""
    verdict = {True: "true", False: "false", None: "unknown"}[decision.result]
    lead = Content.assemble((present.clock_text(decision.at), present.MUTED), f"  {verdict:<7}  ")
    head = present.hanging(lead, present.foreign(decision.explanation, 500))
    return Content("\n").join([head, *(_gate_line(gate) for gate in decision.gates)])


def _gate_line(gate: Gate) -> Content:
    sign = (
        Content.styled(present.sign("✓", "+"), "$text-success")
        if gate.passed
        else Content.styled(present.sign("✗", "x"), "$text-warning")
    )
    said = Content.assemble(
        present.foreign(gate.name, 64), "  ", present.foreign(gate.detail, 200, present.MUTED)
    )
    return present.hanging(Content.assemble("          ", sign, " "), said)


def _fields(fields: Mapping[str, Scalar]) -> list[Content]:
    return named((name, present.foreign(value, 1000)) for name, value in sorted(fields.items()))


def named(values: Iterable[tuple[str, Content]]) -> list[Content]:
    """Values under names that are not our own, in a column as wide as the names, up to a bound."""
    pairs = [(present.foreign(name, 40, present.MUTED), value) for name, value in values]
    width = max((name.cell_length for name, _ in pairs if name.cell_length <= _LONGEST_NAME), default=0)
    width = max(width + 2, _LABEL_WIDTH)
    return [present.hanging(name.pad_right(max(width - name.cell_length, 2)), value) for name, value in pairs]


def block(title: str, lines: Iterable[Content]) -> Content:
    """Lines under a heading."""
    return Content("\n").join([Content.styled(title, "bold $text-primary"), *lines])
