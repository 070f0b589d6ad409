"""What stands behind the rows of a list: as an object for other programs, and as a line to copy."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.client import WorkflowStatus
from engine.model import Alert, Execution, LogRecord, Span
from engine.model.rules import RuleStatus
from engine.text import plain
from tui.widgets.columns import Column, Row
from tui.widgets.sieve import row_text

LONGEST = 8_192
"""Characters that are put on the clipboard."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What is put on the clipboard, and what it is in our own words."""

    what: str
    text: str


def to_copy(record: object, row: Row) -> Copied:
    """What is most useful of a row elsewhere; without a record that is known, what the row says."""
    match record:
        case Alert():
            return Copied("the alert", _alert_line(record))
        case Execution():
            return Copied("the trace id", plain(record.trace_id, LONGEST))
        case Span():
            return Copied(
                "the span", f"{plain(record.trace_id, 64)} {plain(record.span_id, 64)} {plain(record.name)}"
            )
        case LogRecord():
            from engine.headless import encode

            return Copied("the line as JSON", encode(record_of(record) or {})[:LONGEST])
        case WorkflowStatus():
            return Copied("the workflow's id", plain(record.id, LONGEST))
        case RuleStatus():
            return Copied("the rule's id", plain(record.id, LONGEST))
    return Copied("the row", plain(row_text(row), LONGEST))


def record_of(record: object) -> dict[str, Any] | None:
    """The record as a JSON object; None for what is none of those that are known."""
    from engine.reports import (
        alert_record,
        execution_record,
        log_record,
        rule_record,
        span_record,
        workflow_record,
    )

    match record:
        case Alert():
            return alert_record(record)
        case Execution():
            return execution_record(record)
        case LogRecord():
            return log_record(record)
        case Span():
            return span_record(record)
        case WorkflowStatus():
            return workflow_record(record)
        case RuleStatus():
            return rule_record(record)
    return None


def row_record(columns: Sequence[Column], row: Row) -> dict[str, Any]:
    """What a row says, by the titles of its columns."""
    if len(row.cells) != len(columns):
        return {"text": row_text(row)}
    titled = ((column.title or column.key, cell) for column, cell in zip(columns, row.cells, strict=True))
    return {title.lower(): plain(cell.plain.strip(), LONGEST) for title, cell in titled}


def _alert_line(alert: Alert) -> str:
    began = time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(alert.fired_at or alert.started_at))
    head = f"{alert.severity} {alert.state} #{alert.id} {alert.rule_name} ({alert.rule_id})"
    return plain(f"{head} · {alert.subject}: {alert.message} · since {began}", LONGEST)
