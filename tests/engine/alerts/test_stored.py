"""The manager on a real database, closed and opened again between what happens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from engine.alerts.manager import AlertManager
from engine.clock import VirtualClock
from engine.model import AlertEventKind, AlertState, Outcome
from engine.notify.messages import compose
from engine.store.store import Store
from tests.engine.alerts.stand import config
from tests.engine.rules import build


class Machine:
    """An engine's alerts and store, without the rest of it."""

    def __init__(self, path: Path, **rule: Any) -> None:
        self.path = path
        self.clock = VirtualClock(build.START)
        self.config = config({"channels": ["ops"], **rule})

    @asynccontextmanager
    async def up(self) -> AsyncIterator[tuple[AlertManager, Store]]:
        store = await Store.open(self.path, self.clock)
        try:
            reader = store.reader
            manager = AlertManager(
                config=self.config,
                writer=store.writer,
                clock=self.clock,
                first_id=(await reader.next_ids())[1],
                changed=lambda _: None,
                notified=lambda: None,
                compose=compose,
            )
            opened = await reader.open_alerts()
            told = {alert.id: await reader.announced(alert.id) for alert in opened}
            manager.restore(opened, await reader.last_alerts(), {}, told)
            yield manager, store
        finally:
            await store.close()

    async def run(self, manager: AlertManager, outcome: str, after: float = 0.0) -> None:
        await self.clock.advance(after)
        at = self.clock.now() - build.START
        await manager.on_execution(build.execution(Outcome(outcome), at=at))


async def test_all_of_a_life_is_in_the_file(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "t.db", **{"for": "1m"})
    async with machine.up() as (manager, _):
        await machine.run(manager, "failed")
    async with machine.up() as (manager, _):
        await machine.run(manager, "failed", after=60)
        (alert,) = manager.open_alerts()
        await manager.acknowledge(alert.id, "ada", "mine")
    async with machine.up() as (manager, store):
        assert [alert.state for alert in manager.open_alerts()] == [AlertState.ACKNOWLEDGED]
        await machine.run(manager, "ok", after=60)
        detail = await store.reader.alert(alert.id)
    assert [event.kind.value for event in detail.events] == ["pending", "fired", "acknowledged", "resolved"]
    assert [row.key for row in detail.notifications] == ["1:fired:ops", "1:resolved:ops"]
    assert [gate.name for gate in detail.decisions[0].gates] == ["for"]
    assert detail.decisions[1].explanation == "workflow.status (failed) == failed"
    assert (detail.alert.acked_by, detail.alert.resolved_by) == ("ada", "recovery")


async def test_a_fire_is_told_once_over_restarts_and_its_end_once(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "t.db")
    for outcome in ("failed", "failed", "ok", "ok"):
        async with machine.up() as (manager, store):
            await machine.run(manager, outcome, after=10)
            rows = await store.reader.notifications()
    assert sorted(row.transition for row in rows) == [AlertEventKind.FIRED, AlertEventKind.RESOLVED]


async def test_the_cooldown_is_kept_over_a_restart(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "t.db")
    for outcome in ("failed", "ok"):
        async with machine.up() as (manager, _):
            await machine.run(manager, outcome, after=10)
    async with machine.up() as (manager, _):
        await machine.run(manager, "failed", after=10)
        assert [(alert.id, alert.state) for alert in manager.open_alerts()] == [(2, AlertState.PENDING)]


async def test_the_cooldown_is_kept_behind_a_cancelled_alert(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "t.db")
    for outcome in ("failed", "ok", "failed", "ok"):
        async with machine.up() as (manager, _):
            await machine.run(manager, outcome, after=10)
    async with machine.up() as (manager, _):
        await machine.run(manager, "failed", after=10)
        assert [(alert.id, alert.state) for alert in manager.open_alerts()] == [(3, AlertState.PENDING)]
