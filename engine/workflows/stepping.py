"""Running one step once: fill in, ask the breaker, act within the deadline, judge, leave a span."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.clock import Clock
from engine.lines import spelled
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
from engine.model.record import record
from engine.resilience.breaker import Breaker, BreakerPolicy, Breakers, Permit
from engine.resilience.classify import classify
from engine.telemetry.points import PHASES
from engine.telemetry.sampling import Sampler
from engine.telemetry.tracing import OpenSpan, traceparent
from engine.text import own_words
from engine.workflows.classification import ErrorTable
from engine.workflows.limits import HostLimits
from engine.workflows.plan import StepPlan, Verdict, judge, turned_round
from engine.workflows.steps.base import CheckError, Reply, StepContext, StepError, StepSkipped, StepType
from engine.workflows.templates import Scope, render_spec

OVERSTAY = 0.5
"""Seconds beyond its deadline after which a step that did not end itself is cut off."""

UNWELL = frozenset({ErrorType.NETWORK, ErrorType.TIMEOUT, ErrorType.TRANSIENT})
"""What counts against a target. A wrong answer does not: the target is there. Nor does a rate limit: it is
well and asks for patience, which retrying grants."""

_NO_PHASES = Phases()
_PHASES = tuple((phase, f"phase.{phase}") for phase in PHASES)
_STATUS = {Outcome.OK: SpanStatus.OK, Outcome.DEGRADED: SpanStatus.OK, Outcome.SKIPPED: SpanStatus.UNSET}


@record(frozen=True, slots=True)
class Stepped:
    """A step's result, the values it found, and the breaker of its target.

    `refused_by` is the target whose breaker let nobody through; `reply` is what was judged, None when nothing
    came back.
    """

    result: StepResult
    values: Mapping[str, Scalar]
    breaker: Breaker | None
    refused_by: str = ""
    reply: Reply | None = None


@record(frozen=True, slots=True)
class _Call:
    """One run of one step, everything filled in."""

    plan: StepPlan
    type: StepType
    spec: Any
    context: StepContext
    scope: Scope
    span: OpenSpan


class StepRunner:
    """Runs steps of all types under the breakers of their targets."""

    def __init__(
        self,
        clock: Clock,
        types: Mapping[str, StepType],
        breakers: Breakers,
        limits: HostLimits | None = None,
        classify: ErrorTable | None = None,
        sampler: Sampler | None = None,
    ) -> None:
        self._clock = clock
        self._sampler = sampler or Sampler()
        self._table = classify
        self._limits = limits
        self._types = types
        self._breakers = breakers

    def adopt(self, limits: HostLimits | None, classify: ErrorTable | None, sampler: Sampler) -> None:
        """Go by these from the next step on."""
        self._limits, self._table, self._sampler = limits, classify, sampler

    async def run(
        self,
        plan: StepPlan,
        scope: Scope,
        span: OpenSpan,
        deadline: float,
        spec: BreakerPolicy | None,
        execution_id: int | None = None,
    ) -> Stepped:
        """One run; any exception but cancellation is an outcome. `deadline` is on the monotonic clock."""
        started = self._clock.monotonic()
        breaker: Breaker | None = None
        attributes: dict[str, Scalar] = {"item": plan.item} if plan.item else {}
        phases, refused_by = _NO_PHASES, ""
        reply: Reply | None = None
        try:
            call = self._call(plan, scope, span, deadline, execution_id)
            if target := call.type.target(call.spec):
                attributes["target"] = target
                # What is to fail says nothing about its target, and must not be left alone for it.
                if spec and not plan.expects_failure:
                    breaker = self._breakers.get(target, spec)
            reply, verdict = await self._placed(call, target, breaker)
            if reply is None:
                refused_by = target
            else:
                attributes.update(reply.attributes)
                phases, span.links = reply.phases, reply.links
        except StepSkipped as skipped:
            verdict, refused_by = Verdict(Outcome.SKIPPED, None, (), {}, skipped.message), skipped.target
        except Exception as error:  # noqa: BLE001 - border: whatever a step raises is its outcome
            verdict = self.classified(verdict_of(error))
            phases = getattr(error, "phases", phases)
        if plan.expects_failure:
            verdict = turned_round(verdict)
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
        return Stepped(result, verdict.values, breaker, refused_by, reply)

    def classified(self, verdict: Verdict, reply: Reply | None = None) -> Verdict:
        """The verdict with its failure as the configuration classifies it."""
        if self._table is None or verdict.failure is None:
            return verdict
        status = reply.fields.get("status") if reply is not None else None
        return replace(verdict, failure=self._table(verdict.failure, status))

    def _call(
        self, plan: StepPlan, scope: Scope, span: OpenSpan, deadline: float, execution_id: int | None
    ) -> _Call:
        rendered = render_spec(plan.spec, scope) if plan.is_templated else plan.spec
        header = traceparent(span.trace_id, span.span_id, sampled=self._sampler.is_sampled(span.trace_id))
        context = StepContext(header, self._time_for(plan, deadline), execution_id)
        return _Call(plan, self._types[plan.kind], rendered, context, scope, span)

    def _time_for(self, plan: StepPlan, deadline: float) -> float:
        left = deadline - self._clock.monotonic()
        if left <= 0:
            raise StepError(_timeout("the time of the whole workflow was used up"))
        return min(plan.timeout, left)

    async def _placed(
        self, call: _Call, target: str, breaker: Breaker | None
    ) -> tuple[Reply | None, Verdict]:
        """Run at its place, where the number of steps at one host is limited.

        At most half of its time goes into waiting: what begins too late fails for no fault of the target.
        """
        if self._limits is None or not target or (breaker is not None and breaker.is_refusing):
            return await self._guarded(call, breaker)
        began = self._clock.monotonic()
        async with self._limits.place(target, call.context.timeout / 2):
            left = call.context.timeout - (self._clock.monotonic() - began)
            return await self._guarded(replace(call, context=replace(call.context, timeout=left)), breaker)

    async def _guarded(self, call: _Call, breaker: Breaker | None) -> tuple[Reply | None, Verdict]:
        """Run under the breaker's permit and report to it; a reply of None means it was refused."""
        if breaker is None:
            reply, verdict = await _answer(call)
            return reply, self.classified(verdict, reply)
        before = breaker.state
        permit = breaker.admit()
        if permit is None:
            return None, Verdict(Outcome.SKIPPED, None, (), {}, "breaker")
        try:
            with permit:
                try:
                    reply, verdict = await _answer(call)
                    verdict = self.classified(verdict, reply)
                except Exception as error:
                    _report(permit, self.classified(verdict_of(error)))
                    raise
                _report(permit, verdict)
        finally:
            self._note_change(before, breaker.state, call.span)
        return reply, verdict

    def _note_change(self, before: BreakerState, after: BreakerState, span: OpenSpan) -> None:
        if before is not after:
            span.add_event(self._clock.now(), "breaker", before=before.value, after=after.value)


