"""What recording takes: CPU and bytes per execution, rows against bare SQLite, reads while it writes.

Both sides get the same records and commit as often, durably. Ours begins with records and encodes them;
SQLite gets rows that are ready, in the plainest tables that answer the same questions.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.recorded import WORKFLOWS, recordings
from engine.clock import SystemClock
from engine.collector import settle_collector
from engine.model import LogRecord, Recording, Span
from engine.store.connection import WRITE_PRAGMAS
from engine.store.migrations import prepare
from engine.store.store import Store
from engine.store.writer import BATCH_RECORDS, Row
from tui.commands.console import SWITCH_INTERVAL

FIGURES = (
    "store_us_per_execution",
    "bytes_per_execution",
    "log_ingest_ratio",
    "point_ingest_ratio",
    "span_ingest_ratio",
    "log_rows_per_s",
    "point_rows_per_s",
    "span_rows_per_s",
    "reader_p99_ms",
    "store_loop_lag_p99_ms",
)
EXECUTIONS = 6_000
A_QUARTER_SECOND = 250  # executions in one, at 1,000 a second
REPEATS = 5
READ_BESIDE = 15_000  # executions written meanwhile
PLAIN_POINTS = (
    "CREATE TABLE points (series INTEGER, at REAL, value REAL, PRIMARY KEY (series, at)) WITHOUT ROWID;"
)
PLAIN_SPANS = """
CREATE TABLE spans (id INTEGER PRIMARY KEY, execution_id INTEGER, trace_id BLOB, span_id BLOB, parent_id BLOB,
  name TEXT, kind TEXT, started_at REAL, duration REAL, status TEXT, attributes TEXT, events TEXT);
