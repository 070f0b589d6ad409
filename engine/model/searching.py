"""What searches of the log find."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat

from engine.model.telemetry import LogRecord


@dataclass(frozen=True, slots=True)
class LogPage:
    """By number, the highest first, as pages follow each other; `more` says that there may be older matches.

    Args:
        hits: for each record the places in its message, from and to in characters, that were searched for;
            empty when no words or patterns were.
        looked_at: numbers of the oldest and the newest line that patterns were tried on: go on from there,
            also when there are no records.
    """

    records: tuple[LogRecord, ...]
    more: bool = False
    hits: tuple[tuple[tuple[int, int], ...], ...] = ()
    looked_at: tuple[int, int] | None = None

    def in_time(self) -> list[tuple[LogRecord, tuple[tuple[int, int], ...]]]:
        """The records, each with its hits, as people read them: by their times, the oldest first.

        Lines of files and of executions are numbered when they are stored, which is later than they were
        written; those of one moment stay in the order of their numbers.
        """
        found = zip(self.records, self.hits or repeat(()), strict=False)
        return sorted(found, key=lambda pair: (pair[0].at, pair[0].id))

    @property
    def oldest(self) -> int | None:
        """The number that the next page comes before."""
        if self.looked_at is not None:
            return self.looked_at[0]
        return self.records[-1].id if self.records else None

    @property
    def newest(self) -> int | None:
        """The number that newer lines come after."""
        if self.looked_at is not None:
            return self.looked_at[1]
        return self.records[0].id if self.records else None


@dataclass(frozen=True, slots=True)
class LogCount:
    """How many lines a search finds; more than `lines` when it is not exact."""

    lines: int
    exact: bool = True


@dataclass(frozen=True, slots=True)
class LogFacet:
    """The lines of one level, workflow or source: how many, and how many in each bucket, oldest first."""

    name: str
    lines: int
    buckets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LogFacets:
    """What the lines of a search are, over buckets of equal width in [since, until).

    Levels come from the loudest down, workflows and sources by their lines. Without `exact` only the newest
    lines were counted, as many as time allowed.
    """

    since: float
    until: float
    total: LogFacet
    exact: bool
    levels: tuple[LogFacet, ...] = ()
    workflows: tuple[LogFacet, ...] = ()
    sources: tuple[LogFacet, ...] = ()
