"""A running engine rolls up what its file has, and forgets roll-ups when their time is over."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine.clock import VirtualClock
from engine.config.loader import load_config
from engine.engine import Engine
from engine.errors import ConfigError
from engine.store.periods import HOUR
from engine.store.store import Store
from tests.engine.store.samples import execution

CONFIG = """
version: 1
settings: {{rollups: {{hours: {hours}, days: 30d}}}}
workflows:
  - id: shop
    name: Shop
    every: 1h
    steps: [{{id: look, tcp: {{address: "127.0.0.1:1"}}}}]
"""


@pytest.mark.parametrize(("hours", "kept"), [("90d", 5), ("3h", 1)])
async def test_an_engine_rolls_up_finished_hours(tmp_path: Path, hours: str, kept: int) -> None:
    db, clock = tmp_path / "t.db", VirtualClock(1_700_000_000.0)
    now = clock.now()
    first = now // HOUR * HOUR - 6 * HOUR
    store = await Store.open(db, clock)
    await store.writer.must(*(execution(n, started_at=first + n * 60) for n in range(1, 290)))
    await store.close()
    path = tmp_path / "rules.yaml"
    path.write_text(CONFIG.format(hours=hours))
    engine = Engine(load_config(path), db, clock)
    await engine.start(scheduled=False)
    try:
        sql = (
            "SELECT count(*), (SELECT count(*) FROM rollups_due) FROM execution_rollups"
            " WHERE width = 3600 AND workflow_id = '' LIMIT 1"
        )
        async with asyncio.timeout(10):
            while await engine.reader.pool.fetch(sql) != [(kept, 0)]:
                pass
        # Where the roll-ups are gone, the rows still tell.
        assert (await engine.reader.summary(now - 7 * HOUR, now)).executions == 289
    finally:
        await engine.stop()


def test_how_long_roll_ups_are_kept_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(CONFIG.format(hours="never"))
    with pytest.raises(ConfigError, match="never"):
        load_config(path)
