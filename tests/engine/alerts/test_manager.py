"""What becomes of executions: alerts, events, decisions and notifications, stored together."""

from __future__ import annotations

import asyncio

import pytest

from engine.alerts.manager import AlertRow
from engine.clock import settle
from engine.errors import ConflictError, NotFoundError, StoreError
from engine.model import Alert, AlertEvent, AlertState, Decision, HealthStatus, Notification, Severity, Topic
from tests.engine.alerts.stand import FAILED, Stand, Tables, config
from tests.engine.rules import build


async def test_a_failure_fires_and_a_recovery_resolves() -> None:
    stand = Stand(config({"channels": ["ops"], "severity": "ERROR"}))
    await stand.run("failed")
    alert = stand.alert
    assert (alert.state, alert.fingerprint, alert.severity) == (
        AlertState.FIRING,
        "down|login",
        Severity.ERROR,
    )
    assert (alert.message, alert.value, alert.execution_id) == (
        "workflow.status (failed) == failed",
        "failed",
        1,
    )
    assert alert.trace_id == f"{1:032x}"
    await stand.run("ok", after=30)
    ended = stand.tables.alerts[1]
    assert (ended.state, ended.resolved_by, ended.resolved_at) == (
        AlertState.RESOLVED,
        "recovery",
        build.START + 30,
    )
    assert stand.manager.open_alerts() == ()
    assert stand.tables.kinds() == ["fired", "resolved"]
    assert stand.tables.keys == ["1:fired:ops", "1:resolved:ops"]
    assert stand.pokes == 2
    assert set(stand.changes) == {Topic.ALERTS}


async def test_a_transition_is_one_transaction() -> None:
    batches: list[list[type[AlertRow]]] = []

    class Watching(Tables):
        async def must(self, *rows: AlertRow) -> None:
            batches.append([type(row) for row in rows])
            await super().must(*rows)

    stand = Stand(config({"channels": ["ops", "pager"], "severity": "CRITICAL"}), Watching())
    await stand.run("failed")
    assert batches == [[Alert, AlertEvent, Decision, Notification, Notification]]


async def test_the_decision_says_why() -> None:
    stand = Stand(config({"channels": ["ops", "pager"]}))
    await stand.run("failed")
    (decision,) = stand.tables.decisions
    assert (decision.result, decision.value, decision.threshold) == (True, "failed", "== failed")
    assert (decision.alert_id, decision.execution_id) == (1, 1)
    assert [(gate.name, gate.passed) for gate in decision.gates] == [
        ("for", True),
        ("cooldown", True),
        ("limit", True),
        ("severity:ops", True),
        ("severity:pager", False),
    ]
    assert stand.tables.keys == ["1:fired:ops"]


async def test_one_open_alert_and_one_record_of_deduplication() -> None:
    stand = Stand(config({"channels": ["ops"]}))
    for _ in range(5):
        await stand.run("failed", after=30)
    assert stand.tables.kinds() == ["fired"]
    assert [decision.gates[-1].name for decision in stand.tables.decisions] == ["severity:ops", "dedup"]
    assert stand.alert.last_true_at == stand.clock.now()


async def test_confirmations_are_stored_once_a_minute() -> None:
    stand = Stand(config({}))
    await stand.run("failed")
    await stand.tick(after=5)
    before = stand.tables.commits
    await stand.wait(50, step=10)
    assert stand.tables.commits == before
    await stand.tick(after=10)
    assert stand.tables.commits == before + 1
    assert stand.tables.alerts[1].last_true_at == stand.clock.now()
    await stand.wait(50, step=10)
    assert stand.tables.commits == before + 1


async def test_for_waits_and_ticks_fire_without_a_new_execution() -> None:
    stand = Stand(config({"for": "2m", "channels": ["ops"]}))
    await stand.run("failed")
    assert stand.state() is AlertState.PENDING
    await stand.wait(119)
    assert stand.state() is AlertState.PENDING
    await stand.tick(after=1)
    assert stand.state() is AlertState.FIRING
    assert stand.tables.kinds() == ["pending", "fired"]
    assert stand.alert.fired_at == stand.alert.started_at + 120


