"""What `keep_firing_for`, `levels` and `clear` do to an alert that is open."""

from __future__ import annotations

from typing import Any

from engine.model import AlertState, Severity
from tests.engine.alerts.stand import Stand, config

LEVELS = {
    "type": "THRESHOLD",
    "metric": "workflow.duration",
    "operator": ">",
    "levels": {"WARNING": "1s", "ERROR": "3s", "CRITICAL": "5s"},
}


def levelled(**fields: Any) -> Stand:
    return Stand(config({"conditions": [LEVELS], "channels": ["ops", "pager"], **fields}))


async def took(stand: Stand, seconds: float) -> None:
    await stand.run(duration=seconds, after=30)


async def test_the_alert_has_the_severity_of_its_value() -> None:
    stand = levelled()
    await took(stand, 4)
    assert stand.severity() is Severity.ERROR
    assert stand.tables.keys == ["1:fired:ops"]


async def test_a_higher_level_is_told_and_reaches_who_takes_only_such() -> None:
    stand = levelled()
    for seconds in (2, 4, 6):
        await took(stand, seconds)
    assert stand.severity() is Severity.CRITICAL
    assert stand.tables.kinds() == ["fired", "escalated", "escalated"]
    assert stand.tables.keys == ["1:fired:ops", "1:escalated:ops:n1", "1:escalated:ops:n2", "1:fired:pager"]
    assert stand.tables.events[-1].note == "ERROR → CRITICAL: workflow.duration (6 s) > 5 s"
    assert [gate.detail for gate in stand.tables.decisions[-1].gates if gate.name == "level"] == [
        "ERROR → CRITICAL"
    ]


async def test_a_lower_level_is_recorded_and_nobody_is_told() -> None:
    stand = levelled()
    for seconds in (6, 2, 6):
        await took(stand, seconds)
    assert stand.tables.kinds() == ["fired", "eased", "escalated"]
    assert len(stand.tables.keys) == len(set(stand.tables.keys)) == 4
    await took(stand, 0.5)
    assert stand.tables.kinds()[-1] == "resolved"
    assert [key for key in stand.tables.keys if "resolved" in key] == ["1:resolved:ops", "1:resolved:pager"]


async def test_an_acknowledged_alert_that_gets_worse_is_told_and_stays_acknowledged() -> None:
    stand = levelled()
    await took(stand, 2)
    await stand.manager.acknowledge(1, "eva", "")
    await took(stand, 4)
    assert (stand.state(), stand.severity()) == (AlertState.ACKNOWLEDGED, Severity.ERROR)
    assert stand.tables.keys[-1] == "1:escalated:ops:n1"


async def test_a_severity_that_an_escalation_gave_is_not_taken_back() -> None:
    stand = levelled(escalation={"after": "1m", "severity": "CRITICAL"})
    await took(stand, 2)
    await stand.wait(90)
    await took(stand, 4)
    assert stand.severity() is Severity.CRITICAL
    assert stand.tables.kinds() == ["fired", "escalated"]


async def test_clear_keeps_it_from_flapping() -> None:
    stand = Stand(config({"conditions": [{**LEVELS, "clear": "500ms"}]}))
    for seconds in (2, 0.9, 1.1, 0.6):
        await took(stand, seconds)
    assert stand.state() is AlertState.FIRING
    await took(stand, 0.5)
    assert stand.tables.kinds() == ["fired", "resolved"]


class TestKeepFiringFor:
    async def test_it_outlives_its_condition(self) -> None:
        stand = Stand(config({"keep_firing_for": "2m"}))
        await stand.run("failed")
        await stand.run("ok", after=30)
        await stand.wait(119, step=17)
        assert stand.state() is AlertState.FIRING
        gates = [gate for decision in stand.tables.decisions for gate in decision.gates]
        assert [gate.detail for gate in gates if gate.name == "keep_firing_for"] == [
            "no longer true for 0 s of 2 m"
        ]
        await stand.tick(1)
        assert stand.tables.kinds() == ["fired", "resolved"]

    async def test_a_relapse_begins_it_anew(self) -> None:
        stand = Stand(config({"keep_firing_for": "2m", "cooldown": "0s"}))
        for outcome in ("failed", "ok", "failed", "ok"):
            await stand.run(outcome, after=100)
        await stand.tick(119)
        assert stand.tables.kinds() == ["fired"]
        await stand.tick(1)
        assert stand.tables.kinds() == ["fired", "resolved"]

    async def test_a_pending_alert_is_not_kept(self) -> None:
        stand = Stand(config({"keep_firing_for": "2m", "for": "1m"}))
        await stand.run("failed")
        await stand.run("ok", after=30)
        assert stand.tables.kinds() == ["pending", "cancelled"]

    async def test_time_goes_on_for_what_is_kept(self) -> None:
        stand = Stand(
            config({"keep_firing_for": "10m", "escalation": {"after": "2m", "severity": "CRITICAL"}})
        )
        await stand.run("failed")
        await stand.run("ok", after=30)
        await stand.tick(100)
        assert stand.tables.kinds() == ["fired", "escalated"]
