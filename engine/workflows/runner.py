"""One execution of a workflow: attempts, their steps, and the record of it all."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from engine.clock import Clock
from engine.config.schema import RetrySpec, Workflow
from engine.model import (
    Attempt,
    BreakerMemory,
    BreakerState,
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
from engine.resilience.breaker import Breaker, BreakerChange, Breakers, OnChange, worst
from engine.resilience.retry import DEFAULT, STRATEGIES, Retrying, RetryPolicy, is_retryable, with_retry
from engine.telemetry.points import points_of
from engine.telemetry.tracing import OpenSpan, new_trace_id, parse_traceparent
from engine.workflows.flow import Ending, Flow, Frame
from engine.workflows.limits import HostLimits
from engine.workflows.narration import breaker_line, closing_line, retry_message
from engine.workflows.plan import StepPlan, WorkflowPlan, plan_workflow
from engine.workflows.stepping import Stepped, StepRunner, span_status
from engine.workflows.steps import STEP_KINDS
from engine.workflows.steps.base import CheckError, Reply, StepContext, StepSkipped, StepType
from engine.workflows.steps.workflow import WorkflowSpec, WorkflowStep
from engine.workflows.templates import Scope, render

OnLog = Callable[[LogRecord], None]
Makers = Mapping[str, Callable[[Clock], StepType]]
Keep = Callable[[str, int, StepPlan, Stepped], None]
"""Shown what a step of a workflow (its id, the execution's) got back."""


class Runner:
    """Runs workflows; holds what executions share: step types with their resources, and circuit breakers.

    Args:
        variables: the environment, known to templates as `env`.
        retries: named strategies of the configuration; they go before the built-in ones.
        on_log: told of breakers' changes; what belongs to an execution is in its recording.
        on_breaker: told of breakers' changes, too, to keep them.
        breakers: what an earlier run left of them.
        limits: how many steps may be at one host together.
        workflows: those that `workflow` steps may call.
        types: what makes each step type, by name; in place of the built-in ones.
        keep: shown what steps got back, those of workflows that are called left out.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        variables: Mapping[str, Scalar],
        retries: Mapping[str, RetrySpec],
        on_log: OnLog,
        rng: random.Random | None = None,
        workflows: Sequence[Workflow] = (),
        types: Makers | None = None,
        on_breaker: OnChange | None = None,
        breakers: Sequence[BreakerMemory] = (),
        limits: HostLimits | None = None,
        keep: Keep | None = None,
    ) -> None:
        self._clock = clock
        self._keep = keep
        self._variables = variables
        self._on_log = on_log
        self._rng = rng or random.Random()
        self._makers = types or {name: kind.make for name, kind in STEP_KINDS.items()}
        self._types = _Types(self._made)
        self._policies = dict(STRATEGIES) | {name: _policy(spec) for name, spec in retries.items()}
        self._workflows = {workflow.id: workflow for workflow in workflows}
        self._plans: dict[str, tuple[Workflow, WorkflowPlan]] = {}
        self._targets: dict[str, dict[str, Breaker]] = {}
        self._on_breaker = on_breaker
        self.breakers = Breakers(clock, self._breaker_changed, known=breakers)
        self._steps = StepRunner(clock, self._types, self.breakers, limits)

    async def run(self, workflow: Workflow, execution_id: int, scheduled_at: float) -> Recording:
        """Run it once, retries included, within its timeout.

        Whatever goes wrong is in the recording; only cancellation propagates.
        """
        run = _Run(self._clock, self._steps, workflow, execution_id, self._rng, self._keep)
        try:
            plan = self._plan(workflow)
            await run.carry_out(plan, self._scope(plan))
        except CheckError as error:
            run.give_up(error.failure)
        self._targets[workflow.id] = run.breakers
        return run.recording(scheduled_at)

    def breakers_of(self, workflow_id: str) -> tuple[tuple[str, BreakerState], ...]:
        """The targets that the workflow's last execution called, and the states of their breakers."""
        return tuple(
            (target, breaker.state) for target, breaker in self._targets.get(workflow_id, {}).items()
        )

    def breaker_of(self, workflow_id: str) -> BreakerState | None:
        """The worst of them; None when there is none."""
        targets = self._targets.get(workflow_id)
        return worst(breaker.state for breaker in targets.values()) if targets else None

    async def close(self) -> None:
        for step_type in self._types.values():
            await step_type.close()

    async def _called(self, spec: WorkflowSpec, context: StepContext) -> Reply:
        """Run a workflow's steps once, as a step of another."""
        workflow = self._workflows.get(spec.id)
        ids = parse_traceparent(context.traceparent)
        if workflow is None or ids is None:
            raise CheckError(Failure(f"there is no workflow {spec.id}", ErrorType.PERMANENT))
        plan, clock = self._plan(workflow), self._clock
        span = OpenSpan(ids[0], workflow.name, clock.now(), parent_id=ids[1])
        began = clock.monotonic()
        deadline = began + min(context.timeout, workflow.timeout)
        frame = Frame(
            clock,
            self._steps,
            self._rng,
            deadline,
            plan.breaker,
            span,
            context.execution_id,
            lambda message: None,
        )
        flow = Flow(frame, self._scope(plan, spec.with_))
        ending = await flow.run(plan)
        if ending.outcome is Outcome.SKIPPED:
            raise StepSkipped(ending.reason, ending.refused_by)
        if ending.outcome is Outcome.ERROR and ending.failure is not None:
            raise CheckError(ending.failure)
        duration = clock.monotonic() - began
        attributes = {"workflow.id": workflow.id} | _outcome_attributes(ending.outcome, ending.failure)
        root = span.finish(duration, span_status(ending.outcome), attributes, context.execution_id)
        fields = {
            "outcome": ending.outcome.value,
            "reason": ending.reason,
            "error": ending.failure.message if ending.failure else "",
            "duration": duration,
            "outputs": flow.outputs(plan.outputs) if ending.outcome.is_success else {},
        }
        called: dict[str, Scalar] = {"workflow.called": workflow.id}
        return Reply(fields, attributes=called, failure=ending.failure, spans=(root, *flow.spans))

    def _scope(self, plan: WorkflowPlan, given: Mapping[str, Scalar] | None = None) -> Scope:
        """What templates know before the first step has run: the environment and the workflow's variables.

        Raises:
            CheckError: a variable refers to what the environment does not have.
        """
        known, given = {"env": self._variables}, given or {}
        own = {name: render(value, known) for name, value in plan.variables.items() if name not in given}
        return known | {"vars": own | dict(given)}

    def _plan(self, workflow: Workflow) -> WorkflowPlan:
        """The steps made ready, and their types: loading a type's libraries is no part of an execution.

        Raises:
            CheckError: an expectation cannot be read.
        """
        known = self._plans.get(workflow.id)
        if known is None or known[0] is not workflow:
            known = self._plans[workflow.id] = (workflow, plan_workflow(workflow, self._policy))
            for kind in known[1].kinds:
                self._types[kind]
        return known[1]

    def _made(self, kind: str) -> StepType:
        step_type = self._makers[kind](self._clock)
        if isinstance(step_type, WorkflowStep):
            step_type.connect(self._called)
        return step_type

    def _policy(self, retry: str | RetrySpec) -> RetryPolicy:
        return _policy(retry) if isinstance(retry, RetrySpec) else self._policies.get(retry, DEFAULT)

    def _breaker_changed(self, change: BreakerChange) -> None:
        self._on_log(breaker_line(change, self._clock.now()))
        if self._on_breaker is not None:
            self._on_breaker(change)


class _Types(dict[str, StepType]):
    """Step types by name, each made when it is first asked for."""

    def __init__(self, make: Callable[[str], StepType]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, kind: str) -> StepType:
        self[kind] = made = self._make(kind)
        return made


class _AttemptError(Exception):
    """An attempt did not succeed; what `with_retry` decides on."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class _Run:
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
        self._keep = None if keep is None else partial(keep, workflow.id, execution_id)
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
        attributes = {"workflow.id": self._workflow.id} | _outcome_attributes(outcome, failure)
        root = self._root.finish(duration, span_status(outcome), attributes, self._id)
        closing = closing_line(execution, self._root.span_id, self._refused_by)
        return Recording(execution, (root, *self._spans), points_of(execution), (*self._logs, closing))

    async def _attempt(self, plan: WorkflowPlan, scope: Scope) -> Failure | None:
        number = len(self._attempts) + 1
        span = self._root.child(f"attempt {number}", self._clock.now())
        began = self._clock.monotonic()
        frame = Frame(
            self._clock,
            self._steps,
            self._rng,
            self._deadline,
            plan.breaker,
            span,
            self._id,
            self._warn_of_step,
            self._keep if plan.body is None else None,
        )
        flow = Flow(frame, scope)
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
        attributes = _outcome_attributes(ending.outcome, ending.failure)
        self._spans += (span.finish(duration, span_status(ending.outcome), attributes, self._id), *flow.spans)
        return ending.failure

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


def _outcome_attributes(outcome: Outcome, failure: Failure | None) -> dict[str, Scalar]:
    attributes: dict[str, Scalar] = {"outcome": outcome.value}
    if failure is not None and failure.type is not ErrorType.UNKNOWN:
        attributes["error.type"] = failure.type.value
    return attributes


def _policy(spec: RetrySpec) -> RetryPolicy:
    return RetryPolicy(**spec.model_dump())
