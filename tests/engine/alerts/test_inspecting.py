"""Looking at rules changes nothing; what is said of them is what the engine goes by."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from engine.alerts.inspecting import statuses, subjects
from engine.errors import ConflictError
from engine.model import AlertState, Outcome
from engine.model.rules import RuleState
from tests.engine.alerts.stand import FAILED, Stand, config
from tests.engine.rules import build

HELD = {**FAILED, "type": "DURATION", "duration": "1m"}
SLOW = {"type": "THRESHOLD", "metric": "workflow.duration", "operator": ">", "value": "5s"}
OTHER = {"type": "COMPOSITE", "rules": "down"}


async def test_subjects_are_told_with_the_values_that_count_now() -> None:
    stand = Stand(config({"conditions": [FAILED, SLOW], "logic": "OR"}, workflows=("login", "shop", "late")))
    await stand.run(Outcome.OK, "shop", duration=0.5)
    await stand.run(Outcome.FAILED, "login", duration=7.0)
    found, count = subjects(stand.manager.judge, "down", stand.clock.now())
    assert count == 3
    assert [(one.subject, one.result, one.alert) for one in found] == [
        ("login", True, AlertState.FIRING),
        ("shop", False, None),
        ("late", None, None),
    ]
    status, slow = found[0].conditions
    assert (status.value, status.threshold, status.result) == ("failed", "== failed", True)
    assert (slow.value, slow.threshold, slow.result) == ("7 s", "> 5 s", True)
    assert found[0].alert_id == stand.alert.id


async def test_looking_changes_nothing_that_rules_remember() -> None:
    watched = config({"conditions": [HELD]}, {"id": "both", "conditions": [OTHER]})
    looked, left = Stand(watched), Stand(watched)
    for number in range(8):
        for stand in (looked, left):
            await stand.run(Outcome.FAILED if number else Outcome.OK, after=15.0)
            await stand.tick()
        for rule_id in ("down", "both", "gone"):
            subjects(looked.manager.judge, rule_id, looked.clock.now())
        assert list(map(asdict, looked.tables.decisions)) == list(map(asdict, left.tables.decisions))
        assert looked.manager.open_alerts() == left.manager.open_alerts()
    assert looked.manager.open_alerts()


async def test_the_most_pressing_state_of_each_rule_is_told() -> None:
    night = {"days": ["sat"], "from": "00:00", "to": "00:01"}
    made = config(
        {},
        {"id": "waits", "for": "10m"},
        {"id": "off", "enabled": False},
        {"id": "sleeps", "active": [night]},
        {"id": "calm", "conditions": [SLOW], "workflows": ["shop"]},
        workflows=("login", "shop"),
    )
    stand = Stand(made)
    await stand.run(Outcome.FAILED)
    judge = stand.manager.judge
    last = {decision.rule_id: decision for decision in stand.tables.decisions}
    found = statuses(made.rules, stand.manager.open_alerts(), {"calm": 3}, last, stand.clock.now())
    assert {one.id: one.state for one in found} == {
        "down": RuleState.FIRING,
        "waits": RuleState.PENDING,
        "off": RuleState.DISABLED,
        "sleeps": RuleState.ASLEEP,
        "calm": RuleState.FAILED,
    }
    assert [(one.firing, one.pending) for one in found[:2]] == [(1, 0), (0, 1)]
    assert found[0].last is stand.tables.decisions[0]
    assert found[3].asleep == "sat 00:00-00:01 UTC"
    assert judge.strikes == {}


async def test_a_note_is_an_event_and_tells_nobody() -> None:
    stand = Stand(config({"channels": ["ops"]}))
    await stand.run(Outcome.FAILED)
    before = stand.tables.keys
    noted = await stand.manager.note(stand.alert.id, "ann", " look at the cache ")
    assert noted == stand.alert
    assert stand.tables.keys == before
    event = stand.tables.events[-1]
    assert (event.kind.value, event.author, event.note) == ("noted", "ann", "look at the cache")
    with pytest.raises(ConflictError, match="empty"):
        await stand.manager.note(stand.alert.id, "ann", "  ")


async def test_looking_is_no_watching() -> None:
    absence = {"type": "ABSENCE", "of": "execution", "duration": "2m"}
    looked, left = Stand(config({"conditions": [absence]})), Stand(config({"conditions": [absence]}))
    subjects(looked.manager.judge, "down", looked.clock.now() + 600)
    for stand in (looked, left):
        await stand.wait(180)
    assert looked.manager.open_alerts() == left.manager.open_alerts()
    assert looked.manager.open_alerts()


async def test_what_was_only_looked_at_has_not_held_since_then() -> None:
    looked, left = Stand(config({"conditions": [HELD]})), Stand(config({"conditions": [HELD]}))
    for stand in (looked, left):
        for number, outcome in enumerate((Outcome.OK, Outcome.FAILED), 1):
            stand.manager.remember(build.execution(outcome, at=number, workflow="login", id=number))
    subjects(looked.manager.judge, "down", looked.clock.now())
    for stand in (looked, left):
        await stand.tick(45)
        await stand.tick(30)
        assert not stand.manager.open_alerts()
        await stand.tick(45)
        assert stand.manager.open_alerts()
