"""What the judges of an engine take over from the run before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.alerts.manager import AlertManager
from engine.config.schema import Workflow
from engine.health import HealthMonitor
from engine.model import Execution
from engine.rules.window import NO_NEWS
from engine.store.reader import Reader
from engine.store.silences import muted

RESTORED_EXECUTIONS = 200
FEW = 20
"""Executions of a workflow that are read first: most rules look back no further."""

Recent = Mapping[str, Sequence[Execution]]
"""The last executions of workflows by id, newest first."""


async def recent_executions(reader: Reader, workflows: Sequence[Workflow], since: float) -> Recent:
    """The last 20 of each workflow; 200 where those end after `since`, or have no success to count from."""
    found = {each.id: await reader.recent_executions(each.id, FEW) for each in workflows}
    for workflow_id, executions in found.items():
        if len(executions) == FEW and (executions[-1].ended_at > since or _all_bad(executions)):
            found[workflow_id] = await reader.recent_executions(workflow_id, RESTORED_EXECUTIONS)
    return found


def _all_bad(executions: Sequence[Execution]) -> bool:
    return all(one.outcome.is_failure or one.outcome in NO_NEWS for one in executions)


async def restore(
    reader: Reader, recent: Recent, alerts: AlertManager, health: HealthMonitor, now: float
) -> None:
    """Give rules their history, open alerts and silences, and health what workflows did last."""
    open_alerts = await reader.open_alerts()
    announced = {alert.id: await reader.announced(alert.id) for alert in open_alerts}
    alerts.restore(open_alerts, await reader.last_alerts(), recent, announced, await muted(reader.pool, now))
    for executions in recent.values():
        for execution in reversed(executions[:2]):
            health.observe(execution)
