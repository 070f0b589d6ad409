"""The log lines of the stand-in for the engine."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime

from engine.clock import VirtualClock
from engine.errors import QueryError
from engine.model import LogCount, LogFacet, LogFacets, LogLevel, LogPage, LogRecord

_FILTER = re.compile(r"(execution|span|level|workflow|until):(\S+)")


class FakeLogs:
    """Searches as a client has them, over `all_logs`, oldest first; a search is one word."""

    clock: VirtualClock
    all_logs: list[LogRecord]

    def add_log(self, message: str, level: LogLevel = LogLevel.INFO) -> LogRecord:
        """The engine logs one more line."""
        number = (self.all_logs[-1].id if self.all_logs else 0) + 1
        record = LogRecord(self.clock.now(), level, message, "checkout", None, id=number)
        self.all_logs.append(record)
        return record

    async def logs(
        self,
        query: str = "",
        *,
        since: float | None = None,
        until: float | None = None,
        before_id: int | None = None,
        after_id: int | None = None,
        limit: int = 200,
    ) -> LogPage:
        self._called("logs", (query, before_id, after_id))
        if query.startswith("-"):
            raise QueryError("a search needs a word to look for", "add a word before what is left out")
        filters = dict(_FILTER.findall(query))
        before = datetime.fromisoformat(filters["until"]).timestamp() if "until" in filters else math.inf
        word = _FILTER.sub("", query).strip().lower()
        found = [
            record
            for record in reversed(self.all_logs)
            if word in record.message.lower()
            and record.at < before
            and (until is None or record.at <= until)
            and filters.get("execution") in (None, str(record.execution_id))
            and filters.get("span") in (None, record.span_id)
            and filters.get("level") in (None, record.level.label)
            and filters.get("workflow") in (None, record.workflow_id)
            and (since is None or record.at >= since)
            and (before_id is None or record.id < before_id)
            and (after_id is None or record.id > after_id)
        ]
        hits = tuple(_places(word, record.message.lower()) for record in found[:limit]) if word else ()
        return LogPage(tuple(found[:limit]), len(found) > limit, hits)

    async def log_count(
        self, query: str = "", *, since: float | None = None, until: float | None = None
    ) -> LogCount:
        return LogCount(len((await self.logs(query, since=since, until=until, limit=10_000)).records))

    async def log_facets(
        self,
        query: str = "",
        *,
        since: float | None = None,
        until: float | None = None,
        buckets: int = 24,
    ) -> LogFacets:
        found = (await self.logs(query, since=since, until=until, limit=10_000)).records
        start, end = since or 0.0, self.clock.now() if until is None else until

        def facet(name: str, records: list[LogRecord]) -> LogFacet:
            places = Counter(int((one.at - start) / (end - start + 1) * buckets) for one in records)
            return LogFacet(name, len(records), tuple(places[place] for place in range(buckets)))

        def facets(names: Iterable[str], of: Callable[[LogRecord], str | None]) -> tuple[LogFacet, ...]:
            return tuple(facet(name, [one for one in found if of(one) == name]) for name in names)

        levels = dict.fromkeys(one.level.label for one in sorted(found, key=lambda one: -one.level))
        workflows = dict.fromkeys(sorted(one.workflow_id for one in found if one.workflow_id))
        return LogFacets(
            start, end, facet("", list(found)), True,
            facets(levels, lambda one: one.level.label), facets(workflows, lambda one: one.workflow_id),
        )  # fmt: skip

    def _called(self, name: str, detail: object = None) -> None:
        raise NotImplementedError


def _places(word: str, message: str) -> tuple[tuple[int, int], ...]:
    return tuple((found.start(), found.end()) for found in re.finditer(re.escape(word), message))
