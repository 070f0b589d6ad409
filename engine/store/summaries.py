"""A period summed up from roll-ups, and from rows where there are none: its edges, and what is newest.

What is not kept any more, in rows or in roll-ups, counts nowhere.
"""

# ruff: noqa: S608 - statements are put together from texts of ours; every value is bound

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any, NamedTuple

from engine.client import Bucket
from engine.model import (
    ComponentSummary,
    HourOfDay,
    MetricsSummary,
    PeriodTotals,
    Severity,
    Trends,
    WorkflowSummary,
)
from engine.store.periods import (
    EVERYTHING,
    EXECUTION_SLACK,
    HOUR,
    RAW,
    Piece,
    Rolled,
    numbers,
)
from engine.store.tally import COLUMNS, COUNTED, GOOD, OUTCOMES, Tally, checked, tallied
from engine.telemetry.trends import trend

SHARES = (0.5, 0.9, 0.95, 0.99)
PARTS = 24
"""Equal parts of a short period that its trends go by."""
_WHOLE_HOURS = 12
_TOGETHER = (1, 2, 3, 4, 6, 8, 12, 24, 48, 96, 168, 336, 720)
"""Hours in a part of a longer period: a day's divisors and multiples, as days repeat themselves."""

_ROLLUPS = f"SELECT workflow_id, {COLUMNS} FROM execution_rollups WHERE width = ? AND at >= ? AND at < ?"
_ROLLUPS_OF = f"{_ROLLUPS} AND workflow_id IN (SELECT value FROM json_each(?))"
_ALL_ROLLUPS = (
    f"SELECT {COLUMNS} FROM execution_rollups INDEXED BY execution_rollups_all"
    " WHERE width = ? AND at >= ? AND at < ? AND workflow_id = ''"
)
_RANGE = "id >= ? AND id < ? AND started_at >= ? AND started_at < ?"
_ROWS = f"SELECT workflow_id, outcome, duration FROM executions WHERE {_RANGE}"
_ROWS_OF = (
    "WITH some (workflow) AS (SELECT value FROM json_each(?)) SELECT workflow_id, outcome, duration"
    f" FROM some CROSS JOIN executions ON workflow_id = workflow AND {_RANGE}"
)
_PARTS = (
    f"SELECT CAST((started_at - ?) / ? AS INTEGER), count(*), sum({GOOD}), sum(duration) FROM executions"
    f" WHERE {_RANGE} AND {COUNTED} GROUP BY 1"
)
_HOURS = (
    "SELECT at, ok + degraded + failed + error, ok + degraded, spent"
    " FROM execution_rollups INDEXED BY execution_rollups_all"
    " WHERE width = ? AND at >= ? AND at < ? AND workflow_id = ''"
)
_ALERTS = "SELECT severity, count(*) FROM alerts WHERE fired_at >= ? AND fired_at < ? GROUP BY 1"
_HEALTH = (
    "SELECT component, sum(checks), sum(good), sum(score) FROM health_rollups"
    " WHERE width = ? AND at >= ? AND at < ? GROUP BY 1"
)


class Part(NamedTuple):
    """Executions with a result that started within one equal part of a period, and what they took (s)."""

    at: float
    executions: int
    successes: int
    spent: float


def tallies(
    connection: sqlite3.Connection, pieces: Sequence[Piece], some: Collection[str] | None = None
) -> dict[str, Tally]:
    """What the executions of each workflow, or of `some`, came to, over pieces of time."""
    result: defaultdict[str, Tally] = defaultdict(Tally)
    for piece in pieces:
        if piece.width == RAW:
            rows = _rows(connection, piece) if some is None else _rows_of(connection, piece, some)
            for workflow_id, tally in tallied(rows).items():
                result[workflow_id].merge(tally)
        else:
            for workflow_id, *cells in _rollups(connection, piece, some):
                if workflow_id != EVERYTHING:
                    result[workflow_id].add_cells(cells)
    return result


