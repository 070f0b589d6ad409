"""Running one step once: fill in, ask the breaker, act within the deadline, judge, leave a span."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.clock import Clock
from engine.config.schema import BreakerSpec
from engine.config.types import format_duration
from engine.model import (
    BreakerState,
    ErrorCategory,
    ErrorType,
    Failure,
    Outcome,
    Phases,
    Scalar,
    SpanKind,
    SpanStatus,
    StepResult,
)
from engine.resilience.breaker import Breaker, Breakers, Permit
from engine.resilience.classify import classify
from engine.telemetry.points import PHASES
from engine.telemetry.tracing import OpenSpan, traceparent
from engine.workflows.plan import StepPlan, Verdict, judge
from engine.workflows.steps.base import CheckError, Reply, StepContext, StepError, StepType
from engine.workflows.templates import Scope, render_spec

OVERSTAY = 0.5
"""Seconds beyond its deadline after which a step that did not end itself is cut off."""

UNWELL = frozenset({ErrorType.NETWORK, ErrorType.TIMEOUT, ErrorType.TRANSIENT})
"""What counts against a target. A wrong answer does not: the target is there. Nor does a rate limit: it is
well and asks for patience, which retrying grants."""

_STATUS = {Outcome.OK: SpanStatus.OK, Outcome.DEGRADED: SpanStatus.OK, Outcome.SKIPPED: SpanStatus.UNSET}


@dataclass(frozen=True, slots=True)
class Stepped:
    """A step's result, the values it found, and the breaker of its target."""

    result: StepResult
    values: Mapping[str, Scalar]
    breaker: Breaker | None


class StepRunner:
    """Runs steps of all types under the breakers of their targets."""

    def __init__(self, clock: Clock, types: Mapping[str, StepType], breakers: Breakers) -> None:
        self._clock = clock
        self._types = types
        self._breakers = breakers

    async def run(
        self, plan: StepPlan, scope: Scope, span: OpenSpan, deadline: float, spec: BreakerSpec | None
    ) -> Stepped:
        """One run; any exception but cancellation is an outcome. `deadline` is on the monotonic clock."""
        started = self._clock.monotonic()
        breaker: Breaker | None = None
        attributes: dict[str, Scalar] = {}
        phases = Phases()
        try:
            step_type = self._types[plan.kind]
            rendered = render_spec(plan.spec, scope) if plan.is_templated else plan.spec
            attributes["target"] = target = step_type.target(rendered)
            breaker = self._breakers.get(target, spec.threshold, spec.reset) if spec else None
            context = StepContext(traceparent(span.trace_id, span.span_id), self._time_for(plan, deadline))
            reply, verdict = await self._guarded(plan, step_type, rendered, context, breaker, span)
            if reply is not None:
                attributes.update(reply.attributes)
                phases = reply.phases
        except Exception as error:  # noqa: BLE001 - border: whatever a step raises is its outcome
            verdict = _verdict_of(error)
            phases = getattr(error, "phases", phases)
        result = StepResult(
            step_id=plan.id,
            type=plan.kind,
            outcome=verdict.outcome,
            started_at=span.started_at,
            duration=self._clock.monotonic() - started,
            failure=verdict.failure,
            phases=phases,
            assertions=verdict.assertions,
            extracted={name: _described(value) for name, value in verdict.values.items()},
            attributes=attributes,
            reason=verdict.reason,
        )
        return Stepped(result, verdict.values, breaker)

    def _time_for(self, plan: StepPlan, deadline: float) -> float:
        left = deadline - self._clock.monotonic()
        if left <= 0:
            raise StepError(_timeout("the time of the whole workflow was used up"))
        return min(plan.timeout, left)

    async def _guarded(
        self,
        plan: StepPlan,
        step_type: StepType,
        spec: Any,
        context: StepContext,
        breaker: Breaker | None,
        span: OpenSpan,
    ) -> tuple[Reply | None, Verdict]:
        """Run under the breaker's permit and report to it; a reply of None means it was refused."""
        if breaker is None:
            return await _answer(plan, step_type, spec, context)
        before = breaker.state
        permit = breaker.admit()
        if permit is None:
            return None, Verdict(Outcome.SKIPPED, None, (), {}, "breaker")
        try:
            with permit:
                try:
                    reply, verdict = await _answer(plan, step_type, spec, context)
                except Exception as error:
                    _report(permit, _verdict_of(error))
                    raise
                _report(permit, verdict)
        finally:
            self._note_change(before, breaker.state, span)
        return reply, verdict

    def _note_change(self, before: BreakerState, after: BreakerState, span: OpenSpan) -> None:
        if before is not after:
            span.add_event(self._clock.now(), "breaker", before=before.value, after=after.value)


def span_attributes(result: StepResult) -> dict[str, Scalar]:
    """What a step's span says of it."""
    attributes: dict[str, Scalar] = {"step.type": result.type, "outcome": result.outcome.value}
    attributes.update(result.attributes)
    for phase in PHASES:
        seconds = getattr(result.phases, phase)
        if seconds is not None:
            attributes[f"phase.{phase}"] = round(seconds, 6)
    if result.failure is not None:
        attributes["error.type"] = result.failure.type.value
        attributes["error.message"] = result.failure.message
    if result.reason:
        attributes["reason"] = result.reason
    return attributes


def span_status(outcome: Outcome) -> SpanStatus:
    """Failed and error are errors; what was skipped says nothing."""
    return _STATUS.get(outcome, SpanStatus.ERROR)


def open_step_span(parent: OpenSpan, plan: StepPlan, now: float) -> OpenSpan:
    """The span of a step: a client's call."""
    return parent.child(plan.id, now, SpanKind.CLIENT)


async def _answer(
    plan: StepPlan, step_type: StepType, spec: Any, context: StepContext
) -> tuple[Reply, Verdict]:
    try:
        async with asyncio.timeout(context.timeout + OVERSTAY) as cutoff:
            reply = await step_type.run(spec, context)
    except TimeoutError:
        if not cutoff.expired():
            raise
        seconds = format_duration(round(context.timeout, 3))
        raise StepError(_timeout(f"the step did not end within {seconds}")) from None
    return reply, judge(plan, reply)


def _verdict_of(error: Exception) -> Verdict:
    failure = classify(error)
    is_ours = isinstance(error, CheckError) or (
        not isinstance(error, StepError) and failure.type not in (ErrorType.NETWORK, ErrorType.TIMEOUT)
    )
    return Verdict(Outcome.ERROR if is_ours else Outcome.FAILED, failure, (), {})


def _report(permit: Permit, verdict: Verdict) -> None:
    if verdict.outcome is Outcome.ERROR:
        permit.release()
    elif verdict.failure is not None and verdict.failure.type in UNWELL:
        permit.failure()
    else:
        permit.success()


def _timeout(message: str) -> Failure:
    return Failure(message, ErrorType.TIMEOUT, ErrorCategory.NETWORK)


def _described(value: Scalar) -> Scalar:
    """Text that was extracted is often a token: only its length is kept."""
    return f"{len(value)} characters" if isinstance(value, str) else value
