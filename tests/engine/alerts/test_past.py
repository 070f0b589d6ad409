"""What alerts were at an earlier moment is what the live engine said then."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from engine.alerts.past import alert_at, events_at, notification_at, silence_at
from engine.errors import ConflictError
from engine.model import Alert, AlertEvent, AlertEventKind, AlertState, NotificationState, Silence
from tests.effort import tried
from tests.engine.alerts.stand import Stand, config
from tests.engine.alerts.test_levels import LEVELS
from tests.engine.store.samples import START, alert, notification

STEPS = [
    {"after": "2m", "severity": "ERROR", "channels": ["pager"]},
    {"after": "4m", "severity": "CRITICAL"},
]
WORKFLOWS = ("a", "b")
Known = dict[int, Alert]


def told(one: Alert, *, later: bool) -> Alert:
    """What has to be told of an alert of then; with less where something happened to it `later`."""
    if not later:
        return replace(one, last_true_at=0.0)
    return replace(
        one,
        last_true_at=0.0,
        message="",
        value=None,
        execution_id=None,
        trace_id=None,
        told_at=None,
        cleared_at=None,
        owed=False,
        ack_until=None,
    )


def _is_vague(before: Alert, now: Alert) -> bool:
    """Whether nobody wrote down its level: it was waiting to fire, or it has come back since."""
    return before.state is AlertState.PENDING or before.reopened < now.reopened


class Lives(RuleBasedStateMachine):
    """Random lives of alerts; after every step what the engine shows is remembered."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.seen: list[tuple[float, Known]] = []

    @initialize(holding=st.sampled_from(["0s", "40s"]))
    def begin(self, holding: str) -> None:
        base = {"cooldown": "30s", "channels": ["ops"], "auto_resolve": "5m", "remind": "3m", "reopen": "2m"}
        self.stand = Stand(
            config(
                {**base, "for": holding, "escalation": STEPS},
                {**base, "id": "slow", "conditions": [LEVELS]},
                workflows=WORKFLOWS,
            )
        )

    @rule(workflow=st.sampled_from(WORKFLOWS), failed=st.booleans(), took=st.sampled_from([0.5, 2, 4, 6]))
    def runs(self, workflow: str, failed: bool, took: float) -> None:
        outcome = "failed" if failed else "ok"
        self.loop.run_until_complete(self.stand.run(outcome, workflow, after=5, duration=took))

    @rule(seconds=st.sampled_from([15.0, 45.0, 135.0]))
    def time_passes(self, seconds: float) -> None:
        while seconds > 0:
            self.loop.run_until_complete(self.stand.tick(15.0))
            self.remember()
            seconds -= 15.0

    @rule(which=st.integers(0, 4), verb=st.sampled_from(["acknowledge", "for a while", "resolve"]))
    def commands(self, which: int, verb: str) -> None:
        self.loop.run_until_complete(self.stand.clock.advance(1.0))
        open_alerts, manager = self.stand.manager.open_alerts(), self.stand.manager
        if not open_alerts:
            return
        chosen = open_alerts[which % len(open_alerts)].id
        lasting = 60.0 if verb == "for a while" else None
        work = (
            manager.resolve(chosen, "ada", "done")
            if verb == "resolve"
            else manager.acknowledge(chosen, "ada", "mine", lasting)
        )
        with contextlib.suppress(ConflictError):
            self.loop.run_until_complete(work)

    @rule()
    def restarts(self) -> None:
        self.stand.restart()

    @invariant()
    def remember(self) -> None:
        """What is stored now is what a reader sees now."""
        now = self.stand.clock.now()
        if self.seen and self.seen[-1][0] == now:
            self.seen.pop()
        self.seen.append((now, dict(self.stand.tables.alerts)))

    def teardown(self) -> None:
        tables = self.stand.tables
        for at, known in self.seen:
            for number, now in tables.alerts.items():
                events = [event for event in tables.events if event.alert_id == number]
                then = alert_at(now, events, at)
                before = known.get(number)
                assert (then is None) is (before is None)
                if then is not None and before is not None:
                    later = len(events_at(events, at)) < len(events)
                    meant = before if later else now
                    if later and now.rule_id == "slow" and _is_vague(before, now):
                        then = replace(then, severity=before.severity)
                    assert told(then, later=later) == told(meant, later=later)
        self.loop.close()


Lives.TestCase.settings = settings(
    max_examples=tried(20, 200),
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestLives = Lives.TestCase


def happened(*events: tuple[float, AlertEventKind, str]) -> list[AlertEvent]:
    return [AlertEvent(1, at, kind, "ada", note) for at, kind, note in events]


def test_an_acknowledgement_that_ran_out_was_to_run_out_then() -> None:
    kinds = AlertEventKind
    events = happened((10, kinds.FIRED, ""), (20, kinds.ACKNOWLEDGED, "mine"), (30, kinds.LAPSED, ""))
    now = alert(1, state=AlertState.FIRING, started_at=10.0, fired_at=10.0)
    then = alert_at(now, events, 25.0)
    assert then is not None
    assert (then.state, then.acked_by, then.ack_note, then.ack_until) == ("acknowledged", "ada", "mine", 30.0)
    assert alert_at(now, events, 9.9) is None


def test_an_alert_without_events_is_as_it_is_from_its_beginning_on() -> None:
    now = alert(1, started_at=10.0)
    assert alert_at(now, [], 10.0) == now
    assert alert_at(now, [], 9.0) is None


def test_a_message_that_was_sent_later_waited() -> None:
    row = notification(1, created_at=START, state=NotificationState.SENT, tries=2, sent_at=START + 60)
    assert notification_at(row, START - 1) is None
    then = notification_at(row, START + 59)
    assert then is not None
    assert (then.state, then.sent_at, then.tries) == (NotificationState.QUEUED, None, 0)
    assert notification_at(row, START + 60) == row


def test_a_silence_that_was_ended_early_was_to_end_late() -> None:
    made = Silence(1, ("rule=a",), "ada", "why", 10.0, 20.0, 100.0, 50.0, "eva")
    assert silence_at(made, 9.0) is None
    assert silence_at(made, 49.0) == replace(made, expired_at=None, expired_by="")
    assert silence_at(made, 50.0) is None
