"""A week of a small shop, for reports."""

from __future__ import annotations

from dataclasses import replace

from engine.client import RetryFigures, RetryReport
from engine.model import (
    Alert,
    AlertEventKind,
    AlertState,
    ComponentSummary,
    Direction,
    MetricsSummary,
    Notification,
    NotificationState,
    Outcome,
    PeriodTotals,
    Severity,
    Trend,
    Trends,
    WorkflowSummary,
)
from engine.reporting.making import Material
from engine.reporting.model import Pledge

DAY = 86_400.0
UNTIL = 1_764_000_000.0
SINCE = UNTIL - 7 * DAY
STEADY = Trend(Direction.STABLE, 0.01, 0.6)


def workflow(name: str, executions: int, rate: float | None, p95: float = 0.2) -> WorkflowSummary:
    return WorkflowSummary(name, executions, rate, 0.1, 0.1, p95, p95 * 2, p90=p95)


def summary(*workflows: WorkflowSummary) -> MetricsSummary:
    count = sum(one.executions for one in workflows)
    good = round(sum(one.executions * (one.success_rate or 0) for one in workflows))
    return MetricsSummary(
        SINCE, UNTIL, count, {Outcome.OK: good, Outcome.FAILED: count - good},
        good / count if count else None,
        0.1, 0.3, 0.9, {Severity.WARNING: 2}, workflows,
        previous=PeriodTotals(900, 0.999, 0.1, 0.1, 0.2, 0.25, 0.5),
        trends=Trends(STEADY, Trend(Direction.DEGRADING, -0.12, 0.001), STEADY),
        health=(ComponentSummary("store", 100, 0.9, 90.0), ComponentSummary("workflow:shop", 100, 0.5, 50.0)),
    )  # fmt: skip


def alert(number: int, rule: str = "noisy", subject: str = "shop", lasted: float = 40.0) -> Alert:
    at = UNTIL - DAY + number * 600
    return Alert(
        number, f"{rule}|{subject}", rule, rule.title(), subject, Severity.WARNING, AlertState.RESOLVED,
        "it failed", at, at, fired_at=at, resolved_at=at + lasted, resolved_by="recovery",
    )  # fmt: skip


def message(number: int, state: NotificationState, channel: str = "ops", error: str = "") -> Notification:
    at = UNTIL - 600.0
    return Notification(
        f"{number}:fired:{channel}", number, channel, AlertEventKind.FIRED, Severity.WARNING, "t", "b", at,
        state, 1, sent_at=at + 2 if state is NotificationState.SENT else None, error=error,
    )  # fmt: skip


CALM = Material(
    summary=replace(summary(workflow("shop", 1_000, 0.999)), health=()),
    before=summary(workflow("shop", 900, 0.98)),
    retries=RetryReport(),
    alerts=(),
    notifications=(),
    pledges=(Pledge("shop", 0.99, 10.0, 2),),
)


def retried(executions: int, count: int, rescued: int) -> RetryReport:
    figures = RetryFigures("shop", executions, executions + count, count, rescued, count - rescued, 90.0)
    return RetryReport((figures,))
