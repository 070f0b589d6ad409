"""Reads about alerts and the decisions behind them."""

# ruff: noqa: S608 - statements are put together from texts of ours; every value is bound

from __future__ import annotations

import math
import sqlite3

from engine.model import Alert, AlertState, Decision
from engine.store import decode
from engine.store.periods import EXECUTION_SLACK, numbers
from engine.store.pool import Cells, ReadPool
from engine.store.where import MAX_ROWS, Where, bounded

_ORDER = (
    "CASE state WHEN 'firing' THEN 0 WHEN 'acknowledged' THEN 1 WHEN 'pending' THEN 2 ELSE 3 END,"
    " started_at DESC, id DESC"
)
_MOST = 2**63 - 1
_THEN = "id < :end AND at <= :at"
_OF_RULE = (
    f"SELECT {decode.DECISION} FROM decisions WHERE rule_id = :rule AND {_THEN} ORDER BY id DESC LIMIT :limit"
)
# The index of rules has the number beside the rule: a rule is stepped to, and in it the newest one.
_LAST = f"""
SELECT {decode.DECISION} FROM decisions WHERE id IN (
  WITH RECURSIVE known (rule) AS (SELECT max(rule_id) FROM decisions UNION ALL
    SELECT (SELECT max(rule_id) FROM decisions WHERE rule_id < rule) FROM known
    WHERE rule IS NOT NULL LIMIT {MAX_ROWS})
  SELECT (SELECT id FROM decisions WHERE rule_id = rule AND {_THEN} ORDER BY id DESC LIMIT 1) FROM known
) ORDER BY id LIMIT {MAX_ROWS}
"""


async def listed(
    pool: ReadPool, states: frozenset[AlertState] | None, since: float | None, limit: int
) -> list[Cells]:
    """Rows of alerts, active ones first, then newest first; `since` bounds resolved ones only."""
    where = Where()
    if states is not None:
        marks = ", ".join("?" * len(states))
        where.add(f"state IN ({marks})", *(state.value for state in states))
    where.add("(state <> 'resolved' OR resolved_at >= ?)", since)
    # Numbers are sorted before whole rows are read: those are wide, and most of them are not asked for.
    return await pool.fetch(
        f"SELECT {decode.ALERT} FROM alerts WHERE id IN"
        f" (SELECT id FROM alerts {where} ORDER BY {_ORDER} LIMIT ?) ORDER BY {_ORDER}",
        (*where.values, bounded(limit)),
    )


async def last_decisions(pool: ReadPool, at: float | None = None) -> dict[str, Decision]:
    """The newest decision of each rule that was ever decided, or by `at`, by its id."""
    rows = await pool.run(lambda connection: connection.execute(_LAST, _by(connection, at)).fetchall())
    return {decision.rule_id: decision for decision in decode.each(decode.decision, rows)}


async def decisions(
    pool: ReadPool, rule_id: str, limit: int, at: float | None = None
) -> tuple[Decision, ...]:
    """The newest decisions of a rule, or those by `at`, newest first."""

    def ask(connection: sqlite3.Connection) -> list[Cells]:
        scope = {**_by(connection, at), "rule": rule_id, "limit": limit}
        return connection.execute(_OF_RULE, scope).fetchall()

    return decode.each(decode.decision, await pool.run(ask))


async def newest_alerts(pool: ReadPool, rule_id: str) -> tuple[Alert, ...]:
    """The newest alert of a rule about each of its subjects, newest first; at most 1,000."""
    rows = await pool.fetch(
        f"SELECT {decode.ALERT} FROM alerts WHERE id IN (SELECT max(id) FROM alerts"
        " WHERE fingerprint >= ?1 || '|' AND fingerprint < ?1 || '}' AND rule_id = ?1 GROUP BY fingerprint)"
        " ORDER BY id DESC LIMIT 1000",
        (rule_id,),
    )
    return decode.each(decode.alert, rows)


def _by(connection: sqlite3.Connection, at: float | None) -> dict[str, float]:
    """The bounds of decisions that were made by `at`, or of all of them."""
    if at is None:
        return {"end": _MOST, "at": math.inf}
    return {"end": numbers(connection, "decisions", "at", at, at, EXECUTION_SLACK)[1], "at": at}
