"""Whether the steps of workflows fit together: what they need, fill in, expect, extract and call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.config.addresses import check_address
from engine.config.checks import exists, parses, texts, unique
from engine.config.messages import did_you_mean
from engine.config.report import Path, Report
from engine.config.schema import Workflow
from engine.config.types import format_duration
from engine.workflows.placeholders import SOURCES, names
from engine.workflows.steps import STEP_KINDS, StepSpec
from engine.workflows.steps.assertion import AssertSpec
from engine.workflows.steps.base import FAILURE, Capture
from engine.workflows.steps.heartbeat import HeartbeatSpec
from engine.workflows.steps.wait import WaitSpec
from engine.workflows.steps.workflow import WorkflowSpec

if TYPE_CHECKING:
    from engine.workflows.assertions import Expectation
    from engine.workflows.fieldpath import FieldPath

DEPTH_LIMIT = 5
"""Workflows that call one another, the outermost included."""

_NONE: frozenset[str] = frozenset()

Known = Mapping[str, Mapping[str, Any]]
Placed = Sequence[tuple[Path, Workflow]]


def check_flow(
    workflows: Placed,
    ids: Sequence[str],
    strategies: Sequence[str],
    variables: Mapping[str, Any],
    report: Report,
    *,
    is_part: bool = False,
) -> None:
    """Report everything about the steps of `workflows` that cannot work.

    Args:
        ids: those of all workflows of the file, broken ones included.
        strategies: the names that `retry` may use.
        variables: those of the environment.
        report: takes the problems.
        is_part: whether what stands around the steps is not known: other steps, variables.
    """
    by_id = {workflow.id: workflow for _, workflow in workflows}
    for path, workflow in workflows:
        check = _Check(workflow, by_id, ids, strategies, variables, report, is_part)
        check.run(path)


def check_apart(path: Path, workflow: Workflow, strategies: Sequence[str], report: Report) -> None:
    """Report what is wrong within the steps of a broken workflow, whatever they take from one another."""
    check = _Check(workflow, {}, (), strategies, {}, report, is_part=True)
    check.strategy(workflow.retry, (*path, "retry"))
    for key, steps in (("steps", workflow.steps), ("finally", workflow.finally_)):
        for index, step in enumerate(steps):
            place = (*path, key, index)
            check.strategy(step.retry, (*place, "retry"))
            check_address(step.kind, step.spec, (*place, step.kind), report)
            _check_expectations(place, step, report)


@dataclass(slots=True)
class _Check:
    """One workflow being checked; `above` are the steps seen so far, with those each of them needs."""

    workflow: Workflow
    by_id: Mapping[str, Workflow]
    ids: Sequence[str]
    strategies: Sequence[str]
    variables: Mapping[str, Any]
    report: Report
    is_part: bool = False
    above: dict[str, frozenset[str]] = field(default_factory=dict)
    steps: dict[str, StepSpec] = field(default_factory=dict)
    values: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def run(self, path: Path) -> None:
        workflow = self.workflow
        self.strategy(workflow.retry, (*path, "retry"))
        own = {"env": self.variables}
        for place, text in texts(workflow.variables, (*path, "variables")):
            _check_placeholders(place, text, own, set(), self.report)
        self.values = {**own, "vars": _Anything() if self.is_part else workflow.variables}
        placed = [((*path, "steps", i), step) for i, step in enumerate(workflow.steps)]
        closing = [((*path, "finally", i), step) for i, step in enumerate(workflow.finally_)]
        unique("step", [((*place, "id"), step.id) for place, step in (*placed, *closing)], self.report)
        later = {step.id for _, step in (*placed, *closing)}
        previous: tuple[str, ...] = ()
        for place, step in placed:
            self._step(place, step, self._ancestors(place, step, previous), later)
            previous = (step.id,)
        for place, step in closing:
            if step.needs is not None:
                self.report.at_key((*place, "needs"), "a `finally` step needs nothing: it always runs")
            self._step(place, step, frozenset(self.above), later)
        for place, text in texts(workflow.outputs, (*path, "outputs")):
            _check_placeholders(place, text, self.values, later, self.report)

    def _ancestors(self, path: Path, step: StepSpec, previous: tuple[str, ...]) -> frozenset[str]:
        """The steps that have succeeded when this one runs."""
        needs = previous if step.needs is None else step.needs
        for index, need in enumerate(step.needs or ()):
            if need not in self.above and not self.is_part:
                hint = did_you_mean(need, self.above) or "`needs` names steps above"
                self.report.at((*path, "needs", index), f"there is no step `{need}` above", hint)
        reached = frozenset(needs).union(*(self.above.get(need, ()) for need in needs))
        return frozenset(reached & self.above.keys())

    def _step(self, path: Path, step: StepSpec, ancestors: frozenset[str], later: set[str]) -> None:
        report = self.report
        if step.id in SOURCES:
            report.at((*path, "id"), f"`{step.id}` is a word of placeholders, a step has another id")
        self.strategy(step.retry, (*path, "retry"))
        self._own_rules(path, step)
        known = {
            source: values
            for source, values in self.values.items()
            if source in SOURCES or source in ancestors
        }
        if self.is_part:
            known = _Around(known, later)
        beside = frozenset(self.above) - ancestors
        if isinstance(step.foreach, str):
            self._check_listed((*path, "foreach"), step.foreach, known, later, beside)
        else:
            for place, text in texts(step.foreach, (*path, "foreach")):
                _check_placeholders(place, text, known, later, report, beside)
        if step.foreach:
            known["item"] = _item(step)
        for place, text in _filled_in(path, step):
            _check_placeholders(place, text, known, later, report, beside)
        _check_expectations(path, step, report)
        self.above.setdefault(step.id, ancestors)
        self.steps.setdefault(step.id, step)
        self.values.setdefault(step.id, step.extract)

    def _check_listed(
        self, path: Path, text: str, known: Known, later: set[str], beside: frozenset[str]
    ) -> None:
        """A list that is gone through is in the reply to a step above, which has run once."""
        from engine.workflows.rounds import Listed

        if self.is_part and not any(step in text for step in later):
            return
        listed = parses(lambda text: Listed.of(text, later, 1), text, path, self.report)
        if listed is None:
            return
        if listed.source not in known:
            _check_source(path, f"`{text.strip()}`", listed.source, known, later, self.report, beside)
            return
        source = self.steps[listed.source]
        if source.foreach:
            message = f"the step `{source.id}` is run in rounds itself: none of its replies is the one"
            self.report.at(path, message)
            return
        if listed.path.root not in STEP_KINDS[source.kind].fields:
            _no_field(source.kind, listed.path.root, path, self.report)

    def strategy(self, retry: Any, path: Path) -> None:
        if isinstance(retry, str):
            exists("retry strategy", retry, self.strategies, path, self.report)

    def _own_rules(self, path: Path, step: StepSpec) -> None:
        """What a type of step demands beyond its shape."""
        spec = step.spec
        if isinstance(spec, WaitSpec) and spec.for_ > step.timeout:
            left = format_duration(step.timeout)
            self.report.at((*path, "wait"), f"the wait is longer than the step's timeout of {left}")
        if isinstance(spec, WorkflowSpec):
            self._check_call((*path, "workflow"), spec)
        check_address(step.kind, spec, (*path, step.kind), self.report)

    def _check_call(self, path: Path, spec: WorkflowSpec) -> None:
        called = self.by_id.get(spec.id)
        if called is None:
            exists("workflow", spec.id, self.ids, (*path, "id"), self.report)
            return
        for name in spec.with_:
            if name not in called.variables:
                hint = (
                    did_you_mean(name, called.variables) or f"it has {', '.join(called.variables) or 'none'}"
                )
                self.report.at_key((*path, "with", name), f"`{spec.id}` has no variable `{name}`", hint)
        circle = _way_back(called, self.workflow.id, self.by_id)
        if circle:
            chain = " → ".join((self.workflow.id, *circle))
            self.report.at((*path, "id"), f"workflows call each other in a circle: {chain}")
        elif _is_too_deep(called, self.by_id):
            self.report.at((*path, "id"), f"workflows call each other at most {DEPTH_LIMIT} deep")


def _calls(workflow: Workflow) -> set[str]:
    """The workflows that its steps call."""
    specs = (step.spec for step in (*workflow.steps, *workflow.finally_))
    return {spec.id for spec in specs if isinstance(spec, WorkflowSpec)}


def _way_back(start: Workflow, goal: str, by_id: Mapping[str, Workflow]) -> tuple[str, ...]:
    """The shortest chain of calls from `start` to `goal`; empty when there is none."""
    ways: dict[str, tuple[str, ...]] = {start.id: (start.id,)}
    waiting = [start.id]
    for name in waiting:
        if name == goal:
            return ways[name]
        for called in sorted(_calls(by_id[name]) & by_id.keys() - ways.keys()):
            ways[called] = (*ways[name], called)
            waiting.append(called)
    return ()


def _is_too_deep(called: Workflow, by_id: Mapping[str, Workflow]) -> bool:
    level = {called.id}
    for _ in range(DEPTH_LIMIT - 1):
        level = set().union(*(_calls(by_id[name]) & by_id.keys() for name in level))
    return bool(level)


class _Anything(dict[str, None]):
    """The values of what is found at run time: there may be any."""

    def __contains__(self, name: object) -> bool:
        return True


class _Around(dict[str, Mapping[str, Any]]):
    """Sources of a part: any step that it does not have itself may stand before it."""

    def __init__(self, known: Known, own: set[str]) -> None:
        super().__init__(known)
        self._own = own

    def get(self, source: str, default: Any = None) -> Any:
        is_around = source not in self._own and source not in SOURCES
        return super().get(source, _Anything() if is_around else default)


def _item(step: StepSpec) -> dict[str, None]:
    """What every round of a `foreach` has a value for."""
    if isinstance(step.foreach, str):
        return _Anything()
    rounds = [set(item) if isinstance(item, dict) else {"value"} for item in step.foreach]
    return dict.fromkeys({*set.intersection(*rounds), "index"})


def _filled_in(path: Path, step: StepSpec) -> Iterator[tuple[Path, str]]:
    """Every text of a step in which placeholders are filled in."""
    yield from texts(step.spec.model_dump(by_alias=True, exclude_unset=True), (*path, step.kind))
    for key, listed in (("expect", step.expect), ("degraded", step.degraded), ("when", step.when)):
        yield from texts(listed, (*path, key))


def _check_expectations(path: Path, step: StepSpec, report: Report) -> None:
    from engine.workflows.assertions import Extraction, parse_expectation

    kind = step.kind
    if FAILURE in step.expect and len(step.expect) > 1:
        report.at(
            (*path, "expect"), f"`{FAILURE}` stands alone: a reply that is to fail has nothing to expect"
        )
    for key, listed in (("expect", step.expect), ("degraded", step.degraded)):
        for index, text in enumerate(listed):
            if text != FAILURE or key == "degraded":
                _check_field(parse_expectation, text, kind, (*path, key, index), report)
    for index, text in enumerate(step.when):
        _check_condition(parse_expectation, text, (*path, "when", index), report)
    if isinstance(step.spec, AssertSpec):
        for index, text in enumerate(step.spec.that):
            _check_condition(parse_expectation, text, (*path, "assert", "that", index), report)
    for name, source in step.extract.items():
        place = (*path, "extract", name)
        written, pattern = (source.path, source.regex) if isinstance(source, Capture) else (source, None)

        def parse(text: str, pattern: str | None = pattern) -> FieldPath:
            return Extraction.of(text, pattern).path

        _check_field(parse, written, kind, place, report, may_fill_in=False)


def _check_field(
    parser: Callable[[str], Expectation | FieldPath],
    text: str,
    kind: str,
    path: Path,
    report: Report,
    *,
    may_fill_in: bool = True,
) -> None:
    """A text about a step's reply begins with one of the fields that replies of its kind have."""
    from engine.workflows.fieldpath import SCOPE

    parsed = parses(parser, text, path, report)
    fields = STEP_KINDS[kind].fields
    if parsed is None or parsed.root in fields or (may_fill_in and parsed.root == SCOPE):
        return
    _no_field(kind, parsed.root, path, report)


