"""Laws that hold whatever happens: fires, recoveries, commands, restarts, a failing disk, in any order."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import pairwise

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.errors import ConflictError, StoreError
from engine.model import Alert, AlertEventKind, AlertState, Severity
from tests.effort import tried
from tests.engine.alerts.stand import Stand, config

COOLDOWN = 120.0
LIMIT = 2
WORKFLOWS = ("a", "b", "c")
ESCALATION = {"after": "2m", "severity": "CRITICAL", "channels": ["pager"]}


class Life(RuleBasedStateMachine):
    """Random lives of alerts about three workflows, two rules, two channels."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.severities: dict[int, Severity] = {}

    @initialize(holding=st.sampled_from(["0s", "40s"]))
    def begin(self, holding: str) -> None:
        base = {
            "cooldown": "2m",
            "channels": ["ops", "pager"],
            "auto_resolve": "5m",
            "escalation": ESCALATION,
        }
        self.stand = Stand(
            config(
                {**base, "for": holding},
                {**base, "id": "second", "severity": "CRITICAL", "workflows": ["a"]},
                workflows=WORKFLOWS,
                settings={"max_active_alerts": LIMIT},
            )
        )

    @rule(workflow=st.sampled_from(WORKFLOWS), outcome=st.sampled_from(["failed", "failed", "ok", "skipped"]))
    def runs(self, workflow: str, outcome: str) -> None:
        self.loop.run_until_complete(self.stand.run(outcome, workflow, after=5))

    @rule(seconds=st.sampled_from([15.0, 45.0, 130.0, 320.0]))
    def time_passes(self, seconds: float) -> None:
        self.loop.run_until_complete(self.stand.wait(seconds))

    @rule(seconds=st.sampled_from([100.0, 5000.0]))
    def sleeps(self, seconds: float) -> None:
        self.loop.run_until_complete(self.stand.tick(seconds))

    @rule(which=st.integers(0, 4), resolving=st.booleans())
    def commands(self, which: int, resolving: bool) -> None:
        alerts = self.stand.manager.open_alerts()
        if not alerts:
            return
        alert = alerts[which % len(alerts)]
        command = self.stand.manager.resolve if resolving else self.stand.manager.acknowledge
        allowed = alert.state.is_active if resolving else alert.state is AlertState.FIRING
        try:
            self.loop.run_until_complete(command(alert.id, "ada", ""))
        except ConflictError:
            assert not allowed
        except StoreError:
            assert self.stand.tables.failing
        else:
            assert allowed

    @rule()
    def restarts(self) -> None:
        self.stand.restart()

    @rule(failing=st.booleans())
    def disk_changes(self, failing: bool) -> None:
        self.stand.tables.failing = failing

    @precondition(lambda self: not self.stand.tables.failing)
    @rule()
    def everything_recovers(self) -> None:
        for workflow in WORKFLOWS:
            self.loop.run_until_complete(self.stand.run("ok", workflow, after=1))
        assert self.stand.manager.open_alerts() == ()
        notices = Counter(
            (row.alert_id, row.channel)
            for row in self.stand.tables.notifications.values()
            if row.transition in (AlertEventKind.FIRED, AlertEventKind.RESOLVED)
        )
        assert set(notices.values()) <= {2}

    @invariant()
    def one_open_alert_a_fingerprint(self) -> None:
        prints = Counter(alert.fingerprint for alert in self.stand.tables.open())
        assert all(count == 1 for count in prints.values())

    @invariant()
    def memory_is_what_is_stored(self) -> None:
        stored = {alert.id: alert.state for alert in self.stand.tables.open()}
        assert {alert.id: alert.state for alert in self.stand.manager.open_alerts()} == stored

    @invariant()
    def at_most_as_many_active_as_allowed(self) -> None:
        assert sum(alert.state.is_active for alert in self.stand.tables.open()) <= LIMIT

    @invariant()
    def every_resolve_was_preceded_by_its_fire(self) -> None:
        told: set[tuple[int, str]] = set()
        ended: set[tuple[int, str]] = set()
        for row in self.stand.tables.notifications.values():
            pair = (row.alert_id, row.channel)
            if row.transition is AlertEventKind.FIRED:
                told.add(pair)
            elif row.transition is AlertEventKind.RESOLVED:
                assert pair in told
                ended.add(pair)
        resolved = {
            alert.id for alert in self.stand.tables.alerts.values() if alert.state is AlertState.RESOLVED
        }
        assert {pair for pair in told if pair[0] in resolved} == ended

    @invariant()
    def no_fire_within_the_cooldown(self) -> None:
        by_print: dict[str, list[Alert]] = {}
        for alert in self.stand.tables.alerts.values():
            if alert.fired_at is not None:
                by_print.setdefault(alert.fingerprint, []).append(alert)
        for alerts in by_print.values():
            for before, after in pairwise(alerts):
                assert before.fired_at is not None
                assert after.fired_at is not None
                by_hand = before.resolved_at if before.resolved_by == "ada" else None
                assert after.fired_at - max(before.fired_at, by_hand or 0.0) >= COOLDOWN

    @invariant()
    def events_follow_the_life(self) -> None:
        allowed = {
            "": {"pending", "fired"},
            "pending": {"fired", "cancelled"},
            "fired": {"escalated", "acknowledged", "resolved"},
            "escalated": {"acknowledged", "resolved"},
            "acknowledged": {"resolved"},
            "resolved": set(),
            "cancelled": set(),
        }
        last: dict[int, str] = {}
        for event in self.stand.tables.events:
            assert event.kind.value in allowed[last.get(event.alert_id, "")]
            last[event.alert_id] = event.kind.value

    @invariant()
    def severity_is_never_lowered(self) -> None:
        for alert in self.stand.tables.alerts.values():
            before = self.severities.get(alert.id, alert.severity)
            assert alert.severity.rank >= before.rank
            self.severities[alert.id] = alert.severity

    def teardown(self) -> None:
        self.loop.close()


TestLife = Life.TestCase
TestLife.settings = settings(
    max_examples=tried(30, 300),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
