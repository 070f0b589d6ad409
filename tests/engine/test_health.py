from __future__ import annotations

from dataclasses import replace

import pytest

from engine.clock import VirtualClock
from engine.config.schema import Config, Workflow
from engine.health import HealthMonitor, Signals, Uptime
from engine.model import (
    ComponentHealth,
    Execution,
    Failure,
    Health,
    HealthCheck,
    HealthHour,
    HealthStatus,
    Outcome,
    Priority,
)
from engine.supervisor import Ailment

EXECUTION = Execution(1, "w", "w", Priority.NORMAL, "0" * 32, 0.0, 0.0, 0.1, Outcome.OK)
RUNNING = Signals(beat_age=0.1, last_commit_at=1.0)


def _workflows(**priorities: str) -> tuple[Workflow, ...]:
    step = {"id": "get", "http": {"url": "http://127.0.0.1:1/"}}
    data = [
        {"id": name, "name": name, "priority": priority, "every": "30s", "steps": [step]}
        for name, priority in priorities.items()
    ]
    return Config.model_validate({"version": 1, "workflows": data}).workflows


class Bench:
    """A monitor with a virtual clock and all checks it emitted."""

    def __init__(self, history: tuple[HealthHour, ...] = (), **priorities: str) -> None:
        self.clock = VirtualClock()
        self.checks: list[HealthCheck] = []
        self.monitor = HealthMonitor(
            clock=self.clock,
            workflows=_workflows(**priorities),
            emit=self.checks.append,
            history=history,
        )

    def see(self, workflow_id: str, *outcomes: Outcome) -> None:
        for outcome in outcomes:
            failure = Failure("status (503) == 200") if outcome.is_failure else None
            execution = replace(EXECUTION, workflow_id=workflow_id, outcome=outcome, failure=failure)
            self.monitor.observe(execution)

    def health(self, signals: Signals = RUNNING) -> Health:
        return self.monitor.assess(signals)

    def part(self, name: str, signals: Signals = RUNNING) -> ComponentHealth:
        return next(part for part in self.health(signals).components if part.name == name)


@pytest.mark.parametrize(
    ("outcomes", "status", "score"),
    [
        ([], HealthStatus.UNKNOWN, 0),
        ([Outcome.SKIPPED], HealthStatus.UNKNOWN, 0),
        ([Outcome.OK], HealthStatus.HEALTHY, 100),
        ([Outcome.DEGRADED], HealthStatus.DEGRADED, 70),
        ([Outcome.OK, Outcome.FAILED], HealthStatus.DEGRADED, 50),
        ([Outcome.FAILED, Outcome.ERROR], HealthStatus.UNHEALTHY, 0),
        ([Outcome.FAILED, Outcome.ERROR, Outcome.SKIPPED], HealthStatus.UNHEALTHY, 0),
        ([Outcome.FAILED, Outcome.INTERRUPTED, Outcome.FAILED], HealthStatus.UNHEALTHY, 0),
        ([Outcome.FAILED, Outcome.ERROR, Outcome.OK], HealthStatus.HEALTHY, 100),
    ],
)
def test_a_workflow_is_judged_by_its_latest_outcomes(
    outcomes: list[Outcome], status: HealthStatus, score: float
) -> None:
    bench = Bench(login="normal")
    bench.see("login", *outcomes)
    part = bench.part("workflow:login")
    assert (part.status, part.score, part.kind) == (status, score, "workflow")


def test_the_detail_of_a_failing_workflow_says_why() -> None:
    bench = Bench(login="normal")
    bench.see("login", Outcome.FAILED, Outcome.FAILED)
    assert bench.part("workflow:login").detail == "2 failures in a row: status (503) == 200"


def test_executions_of_unknown_workflows_are_ignored() -> None:
    bench = Bench(login="normal")
    bench.see("gone", Outcome.FAILED, Outcome.FAILED)
    assert [part.name for part in bench.health().components] == [
        "scheduler",
        "store",
        "notifier",
        "workflow:login",
    ]