def wide_buckets(
    since: float, width: float, count: int, workflow_id: str | None, connection: sqlite3.Connection
) -> tuple[Bucket, ...]:
    """`count` buckets of `width` seconds, an hour or more, from `since` on."""
    rolled = Rolled.load(connection)
    result = []
    for start in (since + place * width for place in range(count)):
        total = _total(connection, rolled.pieces(start, start + width), workflow_id or EVERYTHING)
        p50, p95 = total.spread.quantiles(0.5, 0.95)
        result.append(Bucket(start, width, total.executions, total.successes, p50, p95, total.longest))
    return tuple(result)


def summary(
    since: float, until: float, zone: tzinfo | None, connection: sqlite3.Connection
) -> MetricsSummary:
    """Totals over [since, until); `zone` is that of the hours of the day, the machine's when None."""
    rolled = Rolled.load(connection)
    pieces = rolled.pieces(since, until)
    found = tallies(connection, pieces)
    workflows = tuple(_workflow(workflow_id, found[workflow_id]) for workflow_id in sorted(found))
    total = _together(found)
    p50, p90, p95, p99 = total.spread.quantiles(*SHARES)
    hours = _parts(connection, rolled.pieces(since, until, HOUR), HOUR)
    alerts = connection.execute(_ALERTS, (since, until))
    return MetricsSummary(
        since=since,
        until=until,
        executions=total.executions,
        outcomes={outcome: count for outcome, count in zip(OUTCOMES, total.counts, strict=True) if count},
        success_rate=total.success_rate,
        mean=total.mean,
        p50=p50,
        p90=p90,
        p95=p95,
        p99=p99,
        alerts={Severity(severity): count for severity, count in alerts},
        workflows=workflows,
        previous=_previous(connection, rolled, since, until),
        pattern=_pattern(hours, zone),
        health=_health(connection, pieces),
        trends=_trends(connection, hours, since, until),
    )


def _together(found: Mapping[str, Tally]) -> Tally:
    total = Tally()
    for tally in found.values():
        total.merge(tally)
    return total


def _rows(
    connection: sqlite3.Connection, piece: Piece, workflow_id: str = EVERYTHING
) -> Iterator[tuple[str, str, float]]:
    span = numbers(connection, "executions", "started_at", piece.since, piece.until, EXECUTION_SLACK)
    values = (*span, piece.since, piece.until)
    if workflow_id == EVERYTHING:
        return connection.execute(_ROWS, values)
    return connection.execute(f"{_ROWS} AND workflow_id = ?", (*values, workflow_id))


def _rollups(
    connection: sqlite3.Connection, piece: Piece, some: Collection[str] | None
) -> Iterator[Sequence[Any]]:
    if some is None:
        return connection.execute(_ROLLUPS, piece)
    return connection.execute(_ROLLUPS_OF, (*piece, json.dumps(list(some))))


def _rows_of(
    connection: sqlite3.Connection, piece: Piece, some: Collection[str]
) -> Iterator[tuple[str, str, float]]:
    span = numbers(connection, "executions", "started_at", piece.since, piece.until, EXECUTION_SLACK)
    return connection.execute(_ROWS_OF, (json.dumps(list(some)), *span, piece.since, piece.until))


def _workflow(workflow_id: str, tally: Tally) -> WorkflowSummary:
    p50, p90, p95, p99 = tally.spread.quantiles(*SHARES)
    return WorkflowSummary(
        workflow_id, tally.executions, tally.success_rate, tally.mean, p50, p95, p99, p90=p90
    )


def _previous(
    connection: sqlite3.Connection, rolled: Rolled, since: float, until: float
) -> PeriodTotals | None:
    """The period of the same length before."""
    total = _total(connection, rolled.pieces(since - (until - since), since), EVERYTHING)
    if not total.everything:
        return None
    quantiles = total.spread.quantiles(*SHARES)
    return PeriodTotals(total.executions, total.success_rate, total.mean, *quantiles)


def _total(connection: sqlite3.Connection, pieces: Sequence[Piece], workflow_id: str) -> Tally:
    """What the executions of one workflow came to, or EVERYTHING, over pieces of time."""
    total = Tally()
    for piece in pieces:
        if piece.width == RAW:
            for tally in tallied(_rows(connection, piece, workflow_id)).values():
                total.merge(tally)
        elif workflow_id == EVERYTHING:
            for cells in connection.execute(_ALL_ROLLUPS, piece):
                total.add_cells(cells)
        else:
            for _, *cells in connection.execute(f"{_ROLLUPS} AND workflow_id = ?", (*piece, workflow_id)):
                total.add_cells(cells)
    return total


