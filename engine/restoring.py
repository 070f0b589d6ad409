"""What the judges of an engine take over from the run before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.alerts.manager import AlertManager
from engine.config.schema import Workflow
from engine.health import HealthMonitor
from engine.model import Execution
from engine.store.reader import Reader
from engine.store.silences import muted

RESTORED_EXECUTIONS = 200

Recent = Mapping[str, Sequence[Execution]]
"""The last executions of workflows by id, newest first."""


async def recent_executions(reader: Reader, workflows: Sequence[Workflow]) -> Recent:
    """At most 200 of each workflow."""
    return {each.id: await reader.recent_executions(each.id, RESTORED_EXECUTIONS) for each in workflows}


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
