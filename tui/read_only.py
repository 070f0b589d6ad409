"""A console that only looks: whatever would change something is refused before it reaches the engine."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, NoReturn, cast

from engine.client import EngineClient
from engine.errors import TocsinError

READS = frozenset(
    {
        "subscribe", "close", "info", "health", "workflows", "executions", "execution", "trace", "buckets",
        "alerts", "alert", "logs", "log_count", "log_facets", "notifications", "notices", "summary", "series",
        "points", "retries", "configuration", "configurations", "landmark", "silences", "muted", "breakers",
        "maintenance",
        "pledges", "replies", "rules", "rule", "backtest", "explain", "explain_rule",
    }
)  # fmt: skip


class ReadOnlyError(TocsinError):
    """The console was started to look only."""

    def __init__(self) -> None:
        super().__init__("this console is read-only", "start it without --read-only to change something")


class _ReadOnlyClient:
    """Passes `READS` on; everything else, also what it does not know yet, raises ReadOnlyError."""

    def __init__(self, client: EngineClient) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name) if name in READS else _refuse


def read_only(client: EngineClient) -> EngineClient:
    """The same engine, through a door that lets nothing in."""
    return cast("EngineClient", _ReadOnlyClient(client))


def _refuse(*_arguments: object, **_named: object) -> Awaitable[NoReturn]:
    async def refused() -> NoReturn:
        raise ReadOnlyError

    return refused()
