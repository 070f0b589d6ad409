"""Records, lines, the table and the JUnit file of runs without a console."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from engine.headless import encode
from engine.model import (
    Alert,
    AlertEvent,
    AlertEventKind,
    AlertState,
    ErrorType,
    Execution,
    Failure,
    HealthCheck,
    HealthStatus,
    LogLevel,
    LogRecord,
    Notification,
    NotificationState,
    Outcome,
    Priority,
    Recording,
    Severity,
)
from engine.reports import RowReporter, exit_code, line, once_table, write_junit

AT = 1_700_000_000.0
OK = Execution(1, "front", "Front page", Priority.HIGH, "a" * 32, AT, AT, 0.123, Outcome.OK, attempt_count=1)
FAILED = replace(
    OK,
    id=2,
    workflow_id="pay",
    outcome=Outcome.FAILED,
    failure=Failure("pay: connection refused by 127.0.0.1:9", ErrorType.NETWORK),
    attempt_count=3,
)
ALERT = Alert(
    7,
    "r|pay",
    "r",
    "Payments down",
    "pay",
    Severity.CRITICAL,
    AlertState.FIRING,
    "3 failures",
    AT,
    AT,
    fired_at=AT,
)
NOTICE = Notification(
    "7:fired:ops", 7, "ops", AlertEventKind.FIRED, Severity.CRITICAL, "[CRITICAL] pay", "body", AT
)


def log(level: LogLevel, execution_id: int | None = None) -> LogRecord:
    return LogRecord(AT, level, "something happened", execution_id=execution_id)


def test_an_execution_and_its_warnings() -> None:
    recording = Recording(FAILED, logs=(log(LogLevel.INFO, 2), log(LogLevel.ERROR, 2)))
    execution, warning = RowReporter().records([recording])
    assert execution["type"] == "execution"
    assert execution["workflow"] == "pay"
    assert execution["outcome"] == "failed"
    assert execution["error"] == "pay: connection refused by 127.0.0.1:9"
    assert execution["error_type"] == "NETWORK"
    assert warning["level"] == "error"
    assert "failed" in line(execution)
    assert "connection refused" in line(execution)
    assert line(warning) == ""


def test_a_transition_carries_its_alert_even_when_committed_later() -> None:
    reporter = RowReporter()
    event = AlertEvent(7, AT, AlertEventKind.FIRED, "rule")
    (fired,) = reporter.records([event, ALERT])
    assert (fired["transition"], fired["severity"], fired["subject"]) == ("fired", "CRITICAL", "pay")
    (acked,) = reporter.records([AlertEvent(7, AT + 1, AlertEventKind.ACKNOWLEDGED, "ada", "looking")])
    assert acked["rule"] == "r"
    assert acked["at"] == AT + 1
    assert "acknowledged" in line(acked)
    assert "by ada" in line(acked)


def test_resolved_alerts_are_forgotten() -> None:
    reporter = RowReporter()
    resolved = replace(ALERT, state=AlertState.RESOLVED, resolved_at=AT)
    list(reporter.records([resolved, AlertEvent(7, AT, AlertEventKind.RESOLVED)]))
    (late,) = reporter.records([AlertEvent(7, AT, AlertEventKind.RESOLVED)])
    assert "rule" not in late
    assert line(late)


def test_health_is_told_when_it_changes() -> None:
    reporter = RowReporter()
    check = HealthCheck(AT, "store", HealthStatus.HEALTHY, 100)
    worse = replace(check, status=HealthStatus.UNHEALTHY, detail="disk full")
    unknown = replace(check, status=HealthStatus.UNKNOWN)
    told = list(reporter.records([unknown, check, check, worse, worse]))
    assert [record["status"] for record in told] == ["healthy", "unhealthy"]
    assert "disk full" in line(told[1])


@pytest.mark.parametrize(
    ("row", "count"),
    [
        (log(LogLevel.INFO), 0),
        (log(LogLevel.WARNING), 1),
        (NOTICE, 0),
        (replace(NOTICE, state=NotificationState.SENT, sent_at=AT), 1),
        (replace(NOTICE, state=NotificationState.DEAD, error="no route"), 1),
        (replace(NOTICE, state=NotificationState.MOVED, error="handed on to pager"), 1),
        (replace(NOTICE, state=NotificationState.COLLAPSED, error="it was over before it was told"), 1),
        (replace(NOTICE, state=NotificationState.SENDING), 0),
    ],
)
def test_what_is_worth_a_record(row: LogRecord | Notification, count: int) -> None:
    records = list(RowReporter().records([row]))
    assert len(records) == count
    for record in records:
        assert line(record)
        assert json.loads(encode(record))["type"] == record["type"]


def test_lines_are_safe_and_json_is_ascii() -> None:
    hostile = replace(FAILED, workflow_id="\x1b]0;owned\x07x", failure=Failure("\x9b2J\u202egnp\nnext"))
    (record,) = RowReporter().records([Recording(hostile)])
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202e]", line(record))
    assert re.fullmatch(r"[\x20-\x7e]+", encode(record))


def test_json_never_holds_what_json_cannot() -> None:
    record = {"type": "log", "value": float("nan"), "fields": {"x": float("inf"), "y": 1.5}}
    assert json.loads(encode(record)) == {"type": "log", "value": None, "fields": {"x": None, "y": 1.5}}


@pytest.mark.parametrize(
    ("outcomes", "expected", "code"),
    [
        ([Outcome.OK, Outcome.DEGRADED], 2, 0),
        ([], 0, 0),
        ([Outcome.OK, Outcome.FAILED], 2, 1),
        ([Outcome.SKIPPED], 1, 1),
        ([Outcome.FAILED, Outcome.ERROR], 2, 2),
        ([Outcome.OK], 2, 2),
    ],
)
def test_exit_codes(outcomes: list[Outcome], expected: int, code: int) -> None:
    assert exit_code([replace(OK, outcome=outcome) for outcome in outcomes], expected) == code


def test_the_table_of_one_round() -> None:
    lines = once_table([OK, FAILED])
    assert lines == [
        "WORKFLOW  OUTCOME  DURATION  ATTEMPTS  CAUSE",
        "front     ok         123 ms         1",
        "pay       failed     123 ms         3  pay: connection refused by 127.0.0.1:9",
        "2 workflows: 1 ok, 1 failed",
    ]
    assert once_table([])[-1] == "0 workflows: nothing ran"


def test_junit(tmp_path: Path) -> None:
    path = tmp_path / "report.xml"
    error = replace(
        OK, workflow_name="<&\"'\ufffe>", outcome=Outcome.ERROR, failure=Failure("\x00\x1b[31m<b>")
    )
    skipped = replace(OK, outcome=Outcome.SKIPPED, reason="breaker")
    write_junit(path, [OK, FAILED, error, skipped])
    suite = ElementTree.parse(path).getroot()
    assert [suite.get(key) for key in ("tests", "failures", "errors", "skipped")] == ["4", "1", "1", "1"]
    assert [[child.tag for child in case] for case in suite] == [[], ["failure"], ["error"], ["skipped"]]
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.get("message") == "pay: connection refused by 127.0.0.1:9"
    assert failure.get("type") == "NETWORK"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.xml"]
