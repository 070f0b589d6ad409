"""An engine in virtual time on a real file, whose configuration is rewritten while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from engine.clock import VirtualClock, settle
from engine.config.loader import load_config
from engine.engine import Engine
from engine.model import Alert, AlertState, Execution, Notification, ReloadReport


def flow(name: str, takes: str = "1s", every: str = "10s", more: str = "") -> str:
    """A workflow that takes as long as is said, and calls nobody."""
    step = f"{{id: s, timeout: 10m, wait: {{for: {takes}}}}}"
    return f"{{id: {name}, name: {name}, every: {every}, timeout: 10m, {more} steps: [{step}]}}"


def slow(name: str, limit: str = "3s", more: str = "channels: [ops]") -> str:
    """A rule about executions that took longer than `limit`."""
    condition = f'{{type: THRESHOLD, metric: workflow.duration, operator: ">", value: {limit}}}'
    return f"{{id: {name}, name: {name}, conditions: [{condition}], {more}}}"


def configuration(*flows: str, rules: tuple[str, ...] = (), more: str = "") -> str:
    channels = "" if "channels:" in more else "channels: {ops: {log: {}}}\n"
    return f"version: 1\n{channels}{more}\nworkflows: [{', '.join(flows)}]\nrules: [{', '.join(rules)}]\n"


class Stand:
    """One engine; `pass_by()` lets time pass, `until()` lets the threads behind it catch up."""

    def __init__(self, home: Path, text: str, env: dict[str, str] | None = None) -> None:
        self.path = home / "rules.yaml"
        self.path.write_text(text)
        self.clock = VirtualClock()
        self.reports: list[ReloadReport] = []
        self.engine = Engine(load_config(self.path, env=env or {}), home / "t.db", self.clock)
        self.engine.on_reload(self.reports.append)

    async def pass_by(self, seconds: float, step: float = 1.0) -> None:
        """Let time pass in small steps, each with everything it brings about."""
        while seconds > 0:
            await self.clock.advance(min(step, seconds))
            seconds -= step
            await self.settled()

    async def settled(self) -> None:
        await self.engine._rooms.backlog.settled()
        await self.engine._store.writer.flush()
        await settle()

    async def until(self, holds: Callable[[], Awaitable[Any]]) -> Any:
        """What `holds` returns once that is true; threads and the file take real time."""
        async with asyncio.timeout(60):
            while not (found := await holds()):
                await settle(1)
        return found

    async def reload(self, text: str) -> ReloadReport:
        """Write another configuration and ask for it; a pause that is owed is let pass."""
        self.path.write_text(text)
        await self.clock.advance(1.0)
        asked = asyncio.create_task(self.engine.reload())
        report = await self.until(lambda: _result(asked))
        await self.settled()
        assert isinstance(report, ReloadReport)
        return report

    async def executions(self, workflow: str) -> tuple[Execution, ...]:
        await self.settled()
        return await self.engine.reader.executions(workflow_id=workflow)

    async def alerts(self, *states: AlertState) -> list[Alert]:
        await self.settled()
        return list(await self.engine.reader.alerts(states=frozenset(states) if states else None))

    async def notices(self) -> list[Notification]:
        """Oldest first."""
        await self.settled()
        return list(reversed(await self.engine.reader.notifications()))

    async def lines(self, words: str) -> list[str]:
        await self.settled()
        page = await self.engine.reader.logs(words)
        return [record.message for record in reversed(page.records)]


async def _result(task: asyncio.Task[ReloadReport]) -> ReloadReport | None:
    return task.result() if task.done() else None


@asynccontextmanager
async def running(
    home: Path, text: str, env: dict[str, str] | None = None, *, watches: bool = False
) -> AsyncIterator[Stand]:
    """An engine that reads its configuration again when it is asked to, or, if it watches, by itself."""
    stand = Stand(home, text, env)
    await stand.engine.start()
    if not watches:
        await stand.engine._supervisor.end("configuration files")
    try:
        yield stand
    finally:
        stopping = asyncio.create_task(stand.engine.stop(1.0))
        while not stopping.done():
            await stand.clock.advance(1.0)
        await stopping
