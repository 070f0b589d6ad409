"""Traces that spans of other programs may join: whose they are, and how many have joined already."""

# ruff: noqa: S608 - statements are put together from texts of ours; every value is bound

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import islice

from engine.store.encode import identifier
from engine.store.pool import ReadPool
from engine.store.where import MAX_ROWS

_AT_ONCE = 200


async def owners(pool: ReadPool, trace_ids: Collection[str]) -> dict[str, int]:
    """The execution of each trace that has one."""
    found: dict[str, int] = {}
    for some in _batches(trace_ids):
        marks = ", ".join("substr(?, 1, 4)" for _ in some)
        rows: dict[object, int] = dict(
            await pool.fetch(
                f"SELECT trace_id, id FROM executions WHERE substr(trace_id, 1, 4) IN ({marks})"
                f" AND trace_id IN ({', '.join('?' * len(some))}) LIMIT {MAX_ROWS}",
                (*some.values(), *some.values()),
            )
        )
        found |= {name: rows[key] for name, key in some.items() if key in rows}
    return found


async def joined(pool: ReadPool, trace_ids: Collection[str]) -> dict[str, int]:
    """How many spans have joined each trace; those that none has joined are absent."""
    found: dict[str, int] = {}
    for some in _batches(trace_ids):
        rows: dict[object, int] = dict(
            await pool.fetch(
                f"SELECT trace_id, count(*) FROM spans WHERE trace_id IN ({', '.join('?' * len(some))})"
                f" GROUP BY trace_id LIMIT {MAX_ROWS}",
                tuple(some.values()),
            )
        )
        found |= {name: rows[key] for name, key in some.items() if key in rows}
    return found


def _batches(trace_ids: Collection[str]) -> Iterator[dict[str, bytes | str | None]]:
    """Identifiers as they are written, and as they are stored."""
    remaining = iter(sorted(trace_ids))
    while some := {trace_id: identifier(trace_id) for trace_id in islice(remaining, _AT_ONCE)}:
        yield some
