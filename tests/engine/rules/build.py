"""Rules, executions and facts for tests, written as a configuration file would."""

from __future__ import annotations

from typing import Any

from engine.config.schema import Rule
from engine.model import (
    ComponentHealth,
    Execution,
    Failure,
    Health,
    HealthStatus,
    Outcome,
    Priority,
)
from engine.rules.evaluator import Evaluation, Memory, evaluate
from engine.rules.metrics import Facts
from engine.rules.window import WorkflowWindow

START = 1_700_000_000.0


def rule(*conditions: dict[str, Any], **fields: Any) -> Rule:
    return Rule.model_validate({"id": "r", "name": "A rule", "conditions": list(conditions), **fields})


def execution(
    outcome: Outcome = Outcome.OK,
    *,
    at: float = 0.0,
    duration: float = 0.5,
    error: str = "",
    priority: Priority = Priority.NORMAL,
    attempts: int = 1,
    workflow: str = "login",
    id: int = 1,
) -> Execution:
    """An execution that ended `at` seconds after START."""
    if outcome.is_failure and not error:
        error = "connection refused"
    return Execution(
        id=id,
        workflow_id=workflow,
        workflow_name=workflow.title(),
        priority=priority,
        trace_id=f"{id:032x}",
        scheduled_at=START + at - duration,
        started_at=START + at - duration,
        duration=duration,
        outcome=outcome,
        failure=Failure(error) if error else None,
        attempt_count=attempts,
    )


def window(*executions: Execution) -> WorkflowWindow:
    made = WorkflowWindow()
    for one in executions:
        made.add(one)
    return made


def outcomes(letters: str, step: float = 1.0, **fields: Any) -> WorkflowWindow:
    """A window from letters, a second apart, by the first letter of each outcome."""
    kinds = {outcome.value[0]: outcome for outcome in Outcome}
    made = [execution(kinds[letter], at=number * step, **fields) for number, letter in enumerate(letters)]
    return window(*made)


def health(
    status: HealthStatus = HealthStatus.HEALTHY, score: float = 100.0, **components: HealthStatus
) -> Health:
    parts = tuple(
        ComponentHealth(
            name.replace("__", ":"), "engine", state, 0.0 if state is HealthStatus.UNHEALTHY else 100.0, START
        )
        for name, state in components.items()
    )
    return Health(START, status, score, START, START, parts)


def look(
    condition: dict[str, Any],
    history: WorkflowWindow | None = None,
    *,
    at: float = 0.0,
    system: Health | None = None,
    memory: Memory | None = None,
) -> Evaluation:
    """Evaluate one condition for `login`, `at` seconds after START."""
    facts = Facts("login", history, system)
    return evaluate(rule(condition), facts, START + at, {} if memory is None else memory)
