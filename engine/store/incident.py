"""Everything around one alert as a small database of its own, to be looked at elsewhere and kept.

It holds the alert and what overlapped it, the executions of its workflow from an hour before until a quarter
of an hour after, with traces, responses and lines, the points of that time, the decisions, messages and
configurations. What the database redacted stays redacted.
"""

# ruff: noqa: S608 - statements are put together from texts of ours; every value is bound

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from engine.errors import NotFoundError, StoreError
from engine.store.connection import explain
from engine.store.files import discard, put_in_place
from engine.store.migrations import VERSION, check_version, inspect, prepare

BEFORE = 3_600.0
AFTER = 900.0
MAX_EXECUTIONS = 5_000
MAX_ROWS = 50_000
MARK = "incident"
"""Where the file says which alert it is about; with it, nothing in the file is changed any more."""

_CHOSEN = f"""
CREATE TEMP TABLE chosen AS
SELECT id FROM (
  SELECT id FROM src.executions
  WHERE started_at BETWEEN :first AND :last AND (workflow_id = :subject OR NOT :is_workflow)
  ORDER BY id DESC LIMIT {MAX_EXECUTIONS}
)
UNION SELECT id FROM src.executions WHERE id = :execution
"""
# In this order: later ones ask what earlier ones took.
_TAKEN: Mapping[str, str] = {
    "executions": "id IN chosen",
    "traces": "execution_id IN chosen",
    "shapes": "id IN (SELECT shape FROM main.traces)",
    "spans": "trace_id IN (SELECT trace_id FROM main.executions)",
    "responses": "execution_id IN chosen",
    "logs": "execution_id IN chosen OR (execution_id IS NULL AND at BETWEEN :first AND :last)",
    "samples": "at BETWEEN :first AND :last",
    "layouts": "id IN (SELECT layout FROM main.samples)",
    "series": "id IN (SELECT series FROM main.layouts)",
    "alerts": "id = :alert OR (started_at <= :last AND COALESCE(resolved_at, :last) >= :first)",
    "alert_events": "alert_id IN (SELECT id FROM main.alerts)",
    "notifications": "alert_id IN (SELECT id FROM main.alerts)",
    "silences": "starts_at <= :last AND COALESCE(expired_at, ends_at) >= :first",
    "maintenance": "starts_at <= :last AND COALESCE(ended_at, ends_at) >= :first",
    "decisions": "alert_id IN (SELECT id FROM main.alerts)"
    " OR (rule_id = :rule AND at BETWEEN :first AND :last)",
    "health_checks": "at BETWEEN :first AND :last",
    "breakers": "TRUE",
    "runs": "started_at <= :last",
    "configurations": "digest IN (SELECT digest FROM main.runs)",
}


def extract(db: Path, alert_id: int, target: Path, now: float) -> int:
    """Write the incident file of an alert; returns how many executions are in it.

    Args:
        target: must not exist; appears when it is complete, mode 0600.
        now: until when an alert that is still open is looked at, seconds since the epoch.

    Raises:
        NotFoundError: there is no such alert.
        StoreError: `db` cannot be read, or `target` cannot be written.
    """
    if target.exists():
        raise StoreError(f"{target} exists already", "choose another name: nothing is overwritten")
    draft = target.with_name(target.name + ".part")
    try:
        inspect(db)
        discard(draft)
        try:
            prepare(draft, now)
            count = _fill(draft, db, alert_id, now)
            put_in_place(draft, target)
        finally:
            discard(draft)
        return count
    except (sqlite3.Error, OSError) as error:
        raise explain(error, target.parent if isinstance(error, OSError) else db) from error


def is_record(db: Path) -> bool:
    """Whether `db` is an incident file; a file that cannot be read is none."""
    return _asked(db, "SELECT 1 FROM meta WHERE key = ?") is not None


def fired_at(db: Path) -> float | None:
    """When the alert fired, or began, that an incident file is about; None for any other file."""
    about = "SELECT CAST(value AS INTEGER) FROM meta WHERE key = ?"
    return _asked(db, f"SELECT COALESCE(fired_at, started_at) FROM alerts WHERE id = ({about})")


def _asked(db: Path, sql: str) -> float | None:
    """The answer to a question with MARK in it; None also for what cannot be read."""
    try:
        inspect(db)
        with closing(sqlite3.connect(f"file:{quote(str(db))}?mode=ro", uri=True)) as connection:
            found = connection.execute(sql, (MARK,)).fetchone()
            return None if found is None else float(found[0])
    except (StoreError, sqlite3.Error):
        return None


def _fill(draft: Path, db: Path, alert_id: int, now: float) -> int:
    with closing(sqlite3.connect(f"file:{quote(str(draft))}", uri=True, isolation_level=None)) as connection:
        connection.execute("ATTACH ? AS src", (f"file:{quote(str(db.absolute()))}?mode=ro",))
        version = connection.execute("PRAGMA src.user_version").fetchone()[0]
        check_version(version, db)
        if version < VERSION:
            raise StoreError(
                f"{db} was written by an older Tocsin", "start the engine once: it brings it up to date"
            )
        connection.execute("BEGIN")
        scope = _scope(connection, alert_id, now)
        connection.execute(_CHOSEN, scope)
        for table, condition in _TAKEN.items():
            # By number, the newest first, so that a bound leaves out what is furthest away.
            connection.execute(
                f"INSERT INTO main.{table} SELECT * FROM src.{table} WHERE {condition}"
                f" ORDER BY 1 DESC LIMIT {MAX_ROWS}",
                scope,
            )
        connection.execute("INSERT INTO logs_fts (logs_fts) VALUES ('rebuild')")
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('clean', 1), (?, ?)", (MARK, alert_id))
        count = int(connection.execute("SELECT count(*) FROM main.executions").fetchone()[0])
        connection.execute("COMMIT")
        connection.execute("DETACH src")
        connection.execute("PRAGMA journal_mode = DELETE")
        return count


def _scope(connection: sqlite3.Connection, alert_id: int, now: float) -> dict[str, object]:
    found = connection.execute(
        "SELECT rule_id, subject, started_at, COALESCE(resolved_at, ?), execution_id"
        " FROM src.alerts WHERE id = ?",
        (now, alert_id),
    ).fetchone()
    if found is None:
        raise NotFoundError(f"there is no alert {alert_id}", "tocsin alerts lists them")
    rule, subject, began, ended, execution = found
    known = "SELECT 1 FROM src.executions WHERE workflow_id = ? LIMIT 1"
    return {
        "alert": alert_id,
        "rule": rule,
        "subject": subject,
        "is_workflow": connection.execute(known, (subject,)).fetchone() is not None,
        "execution": execution,
        "first": began - BEFORE,
        "last": ended + AFTER,
    }
