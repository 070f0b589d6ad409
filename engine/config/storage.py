"""What a configuration says about the room that the database takes; the key `settings.storage`."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from engine.config.types import PositiveDuration, Strict
from engine.store.limits import MEBIBYTE, Kind, Limits, Share

_UNITS = {"": 1, "kb": 1_000, "mb": 1_000**2, "gb": 1_000**3, "tb": 1_000**4}
_UNITS |= {"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40, "b": 1}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]i?B|B|)\s*", re.IGNORECASE)
_LEAST = 8 * MEBIBYTE
_MOST = 100 * 1_000**4


def parse_size(value: object) -> int:
    """Bytes of `500MB`, `2GB`, `64MiB`, or a bare number of bytes.

    Raises:
        ValueError: with a sentence that says what a size looks like.
    """
    found = None if isinstance(value, bool) else _SIZE.fullmatch(str(value))
    if found is None:
        raise ValueError("a size is a number with a unit, such as 64MiB, 500MB or 2GB")
    size = float(found[1]) * _UNITS[found[2].lower()]
    if size > _MOST:
        raise ValueError("a size is at most 100TB")
    return round(size)


_WRITTEN = WithJsonSchema(
    {
        "anyOf": [
            {"type": "integer", "minimum": 0},
            {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*([KMGTkmgt]i?[Bb]|[Bb]|)\s*$"},
        ]
    }
)
Size = Annotated[int, BeforeValidator(parse_size), _WRITTEN]


class KeepSpec(Strict):
    """How long rows of one kind are kept, and how much room they may take, their indexes included.

    Keys:
        keep: their age; `settings.retention` unless given.
        max_size: such as 500MB.
    """

    keep: PositiveDuration | None = None
    max_size: Annotated[Size, Field(ge=MEBIBYTE)] | None = None


class KeepAlertsSpec(Strict):
    """How long resolved alerts are kept, with their events, decisions and notifications.

    Keys:
        keep: since they were resolved.
    """

    keep: PositiveDuration | None = None


class StorageSpec(Strict):
    """How much the database may take, and how much room it leaves to others.

    Keys:
        max_size: what the file never exceeds. At nine tenths of it the oldest rows of what takes most leave;
            its last twentieth is for alerts. Its write-ahead log comes on top, 64 MiB as a rule, and so do
            the backups.
        ballast: a file beside the database that takes room. It is given up when the disk is full, so that
            alerts are still kept; 0 makes none.
        free_space: with less than this left on the disk, only outcomes of checks, and alerts, are kept.
        executions, logs, points, decisions, responses, health: what is different for these, such as
            `{keep: 7d, max_size: 500MB}`. Spans belong to executions. Without `keep`, `settings.retention`
            holds.
        alerts: `{keep: 365d}`, for those that are resolved. They leave by age alone.
    """

    max_size: Annotated[Size, Field(ge=_LEAST)] = Limits().size
    ballast: Size = Limits().ballast
    free_space: Size = Limits().floor
    executions: KeepSpec = KeepSpec()
    logs: KeepSpec = KeepSpec()
    points: KeepSpec = KeepSpec()
    decisions: KeepSpec = KeepSpec()
    responses: KeepSpec = KeepSpec()
    health: KeepSpec = KeepSpec()
    alerts: KeepAlertsSpec = KeepAlertsSpec()

    def limits(self, retention: float) -> Limits:
        """What the store is held to; `retention` in seconds is for kinds without an age of their own."""
        shares: dict[Kind, Share] = {}
        for kind in Kind:
            spec: Any = getattr(self, kind.value)
            shares[kind] = Share(spec.keep, getattr(spec, "max_size", None))
        return Limits(retention, self.max_size, self.ballast, self.free_space, shares=shares)