def _no_field(kind: str, name: str, path: Path, report: Report) -> None:
    fields = STEP_KINDS[kind].fields
    hint = did_you_mean(name, fields) or f"there are {', '.join(sorted(fields)) or 'none'}"
    report.at(path, f"a reply to {kind} has no `{name}`", hint)


def _check_condition(parser: Callable[[str], Expectation], text: str, path: Path, report: Report) -> None:
    from engine.workflows.fieldpath import SCOPE

    parsed = parses(parser, text, path, report)
    if parsed is not None and parsed.root != SCOPE:
        hint = "such as {{ env.region }} == 'eu'"
        report.at(path, f"its left side is a placeholder, found `{parsed.left}`", hint)


def _check_placeholders(
    path: Path,
    text: str,
    known: Known,
    all_steps: set[str],
    report: Report,
    beside: frozenset[str] = frozenset(),
) -> None:
    """`beside` are steps above that this one does not wait for."""
    for source, name in sorted(names(text)):
        written = f"`{{{{ {source}.{name} }}}}`"
        values = known.get(source)
        if not name:
            hint = "write {{ env.name }} or {{ step.name }}"
            report.at(path, f"`{{{{ {source} }}}}` is not a reference", hint)
        elif values is not None:
            if name not in values:
                hint = did_you_mean(name, values) or f"add `{name}` to {_place(source)}"
                report.at(path, f"{written} refers to nothing", hint)
        else:
            _check_source(path, written, source, known, all_steps, report, beside)


