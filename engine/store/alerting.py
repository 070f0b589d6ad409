"""Reads about alerts and the decisions behind them."""

# ruff: noqa: S608 - statements are put together from texts of ours; every value is bound

from __future__ import annotations

from engine.model import Alert, Decision
from engine.store import decode
from engine.store.pool import ReadPool


async def last_decisions(pool: ReadPool) -> dict[str, Decision]:
    """The newest decision of each rule that was ever decided, by its id."""
    rows = await pool.fetch(
        f"SELECT {decode.DECISION} FROM decisions WHERE id IN (WITH RECURSIVE newest (rule, decided) AS ("
        " SELECT * FROM (SELECT rule_id, id FROM decisions ORDER BY rule_id DESC, id DESC LIMIT 1) UNION ALL"
        " SELECT (SELECT rule_id FROM decisions WHERE rule_id < rule ORDER BY rule_id DESC LIMIT 1),"
        " (SELECT id FROM decisions WHERE rule_id < rule ORDER BY rule_id DESC, id DESC LIMIT 1)"
        " FROM newest WHERE rule IS NOT NULL LIMIT 10000) SELECT decided FROM newest) ORDER BY id LIMIT 10000"
    )
    return {decision.rule_id: decision for decision in decode.each(decode.decision, rows)}


async def decisions(pool: ReadPool, rule_id: str, limit: int) -> tuple[Decision, ...]:
    """The newest decisions of a rule, newest first."""
    rows = await pool.fetch(
        f"SELECT {decode.DECISION} FROM decisions WHERE rule_id = ? ORDER BY id DESC LIMIT ?",
        (rule_id, limit),
    )
    return decode.each(decode.decision, rows)


async def newest_alerts(pool: ReadPool, rule_id: str) -> tuple[Alert, ...]:
    """The newest alert of a rule about each of its subjects, newest first; at most 1,000."""
    rows = await pool.fetch(
        f"SELECT {decode.ALERT} FROM alerts WHERE id IN (SELECT max(id) FROM alerts"
        " WHERE fingerprint >= ?1 || '|' AND fingerprint < ?1 || '}' AND rule_id = ?1 GROUP BY fingerprint)"
        " ORDER BY id DESC LIMIT 1000",
        (rule_id,),
    )
    return decode.each(decode.alert, rows)
