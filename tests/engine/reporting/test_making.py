"""What a report finds: service levels against their objectives, and advice with its evidence."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model import Direction, NotificationState, Severity, Trend, Trends
from engine.reporting.making import Material, make
from engine.reporting.model import Pledge, Report
from tests.engine.reporting.material import (
    CALM,
    SINCE,
    STEADY,
    UNTIL,
    alert,
    message,
    retried,
    summary,
    workflow,
)


def made(**changes: object) -> Report:
    return make(replace(CALM, **changes), UNTIL)  # type: ignore[arg-type]


def only_advice(**changes: object) -> tuple[str, str, str]:
    (found,) = made(**changes).advice
    return found.subject, found.severity.value, found.evidence


def test_a_calm_period_asks_for_nothing() -> None:
    report = made()
    (level,) = report.levels
    assert (level.failures, level.met, round(level.left or 0, 3)) == (1, True, 0.9)
    assert level.previous == 0.98
    assert report.advice == ()
    assert report.missed == ()


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.floats(0.5, 0.9999))
def test_the_budget_is_overspent_exactly_when_the_objective_is_missed(
    executions: int, failures: int, objective: float
) -> None:
    failures = min(failures, executions)
    one = workflow("shop", executions, 1 - failures / executions)
    (level,) = made(summary=summary(one), pledges=(Pledge("shop", objective),)).levels
    assert level.failures == failures
    if abs(failures - level.allowed) > 1e-6:
        assert (level.left is not None and level.left >= 0) is level.met


def test_what_is_furthest_from_its_objective_comes_first_and_what_did_not_run_last() -> None:
    report = made(
        summary=summary(
            workflow("fine", 100, 1.0), workflow("bad", 100, 0.5), workflow("unknown", 100, 0.995)
        ),
        pledges=(Pledge("idle"), Pledge("fine"), Pledge("bad", 0.6)),
    )
    assert [level.workflow_id for level in report.levels] == ["bad", "unknown", "fine", "idle"]
    assert [level.workflow_id for level in report.missed] == ["bad"]


@pytest.mark.parametrize(
    ("changes", "subject", "severity", "says"),
    [
        ({"summary": summary(workflow("shop", 1_000, 0.9))}, "shop", "ERROR",
         "100 of 1,000 executions failed: 90.0 % succeeded, 99 % were to; that allows 10 failures."),
        ({"summary": summary(workflow("shop", 100, 1.0, p95=9.1))}, "shop", "WARNING",
         "Its p95 of 9.10 s is 91 % of its timeout of 10 s."),
        ({"pledges": (Pledge("shop", 0.99, 10.0, 0),)}, "shop", "WARNING", "No enabled rule covers it."),
        ({"pledges": (*CALM.pledges, Pledge("idle", rules=1))}, "idle", "INFO", "It has not been executed"),
        ({"retries": retried(1_000, 80, 60)}, "shop", "WARNING",
         "Retries rescued 60 of 1,000 executions (6.0 %)."),
        ({"retries": retried(1_000, 40, 0)}, "shop", "INFO", "40 executions were tried again and none"),
        ({"summary": summary(workflow("shop", 1_000, 1.0))}, "shop", "INFO",
         "It has not failed once in 1,000 executions."),
        ({"alerts": [alert(n) for n in range(5)]}, "noisy", "WARNING",
         "It fired 5 times about shop; half of its alerts were over within 40 s"),
        ({"alerts": [alert(n, subject=f"s{n}") for n in range(12)]}, "noisy", "WARNING",
         "12 alerts, 12 of them over by themselves, none taken by a person."),
        ({"notifications": [message(1, NotificationState.DEAD, error="HTTP 410"),
                            message(2, NotificationState.SENT)]}, "ops", "ERROR",
         "1 of 2 messages was given up. The last one said: HTTP 410"),
        ({"notifications": [message(1, NotificationState.QUEUED)]}, "ops", "WARNING",
         "1 message waited and none was sent."),
    ],
)  # fmt: skip
def test_advice_comes_with_its_evidence(
    changes: dict[str, object], subject: str, severity: str, says: str
) -> None:
    if "summary" in changes:
        changes["summary"] = replace(changes["summary"], health=())  # type: ignore[type-var]
    found = only_advice(**changes)
    assert found[:2] == (subject, severity)
    assert says in found[2]


def test_parts_of_the_monitor_that_were_not_well_are_told_and_workflows_only_once() -> None:
    assert only_advice(summary=summary(workflow("shop", 100, 1.0))) == (
        "store", "WARNING", "It was well in 90.0 % of 100 checks.",
    )  # fmt: skip


def test_alerts_that_people_take_are_no_noise() -> None:
    alerts = [replace(alert(n, subject=f"s{n}"), acked_at=UNTIL) for n in range(12)]
    assert made(alerts=alerts).advice == ()
    alerts = [replace(alert(n, subject=f"s{n}"), resolved_by="ann") for n in range(12)]
    assert made(alerts=alerts).advice == ()


def test_only_what_happened_in_the_period_counts() -> None:
    early = replace(alert(1), fired_at=SINCE - 1)
    report = made(
        alerts=[early, alert(2), replace(alert(3), fired_at=None)],
        notifications=[replace(message(1, NotificationState.SENT), created_at=SINCE - 1)],
    )
    assert [rule.alerts for rule in report.rules] == [1]
    assert report.levels[0].alerts == 1
    assert report.channels == ()


def test_the_gravest_advice_comes_first() -> None:
    report = made(
        summary=summary(workflow("idle", 0, None), workflow("shop", 1_000, 0.9)),
        notifications=[message(1, NotificationState.DEAD)],
    )
    ranks = [one.severity.rank for one in report.advice]
    assert ranks == sorted(ranks, reverse=True)
    assert report.advice[0].severity is Severity.ERROR


def test_trends_are_said_in_words() -> None:
    assert made().trends == (
        "The success rate fell by 12 % from the first half to the second: degrading.",
        "The mean duration held steady.",
        "The number of executions held steady.",
        "The period before had 900 executions, of which 99.9 % succeeded, with a p95 of 250 ms.",
    )
    nothing = Trend(Direction.STABLE, None, 1.0)
    few = replace(CALM.summary, trends=Trends(nothing, nothing, nothing), previous=None)
    assert made(summary=few).trends == ("Too little ran for a trend.", "Nothing ran in the period before.")
    faster = replace(CALM.summary, trends=Trends(STEADY, STEADY, Trend(Direction.IMPROVING, None, 0.01)))
    assert "The mean duration is improving." in made(summary=faster).trends


def test_what_was_left_out_is_said() -> None:
    many: Material = replace(CALM, alerts=[alert(1)] * 10_000)
    assert make(many, UNTIL).partial == "Only the newest 10,000 alerts were looked at."
    assert made().partial == ""
