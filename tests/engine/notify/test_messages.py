from __future__ import annotations

from dataclasses import replace

import pytest

from engine.model import Alert, AlertEventKind, AlertState, Severity
from engine.notify.messages import TITLE_LIMIT, compose

START = 1_700_000_000.0  # 2023-11-14 22:13:20 UTC
ALERT = Alert(
    id=12,
    fingerprint="high-failure-rate|checkout",
    rule_id="high-failure-rate",
    rule_name="High failure rate",
    subject="checkout",
    severity=Severity.ERROR,
    state=AlertState.FIRING,
    message="workflow.failure_rate (62.5 %) > 50 %",
    started_at=START,
    last_true_at=START + 300,
    fired_at=START + 300,
)
ACKED = replace(
    ALERT, state=AlertState.ACKNOWLEDGED, acked_at=START + 420, acked_by="ann", ack_note="looking at it"
)
RESOLVED = replace(ACKED, state=AlertState.RESOLVED, resolved_at=START + 3_900, resolved_by="recovery")


def test_a_fire_says_what_since_when_and_which() -> None:
    assert compose(ALERT, AlertEventKind.FIRED) == (
        "[ERROR] High failure rate · checkout",
        "workflow.failure_rate (62.5 %) > 50 %\n"
        "Since 2023-11-14 22:13:20 UTC, fired 5m later\n"
        "Alert 12, rule high-failure-rate",
    )


def test_a_fire_at_once_does_not_speak_of_waiting() -> None:
    _, body = compose(replace(ALERT, fired_at=START), AlertEventKind.FIRED)
    assert "Since 2023-11-14 22:13:20 UTC\n" in body


def test_an_acknowledgement_names_the_person_and_the_note() -> None:
    assert compose(ACKED, AlertEventKind.ACKNOWLEDGED) == (
        "[ACKNOWLEDGED] High failure rate · checkout",
        "workflow.failure_rate (62.5 %) > 50 %\n"
        "Since 2023-11-14 22:13:20 UTC, fired 5m later\n"
        "Acknowledged by ann after 2m\n"
        "Note: looking at it\n"
        "Alert 12, rule high-failure-rate",
    )


def test_a_recovery_says_how_long_it_lasted() -> None:
    assert compose(RESOLVED, AlertEventKind.RESOLVED) == (
        "[RESOLVED] High failure rate · checkout",
        "workflow.failure_rate (62.5 %) > 50 %\n"
        "Since 2023-11-14 22:13:20 UTC, fired 5m later\n"
        "Lasted 1h5m, until 2023-11-14 23:18:20 UTC\n"
        "Acknowledged by ann\n"
        "Resolved by itself: the condition no longer holds\n"
        "Alert 12, rule high-failure-rate",
    )


@pytest.mark.parametrize(
    ("author", "note", "line"),
    [
        ("auto", "", "Resolved by itself: not confirmed any more"),
        ("auto", "not confirmed for 1h", "Resolved by itself: not confirmed for 1h"),
        ("rule", "", "Resolved by itself: its rule was removed"),
        ("ben", "rolled back", "Resolved by ben\nNote: rolled back"),
    ],
)
def test_an_end_says_who_or_what_ended_it(author: str, note: str, line: str) -> None:
    assert line in compose(RESOLVED, AlertEventKind.RESOLVED, author, note)[1]


def test_an_escalation_shows_the_new_severity_and_why() -> None:
    raised = replace(ALERT, severity=Severity.CRITICAL, escalated_at=START + 1_200)
    title, body = compose(raised, AlertEventKind.ESCALATED)
    assert title == "[CRITICAL ESCALATED] High failure rate · checkout"
    assert "Escalated: nobody acknowledged it for 15m\n" in body
    assert (
        "Escalated: ERROR → CRITICAL\n"
        in compose(raised, AlertEventKind.ESCALATED, "rule", "ERROR → CRITICAL")[1]
    )


def test_foreign_text_cannot_act() -> None:
    hostile = "\x1b]52;c;ZXZpbA==\x07\x1b[31m[@click=app.quit]x[/]\u202e\x00\r\nsecond"
    alert = replace(
        RESOLVED, message=hostile, subject=hostile, rule_name=hostile, rule_id=hostile, acked_by=hostile
    )
    for kind in AlertEventKind:
        title, body = compose(alert, kind, hostile, hostile)
        assert "\n" not in title
        assert not {character for character in title + body if ord(character) < 32} - {"\n"}
        assert not set("\x7f\x9b\u202e") & set(title + body)


def test_long_text_is_cut() -> None:
    alert = replace(ALERT, message="m" * 100_000, subject="s" * 10_000)
    title, body = compose(alert, AlertEventKind.FIRED)
    assert len(title) < TITLE_LIMIT + 30
    assert len(body) < 2_000
