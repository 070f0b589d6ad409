"""The steps of one attempt: in order or side by side, under conditions, in rounds; and what always runs."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any, cast

from engine.clock import Clock
from engine.config.code import Body
from engine.config.types import Strict
from engine.model import Failure, Outcome, Scalar, Span, StepResult
from engine.model.record import record
from engine.redaction import is_secret_name
from engine.resilience.breaker import Breaker, BreakerPolicy
from engine.resilience.retry import Retrying, is_retryable, with_retry
from engine.telemetry.tracing import OpenSpan
from engine.workflows.assertions import EMPTY
from engine.workflows.ending import Ending, Ran, ending_of
from engine.workflows.narration import try_message
from engine.workflows.plan import Policies, StepPlan, Verdict, WorkflowPlan, plan_step, unmet
from engine.workflows.rounds import Rounds, label
from engine.workflows.stepping import (
    Stepped,
    StepRunner,
    open_step_span,
    span_attributes,
    span_status,
    verdict_of,
    verdict_of_function,
)
from engine.workflows.steps.base import CheckError, StepBase, StepError
from engine.workflows.templates import render
from engine.workflows.tokens import Tokens

CLOSING_GRACE = 5.0
"""Seconds that `finally` steps have at least, even when the time is used up or the run was cancelled."""

_SKIPPED = Verdict(Outcome.SKIPPED, None, (), {})


@record(frozen=True, slots=True)
class Frame:
    """What an attempt takes place in; `deadline` is on the monotonic clock, `warn` writes to the log.

    `tokens` are the secrets the execution came by; `keep`, when set, is shown what every step got back.
    """

    clock: Clock
    steps: StepRunner
    rng: random.Random
    deadline: float
    breaker: BreakerPolicy | None
    span: OpenSpan
    execution_id: int | None
    warn: Callable[[str], None]
    tokens: Tokens
    keep: Callable[[StepPlan, Stepped], None] | None = None


class Flow:
    """One attempt. After `run()`, `spans` are those of its steps, `breakers` those of their targets."""

    def __init__(self, frame: Frame, scope: Mapping[str, Mapping[str, Scalar]]) -> None:
        self._frame = frame
        self._deadline = frame.deadline
        self._scope = dict(scope)
        self._listed: Set[str] = frozenset()
        self._replies: dict[str, Mapping[str, Any]] = {}
        self._ran: dict[str, Ran] = {}
        self._taken: defaultdict[str, int] = defaultdict(int)
        self._policies: Policies | None = None
        self._begun = 0
        self.spans: list[Span] = []
        self.breakers: dict[str, Breaker] = {}

    async def run(self, plan: WorkflowPlan) -> Ending:
        """Carry the steps out; any exception but cancellation is an outcome."""
        if plan.body is not None:
            self._policies = plan.policies
            ran = await self._function(plan.body)
            return ending_of([*self._ran.values(), *([ran] if ran else [])])
        steps, self._listed = plan.ids, plan.listed
        try:
            if plan.is_chain:
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
        return ending_of([self._ran[s.id] for s in (*plan.steps, *plan.closing) if s.id in self._ran])

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
        self._ran[name] = Ran.once(plan, stepped)
        return stepped

    def warn(self, message: str) -> None:
        """Write to the log of the execution."""
        self._frame.warn(message)

    def hide(self, value: str) -> None:
        """Take `value` for a secret in all that the execution leaves behind."""
        self._frame.tokens.add((value,))

    async def _function(self, body: Body) -> Ran | None:
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
            verdict = verdict and self._frame.steps.classified(verdict)
        if verdict is None or (verdict.outcome is Outcome.OK and self._ran):
            return None
        duration = clock.monotonic() - began
        result = StepResult(plan.id, plan.kind, verdict.outcome, span.started_at, duration, verdict.failure)
        self._close(span, result)
        return Ran.never(plan, result)

    async def _side_by_side(self, plans: Sequence[StepPlan], steps: Set[str]) -> None:
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

    async def _one(self, plan: StepPlan, steps: Set[str]) -> bool:
        """Run a step with all its rounds; whether those that need it may run."""
        try:
            reason = self._obstacle(plan, steps)
        except CheckError as error:
            ran = Ran.never(plan, self._passed_over(plan, "", verdict_of(error)))
        else:
            ran = Ran.never(plan, self._passed_over(plan, reason)) if reason else await self._rounds(plan)
        self._ran[plan.id] = ran
        if ran.decisive.outcome.is_success:
            self._scope[plan.id] = ran.values
        return ran.lets_go_on

    def _obstacle(self, plan: StepPlan, steps: Set[str]) -> str:
        """Why a step is passed over: a condition, or a step that gave no values. Empty: it is not.

        Raises:
            CheckError: a condition cannot be told.
        """
        for source in sorted(plan.sources & steps) if plan.sources else ():
            if source not in self._scope:
                return f"no values of {source}"
        seen = unmet(plan, self._scope) if plan.when else ""
        return f"when {seen}" if seen else ""

    async def _rounds(self, plan: StepPlan) -> Ran:
        if plan.rounds or plan.listed is not None:
            try:
                rounds = self._items(plan)
            except StepError as error:
                return Ran.never(plan, self._passed_over(plan, "", verdict_of(error)))
            if not rounds:
                return Ran.never(plan, self._passed_over(plan, "foreach: an empty list"))
            return Ran.together(plan, await self._each(plan, rounds))
        stepped = await self._tried(plan, self._scope)
        if plan.id in self._listed and stepped.reply is not None:
            self._replies[plan.id] = stepped.reply.fields
        return Ran.once(plan, stepped)

    def _items(self, plan: StepPlan) -> Rounds:
        """What the rounds of a step are about.

        Raises:
            StepError: that cannot be told.
        """
        if plan.listed is None:
            return cast("Rounds", render(plan.rounds, self._scope))
        return plan.listed.rounds(self._replies.get(plan.listed.source, EMPTY))

    async def _each(self, plan: StepPlan, rounds: Rounds) -> list[Stepped]:
        """Every round, at most `plan.parallel` of them at the same time; in the order of their items."""
        places = asyncio.Semaphore(plan.parallel)

        async def one(number: int, item: Mapping[str, Scalar]) -> Stepped:
            self._frame.tokens.add(value for name, value in item.items() if is_secret_name(name))
            planned = replace(plan, id=f"{plan.id}[{number}]", item=label(item))
            async with places:
                return await self._tried(planned, {**self._scope, "item": item})

        if plan.parallel == 1:
            return [await one(number, item) for number, item in enumerate(rounds, 1)]
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(one(number, item), name=f"round {plan.id}[{number}]")
                for number, item in enumerate(rounds, 1)
            ]
        return [task.result() for task in tasks]

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
            frame.warn(try_message(plan.shown, retrying, policy.max_attempts))

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
        if plan.secrets:
            frame.tokens.add(value for name, value in stepped.values.items() if name in plan.secrets)
        if frame.keep is not None and stepped.reply is not None:
            frame.keep(plan, frame.tokens.hide_reply(stepped))
        return stepped

    def _close(self, span: OpenSpan, result: StepResult) -> None:
        for assertion in result.assertions:
            if not assertion.passed:
                span.add_event(self._frame.clock.now(), "assertion failed", expectation=assertion.shown)
        status, attributes = span_status(result.outcome), span_attributes(result)
        self.spans.append(span.finish(result.duration, status, attributes, self._frame.execution_id))

    def _passed_over(self, plan: StepPlan, reason: str, verdict: Verdict = _SKIPPED) -> StepResult:
        """The result of a step that is not run, for a `reason` or for what is wrong with it."""
        now = self._frame.clock.now()
        result = StepResult(plan.id, plan.kind, verdict.outcome, now, 0.0, verdict.failure, reason=reason)
        self._close(open_step_span(self._frame.span, plan, now), result)
        return result


class _TryError(Exception):
    """A try of a step did not succeed; what `with_retry` decides on."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure
