"""Which executions have been read, to read next time only what has been written since."""

# ruff: noqa: S608 - the statement is put together from texts of ours; every value is bound

from __future__ import annotations

import json
import sqlite3
from collections.abc import Set
from typing import NamedTuple

AWAITED = 50_000
"""Among so many of the newest numbers those are noted that nothing has been written of yet."""
_ENDS = "SELECT COALESCE((SELECT min(id) FROM executions), 1), COALESCE((SELECT max(id) FROM executions), 0)"
_WRITTEN = "SELECT id FROM executions WHERE id > ? AND started_at < ?"
_COLUMNS = "SELECT id, workflow_id, started_at FROM executions"
_NEWS = (
    f"{_COLUMNS} WHERE id > :newest AND started_at < :until UNION ALL"
    f" {_COLUMNS} WHERE id IN (SELECT value FROM json_each(:missing)) AND started_at < :until"
)


class Written(NamedTuple):
    """An execution that has been written since."""

    id: int
    workflow_id: str
    started_at: float


class Seen(NamedTuple):
    """All executions from number `oldest` to `newest` but those `missing`.

    An execution has its number from its start and is written at its end, so that some are late.
    """

    oldest: int
    newest: int
    missing: Set[int]

    @classmethod
    def now(cls, connection: sqlite3.Connection, until: float) -> Seen:
        """Those that there are, and started before `until`."""
        oldest, newest = connection.execute(_ENDS).fetchone()
        first = max(newest - AWAITED, oldest - 1)
        written = {number for (number,) in connection.execute(_WRITTEN, (first, until))}
        return cls(oldest, newest, set(range(first + 1, newest + 1)) - written)

    def news(self, connection: sqlite3.Connection, until: float) -> tuple[Seen, list[Written]] | None:
        """What has been seen then, and what is new of it; None when some are gone, or too many have come."""
        oldest, last = connection.execute(_ENDS).fetchone()
        if oldest != self.oldest or last - self.newest > AWAITED:
            return None
        asked = {"newest": self.newest, "missing": json.dumps(list(self.missing)), "until": until}
        found = [Written(*cells) for cells in connection.execute(_NEWS, asked)]
        newest = max([self.newest, *(one.id for one in found)])
        missing = self.missing | set(range(self.newest + 1, newest + 1))
        return Seen(oldest, newest, missing - {one.id for one in found}), found
