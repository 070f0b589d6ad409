"""What becomes of an alert after it fired: acknowledgements that run out, steps, reminders, coming back."""

from __future__ import annotations

import pytest

from engine.alerts.past import alert_at
from engine.config.routing import Channel
from engine.errors import ConflictError
from engine.model import AlertState
from engine.notify.templates import Wordsmith
from tests.engine.alerts.stand import Stand, config

STEPS = [
    {"after": "5m", "severity": "ERROR"},
    {"after": "15m", "severity": "CRITICAL", "channels": ["pager"]},
    {"after": "30m", "severity": "CRITICAL"},
]


async def test_an_acknowledgement_runs_out_and_the_alert_is_told_again() -> None:
    stand = Stand(config({"channels": ["ops"]}))
    await stand.run("failed")
    acked = await stand.manager.acknowledge(1, "ada", "looking", 600)
    assert (acked.state, acked.ack_until) == (AlertState.ACKNOWLEDGED, stand.clock.now() + 600)
    await stand.wait(585)
    assert stand.state() is AlertState.ACKNOWLEDGED
    await stand.wait(30)
    assert (stand.state(), stand.alert.acked_by, stand.alert.ack_until) == (AlertState.FIRING, "", None)
    assert stand.tables.keys == ["1:fired:ops", "1:reminded:ops:1"]
    assert stand.tables.events[-1].note == "the acknowledgement by ada ran out"
    await stand.run("ok")
    assert stand.tables.keys[2:] == ["1:resolved:ops"]


async def test_row_69_an_acknowledgement_runs_out_at_its_own_moment_across_jumps() -> None:
    stand = Stand(config({"channels": ["ops"], "auto_resolve": "30d"}))
    await stand.run("failed")
    await stand.manager.acknowledge(1, "ada", "", 600)
    stand.clock.jump(-3600)
    await stand.wait(3600, step=60)
    assert stand.state() is AlertState.ACKNOWLEDGED
    stand.clock.jump(86_400)
    await stand.tick()
    assert stand.state() is AlertState.FIRING


async def test_it_survives_a_restart_and_cannot_be_over_before_it_began() -> None:
    stand = Stand(config({"channels": ["ops"]}))
    await stand.run("failed")
    with pytest.raises(ConflictError, match="runs out after"):
        await stand.manager.acknowledge(1, "ada", "", 0)
    await stand.manager.acknowledge(1, "ada", "", 600)
    stand.restart()
    await stand.wait(615)
    assert stand.state() is AlertState.FIRING


async def test_the_steps_of_an_escalation_come_in_their_order_until_somebody_acknowledges() -> None:
    stand = Stand(config({"channels": ["ops"], "escalation": STEPS}))
    await stand.run("failed")
    await stand.wait(300)
    assert (stand.severity(), stand.tables.keys) == ("ERROR", ["1:fired:ops", "1:escalated:ops"])
    stand.restart()
    await stand.wait(600)
    assert stand.tables.keys[2:] == ["1:fired:pager"], "who hears of it first hears that it fires"
    await stand.manager.acknowledge(1, "ada", "")
    await stand.wait(1_200)
    assert stand.tables.keys[3:] == []
    await stand.run("ok")
    assert stand.tables.keys[3:] == ["1:resolved:ops", "1:resolved:pager"]


async def test_each_step_is_a_message_of_its_own() -> None:
    stand = Stand(config({"channels": ["ops"], "escalation": STEPS}))
    await stand.run("failed")
    await stand.wait(1_815)
    assert stand.tables.keys == ["1:fired:ops", "1:escalated:ops", "1:fired:pager", "1:escalated:ops:3"]


async def test_a_reminder_comes_while_nobody_has_acknowledged() -> None:
    stand = Stand(config({"channels": ["ops"], "remind": "10m", "cooldown": "5m"}))
    await stand.run("failed")
    for _ in range(6):
        await stand.wait(300)
        await stand.run("failed")
    assert stand.tables.keys[1:] == [f"1:reminded:ops:{number}" for number in (1, 2, 3)]
    await stand.manager.acknowledge(1, "ada", "")
    await stand.wait(1_200)
    assert len(stand.tables.keys) == 4


async def test_it_is_counted_on_over_a_restart_and_not_sent_in_silence() -> None:
    stand = Stand(config({"channels": ["ops"], "remind": "10m"}))
    await stand.run("failed")
    await stand.wait(300)
    stand.restart()
    await stand.manager.silence(["rule=down"], "ada", "known", stand.clock.now() + 900)
    await stand.run("failed")
    await stand.wait(885)
    assert stand.tables.keys == ["1:fired:ops"]
    await stand.wait(30)
    assert stand.tables.keys == ["1:fired:ops", "1:reminded:ops:1"]


