from __future__ import annotations

from dataclasses import replace

import pytest

from engine.config.schema import Rule
from engine.model import Alert, AlertEventKind, AlertState, Notification, Severity
from engine.notify.facts import Occasion
from engine.notify.messages import TITLE_LIMIT, digest, wording

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


def compose(alert: Alert, kind: AlertEventKind, author: str = "", note: str = "") -> tuple[str, str]:
    return wording(Occasion(alert, kind, START + 4_200, author, note))


def test_a_fire_says_what_since_when_and_which() -> None:
    assert compose(ALERT, AlertEventKind.FIRED) == (
        "[ERROR] High failure rate · checkout",
        "workflow.failure_rate (62.5 %) > 50 %\n"
        "Since 2023-11-14 22:13:20 UTC, fired 5 m later\n"
        "Alert 12, rule high-failure-rate",
    )


def test_a_fire_at_once_does_not_speak_of_waiting() -> None:
    _, body = compose(replace(ALERT, fired_at=START), AlertEventKind.FIRED)
    assert "Since 2023-11-14 22:13:20 UTC\n" in body


def test_an_acknowledgement_names_the_person_and_the_note() -> None:
    assert compose(ACKED, AlertEventKind.ACKNOWLEDGED) == (
        "[ACKNOWLEDGED] High failure rate · checkout",
        "workflow.failure_rate (62.5 %) > 50 %\n"
        "Since 2023-11-14 22:13:20 UTC, fired 5 m later\n"
        "Acknowledged by ann after 2 m\n"
        "Note: looking at it\n"
        "Alert 12, rule high-failure-rate",
    )


def test_a_recovery_says_how_long_it_lasted() -> None:
    assert compose(RESOLVED, AlertEventKind.RESOLVED) == (
        "[RESOLVED] High failure rate · checkout",
        "workflow.failure_rate (62.5 %) > 50 %\n"
        "Since 2023-11-14 22:13:20 UTC, fired 5 m later\n"
        "Lasted 1 h 05 m, until 2023-11-14 23:18:20 UTC\n"
        "Acknowledged by ann\n"
        "Resolved by itself: the condition no longer holds\n"
        "Alert 12, rule high-failure-rate",
    )


@pytest.mark.parametrize(
    ("author", "note", "line"),
    [
        ("auto", "", "Resolved by itself: not confirmed any more"),
        ("auto", "not confirmed for 1 h", "Resolved by itself: not confirmed for 1 h"),
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
    assert "Escalated: nobody acknowledged it for 15 m\n" in body
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


@pytest.mark.parametrize(
    ("kind", "mark", "line"),
    [
        (AlertEventKind.REMINDED, "[ERROR STILL FIRING]", "Still firing after 1 h 05 m"),
        (AlertEventKind.REOPENED, "[ERROR AGAIN]", "Fires again, for the third time"),
        (AlertEventKind.LAPSED, "[ERROR UNACKNOWLEDGED]", "The acknowledgement by ann ran out"),
        (AlertEventKind.FLAPPING, "[FLAPPING]", "It changes too often (34 %): no more is told until"),
        (AlertEventKind.STEADY, "[STEADY]", "It is steady again, and firing"),
    ],
)
def test_each_kind_says_what_happened(kind: AlertEventKind, mark: str, line: str) -> None:
    alert = replace(ALERT, acked_by="ann", reopened=2)
    title, body = compose(alert, kind, note="34 %" if kind is AlertEventKind.FLAPPING else "")
    assert title == f"{mark} High failure rate · checkout"
    assert line in body


def test_what_to_do_is_told_where_something_is_to_be_done() -> None:
    rule = Rule.model_validate(
        {
            "id": "r",
            "name": "R",
            "description": "Roll back.",
            "runbook": "https://wiki.example/r",
            "conditions": [{"type": "THRESHOLD", "metric": "health.score", "operator": "<", "value": 50}],
        }
    )
    advice = "Roll back.\nRunbook: https://wiki.example/r\n"
    assert advice in wording(Occasion(ALERT, AlertEventKind.FIRED, START, rule=rule))[1]
    assert "Roll back" not in wording(Occasion(RESOLVED, AlertEventKind.RESOLVED, START, rule=rule))[1]


def _row(number: int, kind: AlertEventKind = AlertEventKind.FIRED) -> Notification:
    title, body = compose(replace(ALERT, id=number), kind)
    return Notification(f"{number}:{kind}:ops", number, "ops", kind, Severity.ERROR, title, body, START)


def test_a_digest_counts_and_lists_what_it_tells() -> None:
    assert digest([_row(1)]) == (_row(1).title, _row(1).body)
    title, body = digest([_row(1), _row(2), _row(1, AlertEventKind.ESCALATED)])
    assert title == "[ERROR] 2 alerts: 2 fired, 1 escalated"
    first = "22:13:20 [ERROR] High failure rate · checkout: workflow.failure_rate (62.5 %) > 50 %"
    assert body.splitlines()[0] == first
    assert len(body.splitlines()) == 3


def test_a_long_digest_says_how_many_more_there_are() -> None:
    body = digest([_row(number) for number in range(50)])[1]
    assert body.splitlines()[-1] == "… and 20 more: tocsin alerts lists them"
