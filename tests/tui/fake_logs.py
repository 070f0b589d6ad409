"""The log lines of the stand-in for the engine."""

from __future__ import annotations

import re

from engine.clock import VirtualClock
from engine.errors import QueryError
from engine.model import LogCount, LogFacet, LogFacets, LogLevel, LogPage, LogRecord


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
        before_id: int | None = None,
        after_id: int | None = None,
        limit: int = 200,
    ) -> LogPage:
        self._called("logs", (query, before_id, after_id))
        if query.startswith("-"):
            raise QueryError("a search needs a word to look for", "add a word before what is left out")
        execution = int(query.split(":")[1]) if query.startswith("execution:") else None
        word = "" if execution is not None else query.lower()
        found = [
            record
            for record in reversed(self.all_logs)
            if word in record.message.lower()
            and (execution is None or record.execution_id == execution)
            and (since is None or record.at >= since)
            and (before_id is None or record.id < before_id)
            and (after_id is None or record.id > after_id)
        ]
        hits = tuple(_places(word, record.message.lower()) for record in found[:limit]) if word else ()
        return LogPage(tuple(found[:limit]), len(found) > limit, hits)

    async def log_count(self, query: str = "", *, since: float | None = None) -> LogCount:
        return LogCount(len((await self.logs(query, since=since, limit=10_000)).records))

    async def log_facets(
        self, query: str = "", *, since: float | None = None, buckets: int = 24
    ) -> LogFacets:
        lines = (await self.log_count(query, since=since)).lines
        return LogFacets(0.0, self.clock.now(), LogFacet("", lines, (lines,)), True)

    def _called(self, name: str, detail: object = None) -> None:
        raise NotImplementedError


def _places(word: str, message: str) -> tuple[tuple[int, int], ...]:
    return tuple((found.start(), found.end()) for found in re.finditer(re.escape(word), message))
