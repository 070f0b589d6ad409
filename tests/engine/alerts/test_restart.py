"""What a restart must not repeat and must not forget."""

from __future__ import annotations

import pytest

from engine.model import AlertState
from tests.engine.alerts.stand import Stand, config


async def test_a_firing_alert_is_not_told_again_and_its_resolve_is_not_lost() -> None:
    stand = Stand(config({"channels": ["ops"]}))
    await stand.run("failed")
    stand.restart()
    await stand.tick(after=30)
    await stand.run("failed", after=30)
    assert stand.state() is AlertState.FIRING
    assert stand.tables.keys == ["1:fired:ops"]
    stand.restart()
    await stand.run("ok", after=30)
    assert stand.tables.keys == ["1:fired:ops", "1:resolved:ops"]


async def test_a_pending_alert_keeps_its_time_and_waits_for_news() -> None:
    stand = Stand(config({"for": "5m"}))
    await stand.run("failed")
    await stand.clock.advance(3600)
    stand.restart()
    await stand.wait(600)
    assert stand.state() is AlertState.PENDING
    await stand.run("failed")
    assert (stand.alert.id, stand.alert.state) == (1, AlertState.FIRING)


async def test_the_cooldown_survives_even_behind_a_cancelled_alert() -> None:
    stand = Stand(config({"cooldown": "5m"}))
    await stand.run("failed")
    await stand.run("ok", after=10)
    await stand.run("failed", after=10)
    await stand.run("ok", after=10)
    stand.restart()
    await stand.run("failed", after=10)
    assert stand.state() is AlertState.PENDING
    await stand.run("failed", after=260)
    assert stand.state() is AlertState.FIRING


async def test_a_manual_resolve_keeps_quiet_after_a_restart() -> None:
    stand = Stand(config({"cooldown": "5m"}))
    await stand.run("failed")
    await stand.run("failed", after=290)
    await stand.manager.resolve(1, "ada", "")
    stand.restart()
    await stand.run("failed", after=20)
    assert stand.state() is AlertState.PENDING


async def test_auto_resolve_does_not_count_the_time_nobody_looked() -> None:
    stand = Stand(config({"auto_resolve": "10m"}))
    await stand.run("failed")
    await stand.clock.advance(86400)
    stand.restart()
    await stand.wait(599)
    assert stand.state() is AlertState.FIRING
    await stand.tick(after=1)
    assert stand.tables.alerts[1].resolved_by == "auto"


async def test_old_failures_do_not_fire_a_new_rule() -> None:
    condition = {"type": "THRESHOLD", "metric": "workflow.consecutive_failures", "operator": ">=", "value": 3}
    stand = Stand(config())
    for _ in range(3):
        await stand.run("failed", after=30)
    stand.restart(config({"conditions": [condition]}))
    await stand.tick()
    assert stand.manager.open_alerts() == ()
    await stand.run("failed", after=30)
    assert stand.alert.value == 4


async def test_a_duration_rule_holds_its_alert_over_a_restart() -> None:
    condition = {
        "type": "DURATION",
        "metric": "workflow.duration",
        "operator": ">",
        "value": "1s",
        "duration": "2m",
    }
    stand = Stand(config({"conditions": [condition]}))
    for _ in range(5):
        await stand.run("ok", after=30, duration=2)
    assert stand.state() is AlertState.FIRING
    stand.restart()
    await stand.run("ok", after=30, duration=2)
    assert stand.state() is AlertState.FIRING
    await stand.run("ok", after=30, duration=0.1)
    assert stand.manager.open_alerts() == ()


@pytest.mark.parametrize(
    ("rules", "workflows", "note"),
    [
        ((), ("login",), "rule removed"),
        (({"enabled": False},), ("login",), "rule removed"),
        (({},), ("other",), "rule no longer covers login"),
        (({"workflows": ["x"]},), ("login",), "rule no longer covers login"),
    ],
)
async def test_a_rule_that_is_gone_takes_its_alert_with_it(
    rules: tuple[dict[str, object], ...], workflows: tuple[str, ...], note: str
) -> None:
    stand = Stand(config({"channels": ["ops"]}))
    await stand.run("failed")
    stand.executions.clear()
    stand.restart(config(*rules, workflows=workflows))
    assert stand.state() is AlertState.FIRING
    await stand.tick()
    ended = stand.tables.alerts[1]
    assert (ended.state, ended.resolved_by, ended.resolve_note) == (AlertState.RESOLVED, "rule", note)
    assert stand.tables.keys == ["1:fired:ops", "1:resolved:ops"]


async def test_a_channel_that_was_not_told_of_the_fire_is_not_told_of_the_end() -> None:
    stand = Stand(config({"channels": ["pager"]}))
    await stand.run("failed")
    stand.restart(config({"channels": ["pager", "ops"]}))
    await stand.run("ok")
    assert stand.tables.kinds() == ["fired", "resolved"]
    assert stand.tables.keys == []
