"""The law of delivery: each fire that a channel hears has one end that it hears, and no end lacks its fire.

Whatever lies in between: silences, maintenance, acknowledgements that run out, restarts on the same file,
reloads, and channels that refuse. Manager, outbox and database are the real ones; time and the way out are
not. TOCSIN_THOROUGH tries longer lives, and more of them.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import tempfile
from collections import Counter, defaultdict
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from engine.alerts.manager import AlertManager
from engine.clock import VirtualClock
from engine.errors import ConflictError
from engine.model import (
    AlertEventKind,
    AlertState,
    Execution,
    MaintenanceWish,
    Notification,
    NotificationState,
    Outcome,
)
from engine.notify.messages import compose
from engine.notify.outbox import Outbox
from engine.store.silences import muted
from engine.store.store import Store
from tests.engine.alerts.stand import config
from tests.engine.notify.bench import FakeSender
from tests.engine.rules import build

T = TypeVar("T")
THOROUGH = bool(os.environ.get("TOCSIN_THOROUGH"))
PATIENCE = 10.0
"""Seconds of real time after which something is stuck; a failing run is over within a minute."""
WORKFLOWS = ("a", "b")
CHANNELS = ("ops", "pager")
BASE = {
    "channels": ["ops"],
    "cooldown": "1m",
    "auto_resolve": "20m",
    "remind": "5m",
    "escalation": [{"after": "3m", "severity": "CRITICAL", "channels": list(CHANNELS)}],
}
QUIETER = {**BASE, "id": "second", "workflows": ["a"], "reopen": "10m", "cooldown": "0s", "flapping": True}
LOUD = {name: {"url": f"json://{name}", "rate_limit": 10_000} for name in CHANNELS}
FULL = config(BASE, QUIETER, workflows=WORKFLOWS, channels=LOUD)
LESS = config(BASE, workflows=WORKFLOWS, channels=LOUD)
OTHER = config(
    {**BASE, "for": "30s", "keep_firing_for": "2m", "channels": list(CHANNELS)},
    {**QUIETER, "depends_on": ["down"]},
    workflows=WORKFLOWS,
    channels=LOUD,
)
CONFIGURATIONS = {"full": FULL, "less": LESS, "other": OTHER}


class Life(RuleBasedStateMachine):
    """An engine's alerts and outbox on a file, driven at random."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.directory = tempfile.TemporaryDirectory()
        self.clock = VirtualClock(build.START)
        self.sender = FakeSender()
        self.ids = itertools.count(1)
        self.executions: dict[str, list[Execution]] = {name: [] for name in WORKFLOWS}
        self.made = FULL
        self.is_stuck = False

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(asyncio.wait_for(work, 5 * PATIENCE))

    @initialize()
    def begin(self) -> None:
        self.do(self.start())

    async def start(self) -> None:
        self.store = store = await Store.open(Path(self.directory.name) / "tocsin.db", self.clock)
        self.outbox = Outbox(
            channels=self.made.channels,
            store=store,
            clock=self.clock,
            changed=lambda topic: None,
            log=lambda record: None,
            sender=self.sender,
            rng=random.Random(7),
        )
        _, first_id = await store.reader.next_ids()
        self.manager = AlertManager(
            config=self.made,
            writer=store.writer,
            clock=self.clock,
            first_id=first_id,
            changed=lambda topic: None,
            notified=self.outbox.poke,
            compose=compose,
        )
        self.outbox.remind = self.manager.remind
        alerts = await store.reader.open_alerts()
        told = {alert.id: await store.reader.announced(alert.id) for alert in alerts}
        recent = {name: list(reversed(runs)) for name, runs in self.executions.items()}
        known = await muted(store.reader.pool, self.clock.now())
        self.manager.restore(alerts, await store.reader.last_alerts(), recent, told, known)
        self.task = asyncio.create_task(self.outbox.run())

    async def stop(self) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task
        await self.outbox.close(0.1)
        await self.store.close()

    async def run(self, outcome: str, workflow: str) -> None:
        at = self.clock.now() - build.START
        made = build.execution(Outcome(outcome), at=at, workflow=workflow, id=next(self.ids))
        self.executions[workflow].append(made)
        await self.manager.on_execution(made)

    async def pass_time(self, seconds: float) -> None:
        for _ in range(int(seconds // 15)):
            await self.clock.advance(15)
            await self.manager.tick(build.health())
        await self.idle()

    async def idle(self) -> None:
        """Until nothing that is due is left to be sent; asked for over and over, not to wait for the poll."""
        due: list[Notification] = []
        try:
            async with asyncio.timeout(PATIENCE):
                while due or self.outbox.looked_at != self.clock.monotonic():
                    self.outbox.poke()
                    await asyncio.to_thread(lambda: None)
                    due = await self.due()
        except TimeoutError:
            self.is_stuck = True
            raise AssertionError(f"due, and not sent: {[(row.key, row.state) for row in due]}") from None

    async def due(self) -> list[Notification]:
        busy = (NotificationState.QUEUED, NotificationState.SENDING)
        rows = await self.store.reader.notifications(limit=10_000)
        return [row for row in rows if row.state in busy and row.next_at <= self.clock.now()]

    @rule(workflow=st.sampled_from(WORKFLOWS), outcome=st.sampled_from(["failed", "failed", "ok", "skipped"]))
    def runs(self, workflow: str, outcome: str) -> None:
        self.do(self.run(outcome, workflow))

    @rule(workflow=st.sampled_from(WORKFLOWS), times=st.integers(1, 8))
    def comes_and_goes(self, workflow: str, times: int) -> None:
        for outcome in ("failed", "ok") * times:
            self.do(self.run(outcome, workflow))
            self.do(self.pass_time(15))

    @rule(seconds=st.sampled_from([15.0, 60.0, 240.0]))
    def time_passes(self, seconds: float) -> None:
        self.do(self.pass_time(seconds))

    @rule(seconds=st.sampled_from([-600.0, 900.0]))
    def the_clock_is_set(self, seconds: float) -> None:
        self.clock.jump(seconds)

    @rule(which=st.integers(0, 3), ends=st.booleans(), expires=st.booleans())
    def somebody_acts(self, which: int, ends: bool, expires: bool) -> None:
        alerts = self.manager.open_alerts()
        if not alerts:
            return
        alert = alerts[which % len(alerts)]
        lasting = 120.0 if expires else None
        manager = self.manager
        act = manager.resolve(alert.id, "ada") if ends else manager.acknowledge(alert.id, "ada", "", lasting)
        with suppress(ConflictError):
            self.do(act)

    @rule(
        matcher=st.sampled_from(["rule=down", "subject=a", "severity=CRITICAL"]),
        seconds=st.sampled_from([90, 400]),
    )
    def somebody_silences(self, matcher: str, seconds: float) -> None:
        self.do(self.manager.silence([matcher], "ada", "known", self.clock.now() + seconds))

    @rule()
    def a_silence_is_expired(self) -> None:
        for silence in self.manager.silences()[:1]:
            self.do(self.manager.expire_silence(silence.id, "ada"))

    @rule(workflow=st.sampled_from([*WORKFLOWS, "*"]), seconds=st.sampled_from([90.0, 400.0]))
    def somebody_maintains(self, workflow: str, seconds: float) -> None:
        wish = MaintenanceWish((workflow,), (), "mute", "ada", "new disks", lasting=seconds)
        self.do(self.manager.maintain(wish))

    @rule()
    def maintenance_is_ended(self) -> None:
        for window in self.manager.maintenance()[:1]:
            self.do(self.manager.end_maintenance(int(window.id), "ada"))

    @rule(made=st.sampled_from(sorted(CONFIGURATIONS)))
    def the_engine_restarts(self, made: str) -> None:
        self.do(self.stop())
        self.made = CONFIGURATIONS[made]
        self.do(self.start())

    @rule(made=st.sampled_from(sorted(CONFIGURATIONS)))
    def the_configuration_is_read_again(self, made: str) -> None:
        async def reload() -> None:
            async with self.manager.between_evaluations():
                self.manager.adopt(self.made, {})
            self.outbox.adopt(self.made.channels)

        self.made = CONFIGURATIONS[made]
        self.do(reload())

    @rule(channel=st.sampled_from(CHANNELS), refuses=st.booleans())
    def a_channel_changes(self, channel: str, refuses: bool) -> None:
        if refuses:
            self.sender.refused[channel] = "out of order"
        else:
            self.sender.refused.pop(channel, None)

    @rule()
    def everything_recovers(self) -> None:
        self.do(self.recover())
        assert self.manager.open_alerts() == ()
        self.check()

    async def recover(self) -> None:
        self.sender.refused.clear()
        for workflow in WORKFLOWS:
            await self.run("ok", workflow)
        await self.pass_time(240)
        for workflow in WORKFLOWS:
            await self.run("ok", workflow)
        for _ in range(12):
            await self.clock.advance(610)
            await self.idle()

    def check(self) -> None:
        heard: dict[tuple[int, str], list[str]] = defaultdict(list)
        for message in self.sender.messages:
            for row in message.rows:
                if row.transition in (AlertEventKind.FIRED, AlertEventKind.RESOLVED):
                    heard[row.alert_id, row.channel].append(row.transition.value)
        for pair, kinds in heard.items():
            note(f"{pair}: {kinds}")
            assert kinds == ["fired", "resolved"] * (len(kinds) // 2), pair
        keys = Counter(row.key for message in self.sender.messages for row in message.rows)
        assert set(keys.values()) <= {1}, "a message that was taken is not sent again"
        rows = self.do(self.store.reader.notifications(limit=10_000))
        left = {
            row.key: row.state
            for row in rows
            if row.state in (NotificationState.QUEUED, NotificationState.DEAD)
        }
        assert left == {}
        alerts = self.do(self.store.reader.alerts(limit=10_000))
        assert all(alert.state is AlertState.RESOLVED for alert in alerts)

    def teardown(self) -> None:
        try:
            if not self.is_stuck:
                self.do(self.recover())
                self.check()
        finally:
            self.do(self.stop())
            self.loop.close()
            self.directory.cleanup()


TestLife = Life.TestCase
TestLife.settings = settings(
    max_examples=60 if THOROUGH else 8,
    stateful_step_count=40 if THOROUGH else 20,
    deadline=None,
    # Looking for a shorter way to a failure takes many times longer than finding it.
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow],
)
