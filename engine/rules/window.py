"""What is remembered of one workflow's executions, for rules that look back."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import replace

from engine.model import Execution, Outcome

MAX_EXECUTIONS = 2_000
MAX_AGE = 86_400.0
_NO_NEWS = (Outcome.SKIPPED, Outcome.INTERRUPTED)

Met = Callable[[Execution], bool | None]


class WorkflowWindow:
    """At most 2,000 executions of one workflow, oldest first, as far back as rules look.

    Skipped and interrupted executions are no news: they are not counted, and until the next real one
    what the workflow is doing *now* is unknown. Looking back goes by the time an execution ended.

    Args:
        reach: seconds that anybody will ask back, at most 24 hours.
    """

    def __init__(self, reach: float = MAX_AGE) -> None:
        self._reach = min(reach, MAX_AGE)
        self._latest: Execution | None = None
        self._executions: deque[Execution] = deque(maxlen=MAX_EXECUTIONS)
        self._tallies: dict[Hashable, _Tally] = {}
        self._failures_in_row = 0
        self._fresh = False
        self._held = False

    def add(self, execution: Execution) -> None:
        """Take in what has just ended."""
        if execution.outcome in _NO_NEWS:
            self._fresh = False
            return
        self._fresh = True
        self._held = False
        self._failures_in_row = self._failures_in_row + 1 if execution.outcome.is_failure else 0
        self._latest = execution
        # No rule asks an older one for attempts and trace, and they are most of what an execution weighs.
        self._executions.append(replace(execution, attempts=(), trace_id=""))
        while self._executions[0].ended_at < execution.ended_at - self._reach:
            self._executions.popleft()
        for tally in self._tallies.values():
            tally.add(execution)

    def hold(self) -> None:
        """What is known may be out of date: the present is unknown until the next real execution."""
        self._fresh = False
        self._held = True

    @property
    def latest(self) -> Execution | None:
        """The newest real execution, however old."""
        return self._latest

    @property
    def current(self) -> Execution | None:
        """The newest execution, None when it brought no news or nobody has looked since a pause."""
        return self.latest if self._fresh else None

    @property
    def consecutive_failures(self) -> int | None:
        """Failures in a row up to now; a skipped execution leaves the count as it was."""
        return self._failures_in_row if self.known else None

    @property
    def known(self) -> bool:
        """Whether the workflow has run, and again since `hold()`."""
        return self._latest is not None and not self._held

    def within(self, now: float, span: float) -> Iterator[Execution]:
        """Executions that ended in the last `span` seconds, newest first."""
        for execution in reversed(self._executions):
            if execution.ended_at < now - span:
                return
            yield execution

    def count(self, now: float, span: float) -> int:
        """How many executions ended in the last `span` seconds."""
        return self.share("count", lambda _: True, now, span)[1]

    def failure_rate(self, now: float, span: float, min_count: int) -> float | None:
        """Percent of executions that failed, None below `min_count` executions."""
        failed, total = self.share("failed", lambda execution: execution.outcome.is_failure, now, span)
        return 100.0 * failed / total if total >= min_count else None

    def share(self, key: Hashable, met: Met, now: float, span: float) -> tuple[int, int]:
        """How many executions of the last `span` seconds met something, out of how many that could tell.

        The count is kept up to date from the first question on, so asking costs no walk through the window.

        Args:
            key: names `met`; equal keys must mean equal predicates.
            met: True, False, or None for an execution that does not count.
        """
        tally = self._tallies.get((key, span))
        if tally is None:
            tally = self._tallies[(key, span)] = _Tally(met, span)
            for execution in self._executions:
                tally.add(execution)
        return tally.counts(now - span)


class _Tally:
    """A running count of executions that met a predicate, forgetting them from the old end.

    An entry is when an execution ended, below zero when it did not meet the predicate.
    """

    def __init__(self, met: Met, span: float) -> None:
        self._met = met
        self._span = min(span, MAX_AGE)
        self._entries: deque[float] = deque()
        self._hits = 0

    def add(self, execution: Execution) -> None:
        verdict = self._met(execution)
        if verdict is None:
            return
        self._entries.append(execution.ended_at if verdict else -execution.ended_at)
        self._hits += verdict
        oldest = execution.ended_at - self._span
        while len(self._entries) > MAX_EXECUTIONS or abs(self._entries[0]) < oldest:
            self._forget()

    def counts(self, since: float) -> tuple[int, int]:
        while self._entries and abs(self._entries[0]) < since:
            self._forget()
        return self._hits, len(self._entries)

    def _forget(self) -> None:
        self._hits -= self._entries.popleft() > 0