async def test_a_break_cancels_what_is_pending_and_tells_nobody() -> None:
    stand = Stand(config({"for": "2m", "channels": ["ops"]}))
    await stand.run("failed")
    await stand.run("ok", after=60)
    assert stand.manager.open_alerts() == ()
    assert stand.tables.kinds() == ["pending", "cancelled"]
    ended = stand.tables.alerts[1]
    assert (ended.state, ended.fired_at) == (AlertState.RESOLVED, None)
    assert stand.tables.keys == []
    await stand.run("failed", after=60)
    await stand.wait(119)
    assert stand.state() is AlertState.PENDING


async def test_a_skipped_execution_changes_nothing() -> None:
    stand = Stand(config({}))
    await stand.run("failed")
    await stand.run("skipped", after=30)
    await stand.wait(300)
    assert stand.state() is AlertState.FIRING
    assert stand.tables.kinds() == ["fired"]


async def test_what_is_pending_does_not_fire_on_unknown() -> None:
    stand = Stand(config({"for": "1m"}))
    await stand.run("failed")
    await stand.run("skipped", after=30)
    await stand.wait(300)
    assert stand.state() is AlertState.PENDING
    await stand.run("failed")
    assert stand.state() is AlertState.FIRING


async def test_cooldown_holds_the_next_fire_back_to_the_second() -> None:
    stand = Stand(config({"cooldown": "5m", "channels": ["ops"]}))
    await stand.run("failed")
    await stand.run("ok", after=10)
    await stand.run("failed", after=10)
    assert stand.state() is AlertState.PENDING
    assert stand.tables.decisions[-1].gates[-1].name == "cooldown"
    await stand.wait(279)
    assert stand.state() is AlertState.PENDING
    await stand.tick(after=1)
    assert stand.state() is AlertState.FIRING
    assert [
        gate.name for decision in stand.tables.decisions for gate in decision.gates if not gate.passed
    ] == ["cooldown"]


async def test_a_flapping_target_tells_within_its_cooldown_once() -> None:
    stand = Stand(config({"cooldown": "5m", "channels": ["ops"]}))
    for number in range(600):
        await stand.run("ok" if number % 2 else "failed", after=1)
    fired = [key for key in stand.tables.keys if ":fired:" in key]
    assert len(fired) == 2


async def test_the_limit_of_active_alerts_lets_the_next_wait_for_room() -> None:
    made = config({}, workflows=("a", "b"), settings={"max_active_alerts": 1})
    stand = Stand(made)
    await stand.run("failed", "a")
    await stand.run("failed", "b")
    assert [alert.state for alert in stand.manager.open_alerts()] == [AlertState.FIRING, AlertState.PENDING]
    assert stand.tables.decisions[-1].gates[-1].name == "limit"
    await stand.run("ok", "a", after=10)
    await stand.tick()
    assert (stand.alert.subject, stand.alert.state) == ("b", AlertState.FIRING)


async def test_escalation_raises_severity_and_brings_in_others_once() -> None:
    escalation = {"after": "15m", "severity": "CRITICAL", "channels": ["ops", "pager"]}
    stand = Stand(config({"channels": ["ops"], "escalation": escalation}))
    await stand.run("failed")
    await stand.wait(899)
    assert stand.severity() is Severity.WARNING
    await stand.wait(600)
    assert stand.severity() is Severity.CRITICAL
    assert stand.tables.kinds() == ["fired", "escalated"]
    assert stand.tables.keys == ["1:fired:ops", "1:escalated:ops", "1:fired:pager"]
    await stand.run("ok")
    assert stand.tables.keys[3:] == ["1:resolved:ops", "1:resolved:pager"]


async def test_an_acknowledged_alert_does_not_escalate() -> None:
    stand = Stand(config({"escalation": {"after": "1m", "severity": "CRITICAL"}}))
    await stand.run("failed")
    await stand.manager.acknowledge(1, "ada", "mine")
    await stand.wait(300)
    assert stand.tables.kinds() == ["fired", "acknowledged"]


async def test_escalation_never_lowers_severity() -> None:
    stand = Stand(config({"severity": "CRITICAL", "escalation": {"after": "1m", "severity": "INFO"}}))
    await stand.run("failed")
    await stand.wait(120)
    assert stand.severity() is Severity.CRITICAL
    assert stand.alert.escalated_at is not None


