"""A scheduler that dies by kill -9 starts no slot again, and soon goes on."""

from __future__ import annotations

import random
import signal
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

from engine.workflows.scheduler import ALL
from tests.faults.test_store_kill import child

ROUNDS = 4
COUNT = 80

# What is started is written down at once, where no crash of the writer can lose it.
RUN = f"""
import asyncio, os, sys
from pathlib import Path
from engine.clock import SystemClock
from engine.config.schema import Workflow
from engine.store.store import Store
from engine.workflows.scheduler import Scheduler

def workflow(id):
    steps = [{{"id": "s", "wait": {{"for": "1ms"}}}}]
    return Workflow.model_validate({{"id": id, "name": id, "every": "2s", "steps": steps}})

async def start(workflow, slot):
    os.write(1, f"{{workflow.id}} {{slot!r}}\\n".encode())

async def main():
    clock = SystemClock()
    store = await Store.open(Path(sys.argv[1]), clock)
    await Scheduler(
        clock=clock,
        workflows=[workflow(f"w{{number}}") for number in range({COUNT})],
        start=start,
        skipped=lambda workflow, slot, reason, count: None,
        concurrency=50,
        cursors=await store.reader.cursors(),
        advanced=store.writer.offer,
        claim=store.writer.must,
        log=lambda record: None,
    ).run()

asyncio.run(main())
"""


def started(db: Path, count: int) -> list[bytes]:
    """The starts of an engine that is killed after `count` of them."""
    with child(RUN, db) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(count)]
        process.send_signal(signal.SIGKILL)
        return [line for line in (*lines, *process.stdout) if line.endswith(b"\n")]


def test_no_slot_starts_twice_whenever_the_engine_is_killed(tmp_path: Path) -> None:
    db = tmp_path / "tocsin.db"
    seed = random.randrange(10_000)
    choose = random.Random(seed)
    starts = started(db, COUNT)
    for _ in range(ROUNDS):
        starts += started(db, choose.randint(10, COUNT))
    twice = [line for line, times in Counter(starts).items() if times > 1]
    assert twice == [], f"seed {seed}"
    with closing(sqlite3.connect(db)) as connection:
        query = "SELECT last_slot FROM schedules WHERE workflow_id = ?"
        (claimed,) = connection.execute(query, (ALL,)).fetchone()
    assert claimed >= max(float(line.split()[1]) for line in starts)
