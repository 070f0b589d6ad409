"""What is old goes, what is needed stays."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from engine.model import AlertState
from engine.store import retention
from engine.store.limits import Kind
from engine.store.retention import Cut
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
    prune,
    recording,
    span,
    trace_of,
)


def counts(db: Path) -> dict[str, int]:
    tables = ("executions", "traces", "spans", "points", "logs", "alerts", "alert_events", "decisions",
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
    removed = await prune(store, START + 400)
    assert counts(db) == {
        "executions": 201,
        "traces": 201,
        "spans": 0,
        "points": 201 * 8 + 200,
        "logs": 1,
        "alerts": 2,
        "alert_events": 1,
        "decisions": 1,
        "notifications": 1,
        "health_checks": 1,
    }
    assert removed == 399 + 2_100 + 1 + 1 + 1 + 1 + 399 + 400
    assert (await store.reader.logs("new")).records
    assert await prune(store, START + 400) == 0


async def test_the_newest_row_stays_so_that_numbers_never_return(store: Store) -> None:
    store.writer.offer(
        *(recording(number) for number in range(1, 11)),
        alert(5, state=AlertState.RESOLVED, resolved_at=START),
    )
    await store.writer.flush()
    await prune(store, START + 1e6)
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
    await prune(store, START + 1e6)
    with closing(sqlite3.connect(db)) as connection:
        assert connection.execute("PRAGMA page_count").fetchone()[0] < pages / 3
        assert connection.execute("PRAGMA freelist_count").fetchone()[0] == 0


async def test_kinds_leave_at_their_own_age(store: Store, db: Path) -> None:
    store.writer.offer(*(recording(number) for number in range(1, 101)))
    await store.writer.flush()
    await retention.prune(store.writer, {Kind.POINTS: Cut(START + 51), Kind.LOGS: Cut(START + 1)})
    found = counts(db)
    assert (found["executions"], found["points"], found["logs"]) == (100, 50 * 8, 1)


async def test_a_late_line_of_long_ago_takes_no_others_along(store: Store, db: Path) -> None:
    lines = [log(f"line {number}", at=START + number) for number in range(100)]
    store.writer.offer(*lines, log("long ago", at=START - 1_000), log("newest", at=START + 200))
    await store.writer.flush()
    assert await prune(store, START + 50) == 51
    assert counts(db)["logs"] == 51


async def test_numbers_decide_where_room_is_short(store: Store, db: Path) -> None:
    store.writer.offer(*(recording(number) for number in range(1, 101)))
    await store.writer.flush()
    cuts = {Kind.EXECUTIONS: Cut(number=30), Kind.LOGS: Cut(number=290), Kind.POINTS: Cut(number=99)}
    assert await retention.prune(store.writer, cuts, for_room=True) == 30 + 290 + 99
    found = counts(db)
    assert (found["executions"], found["points"], found["logs"]) == (70, 8, 10)