async def test_acknowledge_and_resolve_by_a_person() -> None:
    stand = Stand(config({"channels": ["ops"]}))
    await stand.run("failed")
    alert = await stand.manager.acknowledge(1, "ada\x1b[31m", "on it\n")
    assert (alert.state, alert.acked_by, alert.ack_note) == (AlertState.ACKNOWLEDGED, "ada", "on it⏎")
    assert stand.tables.alerts[1] == alert
    with pytest.raises(ConflictError, match="acknowledged by ada"):
        await stand.manager.acknowledge(1, "bob", "")
    alert = await stand.manager.resolve(1, "bob", "restarted it")
    assert (alert.state, alert.resolved_by, alert.resolve_note) == (
        AlertState.RESOLVED,
        "bob",
        "restarted it",
    )
    assert stand.tables.keys == ["1:fired:ops", "1:resolved:ops"]
    with pytest.raises(ConflictError, match="alert 1 is resolved"):
        await stand.manager.resolve(1, "bob", "")
    with pytest.raises(NotFoundError, match="no alert 99"):
        await stand.manager.acknowledge(99, "bob", "")
    with pytest.raises(NotFoundError):
        await stand.manager.resolve(0, "bob", "")


async def test_a_pending_alert_takes_no_commands() -> None:
    stand = Stand(config({"for": "1m"}))
    await stand.run("failed")
    with pytest.raises(ConflictError, match="pending"):
        await stand.manager.acknowledge(1, "ada", "")
    with pytest.raises(ConflictError, match="pending"):
        await stand.manager.resolve(1, "ada", "")


async def test_after_a_manual_resolve_the_cooldown_starts_anew() -> None:
    stand = Stand(config({"cooldown": "5m"}))
    await stand.run("failed")
    await stand.wait(240)
    await stand.manager.resolve(1, "ada", "")
    await stand.tick(after=15)
    assert stand.state() is AlertState.PENDING
    await stand.wait(284)
    assert stand.state() is AlertState.PENDING
    await stand.tick(after=1)
    assert (stand.alert.id, stand.alert.state) == (2, AlertState.FIRING)


async def test_auto_resolve_when_nothing_confirms_it() -> None:
    stand = Stand(config({"auto_resolve": "10m", "channels": ["ops"]}))
    await stand.run("failed")
    await stand.run("skipped", after=30)
    await stand.wait(569)
    assert stand.state() is AlertState.FIRING
    await stand.tick(after=1)
    assert stand.tables.alerts[1].resolved_by == "auto"
    assert stand.tables.keys == ["1:fired:ops", "1:resolved:ops"]


async def test_what_is_pending_lapses_as_well() -> None:
    stand = Stand(config({"for": "1m", "auto_resolve": "10m"}))
    await stand.run("failed")
    await stand.run("skipped", after=30)
    await stand.wait(600)
    assert stand.tables.kinds() == ["pending", "cancelled"]


async def test_a_machine_that_slept_does_not_trust_what_it_knew() -> None:
    stand = Stand(config({"for": "5m", "auto_resolve": "1h"}, {"id": "other", "auto_resolve": "1h"}))
    await stand.run("failed")
    await stand.tick()
    await stand.tick(after=8 * 3600)
    assert [alert.state for alert in stand.manager.open_alerts()] == [AlertState.PENDING, AlertState.FIRING]
    await stand.run("ok", after=1)
    assert stand.manager.open_alerts() == ()


async def test_a_failing_store_leaves_everything_as_it_was_until_it_works_again() -> None:
    stand = Stand(config({"channels": ["ops"]}, {"id": "second"}))
    stand.tables.failing = True
    await stand.run("failed")
    await stand.tick(after=15)
    assert stand.manager.open_alerts() == ()
    assert (stand.pokes, stand.changes) == (0, [])
    assert [log.message for log in stand.tables.logs] == [
        "alerts cannot be stored: the disk is full; trying again at the next evaluation"
    ]
    stand.tables.failing = False
    await stand.tick(after=15)
    assert [alert.state for alert in stand.manager.open_alerts()] == [AlertState.FIRING] * 2
    stand.tables.failing = True
    with pytest.raises(StoreError):
        await stand.manager.acknowledge(stand.manager.open_alerts()[0].id, "ada", "")
    assert stand.manager.open_alerts()[0].state is AlertState.FIRING
    await stand.run("ok", after=15)
    assert len(stand.manager.open_alerts()) == 2
    stand.tables.failing = False
    await stand.tick(after=15)
    assert stand.manager.open_alerts() == ()


