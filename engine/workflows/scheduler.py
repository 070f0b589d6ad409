"""Starts workflows at their slots: fixed cadence, no slot twice, no slot silently lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from engine.clock import Clock
from engine.config.schema import Workflow
from engine.errors import ConflictError
from engine.model import LogLevel, LogRecord, Outcome, ScheduleCursor
from engine.workflows.agenda import Agenda
from engine.workflows.claims import RENEW, Claims, inherited
from engine.workflows.crew import Crew, Start
from engine.workflows.entry import Entry, Turn
from engine.workflows.roster import Roster
from engine.workflows.schedule import IntervalSlots
from engine.workflows.skips import OVERLOAD, Skipped, Skips

SLICE = 15.0
"""Longest sleep: a monotonic clock stands still while the machine is suspended, so the wall is watched."""
JUMP = 1.0
"""Seconds by which wall and monotonic clock may part before it counts as a jump."""
TICK = 0.01
"""Shortest sleep: slots that lie closer together start together, at most this late."""
APART = 0.002
"""Seconds between starts that waited for each other: checks that began at once would time each other, too."""
CANCEL_GRACE = 1.0
ALL = "*"
"""Whose cursor keeps that everything is paused, and up to when slots may have been started."""
REPLACED = "replaced"
MAINTENANCE = "maintenance"
"""The message with which a run is cancelled that the next slot replaces."""

REMOVED = "removed"
"""Why a slot was skipped that waited when its workflow left the configuration."""

Claim = Callable[[ScheduleCursor], Awaitable[None]]


class Scheduler:
    """Decides when; what a start does is the caller's.

    Intervals keep a grid in wall time that is theirs for ever; cron follows the wall. When the wall clock
    goes back, intervals go on in real time and cron waits until the wall is past its last slot. Slots that
    were missed (suspended, stopped, too late) become one recorded skip, `misfire`, and one start unless the
    workflow's `catch_up` says that it is too late. A slot that finds its workflow still at work does what
    the workflow's `overlap` says; what it skips is recorded, too, and what is skipped again within 10 s is
    recorded together. Before slots start, their time is claimed in the store: of a claim that a crash left
    behind nothing starts again, and what it did not start is a `misfire`.

    Args:
        start: runs an execution and says how it ended; what it raises is logged.
        skipped: told of workflow, newest slot, reason and how many slots.
        concurrency: executions at the same time; further ones wait, and `lag` shows it.
        cursors: the slots handled before, by workflow, and what was paused.
        advanced: told of each slot that was handled and of each pause, to be kept.
        claim: makes a cursor durable before it returns; raises StoreError.
        log: told of starts that raised, and of a store that does not let time be claimed.
        jumped: told by how many seconds the wall clock went ahead (the machine slept, or it was set) or back.
        stopped: whether a workflow is in maintenance, so that its slots are skipped.
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
        claim: Claim,
        log: Callable[[LogRecord], None],
        jumped: Callable[[float], None] | None = None,
        stopped: Callable[[str], bool] = lambda workflow_id: False,
    ) -> None:
        self._clock = clock
        self._skips = Skips(skipped, self._keep_cursor)
        self._claims = Claims(
            clock,
            lambda until: claim(ScheduleCursor(ALL, until, self._is_paused)),
            self._warn,
        )
        self._advanced = advanced
        self.stopped = stopped
        self._log = log
        self._jumped = jumped
        self._roster = Roster(workflows, cursors)
        self._agenda = Agenda()
        self._offset = 0.0
        self._is_planned = False
        self._is_stopping = False
        everything = cursors.get(ALL, ScheduleCursor(ALL, float("-inf")))
        self._is_paused = everything.paused
        self._inherited = everything.last_slot
        self._crew = Crew(clock, start, concurrency, self._note, self._ended, log)
        self._nap: asyncio.Timeout | None = None
        self._beat: float | None = None

    @property
    def beat_age(self) -> float | None:
        """Seconds since the loop last looked at the clock (at most 15 when well); None before it runs."""
        return None if self._beat is None else self._clock.monotonic() - self._beat

    @property
    def running(self) -> int:
        """Executions at work now; those that wait for a place do not count."""
        return self._crew.running

    @property
    def paused(self) -> bool:
        """Whether everything is."""
        return self._is_paused

    @property
    def overload(self) -> int:
        """Slots of the last minute that were skipped because too much was there to do."""
        return self._skips.overload(self._clock.monotonic())

    @property
    def lag(self) -> float:
        """Seconds by which the newest start was late."""
        return self._crew.lag

    def set_paused(self, paused: bool, workflow_id: str | None = None) -> None:
        """Let slots pass without a start, or no longer: those of one workflow, or all.

        Running executions finish. It is kept over a restart.

        Raises:
            NotFoundError: there is no such workflow.
        """
        if workflow_id is None:
            self._is_paused = paused
            claimed = max(self._claims.until, self._inherited, 0.0)
            self._advanced(ScheduleCursor(ALL, claimed, paused))
            return
        entry = self._roster.find(workflow_id)
        entry.paused = paused
        known = self._roster.cursors.get(workflow_id)
        if entry.last_slot == float("-inf"):
            # One that has never run has no last slot; from now on is what counts.
            entry.last_slot = self._clock.now() if known is None else known.last_slot
        self._keep_cursor(entry)

    def is_paused(self, workflow_id: str) -> bool:
        """Whether its slots pass without a start."""
        entry = self._roster.get(workflow_id)
        return self._is_paused or (entry is not None and entry.paused)

    def is_running(self, workflow_id: str) -> bool:
        """Whether it is at work or waits for a place."""
        entry = self._roster.get(workflow_id)
        return entry is not None and bool(entry.tasks)

    def next_at(self, workflow_id: str) -> float | None:
        """Wall time of the next start; None when paused, unknown, or there is none."""
        entry = self._roster.get(workflow_id)
        if entry is None or entry.slot is None or self.is_paused(workflow_id):
            return None
        return entry.slot + entry.jitter

    def run_now(self, workflow_id: str) -> None:
        """Start it at once beside its slots, even when it is paused.

        Raises:
            NotFoundError: there is no such workflow.
            ConflictError: it is at work already, or the engine is stopping.
        """
        entry = self._roster.find(workflow_id)
        if self._is_stopping:
            raise ConflictError("the engine is stopping")
        if entry.tasks:
            raise ConflictError(f"{workflow_id} is running already")
        self._crew.launch(entry, self._now())

    def wake(self, workflow_id: str) -> None:
        """Start it beside its slots, since there is news; not while it is paused or at work, or on call."""
        entry = self._roster.get(workflow_id)
        if entry is None or entry.workflow.on_call or self.is_paused(workflow_id):
            return
        if not entry.tasks and not self._is_stopping:
            self._crew.launch(entry, self._now())

    async def run(self, after: float = 0.0) -> None:
        """Start workflows at their slots until cancelled or drained, none before `after` seconds are over."""
        if not self._is_planned:
            self._plan()
        if after:
            self._beat = self._clock.monotonic()
            await self._clock.sleep(after)
        while not self._is_stopping:
            self._follow_wall()
            self._beat = now = self._clock.monotonic()
            self._skips.settle(now)
            if self._agenda.next_due <= now:
                await self._claims.wait(self._reckoned())
                await self._fire_due(now)
            await self._sleep(self._until_next())

    def adopt(
        self, workflows: Sequence[Workflow], concurrency: int, cursors: Mapping[str, ScheduleCursor]
    ) -> None:
        """Follow these workflows from now on.

        One that is as it was keeps its slots. A changed one is as it is now from its next start on; its slots
        stay as well unless its schedule has changed. A removed one ends what is at work.

        Args:
            concurrency: as at the beginning; when there are fewer places, nothing at work is cut off.
            cursors: the slots handled before of those that are new.
        """
        self._crew.places.resize(concurrency)
        moves = self._roster.adopt(workflows, cursors)
        for entry in moves.left:
            waiting, entry.queued, entry.slot = entry.queued, None, None
            if waiting is not None:
                self._skip(entry, waiting.slot, REMOVED)
            self._skips.release(entry)
        if self._is_planned:
            wall, now = self._clock.now(), self._clock.monotonic()
            for entry in moves.came:
                entry.plan(cursors.get(entry.workflow.id), wall, float("-inf"))
            for entry in moves.moved:
                entry.slot = entry.slots.after(max(entry.last_slot, wall - entry.jitter))
            self._agenda.rebuild(self._roster, wall - now, now)
            self._wake()

    async def _fire_due(self, now: float) -> None:
        """Start what is due; what waited for others has a moment each, for at most half that time."""
        until = now + self._agenda.patience / 2
        for entry in self._agenda.take(now):
            if self._is_stopping:
                return
            self._fire(entry)
            if self._clock.monotonic() < until:
                await self._clock.sleep(APART)

    def _until_next(self) -> float:
        """Seconds to sleep: until the next start, or until it is time to claim its slot."""
        wait = self._agenda.next_start - self._clock.monotonic()
        if wait <= RENEW:
            self._claims.renew(self._reckoned())
            return max(wait, TICK)
        return min(wait - RENEW, SLICE)

    async def run_once(self) -> None:
        """Run every workflow that has slots once, within the limit of concurrency, and wait for all."""
        for entry in self._roster:
            if not entry.tasks and not entry.workflow.on_call:
                self._crew.launch(entry, self._now())
        if tasks := set(self._crew.tasks):
            await asyncio.wait(tasks)

    async def drain(self, grace: float) -> None:
        """Start nothing more, wait `grace` seconds for what runs, cancel the rest, leave what ignores it."""
        self._is_stopping = True
        await self._claims.close()
        if tasks := set(self._crew.tasks):
            _, late = await asyncio.wait(tasks, timeout=grace)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=CANCEL_GRACE)
        self._skips.flush()
        if self._claims.until > 0:
            # The cursors say it all, and nothing more starts.
            self._advanced(ScheduleCursor(ALL, 0.0, self._is_paused))

    def _reckoned(self) -> float:
        """The wall time that slots go by: a clock that was set by less than a second is not followed."""
        return self._clock.monotonic() + self._offset

    def _now(self) -> Turn:
        return Turn(self._clock.now(), self._clock.monotonic())

    async def _sleep(self, seconds: float) -> None:
        """Sleep, unless the queue changes meanwhile."""
        try:
            async with asyncio.timeout(None) as self._nap:
                await self._clock.sleep(seconds)
        except TimeoutError:
            pass
        finally:
            self._nap = None

    def _wake(self) -> None:
        if self._nap is not None and not self._nap.expired():
            self._nap.reschedule(0.0)

    def _plan(self) -> None:
        """Give each workflow its first slot; what is new or overdue starts at once, one after the other."""
        self._is_planned = True
        wall = self._clock.now()
        self._offset = wall - self._clock.monotonic()
        claimed, self._inherited = self._inherited, inherited(self._inherited, wall)
        for entry in self._roster:
            cursor = self._roster.cursors.get(entry.workflow.id)
            entry.plan(cursor, wall, claimed)
            if cursor is None and entry.last_slot > 0:
                self._keep_cursor(entry)
        self._agenda.rebuild(self._roster, self._offset, self._clock.monotonic())

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
            self._inherited += shift
            for entry in self._roster:
                if isinstance(entry.slots, IntervalSlots) and entry.slot is not None:
                    entry.slot = entry.due - entry.jitter + offset
                    entry.inherited += shift
        self._agenda.rebuild(self._roster, self._offset, self._clock.monotonic())

    def _fire(self, entry: Entry) -> None:
        slot, wall = entry.slot, self._clock.now()
        assert slot is not None
        if self._is_paused or entry.paused:
            self._schedule_next(entry, max(slot, wall - entry.jitter))
            return
        first, newest = slot, entry.missed(wall)
        slot = first if newest is None else newest
        late = entry.is_too_late(slot, wall) or slot + entry.jitter <= entry.inherited
        is_told = True
        if late or newest is not None:
            is_told = self._skip(entry, slot if late else first, "misfire")
        if not late and self.stopped(entry.workflow.id):
            is_told = self._skip(entry, slot, MAINTENANCE)
        elif not late:
            is_told = self._begin(entry, Turn(slot, entry.due))
        if slot > entry.last_slot:
            entry.last_slot = slot
            if is_told:
                self._keep_cursor(entry)
        self._schedule_next(entry, slot)

    def _keep_cursor(self, entry: Entry) -> None:
        self._advanced(ScheduleCursor(entry.workflow.id, entry.last_slot, entry.paused))

    def _skip(self, entry: Entry, slot: float, reason: str) -> bool:
        """Have a slot recorded that is not run; False when that comes later, together with others."""
        return self._skips.add(entry, slot, reason, self._clock.monotonic())

    def _begin(self, entry: Entry, turn: Turn) -> bool:
        """Start a run, or do what the workflow says about those that are still at work.

        Returns:
            False when it was skipped, and is recorded later.
        """
        if len(entry.tasks) < entry.places:
            self._crew.launch(entry, turn)
            return True
        waiting = entry.queued
        match entry.workflow.overlap:
            case "queue" if waiting is None:
                entry.queued = turn
            case "replace":
                if waiting is not None:
                    self._skip(entry, waiting.slot, "overlap")
                entry.queued = turn
                for task in entry.tasks:
                    task.cancel(REPLACED)
            case _:
                return self._skip(entry, turn.slot, OVERLOAD if self._crew.places.locked() else "overlap")
        return True

    def _schedule_next(self, entry: Entry, slot: float) -> None:
        entry.slot = entry.slots.after(slot)
        if entry.slot is not None:
            entry.due = entry.slot + entry.jitter - (self._clock.now() - self._clock.monotonic())
            self._agenda.put(entry)

    def _ended(self, entry: Entry) -> None:
        self._roster.ended(entry)
        turn, entry.queued = entry.queued, None
        if turn is None:
            return
        if self._is_stopping:
            self._skip(entry, turn.slot, "overlap")
        else:
            self._crew.launch(entry, turn)

    def _note(self, entry: Entry, outcome: Outcome | None) -> None:
        """Go over to the slots that a workflow follows while it fails, or back."""
        if outcome is None or not (outcome.is_success or outcome.is_failure):
            return
        if entry.note(outcome.is_failure) and self._is_planned and entry.slot is not None:
            self._schedule_next(entry, max(entry.last_slot, self._clock.now() - entry.jitter))
            self._wake()

    def _warn(self, message: str) -> None:
        self._log(LogRecord(self._clock.now(), LogLevel.WARNING, message))
