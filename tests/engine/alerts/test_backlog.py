"""Executions wait for the rules, and nobody waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from engine.alerts.backlog import Backlog
from engine.clock import settle
from engine.model import Execution
from tests.engine.rules import build


class Rules:
    """What was evaluated and what was only remembered, in order; `free` lets evaluations end."""

    def __init__(self) -> None:
        self.free = asyncio.Event()
        self.seen: list[tuple[str, int]] = []
        self.told: list[str] = []
        self.backlog = Backlog(self.evaluate, self.remember, self.told.append, capacity=3)

    async def evaluate(self, execution: Execution) -> None:
        self.seen.append(("evaluated", execution.id))
        await self.free.wait()

    def remember(self, execution: Execution) -> None:
        self.seen.append(("remembered", execution.id))


@pytest.fixture
async def rules() -> AsyncIterator[Rules]:
    rules = Rules()
    task = asyncio.create_task(rules.backlog.run())
    yield rules
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_each_execution_is_evaluated_in_order(rules: Rules) -> None:
    for number in (1, 2, 3):
        rules.backlog.add(build.execution(id=number))
    await settle()
    assert rules.seen == [("evaluated", 1)]
    rules.free.set()
    await rules.backlog.settled()
    assert rules.seen == [("evaluated", 1), ("evaluated", 2), ("evaluated", 3)]
    assert rules.told == []


async def test_what_finds_no_room_pushes_the_oldest_out_and_that_is_told(rules: Rules) -> None:
    rules.backlog.add(build.execution(id=1))
    await settle()
    for number in range(2, 7):
        rules.backlog.add(build.execution(id=number))
    rules.free.set()
    await rules.backlog.settled()
    assert rules.seen == [
        ("evaluated", 1),
        ("remembered", 2),
        ("remembered", 3),
        ("evaluated", 4),
        ("evaluated", 5),
        ("evaluated", 6),
    ]
    assert rules.told == ["2 executions waited too long for the rules and were evaluated together"]