async def test_a_rule_that_fails_is_disabled_after_three_times_and_stops_no_other() -> None:
    broken = {"id": "broken", "conditions": [{"type": "CUSTOM", "expression": "nonsense > 1"}]}
    stand = Stand(config(broken, {}))
    for _ in range(6):
        await stand.run("failed", after=1)
    assert stand.alert.rule_id == "down"
    messages = [log.message for log in stand.tables.logs]
    assert len(messages) == 3
    assert "rule broken failed (3 of 3)" in messages[2]
    assert "disabled" in messages[2]


async def test_a_cancelled_execution_leaves_store_and_memory_alike() -> None:
    gate = asyncio.Event()

    class Slow(Tables):
        async def must(self, *rows: AlertRow) -> None:
            await gate.wait()
            await super().must(*rows)

    stand = Stand(config({}), Slow())
    task = asyncio.create_task(stand.run("failed"))
    await settle(60)
    task.cancel()
    await settle(60)
    assert not task.done()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stand.tables.kinds() == ["fired"]
    assert stand.state() is AlertState.FIRING


async def test_rules_about_health() -> None:
    condition = {"type": "THRESHOLD", "metric": "health.status", "operator": "==", "value": "unhealthy"}
    part = {"type": "THRESHOLD", "metric": "health.store.score", "operator": "<", "value": 50}
    stand = Stand(config({"id": "h", "conditions": [condition]}, {"id": "s", "conditions": [part]}))
    await stand.tick(system=build.health(store=HealthStatus.HEALTHY))
    assert stand.manager.open_alerts() == ()
    await stand.tick(after=15, system=build.health(HealthStatus.UNHEALTHY, 20, store=HealthStatus.UNHEALTHY))
    assert [alert.fingerprint for alert in stand.manager.open_alerts()] == ["h|system", "s|store"]
    await stand.tick(after=15, system=build.health(store=HealthStatus.HEALTHY))
    assert stand.manager.open_alerts() == ()


async def test_rules_are_asked_only_about_the_workflows_they_name() -> None:
    stand = Stand(config({"workflows": ["a*"]}, {"id": "off", "enabled": False}, workflows=("ab", "b")))
    await stand.run("failed", "b")
    assert stand.manager.open_alerts() == ()
    await stand.run("failed", "ab")
    assert stand.alert.fingerprint == "down|ab"


async def test_a_workflow_without_news_does_not_alert() -> None:
    stand = Stand(config({"conditions": [{"not": FAILED}]}))
    await stand.tick()
    assert stand.manager.open_alerts() == ()


async def test_the_message_is_that_of_the_fire_not_of_the_first_sight() -> None:
    rate = {
        "type": "THRESHOLD",
        "metric": "workflow.failure_rate",
        "operator": ">",
        "value": 50,
        "min_count": 1,
    }
    stand = Stand(config({"conditions": [rate], "for": "1m"}))
    await stand.run("failed")
    assert stand.alert.message == "workflow.failure_rate (100 %) > 50 %"
    for outcome in ("failed", "failed", "ok"):
        await stand.run(outcome, after=5)
    await stand.wait(60)
    assert (stand.state(), stand.alert.message) == (AlertState.FIRING, "workflow.failure_rate (75 %) > 50 %")


async def test_an_escalation_without_channels_goes_to_those_of_the_rule() -> None:
    stand = Stand(config({"channels": ["ops"], "escalation": {"after": "1m", "severity": "ERROR"}}))
    await stand.run("failed")
    await stand.wait(60)
    assert stand.tables.keys == ["1:fired:ops", "1:escalated:ops"]


async def test_each_failure_of_the_store_is_reported_once() -> None:
    stand = Stand(config({}))
    for _ in range(2):
        stand.tables.failing = True
        await stand.run("failed", after=15)
        await stand.tick(after=15)
        stand.tables.failing = False
        await stand.run("failed", after=15)
        await stand.manager.resolve(stand.alert.id, "ada", "")
        await stand.clock.advance(300)
    assert len(stand.tables.logs) == 2
