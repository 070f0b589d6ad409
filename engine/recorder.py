"""Where executions end: numbered, shown to health, handed to the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.clock import Clock
from engine.config.schema import Workflow
from engine.health import HealthMonitor
from engine.model import Execution, LogLevel, LogRecord, Outcome, Recording, ScheduleCursor
from engine.store.writer import Writer
from engine.telemetry.tracing import new_trace_id

_LOOKED_AT = 20


class Recorder:
    """Keeps what executions leave behind, also those that did not take place.

    Args:
        first_id: the number of the next execution.
    """

    def __init__(self, *, clock: Clock, writer: Writer, health: HealthMonitor, first_id: int) -> None:
        self._clock = clock
        self._writer = writer
        self._health = health
        self.next = first_id
        """The number of the next execution."""
        self._finished: dict[str, Execution] = {}

    def next_id(self) -> int:
        """A number that no execution of this file has."""
        self.next += 1
        return self.next - 1

    def finished(self, workflow_id: str) -> Execution | None:
        """The newest execution of a workflow since the start."""
        return self._finished.get(workflow_id)

    def record(self, recording: Recording) -> None:
        """Keep one that is over."""
        execution = recording.execution
        self._writer.offer(recording)
        self._health.observe(execution)
        self._finished[execution.workflow_id] = execution

    def skipped(self, workflow: Workflow, slot: float, reason: str, count: int = 1) -> None:
        """Keep that a slot was not used, or that `count` of them were not, `slot` the newest."""
        self._record_blank(workflow, slot, Outcome.SKIPPED, reason, count)

    def interrupted(self, workflow: Workflow, slot: float, reason: str) -> None:
        """Keep that an execution did not come to its end."""
        self._record_blank(workflow, slot, Outcome.INTERRUPTED, reason)

    def cut_off(
        self,
        workflows: Sequence[Workflow],
        cursors: Mapping[str, ScheduleCursor],
        recent: Mapping[str, Sequence[Execution]],
    ) -> None:
        """A slot that was begun but left no execution was cut off by the end of the last run."""
        for workflow in workflows:
            cursor, executions = cursors.get(workflow.id), recent[workflow.id][:_LOOKED_AT]
            if cursor and executions and cursor.last_slot > max(e.scheduled_at for e in executions):
                self.interrupted(workflow, cursor.last_slot, "engine ended")

    def _record_blank(
        self, workflow: Workflow, slot: float, outcome: Outcome, reason: str, count: int = 1
    ) -> None:
        execution = Execution(
            id=self.next_id(),
            workflow_id=workflow.id,
            workflow_name=workflow.name,
            priority=workflow.priority,
            trace_id=new_trace_id(),
            scheduled_at=slot,
            started_at=self._clock.now(),
            duration=0.0,
            outcome=outcome,
            reason=reason,
        )
        logs = () if count == 1 else (_count_line(execution, count),)
        self.record(Recording(execution, logs=logs))


def _count_line(skipped: Execution, count: int) -> LogRecord:
    """Says of how many slots a record speaks."""
    return LogRecord(
        at=skipped.started_at,
        level=LogLevel.INFO,
        message=f"{skipped.workflow_id} skipped {count} more slots: {skipped.reason}",
        workflow_id=skipped.workflow_id,
        execution_id=skipped.id,
        trace_id=skipped.trace_id,
        fields={"slots": count, "reason": skipped.reason},
    )
