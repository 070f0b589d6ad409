"""Slots in the whole engine: too many of them, a store that does not answer, workflows without any."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from engine.model import LogRecord, Outcome, Recording
from engine.workflows.skips import OVERLOAD
from tests.engine.test_engine import running
from tests.engine.test_scheduling import configuration, skipped, slow_target
from tests.servers import http_target

FLOW = '{{id: {id}, name: {id}, {when}, timeout: 1s, steps: [{{id: s, http: {{url: "{url}/"}}}}]}}'


def says(words: str) -> Callable[[Any], bool]:
    return lambda row: isinstance(row, LogRecord) and row.message.startswith(words)


async def test_overload_is_seen_in_health_and_every_skipped_slot_is_accounted_for(tmp_path: Path) -> None:
    async with slow_target() as (url, there):
        flows = ", ".join(FLOW.format(id=f"w{number}", when="every: 20ms", url=url) for number in range(3))
        loaded = configuration(tmp_path, f"settings: {{concurrency: 1}}\nworkflows: [{flows}]")
        async with running(loaded, tmp_path / "t.db") as (engine, watch):
            await watch.for_row(skipped(OVERLOAD))
            (scheduler,) = [
                part for part in (await engine.current_health()).components if part.name == "scheduler"
            ]
            assert scheduler.detail.startswith("cannot keep up: skipped ")
            await watch.for_row(lambda row: isinstance(row, Recording) and row.execution.outcome.is_failure)
        assert there[1] == 1
    with closing(sqlite3.connect(tmp_path / "t.db")) as connection:
        records = connection.execute("SELECT count(*) FROM executions WHERE reason = 'overload'").fetchone()
        lines = connection.execute("SELECT message FROM logs WHERE message LIKE '%more slots: overload'")
        counts = [int(message.split()[2]) for (message,) in lines]
    assert records[0] <= 6
    assert sum(counts) > 50


async def test_checks_go_on_while_no_slot_can_be_claimed(tmp_path: Path) -> None:
    db = tmp_path / "t.db"
    async with http_target() as target:
        flow = FLOW.format(id="w", when="every: 50ms", url=target.url)
        loaded = configuration(tmp_path, f"workflows: [{flow}]")
        async with running(loaded, db) as (_, watch):
            await target.more_hits(1)
            with closing(sqlite3.connect(db, isolation_level=None)) as stranger:
                stranger.execute("BEGIN IMMEDIATE")
                await target.more_hits(40)
                stranger.execute("ROLLBACK")
            for words in ("slots start unclaimed", "slots are claimed again"):
                await watch.for_row(says(words))
            assert len(list(filter(says("slots "), watch.rows))) == 2


async def test_what_is_on_call_is_run_by_hand(tmp_path: Path) -> None:
    async with http_target() as target:
        flow = FLOW.format(id="tool", when="on_call: true", url=target.url)
        loaded = configuration(tmp_path, f"workflows: [{flow}]")
        async with running(loaded, tmp_path / "t.db") as (engine, watch):
            assert target.hits == 0
            await engine.run_now("tool")
            row = await watch.for_row(lambda row: isinstance(row, Recording))
            assert (row.execution.workflow_id, row.execution.outcome) == ("tool", Outcome.OK)
            assert target.hits == 1