def _parts(connection: sqlite3.Connection, pieces: Sequence[Piece], width: float) -> list[Part]:
    """By equal parts of time; `pieces` are rows alone unless they are hours."""
    parts: list[Part] = []
    for piece in pieces:
        if piece.width == RAW:
            start = piece.since // width * width if width == HOUR else piece.since
            span = numbers(connection, "executions", "started_at", piece.since, piece.until, EXECUTION_SLACK)
            rows = connection.execute(_PARTS, (start, width, *span, piece.since, piece.until))
            parts += [Part(start + place * width, *figures) for place, *figures in rows]
        else:
            parts += [Part(*row) for row in connection.execute(_HOURS, piece)]
    return parts


def _pattern(hours: Sequence[Part], zone: tzinfo | None) -> tuple[HourOfDay, ...]:
    by_hour: defaultdict[int, list[Part]] = defaultdict(list)
    for part in hours:
        if part.executions:
            by_hour[datetime.fromtimestamp(part.at, zone).hour].append(part)
    result = []
    for hour in sorted(by_hour):
        executions, successes, spent = _sums(by_hour[hour])
        result.append(HourOfDay(hour, executions, successes / executions, spent / executions))
    return tuple(result)


def _sums(parts: Sequence[Part]) -> tuple[int, int, float]:
    return (
        sum(part.executions for part in parts),
        sum(part.successes for part in parts),
        sum(part.spent for part in parts),
    )


def _trends(connection: sqlite3.Connection, hours: Sequence[Part], since: float, until: float) -> Trends:
    """Over whole hours, or several of them together; over shorter parts when there are too few."""
    last = until // HOUR
    whole = int(last + since // -HOUR)
    if whole >= _WHOLE_HOURS:
        together = next((each for each in _TOGETHER if whole / each <= PARTS * 1.25), _TOGETHER[-1])
        # The oldest ones are left out when they do not come out even.
        count, width = whole // together, float(together * HOUR)
        start = last * HOUR - count * width
        sums = _grouped(hours, start, width, count, HOUR)
    else:
        width = max(until - since, 0.001) / PARTS
        parts = _parts(connection, [Piece(RAW, since, until)], width)
        sums = _grouped(parts, since, width, PARTS, width)
    began = next((place for place, each in enumerate(sums) if each[0]), len(sums))
    known = sums[began:]
    return Trends(
        executions=trend([None] * began + [float(executions) for executions, _, _ in known]),
        success_rate=trend([good / executions if executions else None for executions, good, _ in sums]),
        performance=trend(
            [spent / executions if executions else None for executions, _, spent in sums],
            more_is_better=False,
        ),
    )


def _grouped(
    parts: Sequence[Part], start: float, width: float, count: int, grain: float
) -> list[tuple[int, int, float]]:
    """The sums of `count` parts of `width` from `start`; `grain` is the width of the given ones."""
    groups: list[list[Part]] = [[] for _ in range(count)]
    for part in parts:
        # By their middles, for where they begin may have been rounded.
        place = int((part.at + grain / 2 - start) // width)
        if 0 <= place < count:
            groups[place].append(part)
    return [_sums(group) for group in groups]


def _health(connection: sqlite3.Connection, pieces: Sequence[Piece]) -> tuple[ComponentSummary, ...]:
    """Of each component, by name."""
    sums: defaultdict[str, list[float]] = defaultdict(lambda: [0, 0, 0.0])
    for piece in pieces:
        is_raw = piece.width == RAW
        rows = checked(connection, *piece[1:]) if is_raw else connection.execute(_HEALTH, piece)
        for component, *figures in rows:
            sums[component] = list(map(sum, zip(sums[component], figures, strict=True)))
    return tuple(
        ComponentSummary(component, int(checks), good / checks, score / checks)
        for component, (checks, good, score) in sorted(sums.items())
    )
