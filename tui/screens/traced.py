"""Whose trace the dashboard shows: what a person points at, else what is wrong, else what is newest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.client import EngineClient, WorkflowStatus
from engine.errors import NotFoundError
from engine.model import Alert, Execution, Priority
from tui.widgets.health_pane import newest_outcome

_ENOUGH = 20
_RANK = tuple(reversed(Priority))


@dataclass(frozen=True, slots=True)
class Traced:
    """An execution, and in a word or two why it is this one; without an execution, why there is none."""

    why: str
    execution: Execution | None = None


async def choose(
    client: EngineClient, pointed: Alert | str | None, workflows: Sequence[WorkflowStatus], until: float
) -> Traced:
    """The execution to show at `until`: of the alert or the workflow (by id) pointed at, if any.

    Of several workflows that fail, one of the highest priority is taken, so that the choice is a steady one.
    """
    if isinstance(pointed, Alert):
        return await _of_alert(client, pointed)
    if pointed is not None:
        last = await _newest(client, until, workflow_id=pointed)
        return Traced("last run" if last is not None else "this workflow has not been executed yet", last)
    failing = [
        status for status in workflows if (ended := newest_outcome(status)) is not None and ended.is_failure
    ]
    if failing:
        worst = min(failing, key=lambda status: _RANK.index(status.priority))
        failure = await _newest(client, until, workflow_id=worst.id, failures_only=True)
        if failure is not None:
            return Traced("failed", failure)
    return Traced("newest", await _newest(client, until))


async def _of_alert(client: EngineClient, alert: Alert) -> Traced:
    if alert.execution_id is None:
        return Traced("this alert was not raised by an execution")
    try:
        return Traced(f"alert #{alert.id}", await client.execution(alert.execution_id))
    except NotFoundError:
        return Traced("the execution that raised this alert is no longer stored")


async def _newest(
    client: EngineClient, until: float, *, workflow_id: str | None = None, failures_only: bool = False
) -> Execution | None:
    """The newest execution that ran and had started by `until`; if there is one, one whose trace was kept."""
    found = await client.executions(
        workflow_id=workflow_id, until=until, failures_only=failures_only, limit=_ENOUGH
    )
    ran = [one for one in found if one.attempt_count and one.started_at <= until]
    for one in ran:
        if await client.trace(one.trace_id):
            return one
    return ran[0] if ran else None
