"""What is in a database, as files for other programs: CSV, JSON, JSON lines, OTLP.

Rows come newest first and in pages, so that no question holds the database for long.
"""

from __future__ import annotations

import csv
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import IO, Any, TypeVar

from engine.errors import TocsinError
from engine.files import no_formula
from engine.headless import encode
from engine.model import Alert, Execution, LogRecord, Point, Span
from engine.reports import (
    Record,
    alert_record,
    execution_record,
    log_record,
    point_record,
    span_record,
)
from engine.store.reader import Reader
from engine.telemetry import otlp

PAGE = 2_000
TRACES_A_PAGE = 100
MAX_ALERTS = 10_000

Row = Execution | LogRecord | Alert | Span | Point | Record
T = TypeVar("T", Execution, LogRecord)


class Kind(StrEnum):
    """What can be exported."""

    EXECUTIONS = "executions"
    LOGS = "logs"
    TRACES = "traces"
    METRICS = "metrics"
    ALERTS = "alerts"


class Format(StrEnum):
    """How it is written: with a header, as one array, one object a line, or one OTLP request a line."""

    CSV = "csv"
    JSON = "json"
    NDJSON = "ndjson"
    OTLP = "otlp"


OTLP_KINDS = frozenset({Kind.TRACES, Kind.LOGS, Kind.METRICS})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to export: rows at or after `since` and before `until`, seconds since the epoch."""

    kind: Kind
    format: Format
    since: float | None = None
    until: float | None = None
    workflow_id: str | None = None


async def export(
    reader: Reader, wanted: Wanted, out: IO[str], told: Callable[[int], None] | None = None
) -> int:
    """Write what is wanted to `out` and return how many rows that were.

    Args:
        told: called with the number of rows so far, after each page.

    Raises:
        TocsinError: the format does not fit the kind.
        StoreError: the database cannot be read.
    """
    if wanted.format is Format.OTLP and wanted.kind not in OTLP_KINDS:
        raise TocsinError(f"there is no OTLP of {wanted.kind}", "otlp is for logs, metrics and traces")
    write = _WRITERS[wanted.format](out)
    count = 0
    async for page in _pages(reader, wanted):
        write.page(page)
        count += len(page)
        if told is not None:
            told(count)
    write.end()
    return count


def write_rows(rows: Sequence[Row], format: Format, out: IO[str]) -> None:
    """Write what is at hand to `out`; records of one kind, for CSV."""
    write = _WRITERS[format](out)
    write.page(rows)
    write.end()


async def _pages(reader: Reader, wanted: Wanted) -> AsyncIterator[tuple[Row, ...]]:
    match wanted.kind:
        case Kind.ALERTS:
            alerts = await reader.alerts(since=wanted.since, limit=MAX_ALERTS)
            yield tuple(alert for alert in alerts if _before(alert.started_at, wanted))
        case Kind.EXECUTIONS:
            async for executions in _executions(reader, wanted, PAGE):
                yield executions
        case Kind.TRACES:
            async for executions in _executions(reader, wanted, TRACES_A_PAGE):
                yield tuple(chain.from_iterable([await reader.trace(each.trace_id) for each in executions]))
        case Kind.LOGS:
            async for logs in _logs(reader, wanted):
                yield logs
        case Kind.METRICS:
            async for points in _points(reader, wanted):
                yield points


async def _executions(reader: Reader, wanted: Wanted, size: int) -> AsyncIterator[tuple[Execution, ...]]:
    before: int | None = None
    while True:
        page = await reader.executions(
            workflow_id=wanted.workflow_id, since=wanted.since, before_id=before, limit=size
        )
        if not page:
            return
        before = page[-1].id
        yield tuple(each for each in page if _before(each.started_at, wanted))


async def _logs(reader: Reader, wanted: Wanted) -> AsyncIterator[tuple[LogRecord, ...]]:
    query = f'workflow:"{wanted.workflow_id}"' if wanted.workflow_id else ""
    before: int | None = None
    more = True
    while more:
        page = await reader.logs(query, since=wanted.since, before_id=before, limit=PAGE)
        more = page.more and bool(page.records)
        if page.records:
            before = page.records[-1].id
            yield tuple(each for each in page.records if _before(each.at, wanted))


async def _points(reader: Reader, wanted: Wanted) -> AsyncIterator[tuple[Point, ...]]:
    before: int | None = None
    while True:
        page = await reader.point_page(before, wanted.since or 0.0, PAGE)
        if page.before is None:
            return
        before = page.before
        label = ("workflow", wanted.workflow_id)
        yield tuple(
            point
            for point in page.points
            if _before(point.at, wanted) and (wanted.workflow_id is None or label in point.labels)
        )


def _before(at: float, wanted: Wanted) -> bool:
    return wanted.until is None or at < wanted.until


def _record(row: Row) -> Record:
    match row:
        case Execution():
            return execution_record(row)
        case LogRecord():
            return log_record(row)
        case Alert():
            return alert_record(row)
        case Span():
            return span_record(row)
        case Point():
            return point_record(row)
        case dict():
            return dict(row)


class _Lines:
    """One object a line."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out

    def page(self, rows: Iterable[Row]) -> None:
        self._out.writelines(encode(_record(row)) + "\n" for row in rows)

    def end(self) -> None:
        """Nothing is left to write."""


class _Array:
    """One array, an object a line."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._lead = "[\n"

    def page(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self._out.write(self._lead + encode(_record(row)))
            self._lead = ",\n"

    def end(self) -> None:
        self._out.write("[]\n" if self._lead == "[\n" else "\n]\n")


class _Table:
    """A header and a line for each row; what would be a formula gets an apostrophe before it."""

    def __init__(self, out: IO[str]) -> None:
        self._csv = csv.writer(out, lineterminator="\n")
        self._header = False

    def page(self, rows: Iterable[Row]) -> None:
        for row in rows:
            record = _record(row)
            record.pop("type", None)
            if not self._header:
                self._csv.writerow(record)
                self._header = True
            self._csv.writerow(_cell(value) for value in record.values())

    def end(self) -> None:
        """Nothing is left to write."""


class _Otlp:
    """A request of the OTLP for each page, on a line of its own, as collectors read files."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out

    def page(self, rows: Iterable[Row]) -> None:
        spans = [row for row in rows if isinstance(row, Span)]
        logs = [row for row in rows if isinstance(row, LogRecord)]
        points = [row for row in rows if isinstance(row, Point)]
        if spans:
            self._out.write(json.dumps(otlp.spans_document(spans)) + "\n")
        if points:
            self._out.write(json.dumps(otlp.points_document(points)) + "\n")
        if logs:
            self._out.write(json.dumps(otlp.logs_document(logs)) + "\n")

    def end(self) -> None:
        """Nothing is left to write."""


_WRITERS: Mapping[Format, Callable[[IO[str]], _Lines | _Array | _Table | _Otlp]] = {
    Format.CSV: _Table,
    Format.JSON: _Array,
    Format.NDJSON: _Lines,
    Format.OTLP: _Otlp,
}


def _cell(value: Any) -> Any:
    if isinstance(value, dict | list):
        return json.dumps(value, default=str) if value else ""
    return no_formula(value) if isinstance(value, str) else value
