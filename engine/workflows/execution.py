"""One execution of a workflow while it goes on, and the record it becomes."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

from engine.clock import Clock
from engine.config.schema import Workflow
from engine.model import (
    Attempt,
    ErrorType,
    Execution,
    Failure,
    LogLevel,
    LogRecord,
    Outcome,
    Recording,
    Scalar,
    Span,
)
from engine.resilience.breaker import Breaker
from engine.resilience.retry import Retrying, is_retryable, with_retry
from engine.telemetry.points import points_of
from engine.telemetry.tracing import OpenSpan, new_trace_id
from engine.workflows.ending import Ending
from engine.workflows.flow import Flow, Frame
from engine.workflows.narration import closing_line, retry_message
from engine.workflows.plan import StepPlan, WorkflowPlan
from engine.workflows.stepping import Stepped, StepRunner, span_status
from engine.workflows.templates import Scope
from engine.workflows.tokens import Tokens

Keep = Callable[[str, int, StepPlan, Stepped], None]
"""Shown what a step of a workflow (its id, the execution's) got back."""


class _AttemptError(Exception):
    """An attempt did not succeed; what `with_retry` decides on."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Run:
    """One execution while it goes on."""

    def __init__(
        self,
        clock: Clock,
        steps: StepRunner,
        workflow: Workflow,
        execution_id: int,
        rng: random.Random,
        keep: Keep | None,
    ) -> None:
        self._keep = keep
        self._calls: dict[str, int] = {}
        self._clock = clock
        self._steps = steps
        self._workflow = workflow
        self._id = execution_id
        self._rng = rng
        self._began = clock.monotonic()
        self._deadline = self._began + workflow.timeout
        self._root = OpenSpan(new_trace_id(), workflow.name, clock.now())
        self._attempts: list[Attempt] = []
        self._spans: list[Span] = []
        self._logs: list[LogRecord] = []
        self._last = Ending(Outcome.SKIPPED, None, "", (), is_blank=True)
        self._refused_by = ""
        self._tokens = Tokens()
        self.trace_id = self._root.trace_id
        self.execution_id = execution_id
        self.breakers: dict[str, Breaker] = {}

    async def carry_out(self, plan: WorkflowPlan, scope: Scope) -> None:
        """Attempts until one succeeds, is refused by a breaker, or trying again makes no sense."""

        async def attempt() -> None:
            failure = await self._attempt(plan, scope)
            if failure is not None:
                raise _AttemptError(failure)

        def on_retry(retrying: Retrying) -> None:
            self._warn(retry_message(self._workflow.id, retrying, plan.retry.max_attempts))

        await with_retry(
            attempt,
            plan.retry,
            clock=self._clock,
            deadline=self._deadline,
            retryable=lambda failure: is_retryable(failure) and not self._last.is_refusing,
            on_retry=on_retry,
            rng=self._rng,
        )

    def give_up(self, failure: Failure) -> None:
        """The workflow itself cannot be run."""
        self._last = Ending(Outcome.ERROR, failure, "", ())

    def recording(self, scheduled_at: float) -> Recording:
        """Everything, finished."""
        outcome, failure, reason = self._last.outcome, self._last.failure, self._last.reason
        duration = self._clock.monotonic() - self._began
        execution = Execution(
            id=self._id,
            workflow_id=self._workflow.id,
            workflow_name=self._workflow.name,
            priority=self._workflow.priority,
            trace_id=self._root.trace_id,
            scheduled_at=scheduled_at,
            started_at=self._root.started_at,
            duration=duration,
            outcome=outcome,
            reason=reason,
            failure=failure,
            attempt_count=len(self._attempts),
            attempts=tuple(self._attempts),
        )
        attributes = {"workflow.id": self._workflow.id} | outcome_attributes(outcome, failure)
        root = self._root.finish(duration, span_status(outcome), attributes, self._id)
        if self._tokens.dropped:
            self._warn_of_step(f"has {self._tokens.dropped} more secrets than can be hidden by their values")
        closing = closing_line(execution, self._root.span_id, self._refused_by)
        logs = (*self._logs, closing)
        return self._tokens.hide(Recording(execution, (root, *self._spans), points_of(execution), logs))

    def frame_of_call(self, workflow: Workflow, plan: WorkflowPlan, span: OpenSpan, deadline: float) -> Frame:
        """What a workflow runs in that a step of this one calls; `called` is to follow."""
        self._calls[workflow.id] = self._calls.get(workflow.id, 0) + 1
        # Calls at the same time would mix their responses up: those of one of them are kept.
        keep = self._keep_of(workflow, plan) if self._calls[workflow.id] == 1 else None

        def warn(message: str) -> None:
            self._warn_of_step(f"{workflow.id}: {message}")

        return self._frame(plan, span, deadline, warn, keep)

    def called(
        self, workflow: Workflow, flow: Flow, span: OpenSpan, duration: float, ending: Ending | None
    ) -> None:
        """Take over what a called workflow left; `ending` is None for one that was cut off."""
        self._calls[workflow.id] -= 1
        self.breakers |= flow.breakers
        if ending is not None and ending.is_blank:
            return
        outcome, failure = (ending.outcome, ending.failure) if ending else (Outcome.INTERRUPTED, None)
        attributes = {"workflow.id": workflow.id} | outcome_attributes(outcome, failure)
        root = span.finish(duration, span_status(outcome), attributes, self._id)
        self._spans += (root, *flow.spans)

    async def _attempt(self, plan: WorkflowPlan, scope: Scope) -> Failure | None:
        number = len(self._attempts) + 1
        span = self._root.child(f"attempt {number}", self._clock.now())
        began = self._clock.monotonic()
        keep = self._keep_of(self._workflow, plan)
        flow = Flow(self._frame(plan, span, self._deadline, self._warn_of_step, keep), scope)
        ending = await flow.run(plan)
        self.breakers |= flow.breakers
        self._refused_by = ending.refused_by or self._refused_by
        # An attempt that a breaker ended says nothing: what the one before it found stands.
        if ending.outcome is not Outcome.SKIPPED or self._last.outcome is Outcome.SKIPPED:
            self._last = ending
        if ending.is_blank:
            return None
        duration = self._clock.monotonic() - began
        attempt = Attempt(number, span.started_at, duration, ending.outcome, ending.failure, ending.results)
        self._attempts.append(attempt)
        attributes = outcome_attributes(ending.outcome, ending.failure)
        self._spans += (span.finish(duration, span_status(ending.outcome), attributes, self._id), *flow.spans)
        return ending.failure

    def _frame(
        self,
        plan: WorkflowPlan,
        span: OpenSpan,
        deadline: float,
        warn: Callable[[str], None],
        keep: Callable[[StepPlan, Stepped], None] | None,
    ) -> Frame:
        return Frame(
            self._clock,
            self._steps,
            self._rng,
            deadline,
            plan.breaker,
            span,
            self._id,
            warn,
            self._tokens,
            keep,
        )

    def _keep_of(self, workflow: Workflow, plan: WorkflowPlan) -> Callable[[StepPlan, Stepped], None] | None:
        """What keeps its responses; none for one in Python, whose expectations are not known afterwards."""
        if self._keep is None or plan.body is not None:
            return None
        return partial(self._keep, workflow.id, self._id)

    def _warn_of_step(self, message: str) -> None:
        self._warn(f"{self._workflow.id} {message}")

    def _warn(self, message: str) -> None:
        record = LogRecord(
            at=self._clock.now(),
            level=LogLevel.WARNING,
            message=message,
            workflow_id=self._workflow.id,
            execution_id=self._id,
            trace_id=self._root.trace_id,
            span_id=self._root.span_id,
        )
        self._logs.append(record)


def outcome_attributes(outcome: Outcome, failure: Failure | None) -> dict[str, Scalar]:
    attributes: dict[str, Scalar] = {"outcome": outcome.value}
    if failure is not None and failure.type is not ErrorType.UNKNOWN:
        attributes["error.type"] = failure.type.value
    return attributes
