"""Grouping and repeating as a live Alertmanager does it, for real seconds; left out where there is none.

The whole schedule takes 75 s: `TOCSIN_ALERTMANAGER_SECONDS=75`. One difference is meant: an alert that came
and went between two looks at a group is never told, whereas Alertmanager may tell its end alone.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from engine.model import AlertEventKind, AlertState, Notification
from engine.notify.delivery import Message
from engine.notify.grouping import Pace, group_text
from tests.engine.notify.alertmanager import (
    INTERVAL,
    PROGRAM,
    REPEAT,
    WAIT,
    Event,
    Told,
    running,
    schedule,
)
from tests.engine.notify.bench import Bench, make_alert, make_row, open_bench

LENGTH = float(os.environ.get("TOCSIN_ALERTMANAGER_SECONDS", "12"))
SEED = int(os.environ.get("TOCSIN_ALERTMANAGER_SEED", "1"))
TOLERANCE = 0.25
LAG_LIMIT = 1.0
STEP = 0.1
PACE = Pace(WAIT, INTERVAL, REPEAT)

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="there is no Alertmanager")


async def test_groups_are_told_when_alertmanager_tells_them(tmp_path: Path) -> None:
    events = schedule(SEED, LENGTH)
    async with running(tmp_path) as manager:
        known = await manager.play(events, LENGTH)
        theirs = manager.messages()
    async with open_bench(tmp_path / "t.db") as bench:
        ours = await _play(bench, known)
    # The counterpart of what falls at the very end may have come too late to be seen.
    odd = [each for each in _unmatched(ours, theirs) if each[1].at < LENGTH - 1]
    assert len(theirs) > LENGTH * 2
    kinds = {bool(told.begun or told.ended) for told in theirs if told.at < LENGTH - 1}
    assert kinds == {True, False}, "changes and reminders"
    # One of theirs may be late on a busy machine: then neither side's has a counterpart.
    assert len(odd) <= max(2, (len(ours) + len(theirs)) / 100), odd


async def _play(bench: Bench, events: list[Event]) -> list[Told]:
    """Give the outbox the same events in virtual time, and see what it tells."""
    origin, told = bench.clock.now(), list[Told]()
    waiting = list(events)
    while (at := bench.clock.now() - origin) < LENGTH:
        due = [event for event in waiting if event.at <= at]
        waiting = waiting[len(due) :]
        for event in due:
            await _happen(bench, event)
        await bench.idle()
        told += (_heard(at, message) for message in bench.sender.messages)
        bench.sender.messages.clear()
        await bench.clock.advance(STEP)
    return told


async def _happen(bench: Bench, event: Event) -> None:
    alert = replace(make_alert(event.alert), started_at=bench.clock.now())
    kind = AlertEventKind.FIRED if event.begins else AlertEventKind.RESOLVED
    if not event.begins:
        alert = replace(alert, state=AlertState.RESOLVED)
    row = replace(make_row("ops", event.alert, kind), group=group_text(str(event.group), PACE))
    await bench.store.writer.must(alert)
    await bench.queue(row)


def _heard(at: float, message: Message) -> Told:
    def of(kind: AlertEventKind) -> frozenset[int]:
        return frozenset(row.alert_id for row in message.rows if row.transition is kind)

    group = _group(message.rows[0])
    return Told(at, group, of(AlertEventKind.FIRED), of(AlertEventKind.RESOLVED))


def _group(row: Notification) -> int:
    return int(row.group.partition(" ")[2])


def _unmatched(ours: list[Told], theirs: list[Told]) -> list[tuple[str, Told]]:
    """Messages without a counterpart that says the same within a quarter of a second.

    Alertmanager's looks are late by as long as each took to begin, on a busy machine: how far behind a group
    already was counts.
    """
    left = list(theirs)
    odd: list[tuple[str, Told]] = []
    behind: dict[int, float] = {}
    for told in ours:
        lag = behind.get(told.group, 0.0)
        near = [
            other
            for other in left
            if (other.group, other.words) == (told.group, told.words)
            and abs(other.at - told.at - lag) <= TOLERANCE
        ]
        if near:
            left.remove(near[0])
            behind[told.group] = min(max(near[0].at - told.at, 0.0), LAG_LIMIT)
        else:
            odd.append(("ours", told))
    return odd + [("theirs", told) for told in left]
