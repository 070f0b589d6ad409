"""What the engine says of its workflows: how they are scheduled and guarded, beside what they have done."""

from __future__ import annotations

from engine.client import WorkflowStatus
from engine.config.schema import Workflow
from engine.store.statistics import Activity
from engine.workflows.runner import Runner
from engine.workflows.scheduler import Scheduler


def status_of(
    workflow: Workflow, activity: Activity | None, scheduler: Scheduler, runner: Runner
) -> WorkflowStatus:
    """A workflow as the console lists it; without `activity`, as if it had not done anything."""
    activity = activity or Activity()
    return WorkflowStatus(
        id=workflow.id,
        name=workflow.name,
        priority=workflow.priority,
        schedule=workflow.schedule,
        tags=workflow.tags,
        last=activity.last,
        recent=activity.recent,
        durations=activity.durations,
        executions=activity.executions,
        success_rate=activity.success_rate,
        p50=activity.p50,
        p95=activity.p95,
        next_at=scheduler.next_at(workflow.id),
        running=scheduler.is_running(workflow.id),
        breakers=runner.breakers_of(workflow.id),
        steps=tuple(step.id for step in workflow.steps),
        paused=scheduler.is_paused(workflow.id),
    )
