"""What an outbox that reads while it sends must not do: send twice, write over what is newer, or overtake."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from engine.model import AlertEventKind, Notification, NotificationState
from tests.engine.notify.bench import PATIENCE, Bench, make_row

KEY = "1:fired:ops"


class LateReader:
    """Answers one question with what was true before the row was sent, and only once it is sent."""

    def __init__(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch, is_meant: Callable[[float], bool]
    ) -> None:
        self.began, self.go_on, self.answered = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._read = bench.store.reader.due_notifications
        self._is_meant = is_meant
        self._before: tuple[Notification, ...] = ()
        monkeypatch.setattr(bench.store.reader, "due_notifications", self._due)

    async def _due(self, now: float, limit: int = 100) -> Any:
        if self._before and self._is_meant(now) and not self.answered.is_set():
            self.began.set()
            await self.go_on.wait()
            self.answered.set()
            return self._before
        rows = await self._read(now, limit)
        self._before = self._before or rows
        return rows


async def sent_during_a_read(bench: Bench, late: LateReader) -> None:
    async with asyncio.timeout(PATIENCE):
        await late.began.wait()
        bench.sender.gates["ops"].set()
        await bench.receipt()
        late.go_on.set()
        await late.answered.wait()
    # The next one leaves after whatever waits for the channel.
    await bench.queue(make_row(alert_id=2))
    await bench.receipt()
    await bench.idle()


async def test_a_late_answer_does_not_send_a_row_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    late = LateReader(bench, monkeypatch, math.isfinite)
    bench.sender.gates["ops"] = asyncio.Event()
    await bench.queue(make_row())
    await asyncio.wait_for(bench.sender.tried.get(), PATIENCE)
    bench.outbox.poke()
    await sent_during_a_read(bench, late)
    assert bench.sender.taken == [KEY, "2:fired:ops"]


async def test_a_late_answer_does_not_queue_a_row_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = LateReader(bench, monkeypatch, math.isinf)
    bench.sender.gates["ops"] = asyncio.Event()
    await bench.queue(replace(make_row(), next_at=bench.clock.now()))
    await asyncio.wait_for(bench.sender.tried.get(), PATIENCE)
    # All that waits is hurried when the clock is set; the row in hand now lies in the future.
    bench.clock.jump(-300)
    bench.outbox.poke()
    await sent_during_a_read(bench, late)
    assert bench.sender.taken == [KEY, "2:fired:ops"]
    assert (await bench.row(KEY)).state is NotificationState.SENT


async def test_what_is_tried_again_waits_for_what_came_before_it(bench: Bench) -> None:
    soon = bench.clock.now() + 60
    fire = replace(make_row(), message=KEY, tries=1, next_at=soon)
    end = replace(make_row(transition=AlertEventKind.RESOLVED), message="1:resolved:ops", tries=1)
    await bench.queue(fire, end)
    await bench.idle()
    assert bench.sender.taken == []
    await bench.until(75)
    assert bench.sender.taken == [KEY, "1:resolved:ops"]
