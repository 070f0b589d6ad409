"""What the kinds of records weigh in a file, and which give way when they take too much.

Whoever takes most gives way first, down to the weight of the next, and so on: a flood of log lines does not
cost the history of executions.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from engine.store import wal
from engine.store.limits import Kind, Limits, Share

_TABLES: dict[Kind, tuple[str, ...]] = {
    Kind.EXECUTIONS: ("executions", "traces", "spans", "shapes"),
    Kind.LOGS: ("logs", "logs_fts_data", "logs_fts_idx", "logs_fts_docsize", "logs_fts_config"),
    Kind.POINTS: ("samples", "point_rollups"),
    Kind.DECISIONS: ("decisions",),
    Kind.ALERTS: ("alerts", "alert_events", "notifications"),
    Kind.RESPONSES: ("responses",),
    Kind.HEALTH: ("health_checks",),
}
_NUMBERS: dict[Kind, str] = {
    Kind.EXECUTIONS: "SELECT min(id), max(id) FROM executions",
    Kind.LOGS: "SELECT min(id), max(id) FROM logs",
    Kind.POINTS: "SELECT min(id), max(id) FROM samples",
    Kind.DECISIONS: "SELECT min(id), max(id) FROM decisions",
    Kind.RESPONSES: "SELECT min(execution_id), max(execution_id) FROM responses",
    Kind.HEALTH: "SELECT min(id), max(id) FROM health_checks",
}
"""Of the kinds that leave by size: alerts only leave when they are old."""
_PARTS = "SELECT name FROM sqlite_schema WHERE tbl_name = ? AND rootpage > 0"
_WEIGHT = "SELECT COALESCE(sum(pgsize), 0) FROM dbstat WHERE name = ? AND aggregate = TRUE"


@dataclass(frozen=True, slots=True)
class Room:
    """How a database and its disk are filled, in bytes; `used` is the part of `file` that holds something."""

    free: int
    file: int
    used: int
    page: int
    wal: int


@dataclass(frozen=True, slots=True)
class Weight:
    """What a kind takes, in bytes, its indexes included, and the numbers of its oldest and newest rows."""

    size: int
    first: int = 0
    last: int = 0


def survey(db: Path) -> Room:
    """Look at `db`; fast. Raises sqlite3.Error and OSError."""
    with closing(_reading(db)) as connection:
        page, pages, spare = (
            int(connection.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_size", "page_count", "freelist_count")
        )
    free = shutil.disk_usage(db.parent).free
    return Room(free, pages * page, (pages - spare) * page, page, wal.length(db))


def weigh(db: Path) -> dict[Kind, Weight]:
    """Weigh the kinds in `db`; reads all of their pages, each index for itself. Raises sqlite3.Error."""
    weights: dict[Kind, Weight] = {}
    with closing(_reading(db)) as connection:
        for kind, tables in _TABLES.items():
            parts = [name for table in tables for (name,) in connection.execute(_PARTS, (table,))]
            size = sum(connection.execute(_WEIGHT, (part,)).fetchone()[0] for part in parts)
            first, last = connection.execute(_NUMBERS[kind]).fetchone() if kind in _NUMBERS else (0, 0)
            weights[kind] = Weight(size, first or 0, last or 0)
    return weights


def give_way(weights: Mapping[Kind, Weight], limits: Limits, excess: int) -> dict[Kind, int]:
    """Numbers up to which rows have to leave, by kind, so that each keeps its limit and `excess` bytes go.

    Args:
        excess: bytes that have to go altogether; 0 or less when only the limits of kinds matter.
    """
    sizes = {kind: weights[kind].size for kind in _NUMBERS if kind in weights}
    allowed = {kind: min(size, _own(limits, kind, size)) for kind, size in sizes.items()}
    level = _level(list(allowed.values()), sum(sizes.values()) - max(excess, 0))
    numbers: dict[Kind, int] = {}
    for kind, size in sizes.items():
        kept = min(allowed[kind], level)
        if kept < size:
            weight = weights[kind]
            rows = weight.last - weight.first + 1
            numbers[kind] = weight.last - int(rows * kept / size)
    return numbers


def _own(limits: Limits, kind: Kind, size: int) -> int:
    own = limits.shares.get(kind, Share()).size
    return size if own is None else own


def _level(sizes: list[int], wanted: int) -> float:
    """What none of `sizes` may exceed, so that they come to `wanted` at most."""
    left = max(wanted, 0)
    for place, size in enumerate(sorted(sizes)):
        share = left / (len(sizes) - place)
        if size > share:
            return share
        left -= size
    return float(max(sizes, default=0))


def _reading(db: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(db))}?mode=ro", uri=True, timeout=2.0, isolation_level=None)
