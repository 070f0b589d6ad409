"""Numbers for the shapes of traces: one that recurs is stored once."""

from __future__ import annotations

import sqlite3
from hashlib import blake2b

from engine.store.encode import to_json
from engine.store.traces import Shape

LIMIT = 20_000
"""Shapes a file may have; traces of further ones keep theirs to themselves."""
LONGEST = 16_384
"""Characters of a shape that is worth keeping in memory."""
DAY = 86_400.0
_REMEMBERED = 8_192

_FIND = "SELECT id FROM shapes WHERE digest = ?"
_COUNT = "SELECT count(*) FROM shapes"
_KEEP = (
    "INSERT INTO shapes (digest, content, used_at) VALUES (?, ?, ?)"
    " ON CONFLICT (digest) DO UPDATE SET used_at = max(used_at, excluded.used_at) RETURNING id"
)


class ShapeIndex:
    """Finds the number of a shape, or its text for the first of its kind: most errors come only once.

    What is learnt inside a transaction is kept by `keep()` and forgotten by `forget()`.
    """

    def __init__(self) -> None:
        self._known: dict[Shape, tuple[int, float]] = {}
        self._fresh: dict[Shape, tuple[int, float]] = {}
        self._once: set[int] = set()

    def refer(self, connection: sqlite3.Connection, shape: Shape, at: float) -> int | str:
        """What a trace of this shape, of an execution that started at `at`, keeps of it."""
        found = self._known.get(shape) or self._fresh.get(shape)
        if found is not None and abs(at - found[1]) < DAY:
            return found[0]
        content = to_json(shape) or "[]"
        if len(content) > LONGEST:
            return content
        digest = blake2b(content.encode(), digest_size=16).digest()
        number = self._number(connection, shape, digest, content, at)
        if number is None:
            return content
        self._fresh[shape] = (number, at)
        return number

    def keep(self) -> None:
        """The transaction was committed."""
        if self._fresh:
            if len(self._known) + len(self._fresh) > _REMEMBERED:
                self._known.clear()
            self._known |= self._fresh
            self._fresh = {}

    def forget(self) -> None:
        """The transaction was rolled back."""
        self._fresh = {}

    def _number(
        self, connection: sqlite3.Connection, shape: Shape, digest: bytes, content: str, at: float
    ) -> int | None:
        """The number of a shape that is in the file already, or is worth a place there."""
        if connection.execute(_FIND, (digest,)).fetchone() is None:
            mark = hash(shape)
            if mark not in self._once:
                if len(self._once) >= _REMEMBERED:
                    self._once.clear()
                self._once.add(mark)
                return None
            if connection.execute(_COUNT).fetchone()[0] >= LIMIT:
                return None
        return int(connection.execute(_KEEP, (digest, content, at)).fetchone()[0])
