"""Executions at work: only so many at the same time, the others wait for a place in the order they came."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from engine.clock import Clock
from engine.config.schema import Workflow
from engine.model import LogLevel, LogRecord, Outcome
from engine.text import own_words
from engine.workflows.entry import Entry, Turn

Start = Callable[[Workflow, float], Awaitable[Outcome | None]]


class Places:
    """A semaphore whose size may change; when it shrinks, those who have a place keep it."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    def locked(self) -> bool:
        """Whether who comes now has to wait."""
        return self._taken >= self._count or bool(self._waiting)

    def resize(self, count: int) -> None:
        self._count = count
        self._hand_over()

    async def __aenter__(self) -> None:
        if not self.locked():
            self._taken += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn in self._waiting:
                self._waiting.remove(turn)
            else:
                self._leave()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._leave()

    def _leave(self) -> None:
        self._taken -= 1
        self._hand_over()

    def _hand_over(self) -> None:
        while self._waiting and self._taken < self._count:
            turn = self._waiting.popleft()
            # One that was cancelled meanwhile takes its place and gives it back at once.
            self._taken += 1
            if not turn.done():
                turn.set_result(None)


class Crew:
    """Runs executions in tasks of their own and holds the only references to them.

    Args:
        start: runs an execution and says how it ended; what it raises is logged.
        concurrency: executions at the same time.
        noted: told how an execution ended, while its entry still counts it.
        ended: told of an entry whose task has ended.
        log: told of starts that raised.
    """

    def __init__(
        self,
        clock: Clock,
        start: Start,
        concurrency: int,
        noted: Callable[[Entry, Outcome | None], None],
        ended: Callable[[Entry], None],
        log: Callable[[LogRecord], None],
    ) -> None:
        self._clock = clock
        self._start = start
        self._noted = noted
        self._ended = ended
        self._log = log
        self.places = Places(concurrency)
        self.tasks: set[asyncio.Task[None]] = set()
        self.running = 0
        """Executions at work; those that wait for a place do not count."""
        self.lag = 0.0
        """Seconds by which the newest start was late."""

    def launch(self, entry: Entry, turn: Turn) -> None:
        """Run the entry's workflow, as it is defined once there is a place."""
        task = asyncio.create_task(self._execute(entry, turn), name=f"workflow {entry.workflow.id}")
        entry.tasks.add(task)
        self.tasks.add(task)
        task.add_done_callback(lambda ended: self._leave(entry, ended))

    def _leave(self, entry: Entry, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        entry.tasks.discard(task)
        self._ended(entry)

    async def _execute(self, entry: Entry, turn: Turn) -> None:
        async with self.places:
            self.running += 1
            self.lag = max(self._clock.monotonic() - turn.due, 0.0)
            try:
                outcome = await self._start(entry.workflow, turn.slot)
            except Exception as error:  # noqa: BLE001 - border: one workflow's fault must not stop the others
                self._report(entry.workflow, error)
            else:
                self._noted(entry, outcome)
            finally:
                self.running -= 1

    def _report(self, workflow: Workflow, error: Exception) -> None:
        message = f"{workflow.id} could not be run: {own_words(error)}"
        self._log(LogRecord(self._clock.now(), LogLevel.ERROR, message, workflow_id=workflow.id))
