"""What is old goes, what is needed stays."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from engine.model import AlertState
from engine.store.store import Store
from tests.engine.store.samples import (
    START,
    alert,
    decision,
    event,
    health_check,
    log,
    notification,
    point,
    recording,
    span,
    trace_of,
)


def counts(db: Path) -> dict[str, int]:
    tables = ("executions", "attempts", "spans", "points", "logs", "alerts", "alert_events", "decisions",
              "notifications", "health_checks")  # fmt: skip
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("INSERT INTO logs_fts (logs_fts, rank) VALUES ('integrity-check', 1)")
        return {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables}


async def test_only_what_is_old_goes(store: Store, db: Path) -> None:
    resolved = {"state": AlertState.RESOLVED, "resolved_at": START}
    for number in range(1, 601):
        store.writer.offer(recording(number))
    store.writer.offer(
        *(point(1.0, START + at) for at in range(600)),
        *(log("old", at=START + at) for at in range(300)),
        log("new", at=START + 5_000),
        span(1, trace_id=trace_of(9_999), execution_id=None),
        alert(1, **resolved), event(1), decision(1), notification(1),
        alert(2), event(2), decision(2), notification(2),
        decision(),
        alert(3, **resolved),
        health_check(), health_check(at=START + 5_000),
    )  # fmt: skip
    await store.writer.flush()
    removed = await store.prune(START + 400)
    assert counts(db) == {
        "executions": 201,
        "attempts": 402,
        "spans": 603,
        "points": 201 * 8 + 200,
        "logs": 1,
        "alerts": 2,
        "alert_events": 1,
        "decisions": 1,
        "notifications": 1,
        "health_checks": 1,
    }
    assert removed == 399 + 2_100 + 1 + 1 + 1 + 1 + 399 * 8 + 400
    assert (await store.reader.logs("new")).records
    assert await store.prune(START + 400) == 0


async def test_the_newest_row_stays_so_that_numbers_never_return(store: Store) -> None:
    store.writer.offer(
        *(recording(number) for number in range(1, 11)),
        alert(5, state=AlertState.RESOLVED, resolved_at=START),
    )
    await store.writer.flush()
    await store.prune(START + 1e6)
    assert await store.reader.next_ids() == (11, 6)
    (line,) = (await store.reader.logs()).records
    await store.writer.must(log("next"))
    assert (await store.reader.logs("next")).records[0].id == line.id + 1


async def test_space_is_given_back(store: Store, db: Path) -> None:
    for number in range(1, 2_001):
        store.writer.offer(recording(number))
    await store.writer.flush()
    with closing(sqlite3.connect(db)) as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
    await store.prune(START + 1e6)
    with closing(sqlite3.connect(db)) as connection:
        assert connection.execute("PRAGMA page_count").fetchone()[0] < pages / 3
        assert connection.execute("PRAGMA freelist_count").fetchone()[0] == 0