def _check_source(
    path: Path,
    written: str,
    source: str,
    known: Known,
    all_steps: set[str],
    report: Report,
    beside: frozenset[str],
) -> None:
    """Report a source that is not known at this place."""
    if source == "params":
        report.at(path, f"{written} stands outside a fragment", "only steps of fragments have parameters")
    elif source in beside:
        hint = f"add `{source}` to `needs`"
        report.at(path, f"{written} refers to a step that this one does not wait for", hint)
    elif source in all_steps:
        report.at(path, f"{written} refers to a step that has not run yet", "use values of earlier steps")
    else:
        hint = did_you_mean(source, known) or "write {{ env.name }} or {{ step.name }}"
        report.at(path, f"{written}: there is no step `{source}`", hint)


def _place(source: str) -> str:
    places = {"env": "the environment", "vars": "`variables`", "item": "every entry of `foreach`"}
    return places.get(source, f"`extract` of the step `{source}`")


def heartbeat_tokens(workflows: Sequence[tuple[Path, Workflow]]) -> Iterator[tuple[Path, str]]:
    """What heartbeats wait for, and where it is said."""
    for path, workflow in workflows:
        for key, steps in (("steps", workflow.steps), ("finally", workflow.finally_)):
            for index, step in enumerate(steps):
                if isinstance(step.spec, HeartbeatSpec):
                    yield (*path, key, index, "heartbeat", "token"), step.spec.token
