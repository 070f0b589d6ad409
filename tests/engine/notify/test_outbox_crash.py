"""kill -9 between the commit and the sending: everything that was durable is told at least once.

Forty kills: `TOCSIN_OUTBOX_KILLS=40`.
"""

from __future__ import annotations

import asyncio
import math
import os
import sys
from collections import Counter
from pathlib import Path

import pytest

from engine.model import NotificationState
from engine.store.reader import Reader
from tests.engine.notify.receiver import Receiver, receiving

ROUNDS = 3
TIMES = math.ceil(int(os.environ.get("TOCSIN_OUTBOX_KILLS", "3")) / ROUNDS)
ACKNOWLEDGED = (1, 6, 20)
PATIENCE = 100


async def _child(path: Path, receiver: Receiver, first: int, count: int) -> asyncio.subprocess.Process:
    arguments = (str(path), receiver.url(), str(first), str(count))
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.engine.notify.outbox_child", *arguments, stdout=asyncio.subprocess.PIPE
    )


async def _run_and_kill(path: Path, receiver: Receiver, number: int) -> list[str]:
    """One round: kill the process once it has acknowledged some rows; returns all that it acknowledged."""
    child = await _child(path, receiver, number * 1_000 + 1, 500)
    assert child.stdout is not None
    keys = []
    for _ in range(ACKNOWLEDGED[number]):
        keys.append((await child.stdout.readline()).decode().strip())
    child.kill()
    rest = (await child.stdout.read()).decode()
    # What was printed whole was durable; a last line that was cut off says nothing.
    keys += rest[: rest.rfind("\n") + 1].split()
    await child.wait()
    return keys


@pytest.mark.parametrize("time", range(TIMES))
async def test_nothing_that_was_durable_is_lost_by_kill(time: int, tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    durable: list[str] = []
    async with receiving() as receiver, asyncio.timeout(PATIENCE):
        for number in range(ROUNDS):
            durable += await _run_and_kill(path, receiver, number)
        seen_before_the_end = len(receiver.got)
        last = await _child(path, receiver, 0, 0)
        await last.communicate()
        assert last.returncode == 0
        told = Counter(receiver.titles)
    assert len(durable) >= sum(ACKNOWLEDGED)
    assert set(durable) <= set(told), "acknowledged but never told"
    assert len(receiver.got) > seen_before_the_end, "the kills must have left something to send"
    reader = await Reader.open(path)
    rows = await reader.notifications(limit=5_000)
    await reader.close()
    assert set(durable) <= {row.key for row in rows}
    assert {row.state for row in rows} == {NotificationState.SENT}
    assert sum(told.values()) - len(told) <= ROUNDS, "at most the one under way is told twice"
