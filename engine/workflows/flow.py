"""The steps of one attempt: in order or side by side, under conditions, in rounds; and what always runs."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from engine.clock import Clock
from engine.config.code import Body
from engine.config.types import Strict
from engine.model import Failure, Outcome, Scalar, Span, StepResult
from engine.resilience.breaker import Breaker, BreakerPolicy
from engine.resilience.retry import Retrying, is_retryable, with_retry
from engine.telemetry.tracing import OpenSpan
from engine.workflows.assertions import EMPTY
from engine.workflows.narration import try_message
from engine.workflows.plan import Policies, StepPlan, Verdict, WorkflowPlan, plan_step, unmet
from engine.workflows.stepping import (
    Stepped,
    StepRunner,
    open_step_span,
    span_attributes,
    span_status,
    verdict_of_function,
)
from engine.workflows.steps.base import CheckError, StepBase
from engine.workflows.templates import render

CLOSING_GRACE = 5.0
"""Seconds that `finally` steps have at least, even when the time is used up or the run was cancelled."""

_BAD = (Outcome.FAILED, Outcome.ERROR)


@dataclass(frozen=True, slots=True)
class Frame:
    """What an attempt takes place in; `deadline` is on the monotonic clock, `warn` writes to the log.

    `keep`, when set, is shown what every step got back.
    """

    clock: Clock
    steps: StepRunner
    rng: random.Random
    deadline: float
    breaker: BreakerPolicy | None
    span: OpenSpan
    execution_id: int | None
    warn: Callable[[str], None]
    keep: Callable[[StepPlan, Stepped], None] | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended.

    `is_blank`: nothing was tried, since a breaker refused the first step or no condition held. `is_refusing`:
    the breaker of what failed lets nobody through now. `refused_by`: the target whose breaker it was.
    """

    outcome: Outcome
    failure: Failure | None
    reason: str
    results: tuple[StepResult, ...]
    is_blank: bool = False
    is_refusing: bool = False
    refused_by: str = ""


@dataclass(frozen=True, slots=True)
class _Ran:
    """What became of one step, all its rounds together."""

    plan: StepPlan
    results: tuple[StepResult, ...]
    values: Mapping[str, Scalar]
    decisive: StepResult
    breaker: Breaker | None = None
    refused_by: str = ""

    @property
    def is_own_skip(self) -> bool:
        """Skipped by its own conditions, not by a breaker."""
        return self.decisive.outcome is Outcome.SKIPPED and not self.refused_by

    @property
    def lets_go_on(self) -> bool:
        return self.decisive.outcome.is_success or self.plan.is_optional or self.is_own_skip


