"""Old rows leave in small steps, so that nothing waits for them longer than about 50 ms."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import aiosqlite

from engine.store.connection import transaction
from engine.store.writer import Writer

STEP = 500
_SERIES_STEP = 20
_FREED_PAGES = 500

# The newest row of a table always stays: its number is where counting goes on after a restart.
_OLD_EXECUTIONS = (
    "SELECT id FROM executions WHERE started_at < ? AND id < (SELECT max(id) FROM executions) ORDER BY id LIMIT ?"
)
_OLD_LOGS = "SELECT id, at FROM logs WHERE id < (SELECT max(id) FROM logs) ORDER BY id LIMIT ?"
_OLD_ALERTS = (
    "SELECT id FROM alerts WHERE state = 'resolved' AND resolved_at < ? AND id < (SELECT max(id) FROM alerts)"
    " ORDER BY id LIMIT ?"
)
_FORGET_LOGS = (
    "INSERT INTO logs_fts (logs_fts, rowid, message, workflow_id)"
    " SELECT 'delete', id, message, workflow_id FROM logs WHERE id <= ?"
)
_OLD_POINTS = (
    "DELETE FROM points WHERE (series, at) IN"
    " (SELECT series, at FROM points WHERE series = ? AND at < ? ORDER BY at LIMIT ?)"
)
_OLD_ROWS = {
    "decisions": "DELETE FROM decisions WHERE id IN"
    " (SELECT id FROM decisions WHERE at < ? AND alert_id IS NULL LIMIT ?)",
    "health_checks": "DELETE FROM health_checks WHERE id IN (SELECT id FROM health_checks WHERE at < ? LIMIT ?)",
}
