"""The file's account of an earlier moment, as a client is told it: everything as of then."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from engine.alerts.maintenance import Windows
from engine.alerts.past import alert_at, events_at, maintenance_at, notification_at, silence_at
from engine.alerts.silences import standing
from engine.client import AlertDetail, EngineInfo, WorkflowStatus
from engine.config.remains import Remains, WorkflowRemains, remains_of
from engine.errors import NotFoundError
from engine.health import CHECK_INTERVAL, ENGINE_PARTS, ENGINE_WEIGHT, WEIGHTS, summarize
from engine.model import (
    Alert,
    AlertState,
    ComponentHealth,
    Health,
    HealthStatus,
    InForce,
    Landmark,
    MaintenanceStatus,
    Notification,
    Priority,
    Silence,
)
from engine.store import past
from engine.store.activity import Activity, once
from engine.store.past import Share
from engine.store.provenance import Run
from engine.store.reader import Reader

HEALTH_WINDOW = 3_600.0
"""Seconds before a moment whose health checks tell how everything was."""
STALE_AFTER = 2 * CHECK_INTERVAL
_ORDER = (AlertState.FIRING, AlertState.ACKNOWLEDGED, AlertState.PENDING, AlertState.RESOLVED)
_NOTHING = Remains()


class Past:
    """Answers about earlier moments from one file, beside an engine or without one."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def info(self, at: float) -> EngineInfo:
        """Of the run that was, or had been, in force; `live` is whether an engine ran."""
        run = await past.run_at(self._reader.pool, at)
        said = await self._said(run)
        return EngineInfo(
            version=run.version if run is not None else "",
            environment=run.environment if run is not None else "",
            config=run.path if run is not None else "",
            database=str(self._reader.pool.path),
            started_at=run.started_at if run is not None else at,
            workflows=len(said.workflows),
            rules=said.rules,
            channels=said.channels,
            live=await past.was_alive(self._reader.pool, at),
            digest=run.digest if run is not None else "",
        )

    async def health(self, at: float) -> Health:
        """By the checks stored in the hour before; what was not checked for two minutes was unknown."""
        found = await past.health(self._reader.pool, at - HEALTH_WINDOW, at)
        priorities = await past.priorities(self._reader.pool) if found else {}
        parts = tuple(_component(share, at) for share in found.values())
        status, score = summarize((part, _weight(part, priorities)) for part in parts)
        return Health(
            at=at,
            status=status,
            score=score,
            since=max((part.since for part in parts), default=at),
            started_at=min((share.first for share in found.values()), default=at),
            components=parts,
        )

    async def workflows(self, since: float, until: float, at: float) -> tuple[WorkflowStatus, ...]:
        """Those of the configuration that was in force, then those that had run before; none is running."""
        activity = await once(self._reader.pool, since, until)
        said = (await self._said(await past.run_at(self._reader.pool, at))).workflows
        ran = sorted((each for each, known in activity.items() if known.last and each not in said))
        return tuple(status_of(each, activity.get(each), said.get(each)) for each in (*said, *ran))

    async def alerts(
        self,
        at: float,
        *,
        states: frozenset[AlertState] | None = None,
        since: float | None = None,
        limit: int = 200,
    ) -> tuple[Alert, ...]:
        """Active ones first, then newest first; `since` bounds resolved ones only."""
        told = await past.alerts(self._reader.pool, since, at, limit)
        then = (alert_at(alert, events, at) for alert, events in told)
        found = [
            alert
            for alert in then
            if alert is not None
            and (states is None or alert.state in states)
            and (since is None or alert.resolved_at is None or alert.resolved_at >= since)
        ]
        found.sort(key=lambda alert: (_ORDER.index(alert.state), -alert.started_at, -alert.id))
        return tuple(found[:limit])

    async def alert(self, alert_id: int, at: float) -> AlertDetail:
        """Raises NotFoundError, also when it had not begun."""
        now = await self._reader.alert(alert_id)
        alert = alert_at(now.alert, now.events, at)
        if alert is None:
            raise NotFoundError(f"alert {alert_id} had not begun then")
        sent = (notification_at(row, at) for row in now.notifications)
        return AlertDetail(
            alert,
            events_at(now.events, at),
            tuple(decision for decision in now.decisions if decision.at <= at),
            tuple(row for row in sent if row is not None),
        )

    async def notifications(self, until: float, limit: int = 200) -> tuple[Notification, ...]:
        """Newest first."""
        rows = await past.notifications(self._reader.pool, until, limit)
        return tuple(row for each in rows if (row := notification_at(each, until)) is not None)

    async def silences(self, at: float) -> tuple[Silence, ...]:
        """Those that had not ended, as they were to end; those of the configuration have ids below zero."""
        made = (silence_at(silence, at) for silence in await past.silences(self._reader.pool, at))
        stood = standing((await self._said(await past.run_at(self._reader.pool, at))).silences)
        found = [silence for silence in (*made, *stood) if silence is not None and silence.end > at]
        return tuple(sorted(found, key=lambda silence: silence.end))

    async def maintenance(self, at: float) -> tuple[MaintenanceStatus, ...]:
        """Windows that had not ended, as they were to end."""
        made = (maintenance_at(window, at) for window in await past.maintenance(self._reader.pool, at))
        windows = Windows((await self._said(await past.run_at(self._reader.pool, at))).maintenance)
        windows.restore((window for window in made if window is not None), 1)
        return windows.statuses(at)

    async def configuration(self, at: float) -> InForce:
        """With its text. Raises NotFoundError when none is remembered."""
        run = await past.run_at(self._reader.pool, at)
        if run is None:
            raise NotFoundError("no configuration of that time is remembered")
        return replace(_in_force(run), text=await self._reader.configuration(run.digest))

    async def configurations(self, since: float, until: float) -> tuple[InForce, ...]:
        """Those that came into force in [since, until], oldest first, after the one that was before."""
        runs = await past.changed_runs(self._reader.pool)
        before = [run for run in runs if run.started_at < since][-1:]
        return tuple(
            _in_force(run) for run in (*before, *(one for one in runs if since <= one.started_at <= until))
        )

    async def landmark(self, at: float, *, later: bool) -> Landmark | None:
        """The nearest one after, or before, a moment."""
        return await past.landmark(self._reader.pool, at, later=later)

    async def _said(self, run: Run | None) -> Remains:
        if run is None:
            return _NOTHING
        text = await self._reader.configuration(run.digest)
        return await asyncio.to_thread(_read, text, run.environment)


