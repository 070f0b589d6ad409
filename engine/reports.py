"""What a run without a console says: committed rows as records, lines of text, a table, JUnit XML."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.lines import cells, clock_time, pad, paint, seconds, table
from engine.model import (
    Alert,
    AlertEvent,
    Execution,
    HealthCheck,
    HealthStatus,
    LogLevel,
    LogRecord,
    Notice,
    Notification,
    NotificationState,
    Outcome,
    Point,
    Recording,
    Span,
)
from engine.text import plain

if TYPE_CHECKING:
    from engine.client import WorkflowStatus
    from engine.model.rules import RuleStatus
    from engine.store.writer import Row

Record = dict[str, Any]
WORD_WIDTH = 12
SUBJECT_WIDTH = 26
_SETTLED = frozenset(
    {NotificationState.SENT, NotificationState.DEAD, NotificationState.MOVED, NotificationState.COLLAPSED}
)


class RowReporter:
    """Turns rows, in the order of their commits, into records with a `type`; remembers what it needs.

    Executions and alert transitions all appear; of logs only warnings and worse; of health only what
    changed; of notifications what became of them in the end.
    """

    def __init__(self) -> None:
        self._alerts: dict[int, Alert] = {}
        self._statuses: dict[str, HealthStatus] = {}

    def records(self, rows: Sequence[Row]) -> Iterator[Record]:
        """The records of one commit."""
        for row in rows:
            if isinstance(row, Alert):
                self._alerts[row.id] = row
        for row in rows:
            yield from self._records(row)
        self._alerts = {key: alert for key, alert in self._alerts.items() if alert.resolved_at is None}

    def _records(self, row: Row) -> Iterator[Record]:
        if isinstance(row, Recording):
            yield execution_record(row.execution)
            yield from (_log_record(log) for log in row.logs if log.level >= LogLevel.WARNING)
        elif isinstance(row, Execution):
            yield execution_record(row)
        elif isinstance(row, AlertEvent):
            yield _transition_record(row, self._alerts.get(row.alert_id))
        elif isinstance(row, LogRecord) and row.level >= LogLevel.WARNING:
            yield _log_record(row)
        elif isinstance(row, Notification) and row.state in _SETTLED:
            yield _notification_record(row)
        elif isinstance(row, HealthCheck):
            before = self._statuses.get(row.component, HealthStatus.UNKNOWN)
            self._statuses[row.component] = row.status
            if row.status is not before:
                yield _health_record(row)


def execution_record(execution: Execution) -> Record:
    """An execution as a JSON object; times are seconds since the epoch, durations seconds."""
    return {
        "type": "execution",
        "id": execution.id,
        "workflow": execution.workflow_id,
        "name": execution.workflow_name,
        "priority": execution.priority,
        "outcome": execution.outcome,
        "reason": execution.reason,
        "error": execution.error,
        "error_type": execution.failure.type if execution.failure else None,
        "at": execution.started_at,
        "duration": execution.duration,
        "attempts": execution.attempt_count,
        "trace_id": execution.trace_id,
    }


def alert_record(alert: Alert) -> Record:
    """An alert as a JSON object; times are seconds since the epoch."""
    return {
        "type": "alert",
        "id": alert.id,
        "state": alert.state,
        "severity": alert.severity,
        "rule": alert.rule_id,
        "name": alert.rule_name,
        "subject": alert.subject,
        "message": alert.message,
        "value": alert.value,
        "started_at": alert.started_at,
        "fired_at": alert.fired_at,
        "acked_at": alert.acked_at,
        "acked_by": alert.acked_by,
        "resolved_at": alert.resolved_at,
        "resolved_by": alert.resolved_by,
        "trace_id": alert.trace_id,
    }


def workflow_record(status: WorkflowStatus) -> Record:
    """A workflow as a JSON object; times are seconds since the epoch, durations seconds."""
    last = status.last
    return {
        "type": "workflow",
        "workflow": status.id,
        "name": status.name,
        "priority": status.priority,
        "schedule": status.schedule,
        "state": workflow_state(status),
        "paused": status.paused,
        "stopped": status.stopped,
        "next_at": status.next_at,
        "last": None
        if last is None
        else {"at": last.started_at, "outcome": last.outcome, "error": last.error},
        "executions": status.executions,
        "success_rate": status.success_rate,
        "p50": status.p50,
        "p95": status.p95,
        "breakers": [{"target": one.target, "state": one.state} for one in status.breakers],
    }


def workflow_state(status: WorkflowStatus) -> str:
    """What it does at the moment, in a word; a dash where no engine knows."""
    if status.running:
        return "running"
    if status.paused:
        return "paused"
    if status.stopped:
        return "stopped"
    return "waiting" if status.next_at is not None else "–"


def rule_record(status: RuleStatus) -> Record:
    """A rule as a JSON object, with its newest decision."""
    return {
        "type": "rule",
        "id": status.id,
        "name": status.name,
        "severity": status.severity,
        "state": status.state,
        "looks_for": status.looks_for,
        "channels": list(status.channels),
        "firing": status.firing,
        "pending": status.pending,
        "last_decision": None if status.last is None else asdict(status.last),
    }


def log_record(log: LogRecord) -> Record:
    """A log line as a JSON object."""
    return {
        "type": "log",
        "id": log.id,
        "at": log.at,
        "level": log.level.label,
        "message": log.message,
        "workflow": log.workflow_id,
        "execution": log.execution_id,
        "source": log.source,
        "trace_id": log.trace_id,
        "fields": dict(log.fields),
    }


def span_record(span: Span) -> Record:
    """A span as a JSON object; times are seconds since the epoch, durations seconds."""
    return {
        "type": "span",
        "trace_id": span.trace_id,
        "span_id": span.span_id,
        "parent_id": span.parent_id,
        "execution": span.execution_id,
        "name": span.name,
        "kind": span.kind,
        "status": span.status,
        "at": span.started_at,
        "duration": span.duration,
        "attributes": dict(span.attributes),
        "events": [
            {"name": event.name, "at": event.at, "attributes": dict(event.attributes)}
            for event in span.events
        ],
        "links": [
            {"trace_id": link.trace_id, "span_id": link.span_id, "attributes": dict(link.attributes)}
            for link in span.links
        ],
    }


def point_record(point: Point) -> Record:
    """A point of a series as a JSON object; `at` is seconds since the epoch."""
    return {
        "type": "point",
        "name": point.name,
        "labels": dict(point.labels),
        "at": point.at,
        "value": point.value,
    }


def _log_record(log: LogRecord) -> Record:
    record = log_record(log)
    if not log.id:
        del record["id"]
    return record


def _transition_record(event: AlertEvent, alert: Alert | None) -> Record:
    record: Record = {
        "type": "alert",
        "id": event.alert_id,
        "transition": event.kind,
        "at": event.at,
        "author": event.author,
        "note": event.note,
    }
    if alert is not None:
        record |= {
            key: value for key, value in alert_record(alert).items() if not key.endswith(("_at", "_by"))
        }
    return record


def _notification_record(row: Notification) -> Record:
    return {
        "type": "notification",
        "key": row.key,
        "at": row.sent_at or row.created_at,
        "alert": row.alert_id,
        "channel": row.channel,
        "transition": row.transition,
        "state": row.state,
        "title": row.title,
        "tries": row.tries,
        "latency": row.latency,
        "error": row.error,
    }


def _health_record(check: HealthCheck) -> Record:
    return {
        "type": "health",
        "at": check.at,
        "component": check.component,
        "status": check.status,
        "score": check.score,
        "detail": check.detail,
    }


def notice_record(notice: Notice, at: float) -> dict[str, Any]:
    """What a channel of the kind `console` says where there is no console."""
    message = f"{notice.title}: {notice.body}"
    return {"type": "notice", "at": at, "severity": str(notice.severity), "message": message}


def line(record: Mapping[str, Any], *, colour: bool = False) -> str:
    """A record as one line for people, or nothing when another line says the same."""
    word, subject, rest = _words(record)
    if not word:
        return ""
    subject = plain(subject)
    head = pad(word, WORD_WIDTH)
    gap = " " * max(SUBJECT_WIDTH - cells(subject), 0)
    text = (
        f"{clock_time(record['at'])}  {paint(word, head) if colour else head}  {subject}{gap}  {plain(rest)}"
    )
    return text.rstrip()


def _words(record: Mapping[str, Any]) -> tuple[str, str, str]:
    match record["type"]:
        case "execution":
            cause = record["error"] or record["reason"]
            return record["outcome"], record["workflow"], f"{seconds(record['duration'])}  {cause}"
        case "alert":
            name = f"{record.get('severity', '')} {record.get('name', record['id'])}"
            author = f" by {record['author']}" if record["author"] else ""
            return (
                record["transition"],
                record.get("subject", ""),
                f"{name}{author}: {record.get('message', '')}",
            )
        case "log":
            # A line of an execution repeats what the execution's own line says.
            return ("", "", "") if record["execution"] else (record["level"], "engine", record["message"])
        case "notification":
            return record["state"], record["channel"], record["error"] or record["title"]
        case "health":
            return record["status"], record["component"], record["detail"]
        case _:
            return record["type"], "engine", record.get("message", "")


def once_table(executions: Sequence[Execution], *, colour: bool = False) -> list[str]:
    """One line a workflow, then a line of totals."""
    rows = [
        (e.workflow_id, str(e.outcome), seconds(e.duration), e.attempt_count, e.error or e.reason)
        for e in executions
    ]
    counts = Counter(str(execution.outcome) for execution in executions)
    total = ", ".join(f"{count} {outcome}" for outcome, count in counts.items()) or "nothing ran"
    noun = "workflow" if len(executions) == 1 else "workflows"
    return [
        *table(("WORKFLOW", "OUTCOME", "DURATION", "ATTEMPTS", "CAUSE"), rows, colour=colour),
        f"{len(executions)} {noun}: {total}",
    ]


def exit_code(executions: Sequence[Execution], expected: int) -> int:
    """0: all well; 1: a target failed or could not be checked; 2: a check itself broke or never ran."""
    outcomes = {execution.outcome for execution in executions}
    if Outcome.ERROR in outcomes or len(executions) < expected:
        return 2
    return 0 if all(outcome.is_success for outcome in outcomes) else 1


def write_junit(path: Path, executions: Sequence[Execution]) -> None:
    """Write executions as a JUnit test suite; the file appears whole or not at all. Raises OSError."""
    from xml.etree import ElementTree

    outcomes = Counter(execution.outcome for execution in executions)
    suite = ElementTree.Element(
        "testsuite",
        name="tocsin",
        tests=str(len(executions)),
        failures=str(outcomes[Outcome.FAILED]),
        errors=str(outcomes[Outcome.ERROR]),
        skipped=str(outcomes[Outcome.SKIPPED] + outcomes[Outcome.INTERRUPTED]),
        time=f"{sum(execution.duration for execution in executions):.3f}",
    )
    for execution in executions:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            name=_xml(execution.workflow_name),
            classname=_xml(execution.workflow_id),
            time=f"{execution.duration:.3f}",
        )
        tag = _JUNIT_TAGS.get(execution.outcome)
        if tag:
            kind = execution.failure.type if execution.failure else execution.outcome
            ElementTree.SubElement(case, tag, message=_xml(execution.error or execution.reason), type=kind)
    partial = path.with_name(path.name + ".part")
    ElementTree.ElementTree(suite).write(partial, encoding="utf-8", xml_declaration=True)
    os.replace(partial, path)


_JUNIT_TAGS = {
    Outcome.FAILED: "failure",
    Outcome.ERROR: "error",
    Outcome.SKIPPED: "skipped",
    Outcome.INTERRUPTED: "skipped",
}


def _xml(text: str) -> str:
    """Without the two characters that safe text may hold and XML may not."""
    return plain(text).replace("\ufffe", "\ufffd").replace("\uffff", "\ufffd")
