"""A step made ready to run: expectations parsed once, and known whether it has placeholders to fill in."""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.config.types import Strict
from engine.model import Assertion, ErrorCategory, ErrorType, Failure, Outcome, Scalar
from engine.workflows.assertions import Expectation, extract, parse_expectation
from engine.workflows.steps.base import CheckError, Reply, StepBase
from engine.workflows.templates import has_placeholders


@dataclass(frozen=True, slots=True)
class StepPlan:
    """What running a step needs to know of it; `timeout` in seconds."""

    id: str
    kind: str
    spec: Strict
    is_templated: bool
    timeout: float
    expectations: tuple[Expectation, ...]
    extracts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reply means: `reason` says why it is degraded, `values` are for later steps."""

    outcome: Outcome
    failure: Failure | None
    assertions: tuple[Assertion, ...]
    values: dict[str, Scalar]
    reason: str = ""


def plan_step(step: StepBase) -> StepPlan:
    """Prepare a step.

    Raises:
        CheckError: an expectation cannot be read.
    """
    try:
        expectations = tuple(map(parse_expectation, step.expect))
    except ValueError as error:
        raise CheckError(Failure(str(error), ErrorType.PERMANENT, ErrorCategory.VALIDATION)) from None
    spec = step.spec
    return StepPlan(
        id=step.id,
        kind=step.kind,
        spec=spec,
        is_templated=has_placeholders(spec),
        timeout=step.timeout,
        expectations=expectations,
        extracts=tuple(step.extract.items()),
    )


def judge(plan: StepPlan, reply: Reply) -> Verdict:
    """Hold a reply against the step's expectations, then take from it what later steps need.

    A reply that is itself a failure (an HTTP status of 400 or above) fails the step unless an expectation
    looks at its status. Whatever fails such a reply keeps its type, so that a 503 is tried again.
    """
    assertions = tuple(expectation.check(reply.fields) for expectation in plan.expectations)
    broken = [pair for pair in zip(plan.expectations, assertions, strict=True) if not pair[1].passed]
    shown = "; ".join(assertion.shown for _, assertion in broken)
    if any(not expectation.is_soft for expectation, _ in broken):
        return Verdict(Outcome.FAILED, _as_failure(shown, reply), assertions, {})
    if reply.failure is not None and all(expectation.root != "status" for expectation in plan.expectations):
        return Verdict(Outcome.FAILED, reply.failure, assertions, {})
    values: dict[str, Scalar] = {}
    for name, path in plan.extracts:
        try:
            values[name] = extract(path, reply.fields)
        except ValueError as error:
            return Verdict(Outcome.FAILED, _as_failure(f"extract {name}: {error}", reply), assertions, {})
    return Verdict(Outcome.DEGRADED if broken else Outcome.OK, None, assertions, values, shown)


def _as_failure(message: str, reply: Reply) -> Failure:
    if reply.failure is not None:
        return replace(reply.failure, message=message)
    return Failure(message, ErrorType.PERMANENT, ErrorCategory.VALIDATION)
