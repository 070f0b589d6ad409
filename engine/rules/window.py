"""What is remembered of one workflow's executions, for rules that look back."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace

from engine.model import Execution, Outcome
from engine.rules.tallies import MAX_AGE, MAX_ITEMS, Tallied

NO_NEWS = (Outcome.SKIPPED, Outcome.INTERRUPTED)
_FAILURES = tuple(outcome for outcome in Outcome if outcome.is_failure)


class WorkflowWindow(Tallied[Execution]):
    """At most 2,000 executions of one workflow, oldest first, as far back as rules look.

    Skipped and interrupted executions are no news: they are not counted, and until the next real one
    what the workflow is doing *now* is unknown. Looking back goes by the time an execution ended.

    Args:
        reach: seconds that anybody will ask back, at most 24 hours.
    """

    def __init__(self, reach: float = MAX_AGE) -> None:
        super().__init__()
        self._reach = min(reach, MAX_AGE)
        self.current: Execution | None = None
        """The newest execution, None when it brought no news or nobody has looked since a pause."""
        self._latest: Execution | None = None
        self._succeeded_at: float | None = None
        self._executions: deque[tuple[float, Execution]] = deque(maxlen=MAX_ITEMS)
        self._failures_in_row = 0
        self._held = False

    def add(self, execution: Execution) -> None:
        """Take in what has just ended."""
        outcome = execution.outcome
        if outcome in NO_NEWS:
            self.current = None
            return
        self._held = False
        ended = execution.started_at + execution.duration
        if outcome in _FAILURES:
            self._failures_in_row += 1
        else:
            self._failures_in_row = 0
            self._succeeded_at = ended
        self.current = self._latest = execution
        if execution.attempts or execution.trace_id:
            # No rule asks an older one for them, and they are most of what an execution weighs.
            self._executions.append((ended, replace(execution, attempts=(), trace_id="")))
        else:
            self._executions.append((ended, execution))
        oldest = ended - self._reach
        while self._executions[0][0] < oldest:
            self._executions.popleft()
        if self._tallies:
            self._tell(execution, ended)

    def adopt(self, reach: float, older: Iterable[Execution]) -> None:
        """Look back `reach` seconds from now on; `older` executions go before those that are known."""
        self._reach = min(reach, MAX_AGE)
        # Counted anew when they are asked for; those of other rules would be kept up to date for nothing.
        self.keep_long()
        first = self._executions[0][0] if self._executions else float("inf")
        found = [(one.started_at + one.duration, one) for one in older if one.outcome not in NO_NEWS]
        kept = [each for each in found if each[0] < first]
        self._executions = deque([*kept, *self._executions], maxlen=MAX_ITEMS)

    def hold(self) -> None:
        """What is known may be out of date: the present is unknown until the next real execution."""
        self.current = None
        self._held = True

    @property
    def latest(self) -> Execution | None:
        """The newest real execution, however old."""
        return self._latest

    @property
    def succeeded_at(self) -> float | None:
        """When the newest success ended."""
        return self._succeeded_at

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
        for ended, execution in reversed(self._executions):
            if ended < now - span:
                return
            yield execution

    def count(self, now: float, span: float) -> int:
        """How many executions ended in the last `span` seconds."""
        return self.share("count", lambda _: True, now, span)[1]

    def failure_rate(self, now: float, span: float, min_count: int) -> float | None:
        """Percent of executions that failed, None below `min_count` executions."""
        failed, total = self.share("failed", failed_one, now, span)
        return 100.0 * failed / total if total >= min_count else None

    def _items(self) -> Iterable[tuple[float, Execution]]:
        return self._executions


def failed_one(execution: Execution) -> bool:
    """Whether the execution counts as a failure."""
    return execution.outcome.is_failure
