"""Changed expectations, tried on what steps got back before: which runs would have ended otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from engine.config.code import CodeWorkflow
from engine.config.schema import Workflow
from engine.model import Assertion, Scalar, StoredResponse
from engine.redaction import MASK
from engine.resilience.retry import DEFAULT
from engine.workflows.fieldpath import MISSING, SCOPE
from engine.workflows.plan import StepPlan, judge, plan_workflow, turned_round
from engine.workflows.responses import fields_of, is_whole
from engine.workflows.rounds import Rounds
from engine.workflows.steps.base import CheckError, Reply, StepError
from engine.workflows.steps.http_spec import HttpSpec
from engine.workflows.steps.json_schema import fits
from engine.workflows.steps.workflow import WorkflowSpec
from engine.workflows.templates import Scope, has_placeholders, render

SHOWN = 3
"""Examples of each step."""


@dataclass(slots=True)
class StepReplay:
    """What became of one step's responses under its present expectations.

    Args:
        failed: how many fail; `before`: how many did when they came.
        newly_failed: that succeeded then; `newly_passed`: that failed then.
        unknown: that were not kept whole, or need a value that is not known any more.
        examples: the newest of the newly failed: the execution, and why.
    """

    workflow_id: str
    step_id: str
    total: int = 0
    failed: int = 0
    before: int = 0
    newly_failed: int = 0
    newly_passed: int = 0
    unknown: int = 0
    examples: list[tuple[int, str]] = field(default_factory=list)


def replay(
    workflow: Workflow,
    responses: Sequence[StoredResponse],
    variables: Mapping[str, Scalar],
    workflows: Iterable[Workflow] = (),
) -> list[StepReplay]:
    """Hold stored responses of `workflow` against its expectations as they are now, without calling anybody.

    Args:
        responses: newest execution first, those of one execution in the order they came.
        variables: of the environment.
        workflows: all of the file: what those that call this one replace of its variables is not known any
            more.

    Raises:
        CheckError: an expectation cannot be read.
    """
    plans = plan_workflow(workflow, _any_policy)
    by_id = {plan.id: plan for plan in (*plans.steps, *plans.closing)}
    found = {name: StepReplay(workflow.id, name) for name in by_id}
    environment = {"env": variables}
    known = workflow.variables.keys() - _replaced(workflow.id, workflows)
    own = {name: render(workflow.variables[name], environment) for name in known}
    sources = {plan.listed.source for plan in by_id.values() if plan.listed is not None}
    for execution in _executions(responses):
        scope: dict[str, Mapping[str, Scalar]] = {**environment, "vars": own}
        listed: dict[str, StoredResponse] = {}
        for response in execution:
            name, _, number = response.step_id.partition("[")
            if name in by_id:
                seen = {**scope, **_round(by_id[name], number, scope, listed)}
                scope[name] = _try(by_id[name], response, seen, found[name])
            if name in sources:
                listed[name] = response
    return [one for one in found.values() if one.total]


def obstacle(workflow: Workflow) -> str:
    """Why no response of `workflow` can be tried again; empty when they can."""
    if not isinstance(workflow, CodeWorkflow):
        return ""
    return f"{workflow.id} is written in Python: what it expects is known only while it runs"


def _try(
    plan: StepPlan, response: StoredResponse, scope: Mapping[str, Mapping[str, Scalar]], into: StepReplay
) -> Mapping[str, Scalar]:
    """Judge one response; returns the values it gives to later steps."""
    into.total += 1
    into.before += not response.succeeded
    try:
        reply = _reply(plan, response)
        if not _can_be_told(plan, response, reply, scope):
            raise ValueError("what is expected looks at something that was not kept")
        verdict = judge(plan, reply, scope)
        if not verdict.outcome.is_success and _is_lost(plan, response, reply, scope):
            raise ValueError("what is extracted was not kept")
    except (CheckError, ValueError):
        into.unknown += 1
        return {}
    if plan.expects_failure:
        verdict = turned_round(verdict)
    if not verdict.outcome.is_success:
        into.failed += 1
        into.newly_failed += response.succeeded
        if response.succeeded and len(into.examples) < SHOWN and verdict.failure is not None:
            into.examples.append((response.execution_id, verdict.failure.message))
    else:
        into.newly_passed += not response.succeeded
    return verdict.values


def _can_be_told(plan: StepPlan, response: StoredResponse, reply: Reply, scope: Scope) -> bool:
    """Whether all that the expectations look at was kept, and is not a secret that was taken out."""
    wanted = [expectation.expected for expectation in plan.expectations] if plan.fills_in else []
    if any(has_placeholders(expected) and MASK in str(render(expected, scope)) for expected in wanted):
        return False
    for expectation in plan.expectations:
        if expectation.root == SCOPE and expectation.path.find({SCOPE: scope}) is MISSING:
            return False
        if not _is_kept(response, expectation.root, reply):
            return False
        seen = expectation.path.find(reply.fields) if expectation.path.parts else None
        if isinstance(seen, str) and MASK in seen:
            return False
    return True


def _is_lost(plan: StepPlan, response: StoredResponse, reply: Reply, scope: Scope) -> bool:
    """Whether it fails only for want of a value that was there, and is a secret or too long to be kept."""
    if not judge(replace(plan, extracts=()), reply, scope).outcome.is_success:
        return False
    for _, extraction in plan.extracts:
        try:
            extraction.take(reply.fields)
        except ValueError:
            found = extraction.path.find(reply.fields)
            return MASK in str(found) or not _is_kept(response, extraction.path.root, reply)
    return False


def _is_kept(response: StoredResponse, root: str, reply: Reply) -> bool:
    """Whether a field is as it came; a document that a secret was taken out of may not be one any more."""
    if root == "json" and reply.fields.get("json") is None and MASK in str(reply.fields.get("body", "")):
        return False
    return is_whole(response, root)


def _reply(plan: StepPlan, response: StoredResponse) -> Reply:
    fields = fields_of(response)
    assertions: tuple[Assertion, ...] = ()
    if isinstance(plan.spec, HttpSpec) and plan.spec.schema_ is not None:
        if not is_whole(response, "json"):
            raise ValueError("the body was not kept whole")
        document = fields.get("json")
        is_json = document is not None or str(fields.get("body", "")).strip() == "null"
        assertions = (fits(plan.spec.schema_, document, is_json),)
    return Reply(fields, failure=response.failure, assertions=assertions)


def _round(
    plan: StepPlan, number: str, scope: Scope, listed: Mapping[str, StoredResponse]
) -> dict[str, Mapping[str, Scalar]]:
    """The values of the round of a `foreach` that a response belongs to; none that is not known any more."""
    digits = number.removesuffix("]")
    try:
        rounds = _rounds(plan, scope, listed)
    except (StepError, ValueError):
        return {}
    if digits.isdecimal() and 0 < int(digits) <= len(rounds):
        return {"item": rounds[int(digits) - 1]}
    return {}


def _rounds(plan: StepPlan, scope: Scope, listed: Mapping[str, StoredResponse]) -> Rounds:
    if plan.listed is None:
        return cast("Rounds", render(plan.rounds, scope))
    response = listed.get(plan.listed.source)
    return () if response is None else plan.listed.rounds(fields_of(response))


def _replaced(called: str, workflows: Iterable[Workflow]) -> set[str]:
    """The variables of a workflow that others replace when they call it."""
    steps = (step.spec for workflow in workflows for step in (*workflow.steps, *workflow.finally_))
    return {
        name for spec in steps if isinstance(spec, WorkflowSpec) and spec.id == called for name in spec.with_
    }


def _executions(responses: Iterable[StoredResponse]) -> Iterator[list[StoredResponse]]:
    """Responses of one execution together; of the tries of a step the last one counts."""
    together: dict[int, dict[str, StoredResponse]] = {}
    for response in responses:
        steps = together.setdefault(response.execution_id, {})
        steps.pop(response.step_id, None)
        steps[response.step_id] = response
    for steps in together.values():
        yield list(steps.values())


def _any_policy(retry: Any) -> Any:
    """Nothing is tried again here."""
    return DEFAULT