@pytest.mark.parametrize(
    ("name", "signals", "status"),
    [
        ("scheduler", Signals(), HealthStatus.UNKNOWN),
        ("scheduler", RUNNING, HealthStatus.HEALTHY),
        ("scheduler", replace(RUNNING, beat_age=31.0), HealthStatus.UNHEALTHY),
        ("scheduler", replace(RUNNING, lag=31.0), HealthStatus.UNHEALTHY),
        ("scheduler", replace(RUNNING, lag=6.0), HealthStatus.DEGRADED),
        ("scheduler", replace(RUNNING, overload=3), HealthStatus.DEGRADED),
        ("scheduler", replace(RUNNING, paused=True), HealthStatus.DEGRADED),
        ("store", RUNNING, HealthStatus.HEALTHY),
        ("store", replace(RUNNING, store_error="the disk is full"), HealthStatus.UNHEALTHY),
        ("store", replace(RUNNING, dropped=3), HealthStatus.DEGRADED),
        ("store", replace(RUNNING, store_caution="little room"), HealthStatus.DEGRADED),
        ("store", replace(RUNNING, store_notice="only alerts are kept"), HealthStatus.UNHEALTHY),
        ("notifier", RUNNING, HealthStatus.HEALTHY),
        ("notifier", replace(RUNNING, dead=1), HealthStatus.UNHEALTHY),
    ],
)
def test_parts_of_the_engine(name: str, signals: Signals, status: HealthStatus) -> None:
    assert Bench().part(name, signals).status is status


@pytest.mark.parametrize(
    ("age", "status"),
    [(299, HealthStatus.HEALTHY), (301, HealthStatus.DEGRADED), (3_601, HealthStatus.UNHEALTHY)],
)
def test_undelivered_messages_weigh_by_their_age(age: float, status: HealthStatus) -> None:
    bench = Bench()
    signals = replace(RUNNING, oldest_undelivered=bench.clock.now() - age)
    assert bench.part("notifier", signals).status is status


@pytest.mark.parametrize(
    ("task", "deaths", "part", "status"),
    [
        ("outbox", 1, "notifier", HealthStatus.DEGRADED),
        ("rules", 3, "notifier", HealthStatus.UNHEALTHY),
        ("retention", 2, "store", HealthStatus.UNHEALTHY),
        ("scheduler", 2, "scheduler", HealthStatus.UNHEALTHY),
        ("export", 2, "scheduler", HealthStatus.UNHEALTHY),
        ("canary", 2, "scheduler", HealthStatus.HEALTHY),
    ],
)
def test_a_task_that_dies_is_told_by_its_part(
    task: str, deaths: int, part: str, status: HealthStatus
) -> None:
    found = Bench().part(part, replace(RUNNING, ailing={task: Ailment(deaths, "boom", 60.0)}))
    assert found.status is status
    assert found.detail.startswith(f"{task} stopped") or status is HealthStatus.HEALTHY


def test_rules_that_were_disabled_are_named() -> None:
    found = Bench().part("notifier", replace(RUNNING, disabled=("slow", "thin")))
    assert (found.status, found.detail) == (
        HealthStatus.DEGRADED,
        "disabled, because they failed: 2 rules (slow, thin)",
    )


def test_a_scheduler_that_never_gets_going_is_not_unknown() -> None:
    part = Bench().part("scheduler", Signals(ailing={"scheduler": Ailment(2, "boom", 60.0)}))
    assert (part.status, part.detail) == (
        HealthStatus.UNHEALTHY,
        "scheduler stopped 2 times in a row: boom",
    )


def test_drops_are_told_by_what_they_were() -> None:
    signals = replace(RUNNING, dropped=5, dropped_by_kind={"points": 3, "log lines": 2})
    assert Bench().part("store", signals).detail == (
        "5 records dropped since the start: 3 points, 2 log lines"
    )


async def test_drops_are_forgotten_after_a_minute_and_remembered_when_more_come() -> None:
    bench = Bench()
    dropped = replace(RUNNING, dropped=3)
    assert bench.part("store", dropped).status is HealthStatus.DEGRADED
    await bench.clock.advance(61)
    assert bench.part("store", dropped).status is HealthStatus.HEALTHY
    assert bench.part("store", replace(RUNNING, dropped=4)).status is HealthStatus.DEGRADED


