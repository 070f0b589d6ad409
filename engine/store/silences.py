"""What mutes alerts, as the file remembers it."""

# ruff: noqa: S608 - statements are put together from texts of ours; every value is bound

from __future__ import annotations

from engine.model import Maintenance, Silence
from engine.model.alerting import Muted
from engine.store import decode
from engine.store.pool import ReadPool
from engine.store.where import MAX_ROWS, bounded


async def silences(pool: ReadPool, *, since: float | None = None, limit: int = 200) -> tuple[Silence, ...]:
    """Those made at run time, newest first; of ended ones only those that ended at `since` or later."""
    rows = await pool.fetch(
        f"SELECT {decode.SILENCE} FROM silences WHERE COALESCE(expired_at, ends_at) >= ?"
        " ORDER BY id DESC LIMIT ?",
        (float("-inf") if since is None else since, bounded(limit)),
    )
    return decode.each(decode.silence, rows)


async def maintenance(
    pool: ReadPool, *, since: float | None = None, limit: int = 200
) -> tuple[Maintenance, ...]:
    """Windows made at run time, newest first; of ended ones only those that ended at `since` or later."""
    rows = await pool.fetch(
        f"SELECT {decode.MAINTENANCE} FROM maintenance WHERE COALESCE(ended_at, ends_at) >= ?"
        " ORDER BY id DESC LIMIT ?",
        (float("-inf") if since is None else since, bounded(limit)),
    )
    return decode.each(decode.maintenance, rows)


async def muted(pool: ReadPool, now: float) -> Muted:
    """What an engine that starts at `now` goes by."""
    counts = (
        "SELECT COALESCE((SELECT max(id) FROM silences), 0), COALESCE((SELECT max(id) FROM maintenance), 0)"
    )
    ((newest, newest_window),) = await pool.fetch(counts)
    # A bare column beside max() comes from the row that has it.
    told = await pool.fetch(
        "SELECT a.fingerprint, e.kind, max(e.id) FROM alert_events e JOIN alerts a ON a.id = e.alert_id"
        f" WHERE e.kind IN ('flapping', 'steady') GROUP BY a.fingerprint LIMIT {MAX_ROWS}"
    )
    flapping = tuple(fingerprint for fingerprint, kind, _ in told if kind == "flapping")
    return Muted(
        await silences(pool, since=now, limit=MAX_ROWS),
        newest + 1,
        flapping,
        await maintenance(pool, since=now, limit=MAX_ROWS),
        newest_window + 1,
    )
