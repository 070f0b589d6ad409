"""How much a database may keep, and how much room it leaves to others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

MEBIBYTE = 1024 * 1024


class Kind(StrEnum):
    """What a database keeps, as far as it has an age and a size of its own.

    Spans belong to executions; notifications and the events of alerts to alerts.
    """

    EXECUTIONS = "executions"
    LOGS = "logs"
    POINTS = "points"
    DECISIONS = "decisions"
    ALERTS = "alerts"
    RESPONSES = "responses"
    HEALTH = "health"


@dataclass(frozen=True, slots=True)
class Share:
    """What one kind may have: `keep` in seconds, `size` in bytes; None: only what holds for all."""

    keep: float | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What holds for one database; sizes in bytes.

    Args:
        keep: seconds after which rows leave.
        size: what the file never exceeds.
        ballast: room held for a full disk; 0 holds none.
        floor: free space on the disk below which only the outcomes of checks, and alerts, are kept.
        wal: length of the write-ahead log at which it is emptied; beyond four times that, nothing that can
            be missed goes into it.
        shares: what is different for a kind.
    """

    keep: float = 30 * 86_400.0
    size: int = 2048 * MEBIBYTE
    ballast: int = 16 * MEBIBYTE
    floor: int = 200 * MEBIBYTE
    wal: int = 64 * MEBIBYTE
    shares: Mapping[Kind, Share] = field(default_factory=dict)

    def before(self, kind: Kind, now: float) -> float:
        """Rows of `kind` that are older than this (seconds since the epoch) leave."""
        keep = self.shares.get(kind, Share()).keep
        return now - (self.keep if keep is None else keep)