async def test_a_store_that_writes_nothing_while_records_wait_is_unhealthy() -> None:
    bench = Bench()
    waiting = replace(RUNNING, store_queued=5, last_commit_at=bench.clock.now() - 500)
    assert bench.part("store", waiting).status is HealthStatus.HEALTHY, "they may have come just now"
    await bench.clock.advance(31)
    assert bench.part("store", waiting).detail == "has written nothing for 31 s"
    moved = replace(waiting, last_commit_at=bench.clock.now())
    assert bench.part("store", moved).status is HealthStatus.HEALTHY
    await bench.clock.advance(31)
    assert bench.part("store", replace(moved, store_queued=0)).status is HealthStatus.HEALTHY


def test_the_score_is_the_weighted_mean_of_what_is_known() -> None:
    bench = Bench(a="critical", b="high", c="normal", d="low", unseen="critical")
    for name in "acd":
        bench.see(name, Outcome.OK)
    bench.see("b", Outcome.FAILED)
    health = bench.health()
    assert health.score == pytest.approx((3 * 2 * 100 + 4 * 100 + 2 * 50 + 100 + 50) / (6 + 7.5))
    assert health.status is HealthStatus.HEALTHY


def test_the_whole_is_never_better_than_degraded_while_something_vital_is_down() -> None:
    critical = Bench((), pay="critical", **{f"w{i}": "critical" for i in range(20)})
    for i in range(20):
        critical.see(f"w{i}", Outcome.OK)
    critical.see("pay", Outcome.FAILED, Outcome.FAILED)
    assert critical.health().score > 90
    assert critical.health().status is HealthStatus.DEGRADED
    ordinary = Bench(pay="high", other="critical")
    ordinary.see("pay", Outcome.FAILED, Outcome.FAILED)
    ordinary.see("other", Outcome.OK)
    assert ordinary.health().status is HealthStatus.HEALTHY
    assert Bench().health(replace(RUNNING, dead=1)).status is HealthStatus.DEGRADED


def test_the_whole_goes_by_its_thresholds() -> None:
    bench = Bench(a="critical", b="critical")
    bench.see("a", Outcome.FAILED, Outcome.FAILED)
    assert bench.health().status is HealthStatus.DEGRADED
    bench.see("b", Outcome.FAILED, Outcome.FAILED)
    health = bench.health()
    assert health.score == pytest.approx(600 / 14)
    assert health.status is HealthStatus.UNHEALTHY


async def test_since_is_the_last_change_of_status() -> None:
    bench = Bench(login="critical")
    bench.see("login", Outcome.OK)
    first = bench.health()
    await bench.clock.advance(30)
    bench.see("login", Outcome.FAILED, Outcome.FAILED)
    second = bench.health()
    assert (first.since, second.since) == (second.started_at, second.started_at + 30)
    assert bench.part("workflow:login").since == second.started_at + 30
    assert bench.part("store").since == second.started_at
    await bench.clock.advance(30)
    assert bench.health().since == second.since


async def test_checks_are_emitted_on_change_and_every_minute() -> None:
    bench = Bench(login="normal")
    bench.health()
    assert len(bench.checks) == 4
    await bench.clock.advance(30)
    bench.health()
    assert len(bench.checks) == 4
    bench.see("login", Outcome.OK)
    bench.health()
    assert [check.component for check in bench.checks[4:]] == ["workflow:login"]
    await bench.clock.advance(31)
    bench.health()
    assert [check.component for check in bench.checks[5:]] == ["scheduler", "store", "notifier"]


async def test_a_clock_set_back_does_not_silence_the_checks() -> None:
    bench = Bench()
    bench.health()
    bench.clock.jump(-86_400)
    bench.health()
    assert len(bench.checks) == 6


def test_uptime_is_restored_from_history_and_goes_on() -> None:
    now = VirtualClock().now()
    history = tuple(HealthHour(now - 60, "workflow:login", 1, good) for good in (1, 1, 0))
    bench = Bench(history, login="normal")
    assert bench.part("workflow:login").uptime == pytest.approx(2 / 3)
    bench.see("login", Outcome.FAILED, Outcome.FAILED)
    assert bench.part("workflow:login").uptime == pytest.approx(2 / 4)
    assert Bench(login="normal").part("workflow:login").uptime is None


def test_uptime_forgets_what_is_older_than_a_day() -> None:
    uptime = Uptime()
    uptime.add(0.0, HealthStatus.UNHEALTHY)
    uptime.add(86_399.0, HealthStatus.HEALTHY)
    assert uptime.share == 0.5
    uptime.add(86_400.0, HealthStatus.HEALTHY)
    assert uptime.share == 1.0
