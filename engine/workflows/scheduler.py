"""Starts workflows at their slots: fixed cadence, no slot twice, no slot silently lost."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence

from engine.clock import Clock
from engine.config.schema import Workflow
from engine.errors import ConflictError, NotFoundError
from engine.model import LogLevel, LogRecord, Outcome, ScheduleCursor
from engine.text import own_words
from engine.workflows.entry import Entry, Turn
from engine.workflows.schedule import IntervalSlots

SLICE = 15.0
"""Longest sleep: a monotonic clock stands still while the machine is suspended, so the wall is watched."""
JUMP = 1.0
"""Seconds by which wall and monotonic clock may part before it counts as a jump."""
STAGGER = 0.02
CANCEL_GRACE = 1.0
ALL = "*"
"""Whose cursor keeps that everything is paused."""
REPLACED = "replaced"
"""The message with which a run is cancelled that the next slot replaces."""

Start = Callable[[Workflow, float], Awaitable[Outcome | None]]
Skipped = Callable[[Workflow, float, str], None]


class Scheduler:
    """Decides when; what a start does is the caller's.

    Intervals keep a grid in wall time that is theirs for ever; cron follows the wall. When the wall clock
    goes back, intervals go on in real time and cron waits until the wall is past its last slot. Slots that
    were missed (suspended, stopped, too late) become one recorded skip, `misfire`, and one start unless the
    workflow's `catch_up` says that it is too late. A slot that finds its workflow still at work does what
    the workflow's `overlap` says; what it skips is recorded, too.

    Args:
        start: runs an execution and says how it ended; what it raises is logged.
        skipped: told of workflow, slot and reason.
        concurrency: executions at the same time; further ones wait, and `lag` shows it.
        cursors: the slots handled before, by workflow, and what was paused.
        advanced: told of each slot that was handled and of each pause, to be kept.
        log: told of starts that raised; without it asyncio's exception handler is.
        jumped: told by how many seconds the wall clock went ahead (the machine slept, or it was set) or back.
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
        jumped: Callable[[float], None] | None = None,
    ) -> None:
        self._clock = clock
        self._start = start
        self._skipped = skipped
        self._advanced = advanced
        self._log = log
        self._jumped = jumped
        self._cursors = dict(cursors)
        self._entries = {workflow.id: Entry(workflow) for workflow in workflows}
        for workflow_id, entry in self._entries.items():
            entry.paused = workflow_id in cursors and cursors[workflow_id].paused
        self._heap: list[tuple[float, int, Entry]] = []
        self._tickets = itertools.count(1)
        self._offset = 0.0
        self._is_planned = False
        self._is_stopping = False
        self._is_paused = ALL in cursors and cursors[ALL].paused
        self._places = asyncio.Semaphore(concurrency)
        self._nap: asyncio.Future[None] | None = None
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
        """Whether everything is."""
        return self._is_paused

    @property
    def lag(self) -> float:
        """Seconds by which the newest start was late."""
        return self._lag

    def set_paused(self, paused: bool, workflow_id: str | None = None) -> None:
        """Let slots pass without a start, or no longer: those of one workflow, or all.

        Running executions finish. It is kept over a restart.

        Raises:
            NotFoundError: there is no such workflow.
        """
        if workflow_id is None:
            self._is_paused = paused
            self._advanced(ScheduleCursor(ALL, self._clock.now(), paused))
            return
        entry = self._find(workflow_id)
        entry.paused = paused
        known = self._cursors.get(workflow_id)
        if entry.last_slot == float("-inf"):
            # One that has never run has no last slot; from now on is what counts.
            entry.last_slot = self._clock.now() if known is None else known.last_slot
        self._advanced(ScheduleCursor(workflow_id, entry.last_slot, paused))

    def is_paused(self, workflow_id: str) -> bool:
        """Whether its slots pass without a start."""
        entry = self._entries.get(workflow_id)
        return self._is_paused or (entry is not None and entry.paused)

    def is_running(self, workflow_id: str) -> bool:
        """Whether it is at work or waits for a place."""
        entry = self._entries.get(workflow_id)
        return entry is not None and bool(entry.tasks)

    def next_at(self, workflow_id: str) -> float | None:
        """Wall time of the next start; None when paused, unknown, or there is none."""
        entry = self._entries.get(workflow_id)
        if entry is None or entry.slot is None or self.is_paused(workflow_id):
            return None
        return entry.slot + entry.jitter

    def run_now(self, workflow_id: str) -> None:
        """Start it at once beside its slots, even when it is paused.

        Raises:
            NotFoundError: there is no such workflow.
            ConflictError: it is at work already, or the engine is stopping.
        """
        entry = self._find(workflow_id)
        if self._is_stopping:
            raise ConflictError("the engine is stopping")
        if entry.tasks:
            raise ConflictError(f"{workflow_id} is running already")
        self._launch(entry, self._now())

    async def run(self) -> None:
        """Start workflows at their slots until cancelled or drained."""
        if not self._is_planned:
            self._plan()
        while not self._is_stopping:
            self._follow_wall()
            self._beat = now = self._clock.monotonic()
            while self._heap and self._heap[0][0] <= now:
                _, ticket, entry = heapq.heappop(self._heap)
                if ticket == entry.ticket:
                    self._fire(entry)
            wait = self._heap[0][0] - self._clock.monotonic() if self._heap else SLICE
            await self._sleep(min(wait, SLICE))

    async def run_once(self) -> None:
        """Run every workflow once, within the limit of concurrency, and wait for all."""
        for entry in self._entries.values():
            if not entry.tasks:
                self._launch(entry, self._now())
        if tasks := self._tasks():
            await asyncio.wait(tasks)

    async def drain(self, grace: float) -> None:
        """Start nothing more, wait `grace` seconds for what runs, cancel the rest, leave what ignores it."""
        self._is_stopping = True
        if tasks := self._tasks():
            _, late = await asyncio.wait(tasks, timeout=grace)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=CANCEL_GRACE)

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [task for entry in self._entries.values() for task in entry.tasks]

    def _find(self, workflow_id: str) -> Entry:
        entry = self._entries.get(workflow_id)
        if entry is None:
            raise NotFoundError(f"there is no workflow {workflow_id}")
        return entry

    def _now(self) -> Turn:
        return Turn(self._clock.now(), self._clock.monotonic())

    async def _sleep(self, seconds: float) -> None:
        """Sleep, unless the queue changes meanwhile."""
        self._nap = nap = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait({nap})
        finally:
            nap.cancel()

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
        if self._jumped is not None:
            self._jumped(shift)
        if shift < 0:
            for entry in self._entries.values():
                if isinstance(entry.slots, IntervalSlots) and entry.slot is not None:
                    entry.slot = entry.due - entry.jitter + offset
        self._rebuild()

    def _rebuild(self) -> None:
        """Put every entry where its slot says, overdue ones spread out in the order of the file."""
        now = self._clock.monotonic()
        self._heap.clear()
        late = itertools.count()
        for entry in self._entries.values():
            if entry.slot is not None:
                entry.due = entry.slot + entry.jitter - self._offset
                if entry.due <= now:
                    entry.due = now + next(late) * STAGGER
                self._push(entry)

    def _push(self, entry: Entry) -> None:
        entry.ticket = next(self._tickets)
        heapq.heappush(self._heap, (entry.due, entry.ticket, entry))

    def _fire(self, entry: Entry) -> None:
        slot, wall = entry.slot, self._clock.now()
        assert slot is not None
        if self._is_paused or entry.paused:
            self._schedule_next(entry, max(slot, wall - entry.jitter))
            return
        first, newest = slot, entry.missed(wall)
        slot = first if newest is None else newest
        late = entry.is_too_late(slot, wall)
        if late or newest is not None:
            self._skipped(entry.workflow, slot if late else first, "misfire")
        if not late:
            self._begin(entry, Turn(slot, entry.due))
        if slot > entry.last_slot:
            entry.last_slot = slot
            self._advanced(ScheduleCursor(entry.workflow.id, slot))
        self._schedule_next(entry, slot)

    def _begin(self, entry: Entry, turn: Turn) -> None:
        """Start a run, or do what the workflow says about those that are still at work."""
        if len(entry.tasks) < entry.places:
            self._launch(entry, turn)
            return
        waiting = entry.queued
        match entry.workflow.overlap:
            case "queue" if waiting is None:
                entry.queued = turn
            case "replace":
                if waiting is not None:
                    self._skipped(entry.workflow, waiting.slot, "overlap")
                entry.queued = turn
                for task in entry.tasks:
                    task.cancel(REPLACED)
            case _:
                self._skipped(entry.workflow, turn.slot, "overlap")

    def _schedule_next(self, entry: Entry, slot: float) -> None:
        entry.slot = entry.slots.after(slot)
        if entry.slot is not None:
            entry.due = entry.slot + entry.jitter - (self._clock.now() - self._clock.monotonic())
            self._push(entry)

    def _launch(self, entry: Entry, turn: Turn) -> None:
        name = f"workflow {entry.workflow.id}"
        task = asyncio.create_task(self._execute(entry, turn), name=name)
        entry.tasks.add(task)
        task.add_done_callback(lambda ended: self._ended(entry, ended))

    def _ended(self, entry: Entry, task: asyncio.Task[None]) -> None:
        entry.tasks.discard(task)
        turn, entry.queued = entry.queued, None
        if turn is None:
            return
        if self._is_stopping:
            self._skipped(entry.workflow, turn.slot, "overlap")
        else:
            self._launch(entry, turn)

    async def _execute(self, entry: Entry, turn: Turn) -> None:
        async with self._places:
            self._running += 1
            self._lag = max(self._clock.monotonic() - turn.due, 0.0)
            try:
                outcome = await self._start(entry.workflow, turn.slot)
            except Exception as error:  # noqa: BLE001 - border: one workflow's fault must not stop the others
                self._report(entry.workflow, error)
            else:
                self._note(entry, outcome)
            finally:
                self._running -= 1

    def _note(self, entry: Entry, outcome: Outcome | None) -> None:
        """Go over to the slots that a workflow follows while it fails, or back."""
        if outcome is None or not (outcome.is_success or outcome.is_failure):
            return
        if entry.note(outcome.is_failure) and self._is_planned and entry.slot is not None:
            self._schedule_next(entry, max(entry.last_slot, self._clock.now() - entry.jitter))
            if self._nap is not None:
                self._nap.cancel()

    def _report(self, workflow: Workflow, error: Exception) -> None:
        message = f"{workflow.id} could not be run: {own_words(error)}"
        if self._log is not None:
            self._log(LogRecord(self._clock.now(), LogLevel.ERROR, message, workflow_id=workflow.id))
        else:
            asyncio.get_running_loop().call_exception_handler({"message": message, "exception": error})