class Flow:
    """One attempt. After `run()`, `spans` are those of its steps, `breakers` those of their targets."""

    def __init__(self, frame: Frame, scope: Mapping[str, Mapping[str, Scalar]]) -> None:
        self._frame = frame
        self._deadline = frame.deadline
        self._scope = dict(scope)
        self._ran: dict[str, _Ran] = {}
        self._taken: Counter[str] = Counter()
        self._policies: Policies | None = None
        self._begun = 0
        self.spans: list[Span] = []
        self.breakers: dict[str, Breaker] = {}

    async def run(self, plan: WorkflowPlan) -> Ending:
        """Carry the steps out; any exception but cancellation is an outcome."""
        if plan.body is not None:
            self._policies = plan.policies
            ran = await self._function(plan.body)
            return self._ending([*self._ran.values(), *([ran] if ran else [])])
        steps = {step.id for step in plan.steps}
        try:
            if _is_chain(plan.steps):
                for step in plan.steps:
                    if not await self._one(step, steps):
                        break
            else:
                await self._side_by_side(plan.steps, steps)
        finally:
            if plan.closing and self._begun:
                self._deadline = max(self._deadline, self._frame.clock.monotonic() + CLOSING_GRACE)
                for step in plan.closing:
                    await self._one(step, {*steps, *(other.id for other in plan.closing)})
        return self._ending([self._ran[s.id] for s in (*plan.steps, *plan.closing) if s.id in self._ran])

    def outputs(self, texts: Mapping[str, str]) -> dict[str, Scalar]:
        """The texts with the values of the steps filled in.

        Raises:
            CheckError: a placeholder names a step that gave no such value.
        """
        return {name: render(text, self._scope) for name, text in texts.items()}

    async def take(self, step: StepBase) -> Stepped:
        """Carry out one step of a workflow written in Python, with tries of its own where it has them.

        Raises:
            CheckError: an expectation cannot be read.
        """
        self._taken[step.id] += 1
        number = self._taken[step.id]
        assert self._policies is not None
        planned = plan_step(step, (), self._policies)
        name = step.id if number == 1 else f"{step.id}[{number}]"
        # Texts that Python put together hold values of others: no placeholder in them is looked into.
        plan = replace(planned, id=name, is_templated=False, sources=frozenset())
        stepped = await self._tried(plan, EMPTY)
        self._ran[name] = _Ran(
            plan, (stepped.result,), stepped.values, stepped.result, stepped.breaker, stepped.refused_by
        )
        return stepped

    def warn(self, message: str) -> None:
        """Write to the log of the execution."""
        self._frame.warn(message)

    async def _function(self, body: Body) -> _Ran | None:
        """Run a workflow's function; what it did wrong itself, or that it did nothing else, is a step too."""
        from engine.authoring import Run

        clock = self._frame.clock
        plan = StepPlan("function", "function", Strict(), False, 0.0, (), ())
        span, began = open_step_span(self._frame.span, plan, clock.now()), clock.monotonic()
        verdict: Verdict | None = Verdict(Outcome.OK, None, (), {})
        try:
            async with asyncio.timeout(max(self._deadline - began, 0.0)) as cutoff:
                await body(Run(self, self._scope["env"], self._scope["vars"]))
        except Exception as error:  # noqa: BLE001 - border: whatever a function raises is its outcome
            verdict = verdict_of_function(error, is_late=cutoff.expired())
        if verdict is None or (verdict.outcome is Outcome.OK and self._ran):
            return None
        duration = clock.monotonic() - began
        result = StepResult(plan.id, plan.kind, verdict.outcome, span.started_at, duration, verdict.failure)
        self._close(span, result)
        return _Ran(plan, (result,), {}, result)

    async def _side_by_side(self, plans: Sequence[StepPlan], steps: set[str]) -> None:
        """Each step as soon as those it needs have let it go on."""
        tasks: dict[str, asyncio.Task[bool]] = {}

        async def in_turn(plan: StepPlan) -> bool:
            for need in plan.needs:
                if need in tasks and not await tasks[need]:
                    return False
            return await self._one(plan, steps)

        async with asyncio.TaskGroup() as group:
            for plan in plans:
                tasks[plan.id] = group.create_task(in_turn(plan), name=f"step {plan.id}")

    async def _one(self, plan: StepPlan, steps: set[str]) -> bool:
        """Run a step with all its rounds; whether those that need it may run."""
        reason = self._obstacle(plan, steps)
        if isinstance(reason, Stepped):
            ran = _Ran(plan, (reason.result,), {}, reason.result)
        elif reason:
            result = self._passed_over(plan, reason)
            ran = _Ran(plan, (result,), {}, result)
        else:
            ran = await self._rounds(plan)
        self._ran[plan.id] = ran
        if ran.decisive.outcome.is_success:
            self._scope[plan.id] = ran.values
        return ran.lets_go_on

    def _obstacle(self, plan: StepPlan, steps: set[str]) -> str | Stepped:
        """Why a step is passed over: a condition, or a step that gave no values. Empty: it is not."""
        for source in sorted(plan.sources & steps):
            if source not in self._scope:
                return f"no values of {source}"
        try:
            seen = unmet(plan, self._scope) if plan.when else ""
        except CheckError as error:
            return self._broken(plan, error.failure)
        return f"when {seen}" if seen else ""

    async def _rounds(self, plan: StepPlan) -> _Ran:
        if not plan.rounds:
            stepped = await self._tried(plan, self._scope)
            return _Ran(
                plan, (stepped.result,), stepped.values, stepped.result, stepped.breaker, stepped.refused_by
            )
        all_stepped = [
            await self._tried(replace(plan, id=f"{plan.id}[{number}]"), {**self._scope, "item": values})
            for number, values in enumerate(plan.rounds, 1)
        ]
        results = tuple(stepped.result for stepped in all_stepped)
        worst = max(all_stepped, key=lambda stepped: _weight(stepped.result))
        decisive = _with_others(worst.result, sum(result.outcome in _BAD for result in results) - 1)
        refused_by = worst.refused_by if decisive.outcome is Outcome.SKIPPED else ""
        return _Ran(plan, results, {}, decisive, worst.breaker, refused_by)

    async def _tried(self, plan: StepPlan, scope: Mapping[str, Mapping[str, Scalar]]) -> Stepped:
        """Run it, again where it has retries of its own; the last try counts, and each has its span."""
        policy, frame = plan.retry, self._frame
        if policy is None:
            return await self._try(plan, scope)
        last: list[Stepped] = []

        async def operation() -> None:
            last[:] = [await self._try(plan, scope)]
            if (failure := last[0].result.failure) is not None:
                raise _TryError(failure)

        def worthwhile(failure: Failure) -> bool:
            breaker = last[0].breaker
            return is_retryable(failure) and not (breaker is not None and breaker.is_refusing)

        def on_retry(retrying: Retrying) -> None:
            frame.warn(try_message(plan.id, retrying, policy.max_attempts))

        await with_retry(
            operation,
            policy,
            clock=frame.clock,
            deadline=self._deadline,
            retryable=worthwhile,
            on_retry=on_retry,
            rng=frame.rng,
        )
        return last[0]

    async def _try(self, plan: StepPlan, scope: Mapping[str, Mapping[str, Scalar]]) -> Stepped:
        frame = self._frame
        span = open_step_span(frame.span, plan, frame.clock.now())
        self._begun += 1
        stepped = await frame.steps.run(plan, scope, span, self._deadline, frame.breaker, frame.execution_id)
        if stepped.result.outcome is Outcome.SKIPPED:
            self._begun -= 1
        if stepped.breaker is not None:
            self.breakers[stepped.breaker.target] = stepped.breaker
        self._close(span, stepped.result)
        self.spans += stepped.spans
        if frame.keep is not None and stepped.reply is not None:
            frame.keep(plan, stepped)
        return stepped

    def _close(self, span: OpenSpan, result: StepResult) -> None:
        for assertion in result.assertions:
            if not assertion.passed:
                span.add_event(self._frame.clock.now(), "assertion failed", expectation=assertion.shown)
        status, attributes = span_status(result.outcome), span_attributes(result)
        self.spans.append(span.finish(result.duration, status, attributes, self._frame.execution_id))

    def _passed_over(self, plan: StepPlan, reason: str, failure: Failure | None = None) -> StepResult:
        now = self._frame.clock.now()
        outcome = Outcome.ERROR if failure else Outcome.SKIPPED
        result = StepResult(plan.id, plan.kind, outcome, now, 0.0, failure, reason=reason)
        self._close(open_step_span(self._frame.span, plan, now), result)
        return result

    def _broken(self, plan: StepPlan, failure: Failure) -> Stepped:
        return Stepped(self._passed_over(plan, "", failure), {}, None)

    def _ending(self, ran: list[_Ran]) -> Ending:
        results = tuple(result for one in ran for result in one.results)
        stopped = [one for one in ran if not one.lets_go_on]
        # What failed says more than what a breaker held back beside it.
        last = next((one for one in stopped if one.decisive.outcome in _BAD), stopped[0] if stopped else None)
        is_blank = all(result.outcome is Outcome.SKIPPED for result in results)
        if last is not None:
            found = last.decisive
            failure = found.failure and replace(
                found.failure, message=f"{found.step_id}: {found.failure.message}"
            )
            refusing = last.breaker is not None and last.breaker.is_refusing
            return Ending(found.outcome, failure, found.reason, results, is_blank, refusing, last.refused_by)
        if is_blank:
            return Ending(Outcome.SKIPPED, None, "when", results, is_blank=True)
        reasons = "; ".join(_reasons(ran))
        return Ending(Outcome.DEGRADED if reasons else Outcome.OK, None, reasons, results)


class _TryError(Exception):
    """A try of a step did not succeed; what `with_retry` decides on."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def _is_chain(plans: Sequence[StepPlan]) -> bool:
    """Whether every step needs the one above it and no other."""
    return all(plan.needs == ((plans[index - 1].id,) if index else ()) for index, plan in enumerate(plans))


def _weight(result: StepResult) -> int:
    order = (Outcome.OK, Outcome.DEGRADED, Outcome.SKIPPED, Outcome.ERROR, Outcome.FAILED)
    return order.index(result.outcome)


def _with_others(result: StepResult, others: int) -> StepResult:
    """The failed round that stands for all of them, with the number of the others."""
    if result.failure is None or others < 1:
        return result
    more = f"{result.failure.message} (and {others} more round{'s' if others > 1 else ''})"
    return replace(result, failure=replace(result.failure, message=more))


def _reasons(ran: list[_Ran]) -> Iterator[str]:
    """Why an attempt without a failure is degraded."""
    for one in ran:
        for result in one.results:
            if result.outcome is Outcome.DEGRADED:
                yield f"{result.step_id}: {result.reason}"
            elif result.failure is not None:
                yield f"{result.step_id}: {result.failure.message}"
