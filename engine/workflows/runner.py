"""One execution of a workflow: attempts, their steps, and the record of it all."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace

from engine.clock import Clock
from engine.config.schema import BreakerSpec, RetrySpec, Workflow
from engine.model import (
    Attempt,
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
    StepResult,
)
from engine.resilience.breaker import Breaker, BreakerChange, Breakers
from engine.resilience.retry import DEFAULT, STRATEGIES, Retrying, RetryPolicy, is_retryable, with_retry
from engine.telemetry.points import points_of
from engine.telemetry.tracing import OpenSpan, new_trace_id
from engine.workflows.narration import breaker_line, closing_line, retry_message
from engine.workflows.plan import StepPlan, plan_step
from engine.workflows.stepping import StepRunner, open_step_span, span_attributes, span_status
from engine.workflows.steps import STEP_KINDS
from engine.workflows.steps.base import CheckError, StepType

OnLog = Callable[[LogRecord], None]
Makers = Mapping[str, Callable[[Clock], StepType]]


class Runner:
    """Runs workflows; holds what executions share: step types with their resources, and circuit breakers.

    Args:
        variables: the environment, known to templates as `env`.
        retries: named strategies of the configuration; they go before the built-in ones.
        on_log: told of breakers' changes; what belongs to an execution is in its recording.
        types: what makes each step type, by name; in place of the built-in ones.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        variables: Mapping[str, Scalar],
        retries: Mapping[str, RetrySpec],
        on_log: OnLog,
        rng: random.Random | None = None,
        types: Makers | None = None,
    ) -> None:
        self._clock = clock
        self._variables = variables
        self._on_log = on_log
        self._rng = rng or random.Random()
        self._makers = types or {name: kind.make for name, kind in STEP_KINDS.items()}
        self._types: dict[str, StepType] = {}
        self._policies = dict(STRATEGIES) | {name: _policy(spec) for name, spec in retries.items()}
        self._plans: dict[str, tuple[Workflow, tuple[StepPlan, ...]]] = {}
        self._targets: dict[str, dict[str, Breaker]] = {}
        self.breakers = Breakers(clock, self._breaker_changed)
        self._steps = StepRunner(clock, self._types, self.breakers)

    async def run(self, workflow: Workflow, execution_id: int, scheduled_at: float) -> Recording:
        """Run it once, retries included, within its timeout.

        Whatever goes wrong is in the recording; only cancellation propagates.
        """
        plans = self._plan(workflow)
        run = _Run(self._clock, self._steps, workflow, execution_id, self._variables)
        if isinstance(plans, Failure):
            run.give_up(plans)
        else:
            await run.carry_out(plans, self._policy_of(workflow), self._rng)
        self._targets[workflow.id] = run.breakers
        return run.recording(scheduled_at)

    def breakers_of(self, workflow_id: str) -> tuple[tuple[str, BreakerState], ...]:
        """The targets that the workflow's last execution called, and the states of their breakers."""
        return tuple(
            (target, breaker.state) for target, breaker in self._targets.get(workflow_id, {}).items()
        )

    async def close(self) -> None:
        for step_type in self._types.values():
            await step_type.close()

    def _plan(self, workflow: Workflow) -> tuple[StepPlan, ...] | Failure:
        """The steps made ready, and their types: loading a type's libraries is no part of an execution."""
        known = self._plans.get(workflow.id)
        if known is None or known[0] is not workflow:
            try:
                known = (workflow, tuple(map(plan_step, workflow.steps)))
            except CheckError as error:
                return error.failure
            self._plans[workflow.id] = known
            for plan in known[1]:
                if plan.kind not in self._types:
                    self._types[plan.kind] = self._makers[plan.kind](self._clock)
        return known[1]

    def _policy_of(self, workflow: Workflow) -> RetryPolicy:
        if isinstance(workflow.retry, RetrySpec):
            return _policy(workflow.retry)
        return self._policies.get(workflow.retry, DEFAULT)

    def _breaker_changed(self, change: BreakerChange) -> None:
        self._on_log(breaker_line(change, self._clock.now()))


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
        variables: Mapping[str, Scalar],
    ) -> None:
        self._clock = clock
        self._steps = steps
        self._workflow = workflow
        self._id = execution_id
        self._variables = variables
        self._began = clock.monotonic()
        self._deadline = self._began + workflow.timeout
        self._root = OpenSpan(new_trace_id(), workflow.name, clock.now())
        self._attempts: list[Attempt] = []
        self._spans: list[Span] = []
        self._logs: list[LogRecord] = []
        self._fault: Failure | None = None
        self._last_breaker: Breaker | None = None
        self._refused_by = ""
        self.breakers: dict[str, Breaker] = {}

    async def carry_out(self, plans: tuple[StepPlan, ...], policy: RetryPolicy, rng: random.Random) -> None:
        """Attempts until one succeeds, is refused by a breaker, or trying again makes no sense."""

        async def attempt() -> None:
            failure = await self._attempt(plans)
            if failure is not None:
                raise _AttemptError(failure)

        def on_retry(retrying: Retrying) -> None:
            message = retry_message(self._workflow.id, retrying, policy.max_attempts)
            self._logs.append(self._line(LogLevel.WARNING, message))

        await with_retry(
            attempt,
            policy,
            clock=self._clock,
            deadline=self._deadline,
            retryable=self._is_worth_retrying,
            on_retry=on_retry,
            rng=rng,
        )

    def give_up(self, failure: Failure) -> None:
        """The workflow itself cannot be run."""
        self._fault = failure

    def recording(self, scheduled_at: float) -> Recording:
        """Everything, finished."""
        outcome, failure, reason = self._ending()
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

    async def _attempt(self, plans: tuple[StepPlan, ...]) -> Failure | None:
        number = len(self._attempts) + 1
        span = self._root.child(f"attempt {number}", self._clock.now())
        began = self._clock.monotonic()
        scope: dict[str, Mapping[str, Scalar]] = {"env": self._variables}
        results: list[StepResult] = []
        spans: list[Span] = []
        for plan in plans:
            result, values = await self._step(plan, scope, span, spans)
            results.append(result)
            if not result.outcome.is_success:
                break
            scope[plan.id] = values
        last = results[-1]
        if last.outcome is Outcome.SKIPPED and len(results) == 1:
            # Refused before anything ran: there was no attempt.
            return None
        outcome = _worst(results)
        failure = (
            replace(last.failure, message=f"{last.step_id}: {last.failure.message}") if last.failure else None
        )
        duration = self._clock.monotonic() - began
        attempt = Attempt(number, span.started_at, duration, outcome, failure, tuple(results))
        self._attempts.append(attempt)
        attributes = _outcome_attributes(outcome, failure)
        self._spans += (span.finish(duration, span_status(outcome), attributes, self._id), *spans)
        return failure

    async def _step(
        self, plan: StepPlan, scope: Mapping[str, Mapping[str, Scalar]], parent: OpenSpan, spans: list[Span]
    ) -> tuple[StepResult, Mapping[str, Scalar]]:
        breaker_spec = self._workflow.breaker
        span = open_step_span(parent, plan, self._clock.now())
        stepped = await self._steps.run(
            plan, scope, span, self._deadline, breaker_spec if isinstance(breaker_spec, BreakerSpec) else None
        )
        result = stepped.result
        for assertion in result.assertions:
            if not assertion.passed:
                span.add_event(self._clock.now(), "assertion failed", expectation=assertion.shown)
        spans.append(
            span.finish(result.duration, span_status(result.outcome), span_attributes(result), self._id)
        )
        self._last_breaker = stepped.breaker
        if stepped.breaker is not None:
            self.breakers[stepped.breaker.target] = stepped.breaker
            if result.outcome is Outcome.SKIPPED:
                self._refused_by = stepped.breaker.target
        return result, stepped.values

    def _is_worth_retrying(self, failure: Failure) -> bool:
        is_refusing = self._last_breaker is not None and self._last_breaker.is_refusing
        return is_retryable(failure) and not is_refusing

    def _ending(self) -> tuple[Outcome, Failure | None, str]:
        """Outcome, failure and reason: those of the last attempt that came to an end."""
        if self._fault is not None:
            return Outcome.ERROR, self._fault, ""
        ended = [attempt for attempt in self._attempts if attempt.outcome is not Outcome.SKIPPED]
        if not ended:
            return Outcome.SKIPPED, None, "breaker"
        last = ended[-1]
        reasons = [f"{step.step_id}: {step.reason}" for step in last.steps if step.reason]
        return last.outcome, last.failure, "; ".join(reasons) if last.outcome is Outcome.DEGRADED else ""

    def _line(self, level: LogLevel, message: str) -> LogRecord:
        return LogRecord(
            at=self._clock.now(),
            level=level,
            message=message,
            workflow_id=self._workflow.id,
            execution_id=self._id,
            trace_id=self._root.trace_id,
            span_id=self._root.span_id,
        )


def _worst(results: list[StepResult]) -> Outcome:
    """The last step's outcome; an attempt whose steps all succeeded is degraded when one of them was."""
    last = results[-1].outcome
    degraded = any(result.outcome is Outcome.DEGRADED for result in results)
    return Outcome.DEGRADED if last is Outcome.OK and degraded else last


def _outcome_attributes(outcome: Outcome, failure: Failure | None) -> dict[str, Scalar]:
    attributes: dict[str, Scalar] = {"outcome": outcome.value}
    if failure is not None and failure.type is not ErrorType.UNKNOWN:
        attributes["error.type"] = failure.type.value
    return attributes


def _policy(spec: RetrySpec) -> RetryPolicy:
    return RetryPolicy(**spec.model_dump())
