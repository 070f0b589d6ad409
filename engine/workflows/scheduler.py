"""Starts workflows at their slots: fixed cadence, no slot twice, no slot silently lost."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from engine.clock import Clock
from engine.config.schema import Workflow
from engine.errors import ConflictError, NotFoundError
from engine.model import LogLevel, LogRecord, ScheduleCursor
from engine.text import own_words
from engine.workflows.schedule import CronSlots, IntervalSlots, slots_of

SLICE = 15.0
"""Longest sleep: a monotonic clock stands still while the machine is suspended, so the wall is watched."""
JUMP = 1.0
"""Seconds by which wall and monotonic clock may part before it counts as a jump."""
STAGGER = 0.02
CANCEL_GRACE = 1.0

Start = Callable[[Workflow, float], Awaitable[None]]
Skipped = Callable[[Workflow, float, str], None]


@dataclass(slots=True)
class _Entry:
    """A workflow and its next slot: wall time `slot`, monotonic time `due`; None when there is none."""

    workflow: Workflow
    slots: IntervalSlots | CronSlots
    slot: float | None = None
    due: float = 0.0
    last_slot: float = float("-inf")


class Scheduler:
    """Decides when; what a start does is the caller's.

    Intervals keep a grid in wall time that is theirs for ever; cron follows the wall. When the wall clock
    goes back, intervals go on in real time and cron waits until the wall is past its last slot. Slots that
    were missed (suspended, stopped, too late) become one start and one recorded skip, `misfire`. A slot that
    finds its workflow still at work is skipped, `overlap`.

    Args:
        start: runs an execution; what it raises is logged.
        skipped: told of workflow, slot and reason.
        concurrency: executions at the same time; further ones wait, and `lag` shows it.
        cursors: the slots handled before, by workflow.
        advanced: told of each slot that was handled, to be kept.
        log: told of starts that raised; without it asyncio's exception handler is.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        workflows: Sequence[Workflow],
        start: Start,
        skipped: Skipped,
        concurrency: int,
        cursors: Mapping[str, ScheduleCursor],
        advanced: Callable[[ScheduleCursor], object],
        log: Callable[[LogRecord], None] | None = None,
    ) -> None:
        self._clock = clock
        self._start = start
        self._skipped = skipped
        self._advanced = advanced
        self._log = log
        self._cursors = dict(cursors)
        self._entries = {workflow.id: _Entry(workflow, slots_of(workflow)) for workflow in workflows}
        self._heap: list[tuple[float, int, _Entry]] = []
        self._order = itertools.count()
        self._offset = 0.0
        self._is_planned = False
        self._is_stopping = False
        self._is_paused = False
        self._places = asyncio.Semaphore(concurrency)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._running = 0
        self._lag = 0.0
        self._beat: float | None = None

    @property
    def beat_age(self) -> float | None:
        """Seconds since the loop last looked at the clock (at most 15 when well); None before it runs."""
        return None if self._beat is None else self._clock.monotonic() - self._beat

    @property
    def running(self) -> int:
        """Executions at work now; those that wait for a place do not count."""
        return self._running

    @property
    def paused(self) -> bool:
        return self._is_paused

    @property
    def lag(self) -> float:
        """Seconds by which the newest start was late."""
        return self._lag

    def set_paused(self, paused: bool) -> None:
        """Let slots pass without a start, or no longer; running executions finish."""
        self._is_paused = paused

    def is_running(self, workflow_id: str) -> bool:
        """Whether it is at work or waits for a place."""
        return workflow_id in self._tasks

    def next_at(self, workflow_id: str) -> float | None:
        """Wall time of the next slot; None when paused, unknown, or there is none."""
        entry = self._entries.get(workflow_id)
        return entry.slot if entry is not None and not self._is_paused else None

    def run_now(self, workflow_id: str) -> None:
        """Start it at once beside its slots.

        Raises:
            NotFoundError: there is no such workflow.
            ConflictError: it is at work already, or the engine is stopping.
        """
        entry = self._entries.get(workflow_id)
        if entry is None:
            raise NotFoundError(f"there is no workflow {workflow_id}")
        if self._is_stopping:
            raise ConflictError("the engine is stopping")
        if self.is_running(workflow_id):
            raise ConflictError(f"{workflow_id} is running already")
        self._launch(entry.workflow, self._clock.now(), self._clock.monotonic())

    async def run(self) -> None:
        """Start workflows at their slots until cancelled or drained."""
        if not self._is_planned:
            self._plan()
        while not self._is_stopping:
            self._follow_wall()
            self._beat = now = self._clock.monotonic()
            while self._heap and self._heap[0][0] <= now:
                self._fire(heapq.heappop(self._heap)[2])
            wait = self._heap[0][0] - self._clock.monotonic() if self._heap else SLICE
            await self._clock.sleep(min(wait, SLICE))

    async def run_once(self) -> None:
        """Run every workflow once, within the limit of concurrency, and wait for all."""
        for workflow_id, entry in self._entries.items():
            if not self.is_running(workflow_id):
                self._launch(entry.workflow, self._clock.now(), self._clock.monotonic())
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()))

    async def drain(self, grace: float) -> None:
        """Start nothing more, wait `grace` seconds for what runs, cancel the rest, leave what ignores it."""
        self._is_stopping = True
        if self._tasks:
            _, late = await asyncio.wait(list(self._tasks.values()), timeout=grace)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=CANCEL_GRACE)

    def _plan(self) -> None:
        """Give each workflow its first slot; what is new or overdue starts at once, one after the other."""
        self._is_planned = True
        wall = self._clock.now()
        self._offset = wall - self._clock.monotonic()
        for entry in self._entries.values():
            cursor = self._cursors.get(entry.workflow.id)
            if cursor is not None:
                # A cursor ahead of the clock was written before the clock was set back.
                entry.last_slot = min(cursor.last_slot, wall)
                entry.slot = entry.slots.after(entry.last_slot)
            elif isinstance(entry.slots, IntervalSlots):
                entry.slot = wall
            else:
                entry.slot = entry.slots.after(wall)
        self._rebuild()

    def _follow_wall(self) -> None:
        """Notice that the wall clock was set, or that the machine slept."""
        offset = self._clock.now() - self._clock.monotonic()
        shift = offset - self._offset
        if abs(shift) < JUMP:
            return
        self._offset = offset
        if shift < 0:
            for entry in self._entries.values():
                if isinstance(entry.slots, IntervalSlots):
                    entry.slot = entry.due + offset
        self._rebuild()

    def _rebuild(self) -> None:
        """Put every entry where its slot says, overdue ones spread out in the order of the file."""
        now = self._clock.monotonic()
        self._heap.clear()
        late = itertools.count()
        for entry in self._entries.values():
            if entry.slot is not None:
                entry.due = entry.slot - self._offset
                if entry.due <= now:
                    entry.due = now + next(late) * STAGGER
                self._heap.append((entry.due, next(self._order), entry))
        heapq.heapify(self._heap)

    def _fire(self, entry: _Entry) -> None:
        slot, wall = entry.slot, self._clock.now()
        assert slot is not None
        if self._is_paused:
            self._schedule_next(entry, max(slot, wall))
            return
        following = entry.slots.after(slot)
        if following is not None and following <= wall:
            self._skipped(entry.workflow, slot, "misfire")
            slot = entry.slots.latest(wall) or slot
        if self.is_running(entry.workflow.id):
            self._skipped(entry.workflow, slot, "overlap")
        else:
            self._launch(entry.workflow, slot, entry.due)
        if slot > entry.last_slot:
            entry.last_slot = slot
            self._advanced(ScheduleCursor(entry.workflow.id, slot))
        self._schedule_next(entry, slot)

    def _schedule_next(self, entry: _Entry, slot: float) -> None:
        entry.slot = entry.slots.after(slot)
        if entry.slot is not None:
            entry.due = entry.slot - (self._clock.now() - self._clock.monotonic())
            heapq.heappush(self._heap, (entry.due, next(self._order), entry))

    def _launch(self, workflow: Workflow, slot: float, due: float) -> None:
        task = asyncio.create_task(self._execute(workflow, slot, due), name=f"workflow {workflow.id}")
        self._tasks[workflow.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(workflow.id, None))

    async def _execute(self, workflow: Workflow, slot: float, due: float) -> None:
        async with self._places:
            self._running += 1
            self._lag = max(self._clock.monotonic() - due, 0.0)
            try:
                await self._start(workflow, slot)
            except Exception as error:  # noqa: BLE001 - border: one workflow's fault must not stop the others
                self._report(workflow, error)
            finally:
                self._running -= 1

    def _report(self, workflow: Workflow, error: Exception) -> None:
        message = f"{workflow.id} could not be run: {own_words(error)}"
        if self._log is not None:
            self._log(LogRecord(self._clock.now(), LogLevel.ERROR, message, workflow_id=workflow.id))
        else:
            asyncio.get_running_loop().call_exception_handler({"message": message, "exception": error})
