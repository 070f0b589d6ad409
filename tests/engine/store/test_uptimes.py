"""An uptime is the same before an engine stops and after it has started again."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.clock import VirtualClock
from engine.health import Uptime
from engine.model import HealthCheck, HealthStatus, LogLevel
from engine.store.periods import HOUR
from engine.store.reader import Reader
from engine.store.rollups import catch_up
from engine.store.store import Store

MIDNIGHT = 1_700_006_400.0
COMPONENTS = 1_000
STATUSES = st.sampled_from(HealthStatus)
MOMENTS = st.floats(0, 30 * HOUR, exclude_max=True)
CHECKS = st.lists(st.tuples(MOMENTS, st.sampled_from(("store", "workflow:login")), STATUSES), max_size=80)
_FILL = """
WITH RECURSIVE c (n) AS (VALUES (0) UNION ALL SELECT n + 1 FROM c WHERE n + 1 < :count)
INSERT INTO health_checks (at, component, status, score, detail)
SELECT :start + n * :hours * 3600.0 / :count, 'workflow:' || (n % :components),
  iif(n < :count / 2, 'unhealthy', 'healthy'), 100, '' FROM c
"""


async def restored(reader: Reader, now: float) -> dict[str, float | None]:
    """The uptimes an engine begins with."""
    uptimes: defaultdict[str, Uptime] = defaultdict(Uptime)
    for hour in await reader.health_hours(Uptime.since(now)):
        uptimes[hour.component].count(hour.at, hour.good, hour.checks)
    return {name: uptime.share for name, uptime in uptimes.items() if uptime.share is not None}


def live(checks: list[HealthCheck], now: float) -> dict[str, float | None]:
    """Those of an engine that saw all checks and looks once more."""
    uptimes: defaultdict[str, Uptime] = defaultdict(Uptime)
    for check in (*checks, *(HealthCheck(now, each.component, HealthStatus.UNKNOWN, 0.0) for each in checks)):
        uptimes[check.component].add(check.at, check.status)
    return {name: uptime.share for name, uptime in uptimes.items() if uptime.share is not None}


async def both(checks: list[HealthCheck], rolled_at: float) -> None:
    with TemporaryDirectory() as place:
        store = await Store.open(Path(place) / "tocsin.db", VirtualClock(MIDNIGHT))
        try:
            early = [check for check in checks if check.at < rolled_at]
            for some, moment in ((early, rolled_at), (checks[len(early) :], MIDNIGHT + 30 * HOUR)):
                await store.writer.must(*some)
                assert await restored(store.reader, moment) == live(checks[: len(early)] + some, moment)
                await catch_up(store.writer, store.reader.pool, moment)
                assert await restored(store.reader, moment) == live(checks[: len(early)] + some, moment)
        finally:
            await store.close()


@settings(max_examples=20)
@given(found=CHECKS, rolled_at=MOMENTS)
@example(found=[(6.75 * HOUR, "store", HealthStatus.HEALTHY)], rolled_at=0.0)
def test_what_a_restart_restores_is_what_was_counted(
    found: list[tuple[float, str, HealthStatus]], rolled_at: float
) -> None:
    checks = [HealthCheck(MIDNIGHT + at, component, status, 0.0) for at, component, status in sorted(found)]
    asyncio.run(both(checks, MIDNIGHT + rolled_at))


async def test_uptimes_reach_back_a_day_however_many_checks_there_are(store: Store, db: Path) -> None:
    count = 120 * COMPONENTS
    now = MIDNIGHT + 22.5 * HOUR
    filling = {"count": count, "components": COMPONENTS, "start": MIDNIGHT + HOUR, "hours": 21}
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute(_FILL, filling)
    expected = {f"workflow:{n}": 0.5 for n in range(COMPONENTS)}
    assert await restored(store.reader, now) == expected
    assert await catch_up(store.writer, store.reader.pool, now) == 21
    assert await restored(store.reader, now) == expected
    assert len(await store.reader.health_hours(Uptime.since(now))) == 21 * COMPONENTS


@pytest.mark.parametrize(
    ("spoiling", "told", "left"),
    [
        ("UPDATE health_checks SET status = 'x' WHERE id = 5", "health_checks with at = ", 1 / 4),
        ("UPDATE health_checks SET at = 'x' WHERE id = 5", "health_checks with at = 'x'", 1 / 4),
        (
            "UPDATE health_rollups SET good = 'x' WHERE component = 'store'",
            "health_rollups with at = ",
            2 / 3,
        ),
    ],
)
async def test_a_broken_row_is_told_of_and_costs_no_other(
    store: Store, db: Path, spoiling: str, told: str, left: float
) -> None:
    statuses = [HealthStatus.UNHEALTHY, HealthStatus.UNHEALTHY, *[HealthStatus.HEALTHY] * 2]
    early = [HealthCheck(MIDNIGHT + place, "store", status, 0.0) for place, status in enumerate(statuses[:2])]
    await store.writer.must(*early, HealthCheck(MIDNIGHT, "network", HealthStatus.HEALTHY, 0.0))
    now = MIDNIGHT + HOUR + 1_000
    await catch_up(store.writer, store.reader.pool, now)
    later = [
        HealthCheck(now + place - 3, "store", status, 0.0)
        for place, status in enumerate((HealthStatus.HEALTHY, HealthStatus.DEGRADED, HealthStatus.UNHEALTHY))
    ]
    await store.writer.must(*later)
    with closing(sqlite3.connect(db)) as connection, connection:
        assert connection.execute(spoiling).rowcount == 1
    for _ in range(2):
        assert (await restored(store.reader, now))["store"] == pytest.approx(left)
    await store.writer.flush()
    loud = [line for line in (await store.reader.logs()).records if line.level is LogLevel.ERROR]
    assert len(loud) == 1
    assert f"the row of {told}" in loud[0].message