def span_attributes(result: StepResult) -> dict[str, Scalar]:
    """What a step's span says of it."""
    attributes: dict[str, Scalar] = {"step.type": result.type, "outcome": result.outcome.value}
    attributes.update(result.attributes)
    if result.phases is not _NO_PHASES:
        for phase, name in _PHASES:
            seconds = getattr(result.phases, phase)
            if seconds is not None:
                attributes[name] = round(seconds, 6)
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
    return parent.child(plan.shown, now, SpanKind.CLIENT)


async def _answer(call: _Call) -> tuple[Reply, Verdict]:
    try:
        async with asyncio.timeout(call.context.timeout + OVERSTAY) as cutoff:
            reply = await call.type.run(call.spec, call.context)
    except TimeoutError:
        if not cutoff.expired():
            raise
        seconds = spelled(round(call.context.timeout, 3))
        raise StepError(_timeout(f"the step did not end within {seconds}")) from None
    return reply, judge(call.plan, reply, call.scope)


def verdict_of(error: Exception) -> Verdict:
    """What an exception says: the target is wrong, or the check itself."""
    failure = classify(error)
    is_ours = isinstance(error, CheckError) or (
        not isinstance(error, StepError) and failure.type not in (ErrorType.NETWORK, ErrorType.TIMEOUT)
    )
    return Verdict(Outcome.ERROR if is_ours else Outcome.FAILED, failure, (), {})


def verdict_of_function(error: Exception, *, is_late: bool) -> Verdict | None:
    """What an exception of a workflow's function says; None: only what a step of its has said already."""
    from engine.authoring import StepFailedError

    if isinstance(error, TimeoutError) and is_late:
        return verdict_of(StepError(_timeout("the function did not end within the time of the workflow")))
    if isinstance(error, ExceptionGroup):
        _, others = error.split(StepFailedError)
        return None if others is None else verdict_of(others)
    if isinstance(error, AssertionError):
        message = own_words(error) if str(error) else "an assertion of the function does not hold"
        failure = Failure(message, ErrorType.PERMANENT, ErrorCategory.VALIDATION)
        return Verdict(Outcome.FAILED, failure, (), {})
    return None if isinstance(error, StepFailedError) else verdict_of(error)


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
