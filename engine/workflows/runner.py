"""Runs workflows: what their executions share, and the calls from one to another."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from engine.clock import Clock
from engine.config.classify import ClassifySpec
from engine.config.schema import RetrySpec, Workflow
from engine.model import (
    BreakerMemory,
    BreakerState,
    BreakerStatus,
    ErrorType,
    Failure,
    LogRecord,
    Outcome,
    Recording,
    Scalar,
)
from engine.resilience.breaker import Breaker, BreakerChange, Breakers, OnChange, worst
from engine.resilience.retry import DEFAULT, STRATEGIES, RetryPolicy
from engine.telemetry.sampling import Sampler
from engine.telemetry.tracing import OpenSpan, parse_traceparent
from engine.workflows.classification import ErrorTable
from engine.workflows.ending import Ending
from engine.workflows.execution import Keep, Run
from engine.workflows.flow import Flow
from engine.workflows.limits import HostLimits
from engine.workflows.narration import breaker_line
from engine.workflows.plan import WorkflowPlan, plan_workflow
from engine.workflows.stepping import StepRunner
from engine.workflows.steps import STEP_KINDS
from engine.workflows.steps.base import CheckError, Reply, StepContext, StepSkipped, StepType
from engine.workflows.steps.workflow import WorkflowSpec, WorkflowStep
from engine.workflows.templates import Scope, render

OnLog = Callable[[LogRecord], None]
Makers = Mapping[str, Callable[[Clock], StepType]]


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
        keep: shown what steps got back, those of a workflow that is called under its own id.
        classify: what errors are, before the built-in table.
        sampler: which executions keep their spans; all of them unless given.
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
        classify: Sequence[ClassifySpec] = (),
        sampler: Sampler | None = None,
    ) -> None:
        self._clock = clock
        self._sampler = sampler or Sampler()
        self.keep = keep
        self.limits = limits
        self._runs: dict[str, Run] = {}
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
        table = ErrorTable(classify) if classify else None
        self._steps = StepRunner(clock, self._types, self.breakers, limits, table, self._sampler)

    def adopt(
        self,
        *,
        workflows: Sequence[Workflow],
        variables: Mapping[str, Scalar],
        retries: Mapping[str, RetrySpec],
        limits: HostLimits | None,
        keep: Keep | None,
        classify: Sequence[ClassifySpec],
        sampler: Sampler,
    ) -> None:
        """Run executions that begin from now on under another configuration; the arguments are as at first.

        Step types keep their resources and breakers their states. What is at work goes on as it began, but
        for the workflows that it calls.

        Raises:
            ValueError: a pattern of `classify` cannot be read; nothing has changed then.
        """
        table = ErrorTable(classify) if classify else None
        self._workflows = {workflow.id: workflow for workflow in workflows}
        self._variables, self._sampler = variables, sampler
        self.keep, self.limits = keep, limits
        policies = dict(STRATEGIES) | {name: _policy(spec) for name, spec in retries.items()}
        kept = self._workflows.keys() if policies == self._policies else set()
        self._policies = policies
        self._plans = {each: plan for each, plan in self._plans.items() if each in kept}
        self._targets = {each: found for each, found in self._targets.items() if each in self._workflows}
        self._steps.adopt(limits, table, sampler)

    async def run(self, workflow: Workflow, execution_id: int, scheduled_at: float) -> Recording:
        """Run it once, retries included, within its timeout.

        Whatever goes wrong is in the recording; only cancellation propagates.
        """
        plan = self._planned(workflow)
        run = Run(self._clock, self._steps, workflow, execution_id, self._rng, self.keep)
        self._runs[run.trace_id] = run
        try:
            if isinstance(plan, Failure):
                run.give_up(plan)
            else:
                await run.carry_out(plan, self._scope(plan))
        except CheckError as error:
            run.give_up(error.failure)
        finally:
            del self._runs[run.trace_id]
        self._targets[workflow.id] = run.breakers
        return self._sampler(run.recording(scheduled_at))

    def execution_of(self, trace_id: str) -> int | None:
        """The execution that goes on under this trace; None when there is none."""
        run = self._runs.get(trace_id)
        return None if run is None else run.execution_id

    def breakers_of(self, workflow_id: str) -> tuple[BreakerStatus, ...]:
        """The breakers of the targets that the workflow's last execution called."""
        return tuple(breaker.status for breaker in self._targets.get(workflow_id, {}).values())

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
        run = self._runs.get(ids[0]) if ids is not None else None
        if workflow is None or ids is None or run is None:
            raise CheckError(Failure(f"there is no workflow {spec.id}", ErrorType.PERMANENT))
        plan, clock = self._plan(workflow), self._clock
        span = OpenSpan(ids[0], workflow.name, clock.now(), parent_id=ids[1])
        began = clock.monotonic()
        frame = run.frame_of_call(workflow, plan, span, began + min(context.timeout, workflow.timeout))
        flow = Flow(frame, self._scope(plan, spec.with_))
        ending: Ending | None = None
        try:
            ending = await flow.run(plan)
        finally:
            duration = clock.monotonic() - began
            run.called(workflow, flow, span, duration, ending)
        if ending.outcome is Outcome.SKIPPED:
            raise StepSkipped(ending.reason, ending.refused_by)
        if ending.outcome is Outcome.ERROR and ending.failure is not None:
            raise CheckError(ending.failure)
        fields = {
            "outcome": ending.outcome.value,
            "reason": ending.reason,
            "error": ending.failure.message if ending.failure else "",
            "duration": duration,
            "outputs": flow.outputs(plan.outputs) if ending.outcome.is_success else {},
        }
        called: dict[str, Scalar] = {"workflow.called": workflow.id}
        return Reply(fields, attributes=called, failure=ending.failure)

    def _scope(self, plan: WorkflowPlan, given: Mapping[str, Scalar] | None = None) -> Scope:
        """What templates know before the first step has run: the environment and the workflow's variables.

        Raises:
            CheckError: a variable refers to what the environment does not have.
        """
        known, given = {"env": self._variables}, given or {}
        own = {name: render(value, known) for name, value in plan.variables.items() if name not in given}
        return known | {"vars": own | dict(given)}

    def _planned(self, workflow: Workflow) -> WorkflowPlan | Failure:
        """The plan, made before the execution's clock starts; or why there is none."""
        try:
            return self._plan(workflow)
        except CheckError as error:
            return error.failure

    def _plan(self, workflow: Workflow) -> WorkflowPlan:
        """The steps made ready, and their types, with those of the workflows it calls.

        Loading a type's libraries is no part of an execution.

        Raises:
            CheckError: an expectation cannot be read.
        """
        known = self._plans.get(workflow.id)
        if known is None or known[0] is not workflow:
            known = self._plans[workflow.id] = (workflow, plan_workflow(workflow, self._policy))
            for kind in known[1].kinds:
                self._types[kind]
            for step in (*known[1].steps, *known[1].closing):
                if isinstance(step.spec, WorkflowSpec) and step.spec.id in self._workflows:
                    self._plan(self._workflows[step.spec.id])
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


def _policy(spec: RetrySpec) -> RetryPolicy:
    return RetryPolicy(**spec.model_dump())