CREATE INDEX spans_execution ON spans (execution_id);
CREATE INDEX spans_trace ON spans (trace_id);
"""
INSERT_LOG = (
    "INSERT INTO logs (id, at, level, message, workflow_id, execution_id, trace_id, span_id, fields, source)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
INDEX_LOGS = (
    "INSERT INTO logs_fts (rowid, message, workflow_id)"
    " SELECT id, message, workflow_id FROM logs WHERE id >= ?"
)
INSERT_SPAN = "INSERT INTO spans VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

Figure = dict[str, Any]


class Race(NamedTuple):
    """The same records for both sides: `offers` for ours, `rows` for `insert` and `finish` of bare SQLite."""

    kind: str
    goal: float
    offers: Sequence[Sequence[Row]]
    rows: Sequence[tuple[Any, ...]]
    insert: str
    schema: str = ""
    finish: str = ""


def run() -> list[Figure]:
    """All figures; about 20 s."""
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        found = recordings(EXECUTIONS, lines=3)
        quiet = [(one,) for one in recordings(EXECUTIONS, lines=1)]
        entrants = races(found)
        gc.collect()
        gc.freeze()  # the made-up records are not what the engine would have in memory
        cpu = min(ours(place / f"cpu{n}.db", quiet, A_QUARTER_SECOND) for n in range(REPEATS)) / EXECUTIONS
        weight = size(place / "size.db", [(one,) for one in found])
        compared = [figure for race in entrants for figure in ratios(place, race)]
        p99, lag, rate = asyncio.run(beside_the_writer(place / "reads.db"))
    content = f"3 spans, 8 points, {{}}; {WORKFLOWS} workflows, {EXECUTIONS // WORKFLOWS} executions each"
    return [
        _figure("store_us_per_execution", cpu * 1e6, "µs", 35, f"CPU; {content.format('1 log line')}"),
        _figure("bytes_per_execution", weight, "B", 1000, content.format("3 log lines")),
        *compared,
        _figure(
            "reader_p99_ms", p99 * 1000, "ms", 5, f"six kinds of reads; {rate:,.0f} executions/s written"
        ),
        _figure("store_loop_lag_p99_ms", lag * 1000, "ms", 20, "a tick every 5 ms meanwhile"),
    ]


def ours(db: Path, offers: Sequence[Sequence[Row]], batch: int) -> float:
    """CPU seconds to store rows through the writer; a commit after every `batch` offers."""

    async def store() -> float:
        async with opened(db) as found:
            began = time.process_time()
            for start in range(0, len(offers), batch):
                for rows in offers[start : start + batch]:
                    assert found.writer.offer(*rows)
                await found.writer.flush()
            took = time.process_time() - began
            assert found.writer.dropped == 0
        return took

    return asyncio.run(store())


def bare(db: Path, race: Race) -> float:
    """CPU seconds to store rows that are ready, in the same tables as ours when there is no other schema."""
    if not race.schema:
        prepare(db, 0.0)
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        for pragma in WRITE_PRAGMAS:
            connection.execute(pragma)
        connection.executescript(race.schema)
        began = time.process_time()
        for start in range(0, len(race.rows), BATCH_RECORDS):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(race.insert, race.rows[start : start + BATCH_RECORDS])
            if race.finish:
                connection.execute(race.finish, (start + 1,))
            connection.execute("COMMIT")
        return time.process_time() - began


def size(db: Path, offers: Sequence[Sequence[Row]]) -> float:
    """Bytes of the closed file for each offer, an empty file taken off."""
    ours(db, (), A_QUARTER_SECOND)
    empty = db.stat().st_size
    ours(db, offers, A_QUARTER_SECOND)
    return (db.stat().st_size - empty) / len(offers)


def races(found: Sequence[Recording]) -> tuple[Race, ...]:
    """Log lines, points and spans, each on their own; spans come with the row of their execution."""
    lines = [
        replace(line, execution_id=None, trace_id=None, span_id=None) for one in found for line in one.logs
    ]
    points = [point for one in found for point in one.points]
    series = {key: number for number, key in enumerate(dict.fromkeys((p.name, p.labels) for p in points), 1)}
    return (
        Race(
            "log", 0.7, [lines[start : start + 100] for start in range(0, len(lines), 100)],
            [_plain_log(number, line) for number, line in enumerate(lines, 1)], INSERT_LOG, finish=INDEX_LOGS,
        ),
        Race(
            "point", 0.6, [one.points for one in found],
            [(series[(point.name, point.labels)], point.at, point.value) for point in points],
            "INSERT INTO points VALUES (?, ?, ?)", PLAIN_POINTS,
        ),
        Race(
            "span", 0.6, [(Recording(replace(one.execution, attempts=()), one.spans),) for one in found],
            [_plain_span(span) for one in found for span in one.spans], INSERT_SPAN, PLAIN_SPANS,
        ),
    )  # fmt: skip


def ratios(place: Path, race: Race) -> list[Figure]:
    """Ours against bare SQLite, and rows a second; both as often, turn by turn."""
    batch = BATCH_RECORDS * len(race.offers) // len(race.rows)
    mine, theirs = [], []
    for turn in range(REPEATS):
        mine.append(ours(place / f"{race.kind}-{turn}.db", race.offers, batch))
        theirs.append(bare(place / f"{race.kind}-bare-{turn}.db", race))
    ours_per_s, theirs_per_s = (len(race.rows) / min(took) for took in (mine, theirs))
    against = f"sqlite3 executemany of the same rows: {theirs_per_s:,.0f} rows/s"
    return [
        _figure(f"{race.kind}_ingest_ratio", ours_per_s / theirs_per_s, "×", race.goal, against),
        _figure(f"{race.kind}_rows_per_s", ours_per_s, "/s", None, "CPU seconds, 5,000 rows a commit"),
    ]


async def beside_the_writer(db: Path) -> tuple[float, float, float]:
    """The 99th percentile of reads while executions are written, and of the loop's lateness, in seconds.

    The third is how many executions were written a second. Threads take turns, and memory is looked through,
    as in the console, which is where somebody waits for reads.
    """
    usual = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL)
    try:
        return await _reading_beside(db)
    finally:
        sys.setswitchinterval(usual)


async def _reading_beside(db: Path) -> tuple[float, float, float]:
    corpus = recordings(READ_BESIDE, lines=3)
    settle_collector()
    async with opened(db) as store:
        reads: list[float] = []
        late: list[float] = []
        await store.writer.must(*corpus[:A_QUARTER_SECOND])
        ticking = asyncio.create_task(_tick(late))
        writing = asyncio.create_task(_write(store, corpus[A_QUARTER_SECOND:]))
        started = time.perf_counter()
        try:
            while not writing.done():
                for read in _reads(store, corpus):
                    began = time.perf_counter()
                    await read()
                    reads.append(time.perf_counter() - began)
                    await asyncio.sleep(0.001)
        finally:
            ticking.cancel()
            await asyncio.wait({writing, ticking})
        rate = (READ_BESIDE - A_QUARTER_SECOND) / (time.perf_counter() - started)
    return _p99(reads), _p99(late), rate


@asynccontextmanager
async def opened(db: Path) -> AsyncIterator[Store]:
    """A store on a file of its own."""
    store = await Store.open(db, SystemClock())
    try:
        yield store
    finally:
        await store.close()


async def _write(store: Store, corpus: Sequence[Recording]) -> None:
    for start in range(0, len(corpus), A_QUARTER_SECOND):
        for row in corpus[start : start + A_QUARTER_SECOND]:
            store.writer.offer(row)
        await store.writer.flush()


async def _tick(late: list[float]) -> None:
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.005)
        late.append(time.perf_counter() - began - 0.005)


def _reads(store: Store, corpus: Sequence[Recording]) -> tuple[Callable[[], Any], ...]:
    reader, early = store.reader, corpus[7].execution
    return (
        lambda: reader.executions(limit=50),
        lambda: reader.executions(workflow_id=early.workflow_id, limit=60),
        lambda: reader.execution(1),
        lambda: reader.trace(early.trace_id),
        lambda: reader.logs("assertion", limit=100),
        lambda: reader.next_ids(),
    )


def _plain_log(number: int, line: LogRecord) -> tuple[Any, ...]:
    fields = json.dumps(dict(line.fields), separators=(",", ":")) if line.fields else None
    return number, line.at, int(line.level), line.message, line.workflow_id, None, None, None, fields, None


def _plain_span(span: Span) -> tuple[Any, ...]:
    ids = [bytes.fromhex(each) if each else None for each in (span.trace_id, span.span_id, span.parent_id)]
    attributes = json.dumps(dict(span.attributes), separators=(",", ":"))
    named = (span.name, span.kind.value, span.started_at, span.duration, span.status.value)
    return span.execution_id, *ids, *named, attributes, None


def _p99(values: Sequence[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]


def _figure(name: str, value: float, unit: str, goal: float | None, against: str) -> Figure:
    return {"name": name, "value": round(value, 3), "unit": unit, "goal": goal, "against": against}
