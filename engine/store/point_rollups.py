"""Roll-ups of points: what series came to by the minute, the hour and the day.

They are packed by layout, the series whose points share samples. Minutes are kept sixty to a row. An hour
is derived together with that of executions (see `rollups.py`), and again when rows came late.
"""

from __future__ import annotations

import json
import math
import sqlite3
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any

from engine.store.gists import Gist, pack, packed, unpack
from engine.store.periods import DAY, HOUR, MINUTE, POINT_SLACK, Rolled, numbers
from engine.store.series import is_counter

FINE = 4
"""Buckets have to be this many minutes long, or more, to be put together from roll-ups."""

PUT = (
    "INSERT INTO point_rollups (width, at, layout, samples, packed) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (width, at, layout) DO UPDATE SET samples = excluded.samples, packed = excluded.packed"
    # Rows only ever come, late ones too: when there are fewer, some have been removed for their age.
    " WHERE excluded.samples >= point_rollups.samples"
)
_SAMPLES = (
    "SELECT layout, at, v0, v1, v2, v3, v4, v5, v6, v7 FROM samples"
    " WHERE id >= ? AND id < ? AND at >= ? AND at < ? ORDER BY layout, at"
)
_MEMBERS = "SELECT l.id, r.name FROM layouts l JOIN series r ON r.id = l.series ORDER BY l.id, l.place"
_HOURS = (
    "SELECT layout, samples, packed FROM point_rollups WHERE width = ? AND at >= ? AND at < ?"
    " ORDER BY layout, at"
)
_OLDEST = "SELECT min(at) FROM point_rollups WHERE width = ?"
_PLACES = "SELECT id, place, series FROM layouts WHERE series IN (SELECT value FROM json_each(?))"
_FOUND = """
SELECT r.at, r.layout, r.packed FROM json_each(:ats) a CROSS JOIN json_each(:layouts) l
CROSS JOIN point_rollups r ON r.width = :width AND r.at = a.value AND r.layout = l.value
"""

Cells = tuple[Any, ...]


def hour_rows(connection: sqlite3.Connection, at: int) -> list[Cells]:
    """The values of PUT for the hour that begins at `at`, and for its minutes."""
    first, end = numbers(connection, "samples", "at", at, at + HOUR, POINT_SLACK)
    counters = _counters(connection)
    rows: list[Cells] = []
    samples = connection.execute(_SAMPLES, (first, end, at, at + HOUR))
    for layout, group in groupby(samples, itemgetter(0)):
        _, ats, *columns = zip(*group, strict=True)
        kinds = counters.get(layout, ())
        values = columns[: len(kinds)]
        minutes = []
        start = 0
        for minute in range(HOUR // MINUTE):
            stop = bisect_left(ats, at + (minute + 1) * MINUTE, start)
            if stop > start:
                minutes.append((minute, _packed([column[start:stop] for column in values], kinds)))
            start = stop
        rows.append((MINUTE, at, layout, len(ats), pack(minutes, len(kinds))))
        rows.append((HOUR, at, layout, len(ats), pack([(0, _packed(values, kinds))], len(kinds))))
    return rows


def day_rows(connection: sqlite3.Connection, at: int) -> list[Cells]:
    """The values of PUT for the day that begins at `at`, from those of its hours."""
    counters = _counters(connection)
    rows: list[Cells] = []
    for layout, group in groupby(connection.execute(_HOURS, (HOUR, at, at + DAY)), itemgetter(0)):
        kinds = counters.get(layout, ())
        whole = [Gist() for _ in kinds]
        samples = 0
        for _, count, hour in group:
            samples += count
            for _, place, gist in unpack(hour, frozenset(range(len(kinds)))):
                whole[place].append(gist)
        parts = [(0, [gist.pack(kind) for gist, kind in zip(whole, kinds, strict=True)])]
        rows.append((DAY, at, layout, samples, pack(parts, len(kinds))))
    return rows


@dataclass(slots=True)
class Plan:
    """What a range is put together from: where hours and days begin, hours to be taken by the minute, rows.

    Whole hours count in the bucket in which they begin when it is known no finer any more.
    """

    widths: dict[int, list[int]] = field(default_factory=lambda: {MINUTE: [], HOUR: [], DAY: []})
    raw: list[tuple[float, float]] = field(default_factory=list)

    def add_raw(self, since: float, until: float) -> None:
        if self.raw and self.raw[-1][1] == since:
            since = self.raw.pop()[0]
        self.raw.append((since, until))


def plan(connection: sqlite3.Connection, since: float, until: float, width: float) -> Plan:
    """How to come by buckets of `width` (s) from `since` on; rows alone when they are short."""
    result = Plan()
    if width < FINE * MINUTE:
        result.add_raw(since, until)
        return result
    rolled = Rolled.load(connection)
    oldest = {each: _oldest(connection, each) for each in (MINUTE, HOUR, DAY)}

    def is_whole(at: float, length: int) -> bool:
        """Whether a roll-up can be relied on, and lies within one bucket."""
        if at < oldest[length] or at + length > min(rolled.until, until) or at < since:
            return False
        is_one = (at - since) // width == (at + length - 0.001 - since) // width
        return is_one and (length, int(at)) not in rolled.due

    at = math.floor(since / HOUR) * HOUR
    while at < until:
        step = HOUR
        if at % DAY == 0 and is_whole(at, DAY):
            result.widths[DAY].append(at)
            step = DAY
        elif is_whole(at, HOUR):
            result.widths[HOUR].append(at)
        elif at < oldest[HOUR] or at + HOUR > rolled.until or (HOUR, at) in rolled.due:
            result.add_raw(max(at, since), min(at + HOUR, until))
        elif at >= oldest[MINUTE]:
            result.widths[MINUTE].append(at)
        elif at >= since:
            result.widths[HOUR].append(at)
        at += step
    return result


def gists(
    connection: sqlite3.Connection, series: Sequence[int], widths: Mapping[int, Sequence[int]]
) -> Iterator[tuple[float, int, Gist]]:
    """Time, number of the series, and gist of each period in `widths` that has points."""
    places: defaultdict[int, dict[int, int]] = defaultdict(dict)
    for layout, place, number in connection.execute(_PLACES, (json.dumps(series),)):
        places[layout][place] = number
    for width, ats in widths.items():
        scope = {"width": width, "ats": json.dumps(ats), "layouts": json.dumps(list(places))}
        for at, layout, found in connection.execute(_FOUND, scope) if ats else ():
            known = places[layout]
            for part, place, gist in unpack(found, frozenset(known)):
                yield at + part * MINUTE, known[place], gist


def _oldest(connection: sqlite3.Connection, width: int) -> float:
    found = connection.execute(_OLDEST, (width,)).fetchone()[0]
    return math.inf if found is None else found


def _counters(connection: sqlite3.Connection) -> dict[int, list[bool]]:
    """By layout, which of its places are counters."""
    result: defaultdict[int, list[bool]] = defaultdict(list)
    for layout, name in connection.execute(_MEMBERS):
        result[layout].append(is_counter(name))
    return result


def _packed(columns: Sequence[Sequence[float | None]], kinds: Sequence[bool]) -> list[bytes]:
    return [
        packed([value for value in column if value is not None], kind)
        for column, kind in zip(columns, kinds, strict=True)
    ]