@lru_cache(maxsize=4)
def _read(text: str, environment: str) -> Remains:
    return remains_of(text, environment)


def status_of(
    workflow_id: str, activity: Activity | None, said: WorkflowRemains | None = None
) -> WorkflowStatus:
    """A workflow of which only the file knows: what it did, and what its configuration said."""
    known = activity or Activity()
    name = known.last.workflow_name if known.last else workflow_id
    return WorkflowStatus(
        id=workflow_id,
        name=said.name if said is not None else name,
        priority=known.last.priority if known.last else Priority.NORMAL,
        schedule=said.schedule if said is not None else "",
        tags=said.tags if said is not None else (),
        last=known.last,
        recent=known.recent,
        durations=known.durations,
        executions=known.executions,
        success_rate=known.success_rate,
        p50=known.p50,
        p95=known.p95,
        next_at=None,
        steps=said.steps if said is not None else (),
    )


def _in_force(run: Run) -> InForce:
    return InForce(run.started_at, run.digest, run.environment, run.path, run.version)


def _component(share: Share, at: float) -> ComponentHealth:
    newest = share.newest
    is_stale = at - newest.at > STALE_AFTER
    return ComponentHealth(
        name=newest.component,
        kind="engine" if newest.component in ENGINE_PARTS else "workflow",
        status=HealthStatus.UNKNOWN if is_stale else newest.status,
        score=0.0 if is_stale else newest.score,
        since=newest.at if is_stale else share.since,
        detail="not checked any more" if is_stale else newest.detail,
        uptime=share.well / share.known if share.known else None,
    )


def _weight(part: ComponentHealth, priorities: Mapping[str, Priority]) -> float:
    if part.kind == "engine":
        return ENGINE_WEIGHT
    return WEIGHTS[priorities.get(part.name.removeprefix("workflow:"), Priority.NORMAL)]
