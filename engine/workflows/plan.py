"""Steps made ready to run: expectations parsed once, and known what each of them waits for and fills in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from engine.config.code import Body, CodeWorkflow
from engine.config.retrying import RetrySpec
from engine.config.schema import Workflow
from engine.config.types import Strict
from engine.model import Assertion, ErrorCategory, ErrorType, Failure, Outcome, Scalar
from engine.model.record import record
from engine.redaction import is_secret_name
from engine.resilience.breaker import BreakerPolicy
from engine.resilience.retry import RetryPolicy
from engine.workflows.assertions import EMPTY, Expectation, Extraction, parse_expectation
from engine.workflows.placeholders import SOURCES
from engine.workflows.rounds import Listed, Rounds, rounds_of
from engine.workflows.steps.assertion import AssertSpec
from engine.workflows.steps.base import FAILURE, Capture, CheckError, Reply, StepBase
from engine.workflows.templates import Scope, has_placeholders, sources

ACCEPTING = frozenset({"status", "outcome"})
"""Fields that tell whether a reply is a failure: an expectation on one of them decides it instead."""

Policies = Callable[[str | RetrySpec], RetryPolicy]


@dataclass(frozen=True, slots=True)
class StepPlan:
    """What running a step needs to know of it; `timeout` in seconds.

    `fills_in`: an expectation has a placeholder on its right. `needs` are steps that must have succeeded,
    `sources` those whose values it fills in; `rounds` are the values of `foreach`, `listed` is where they
    are found when it runs, `parallel` how many of them run at the same time; `item` is what a plan of one
    round is about; `secrets` are the extracted values that are; `expects_failure` turns its outcome round.
    """

    id: str
    kind: str
    spec: Strict
    is_templated: bool
    timeout: float
    expectations: tuple[Expectation, ...]
    extracts: tuple[tuple[str, Extraction], ...]
    fills_in: bool = False
    needs: tuple[str, ...] = ()
    sources: frozenset[str] = frozenset()
    when: tuple[Expectation, ...] = ()
    rounds: Rounds = ()
    listed: Listed | None = None
    parallel: int = 1
    item: str = ""
    secrets: frozenset[str] = frozenset()
    retry: RetryPolicy | None = None
    is_optional: bool = False
    expects_failure: bool = False

    @property
    def shown(self) -> str:
        """How people know it: by its id, or in a round by what that is about, such as `page[eu]`."""
        return f"{self.id.partition('[')[0]}[{self.item}]" if self.item else self.id


@dataclass(frozen=True)
class WorkflowPlan:
    """A workflow made ready: its steps, those that always run after them, and what it says of them all."""

    steps: tuple[StepPlan, ...]
    retry: RetryPolicy
    breaker: BreakerPolicy | None
    closing: tuple[StepPlan, ...] = ()
    variables: Mapping[str, Scalar] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = None
    """The function of a workflow that is written in Python, which has no steps beforehand."""
    policies: Policies | None = None
    """Given to one with a body, whose steps say by name how they are tried again."""

    @property
    def kinds(self) -> set[str]:
        return {step.kind for step in (*self.steps, *self.closing)}

    @cached_property
    def ids(self) -> frozenset[str]:
        """Of the steps, those that always run left out."""
        return frozenset(step.id for step in self.steps)

    @cached_property
    def listed(self) -> frozenset[str]:
        """Steps whose replies others look into for their rounds."""
        return frozenset(step.listed.source for step in (*self.steps, *self.closing) if step.listed)

    @cached_property
    def is_chain(self) -> bool:
        """Whether every step needs the one above it and no other."""
        above = ((), *((step.id,) for step in self.steps))
        return all(step.needs == needs for step, needs in zip(self.steps, above, strict=False))


@record(frozen=True, slots=True)
class Verdict:
    """What a reply means: `reason` says why it is degraded, `values` are for later steps."""

    outcome: Outcome
    failure: Failure | None
    assertions: tuple[Assertion, ...]
    values: dict[str, Scalar]
    reason: str = ""


def plan_workflow(workflow: Workflow, policies: Policies) -> WorkflowPlan:
    """Prepare a workflow; `policies` gives the retry policy of a name or of numbers.

    Raises:
        CheckError: an expectation cannot be read.
    """
    return WorkflowPlan(
        steps=tuple(_plans(workflow.steps, policies, [])),
        retry=policies(workflow.retry),
        breaker=BreakerPolicy(**dict(workflow.breaker)) if workflow.breaker else None,
        closing=tuple(_plans(workflow.finally_, policies, [step.id for step in workflow.steps])),
        variables=workflow.variables,
        outputs=workflow.outputs,
        body=workflow.body if isinstance(workflow, CodeWorkflow) else None,
        policies=policies,
    )


def plan_step(
    step: StepBase, needs: tuple[str, ...], policies: Policies, above: Sequence[str] = ()
) -> StepPlan:
    """Prepare a step that has to wait for `needs`; `above` are the steps whose replies it may look into.

    Raises:
        CheckError: an expectation cannot be read.
    """
    spec, items = step.spec, () if isinstance(step.foreach, str) else step.foreach
    texts = (*spec.that, *step.expect) if isinstance(spec, AssertSpec) else step.expect
    try:
        hard = tuple(parse_expectation(text) for text in texts if text != FAILURE)
        soft = tuple(replace(parse_expectation(text), is_soft=True) for text in step.degraded)
        when = tuple(map(parse_expectation, step.when))
        extracts = tuple((name, _extraction(source)) for name, source in step.extract.items())
        listed = Listed.of(step.foreach, above, step.max_rounds) if isinstance(step.foreach, str) else None
    except ValueError as error:
        raise CheckError(_invalid(str(error))) from None
    return StepPlan(
        id=step.id,
        kind=step.kind,
        spec=spec,
        is_templated=not isinstance(spec, AssertSpec) and has_placeholders(spec),
        timeout=step.timeout,
        expectations=(*hard, *soft),
        extracts=extracts,
        fills_in=any(has_placeholders(expectation.expected) for expectation in (*hard, *soft)),
        needs=needs,
        sources=frozenset(sources([spec, *step.expect, *step.degraded, *items]) - SOURCES | _where(listed)),
        when=when,
        rounds=rounds_of(items),
        listed=listed,
        secrets=frozenset(_secrets(step, extracts)),
        parallel=step.parallel,
        retry=None if step.retry is None else policies(step.retry),
        is_optional=step.continue_on_error,
        expects_failure=FAILURE in step.expect,
    )


def judge(plan: StepPlan, reply: Reply, scope: Scope = EMPTY) -> Verdict:
    """Hold a reply against the step's expectations, then take from it what later steps need.

    A reply that is itself a failure (an HTTP status of 400 or above) fails the step unless an expectation
    looks at its status. Whatever fails such a reply keeps its type, so that a 503 is tried again.

    Raises:
        CheckError: a placeholder of an expectation names nothing that is known.
    """
    expectations = plan.expectations
    if plan.fills_in:
        expectations = tuple(_filled_in(expectation, scope) for expectation in expectations)
    checked = [expectation.check(reply.fields, scope) for expectation in expectations]
    assertions = (*reply.assertions, *checked)
    broken = [found for found in assertions if not found.passed]
    shown = "; ".join([found.shown for found in broken])
    if broken and len(broken) > _soft(expectations, checked):
        return Verdict(Outcome.FAILED, _as_failure(shown, reply), assertions, {})
    if reply.failure is not None and all(expectation.root not in ACCEPTING for expectation in expectations):
        return Verdict(Outcome.FAILED, reply.failure, assertions, {})
    values: dict[str, Scalar] = {}
    for name, extraction in plan.extracts:
        try:
            values[name] = extraction.take(reply.fields)
        except ValueError as error:
            return Verdict(Outcome.FAILED, _as_failure(f"extract {name}: {error}", reply), assertions, {})
    return Verdict(Outcome.DEGRADED if broken else Outcome.OK, None, assertions, values, shown)


def _soft(expectations: Sequence[Expectation], checked: Sequence[Assertion]) -> int:
    """How many of those that do not hold only mean that it is degraded."""
    pairs = zip(expectations, checked, strict=True)
    return sum(expectation.is_soft and not found.passed for expectation, found in pairs)


def turned_round(verdict: Verdict) -> Verdict:
    """The verdict on a step that is to fail."""
    if verdict.outcome is Outcome.FAILED and verdict.failure is not None:
        seen = Assertion(FAILURE, True, f"failure ({verdict.failure.message})")
        return Verdict(Outcome.OK, None, (*verdict.assertions, seen), {})
    if not verdict.outcome.is_success:
        return verdict
    message = "a failure was expected, and the step succeeded"
    return replace(verdict, outcome=Outcome.FAILED, failure=_invalid(message), values={}, reason="")


def unmet(plan: StepPlan, scope: Scope) -> str:
    """The first condition of `when` that does not hold, as it was found; nothing when all do.

    Raises:
        CheckError: a placeholder of its right side names nothing that is known.
    """
    for condition in plan.when:
        seen = _filled_in(condition, scope).check(EMPTY, scope)
        if not seen.passed:
            return seen.shown
    return ""


def _plans(steps: tuple[StepBase, ...], policies: Policies, above: list[str]) -> Iterator[StepPlan]:
    previous: tuple[str, ...] = ()
    for step in steps:
        yield plan_step(step, previous if step.needs is None else step.needs, policies, above)
        previous = (step.id,)
        above.append(step.id)


def _secrets(step: StepBase, extracts: Sequence[tuple[str, Extraction]]) -> Iterator[str]:
    """The names of extracted values that are secrets: as they are told, else as name or place says."""
    for name, extraction in extracts:
        source = step.extract[name]
        told = source.secret if isinstance(source, Capture) else None
        path = extraction.path
        says = path.root == "cookies" or any(is_secret_name(str(part)) for part in (name, *path.parts))
        if says if told is None else told:
            yield name


def _where(listed: Listed | None) -> set[str]:
    return set() if listed is None else {listed.source}


def _extraction(source: str | Capture) -> Extraction:
    return Extraction.of(source) if isinstance(source, str) else Extraction.of(source.path, source.regex)


def _filled_in(expectation: Expectation, scope: Scope) -> Expectation:
    try:
        return expectation.filled_in(scope)
    except ValueError as error:
        raise CheckError(_invalid(str(error))) from None


def _as_failure(message: str, reply: Reply) -> Failure:
    if reply.failure is not None:
        return replace(reply.failure, message=message)
    return _invalid(message)


def _invalid(message: str) -> Failure:
    return Failure(message, ErrorType.PERMANENT, ErrorCategory.VALIDATION)
