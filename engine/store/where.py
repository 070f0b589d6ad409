"""What the reads of several tables have in common."""

from __future__ import annotations

from typing import Any

MAX_ROWS = 10_000

OF_TRACE = "substr(trace_id, 1, 4) = substr(?, 1, 4) AND trace_id = ?"
"""Executions of a trace, in the words of their index."""


class Where:
    """Conditions and their values, side by side."""

    def __init__(self) -> None:
        self._conditions: list[str] = []
        self.values: list[Any] = []

    def __str__(self) -> str:
        return f"WHERE {' AND '.join(self._conditions)}" if self._conditions else ""

    def plain(self, condition: str) -> None:
        """Add a condition without values."""
        self._conditions.append(condition)

    def add(self, condition: str, *values: Any) -> None:
        """Add a condition unless its value is None."""
        if values != (None,):
            self._conditions.append(condition)
            self.values.extend(values)


def bounded(limit: int) -> int:
    """How many rows are read of those asked for: at least one."""
    return min(max(limit, 1), MAX_ROWS)