async def test_a_group_is_reminded_of_what_fires_in_the_words_of_its_channel_and_it_is_counted() -> None:
    template = {"title": "{{ kind }} {{ rule_id }}: {{ todo }}"}
    stand = Stand(config({"channels": ["ops"], "description": "restart it"}, workflows=("a", "b", "c", "d")))
    words = Wordsmith({"ops": Channel.model_validate({"log": {}, "template": template})}, {})
    stand.manager._compose = words.compose
    for name in ("a", "b", "c", "d"):
        await stand.run("failed", name)
    await stand.manager.acknowledge(2, "ada", "")
    await stand.run("ok", "c")
    await stand.manager.silence(["subject=d"], "ada", "known", lasting=600)
    for _ in range(2):
        assert await stand.manager.remind("ops", "route 1", (1, 2, 3, 4, 99)) == (3, 99)
    first, second = (stand.tables.notifications[f"1:reminded:ops:{number}"] for number in (1, 2))
    assert (first.title, first.group, first.transition) == (
        "reminded down: restart it",
        "route 1",
        "reminded",
    )
    assert second.created_at == stand.clock.now()
    assert [alert.reminders for alert in stand.manager.open_alerts()] == [2, 0, 0]
    assert stand.tables.alerts[1].reminders == 2
    assert stand.tables.kinds(1) == ["fired", "reminded", "reminded"]
    events = [event for event in stand.tables.events if event.alert_id == 1]
    assert alert_at(stand.tables.alerts[1], events, stand.clock.now()) == stand.tables.alerts[1]
    await stand.run("ok", "a")
    assert stand.tables.alerts[1].reminders == 2, "what is counted is not forgotten at the next change"


async def test_an_alert_that_comes_back_soon_is_the_same_one() -> None:
    stand = Stand(config({"channels": ["ops"], "reopen": "10m", "escalation": STEPS}))
    await stand.run("failed")
    await stand.wait(300)
    await stand.run("ok")
    await stand.run("failed", after=590)
    assert (stand.alert.id, stand.state(), stand.severity()) == (1, AlertState.FIRING, "WARNING")
    assert (stand.alert.reopened, stand.alert.resolved_at) == (1, None)
    assert stand.tables.kinds(1) == ["fired", "escalated", "resolved", "reopened"]
    await stand.run("ok", after=10)
    assert stand.tables.keys == [
        "1:fired:ops", "1:escalated:ops", "1:resolved:ops", "1:fired:ops:r1", "1:resolved:ops:r1",
    ]  # fmt: skip


async def test_later_it_is_a_new_one() -> None:
    stand = Stand(config({"channels": ["ops"], "reopen": "10m", "cooldown": "1m"}))
    await stand.run("failed")
    await stand.run("ok")
    await stand.run("failed", after=601)
    assert stand.alert.id == 2


async def test_one_that_a_person_ended_does_not_come_back() -> None:
    stand = Stand(config({"channels": ["ops"], "reopen": "10m", "cooldown": "1m"}))
    await stand.run("failed")
    await stand.manager.resolve(1, "ada", "")
    await stand.run("failed", after=90)
    assert (stand.alert.id, stand.state()) == (2, AlertState.FIRING)


async def test_it_comes_back_over_a_restart_and_its_end_is_told() -> None:
    stand = Stand(config({"channels": ["ops"], "reopen": "10m"}))
    await stand.run("failed")
    await stand.run("ok", after=10)
    stand.restart()
    await stand.run("failed", after=10)
    assert (stand.alert.id, stand.alert.reopened) == (1, 1)
    stand.restart()
    await stand.run("ok", after=10)
    assert stand.tables.keys == ["1:fired:ops", "1:resolved:ops", "1:fired:ops:r1", "1:resolved:ops:r1"]


async def test_with_a_for_it_has_to_hold_again_before_it_comes_back() -> None:
    stand = Stand(config({"channels": ["ops"], "reopen": "10m", "for": "1m"}))
    await stand.run("failed")
    await stand.run("failed", after=60)
    await stand.run("ok", after=10)
    await stand.run("failed", after=10)
    assert (stand.alert.id, stand.state()) == (1, AlertState.PENDING)
    await stand.run("ok", after=10)
    assert stand.manager.open_alerts() == ()
    assert stand.tables.keys == ["1:fired:ops", "1:resolved:ops"]
    assert stand.tables.alerts[1].fired_at is not None
