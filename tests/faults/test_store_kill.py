"""A process that dies by kill -9 loses nothing it acknowledged."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from engine.clock import SystemClock
from engine.store.migrations import MIGRATIONS, VERSION, prepare
from engine.store.store import Store
from tests.engine.store.samples import START

# More rounds find rarer moments: TOCSIN_KILL_ROUNDS=40.
ROUNDS = int(os.environ.get("TOCSIN_KILL_ROUNDS", "5"))

WRITE = """
import asyncio, sys
from pathlib import Path
from engine.clock import SystemClock
from engine.store.store import Store
from tests.engine.store.samples import alert, event, recording

async def main():
    store = await Store.open(Path(sys.argv[1]), SystemClock())
    number, _ = await store.reader.next_ids()
    while True:
        store.writer.offer(recording(number))
        await store.writer.must(alert(number), event(number))
        print(number, flush=True)
        number += 1

asyncio.run(main())
"""

MIGRATE = """
import sqlite3, sys
from engine.store.migrations import MIGRATIONS, migrate
connection = sqlite3.connect(sys.argv[1], isolation_level=None)

def stop():
    print("inside", flush=True)
    sys.stdin.read()

connection.create_function("stop", 0, stop)
steps = ("ALTER TABLE logs RENAME TO lines", "CREATE TABLE extra (id INTEGER)", "SELECT stop()")
migrate(connection, (*MIGRATIONS, steps))
"""


@contextmanager
def child(script: str, db: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", script, str(db)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def lines_until_killed(process: subprocess.Popen[bytes], count: int) -> int:
    """Read `count` acknowledgements, kill, and return the last one that made it out."""
    assert process.stdout is not None
    last = 0
    for _ in range(count):
        last = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    for line in process.stdout:
        if line.endswith(b"\n"):
            last = int(line)
    return last


async def test_acknowledged_rows_survive_kill_nine(tmp_path: Path) -> None:
    db = tmp_path / "tocsin.db"
    seed = random.randrange(10_000)
    choose = random.Random(seed)
    for round_number in range(ROUNDS):
        with child(WRITE, db) as process:
            acknowledged = lines_until_killed(process, choose.randint(1, 30))
        with closing(sqlite3.connect(db)) as connection:
            (stored,) = connection.execute("SELECT max(id) FROM executions").fetchone()
            assert acknowledged <= stored <= acknowledged + 1, f"seed {seed}, round {round_number}"
            assert connection.execute("PRAGMA quick_check").fetchone() == ("ok",)
            connection.execute("INSERT INTO logs_fts (logs_fts, rank) VALUES ('integrity-check', 1)")
            shares = {"executions": 1, "alerts": 1, "alert_events": 1, "traces": 1, "points": 8, "logs": 3}
            for table, share in shares.items():
                (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
                assert count == stored * share, f"{table}, seed {seed}, round {round_number}"
    store = await Store.open(db, SystemClock())
    assert (await store.reader.next_ids())[0] == stored + 1
    assert len((await store.reader.logs(f"execution {stored}")).records) == 3
    await store.close()


def test_a_killed_migration_leaves_the_old_schema_whole(tmp_path: Path) -> None:
    db = tmp_path / "tocsin.db"
    prepare(db, START)
    with child(MIGRATE, db) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"inside\n"
        process.send_signal(signal.SIGKILL)
    with closing(sqlite3.connect(db)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    assert "logs" in tables
    assert not {"lines", "extra"} & tables
    assert len(MIGRATIONS) == VERSION
    prepare(db, START)
