"""What the engine says of its workflows and of its own parts."""

from __future__ import annotations

from collections.abc import Mapping

from engine.client import WorkflowStatus
from engine.config.schema import Workflow
from engine.health import Signals
from engine.store.activity import Activity
from engine.supervisor import Ailment
from engine.wiring import Rooms
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
        stopped=scheduler.stopped(workflow.id),
    )


async def signals_of(rooms: Rooms, ailing: Mapping[str, Ailment]) -> Signals:
    """What the health monitor judges the engine's parts by. Raises StoreError."""
    store, scheduler = rooms.store, rooms.scheduler
    writer = store.writer
    _, _, oldest = await store.reader.pending_notifications()
    return Signals(
        beat_age=scheduler.beat_age,
        lag=scheduler.lag,
        overload=scheduler.overload,
        paused=scheduler.paused,
        store_error=writer.last_error,
        store_queued=writer.queued,
        last_commit_at=writer.last_commit_at,
        dropped=writer.dropped,
        dropped_by_kind=writer.dropped_by_kind,
        oldest_undelivered=oldest,
        dead=rooms.outbox.recent_deaths,
        offline=rooms.canary.offline,
        store_notice=rooms.caretaker.trouble or store.keeper.trouble,
        store_caution=store.keeper.caution,
        ailing=ailing,
        disabled=rooms.alerts.disabled,
    )
