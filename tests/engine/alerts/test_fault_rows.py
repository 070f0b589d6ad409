"""Alerts whose rules change, and restarts, while they are under way."""

from __future__ import annotations

import pytest

from engine.model import AlertState, Outcome
from tests.engine.alerts.stand import Stand, config

BASE = {"channels": ["ops"]}


@pytest.mark.parametrize("by_reload", [True, False])
async def test_row_67_a_rule_that_is_gone_while_it_fires_ends_its_alert_and_says_so(by_reload: bool) -> None:
    stand = Stand(config(BASE))
    await stand.run("failed")
    without = config({**BASE, "id": "other", "workflows": ["elsewhere"]})
    if by_reload:
        stand.manager.adopt(without, {})
    else:
        stand.restart(without)
    await stand.tick(15)
    assert stand.manager.open_alerts() == ()
    assert stand.tables.keys == ["1:fired:ops", "1:resolved:ops"]
    assert stand.tables.events[-1].note == "rule removed"


@pytest.mark.parametrize("by_reload", [True, False])
async def test_row_67_a_rule_that_is_renamed_keeps_its_alert_and_tells_nobody(by_reload: bool) -> None:
    stand = Stand(config(BASE))
    await stand.run("failed")
    renamed = config({**BASE, "name": "Out of service", "severity": "ERROR"})
    if by_reload:
        stand.manager.adopt(renamed, {})
    else:
        stand.restart(renamed)
    await stand.run("failed", after=30)
    assert (stand.alert.id, stand.state(), stand.tables.keys) == (1, AlertState.FIRING, ["1:fired:ops"])


async def test_row_67_an_end_that_comes_while_the_fire_is_still_queued_is_queued_behind_it() -> None:
    stand = Stand(config(BASE))
    await stand.run("failed")
    await stand.run("ok", after=1)
    assert stand.tables.keys == ["1:fired:ops", "1:resolved:ops"]


@pytest.mark.parametrize("outcome", ["ok", "failed"])
async def test_row_68_a_restart_while_firing_repeats_nothing_and_loses_no_end(outcome: str) -> None:
    stand = Stand(config({**BASE, "remind": "1h"}))
    await stand.run("failed")
    for _ in range(3):
        stand.restart()
        await stand.tick(15)
    await stand.run(outcome, after=15)
    ended = ["1:resolved:ops"] if outcome == "ok" else []
    assert stand.tables.keys == ["1:fired:ops", *ended]


async def test_row_68_a_restart_while_pending_keeps_counting_from_its_beginning() -> None:
    stand = Stand(config({**BASE, "for": "5m"}))
    await stand.run("failed")
    await stand.wait(240)
    stand.restart()
    await stand.run("failed", after=60)
    assert stand.tables.keys == ["1:fired:ops"]


async def test_a_workflow_that_maintenance_stops_has_its_slots_recorded_as_skipped() -> None:
    window = {"id": "move", "do": "stop", "from": "2023-11-14T22:00", "to": "2023-11-15T00:00"}
    stand = Stand(config(BASE, maintenance=[window]))
    assert stand.manager.is_stopped("login")
    assert not stand.manager.is_stopped("unknown")
    await stand.run(Outcome.FAILED)
    await stand.clock.advance(86_400)
    assert not stand.manager.is_stopped("login")
