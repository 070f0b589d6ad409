"""What really happened, and the same history seen again: the same fires at the same times."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import aiosqlite
import pytest

import engine.clock
import engine.engine
from engine.clock import VirtualClock
from engine.config.loader import LoadedConfig, load_config
from engine.engine import Engine
from engine.model import Alert, AlertState, ErrorCategory, ErrorType, Failure
from engine.own_rules import with_own_rules
from engine.rehearsal.replaying import rehearse
from engine.rehearsal.results import Fire, Rehearsed
from engine.store import connection
from engine.store.history import opened
from engine.workflows.steps.base import Reply, StepContext, StepError
from engine.workflows.steps.wait import WaitSpec, WaitStep
from tests.effort import tried

HOUR = 3_600.0
HOURS = tried(3, 6)
GAP = 200.0
"""Seconds for which nobody looks: longer than those between two health checks that belong together."""
MOODS = ("well", "well", "failing", "slow", "odd")
START = 1_750_000_000.0
WORKFLOW = """
  - id: {0}
    name: {0}
    every: {1}
    retry: {{max_attempts: 1}}
    breaker: false
    steps: [{{id: s, wait: {{for: {2}}}}}]"""
WORKFLOWS = "".join(
    WORKFLOW.format(*each) for each in (("fast", "40s", "1s"), ("mid", "1m", "2s"), ("slow", "2m", "3s"))
)
CONFIG = f"""
version: 1
settings: {{evaluation_interval: 30s, heartbeats: "127.0.0.1:0"}}
workflows: {WORKFLOWS}
rules:
  - id: down
    name: Down
    cooldown: 2m
    conditions: [{{type: THRESHOLD, metric: workflow.status, operator: "==", value: failed}}]
  - id: three
    name: Three in a row
    conditions: [{{type: THRESHOLD, metric: workflow.consecutive_failures, operator: ">=", value: 3}}]
  - id: shaky
    name: Shaky
    cooldown: 10m
    conditions: [{{type: THRESHOLD, metric: workflow.failure_rate, operator: ">", value: 40%, window: 5m}}]
  - id: crawls
    name: Crawls
    for: 50s
    cooldown: 0s
    conditions: [{{type: THRESHOLD, metric: workflow.duration, operator: ">", value: 5s}}]
  - id: often-slow
    name: Often slow
    conditions: [{{type: RATE, metric: workflow.duration, operator: ">", value: 5s, window: 10m, rate: 30%}}]
  - id: lasting
    name: Lasting
    workflows: [fast, mid]
    conditions: [{{type: DURATION, metric: workflow.status, operator: "==", value: failed, duration: 70s}}]
  - id: tail
    name: Tail
    conditions: [{{type: CUSTOM, expression: "p95(workflow.duration) > 8 and count() >= 5", window: 15m}}]
"""


class Script:
    """How each run of a wait step goes: long stretches of one mood, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._mood: dict[float, tuple[int, str]] = {}

    async def run(self, step: WaitStep, spec: WaitSpec, context: StepContext) -> Reply:
        left, mood = self._mood.get(spec.for_, (0, "well"))
        if not left:
            left, mood = (
                self._chance.randrange(1, 25),
                self._chance.choice(("well", "well", "failing", "slow", "odd")),
            )
        self._mood[spec.for_] = left - 1, mood
        await step._clock.sleep(spec.for_ * (self._chance.uniform(3, 9) if mood == "slow" else 1.0))
        if mood == "failing" or (mood == "odd" and self._chance.random() < 0.5):
            raise StepError(Failure("no answer", ErrorType.NETWORK, ErrorCategory.NETWORK))
        return Reply({"duration": spec.for_})


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Virtual time stands still while the database is at work; the disk is not waited for."""
    working = 0
    idle = asyncio.Event()
    idle.set()
    execute: Any = aiosqlite.Connection._execute

    async def counted(self: aiosqlite.Connection, *arguments: Any) -> Any:
        nonlocal working
        working += 1
        idle.clear()
        try:
            return await execute(self, *arguments)
        finally:
            working -= 1
            if not working:
                idle.set()

    async def settle() -> None:
        quiet = 0
        while quiet < 10:
            quiet = quiet + 1 if idle.is_set() else 0
            await (asyncio.sleep(0) if quiet else idle.wait())

    monkeypatch.setattr(aiosqlite.Connection, "_execute", counted)
    monkeypatch.setattr(engine.clock, "settle", settle)
    monkeypatch.setattr(engine.engine, "HEALTH_INTERVAL", 60.0)
    monkeypatch.setattr(engine.engine, "WATCH_INTERVAL", HOUR)
    quick = tuple(pragma.replace("FULL", "OFF") for pragma in connection.WRITE_PRAGMAS)
    monkeypatch.setattr(connection, "WRITE_PRAGMAS", quick)


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedConfig:
    path = tmp_path / "rules.yaml"
    path.write_text(CONFIG)
    return load_config(path)


async def live(loaded: LoadedConfig, db: Path, clock: VirtualClock, until: float) -> list[Alert]:
    """Run an engine until then; all alerts of the file."""
    running = Engine(loaded, db, clock)
    await running.start()
    try:
        await clock.advance(until - clock.now())
        return list(await running.reader.alerts(limit=10_000))
    finally:
        stopping = asyncio.create_task(running.stop())
        while not stopping.done():
            await clock.advance(0.05)
        await stopping


def rehearsed(loaded: LoadedConfig, db: Path, since: float, until: float) -> Rehearsed:
    with opened(db) as history:
        return rehearse({"live": with_own_rules(loaded.config)}, history, since, until)["live"]


def shown(fires: list[Fire]) -> list[tuple[str, str, float, float | None]]:
    return sorted(
        (fire.rule_id, fire.subject, round(fire.fired_at, 3), fire.ended_at and round(fire.ended_at, 3))
        for fire in fires
    )


async def test_some_hours_with_a_restart_again(
    tmp_path: Path, loaded: LoadedConfig, patient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = Script(5)
    monkeypatch.setattr(WaitStep, "run", lambda step, spec, context: script.run(step, spec, context))
    db, clock = tmp_path / "t.db", VirtualClock(START)
    restart, end = START + HOURS * HOUR / 3, START + HOURS * HOUR
    await live(loaded, db, clock, restart)
    await clock.advance(GAP)
    alerts = await live(loaded, db, clock, end)
    happened = [Fire.of(alert) for alert in alerts if alert.fired_at is not None]
    found = rehearsed(loaded, db, START, end)
    # All but the gap, and up to a minute until the first slots and since the last.
    assert found.coverage.share > 1 - (GAP + 60) / (HOURS * HOUR)
    assert {fire.rule_id for fire in happened} == {rule.id for rule in loaded.config.rules}
    _, second = found.coverage.stretches
    assert second.began == pytest.approx(restart + GAP, abs=30)
    assert len(happened) > 16 * HOURS
    assert shown(list(found.fires)) == shown(happened)
    pending = [alert for alert in alerts if alert.state is AlertState.PENDING]
    assert found.executions > 150 * HOURS, pending
