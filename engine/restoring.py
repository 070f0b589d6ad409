"""What the judges of an engine take over from the run before."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from functools import partial

from engine.alerts.manager import AlertManager
from engine.config.schema import Rule, Workflow
from engine.health import HealthMonitor
from engine.model import Execution
from engine.rules.recalling import Hour, looks_back
from engine.rules.scope import covers
from engine.rules.window import NO_NEWS
from engine.store import decode
from engine.store.periods import HOUR
from engine.store.pool import Cells
from engine.store.reader import Reader
from engine.store.silences import muted

RESTORED_EXECUTIONS = 200
FEW = 20
"""Executions of a workflow that are read first: most rules look back no further."""
MOST = 20_000
"""Executions of one workflow that are read at most, whatever its rules look back on."""
MOST_TOGETHER = 100_000
"""Executions that are read at most of all workflows that more than 200 are wanted of; about two seconds."""
_PAGE = 5_000
_AT_ONCE = 100
"""Workflows whose last executions are one question: each question is a trip to another thread."""
_EVER = float("inf")
_NOWHERE: Mapping[str, float] = {}
_HOURS = (
    "SELECT workflow_id, at, failed + error, ok + degraded + failed + error FROM execution_rollups"
    " WHERE width = ? AND at >= ? AND workflow_id IN (SELECT value FROM json_each(?)) ORDER BY at"
)
_FEW = f"SELECT {decode.EXECUTION} FROM executions WHERE workflow_id = ? ORDER BY id DESC LIMIT ?"  # noqa: S608
_TRACE = decode.EXECUTION.split(", ").index("trace_id")

Recent = Mapping[str, Sequence[Execution]]
"""The last executions of workflows by id, newest first."""
Hours = Mapping[str, Sequence[Hour]]
"""What workflows did before those, oldest first."""


def moments(rules: Sequence[Rule], workflows: Sequence[Workflow], now: float) -> Mapping[str, float]:
    """Since when rules count what each workflow did, for those of which any rule counts."""
    spans = {
        each.id: looks_back([rule for rule in rules if covers(rule, each.id, each.name)])
        for each in workflows
    }
    return {workflow_id: now - span for workflow_id, span in spans.items() if span}


async def recent_executions(
    reader: Reader, workflows: Sequence[Workflow], since: float, further: Mapping[str, float] = _NOWHERE
) -> Recent:
    """The last 20 of each workflow; 200 where those end after `since`, or have no success to count from.

    More where those end after what `further` says of the workflow: up to that moment, but at most 20,000 of
    each, 100,000 together.
    """
    found = await _few(reader, [each.id for each in workflows])
    for workflow_id, executions in found.items():
        after = min(since, further.get(workflow_id, since))
        if len(executions) == FEW and (executions[-1].ended_at > after or _all_bad(executions)):
            found[workflow_id] = await reader.recent_executions(workflow_id, RESTORED_EXECUTIONS)
    wanting = [
        workflow_id
        for workflow_id, executions in found.items()
        if len(executions) == RESTORED_EXECUTIONS
        and executions[-1].ended_at > further.get(workflow_id, _EVER)
    ]
    most = min(MOST_TOGETHER // max(len(wanting), 1), MOST)
    for workflow_id in wanting:
        found[workflow_id] = await _more(reader, found[workflow_id], further[workflow_id], most)
    return found


async def _few(reader: Reader, ids: Sequence[str]) -> dict[str, Sequence[Execution]]:
    """The last 20 of each; only the newest has its trace, since rules keep no other (`WorkflowWindow`)."""
    found: dict[str, Sequence[Execution]] = {}
    for first in range(0, len(ids), _AT_ONCE):
        some = ids[first : first + _AT_ONCE]
        for workflow_id, rows in zip(some, await reader.pool.run(partial(_rows, some)), strict=True):
            lean = [cells if not place else _traceless(cells) for place, cells in enumerate(rows)]
            found[workflow_id] = decode.each(decode.execution, lean, reader.on_damage)
    return found


def _rows(ids: Sequence[str], connection: sqlite3.Connection) -> list[list[Cells]]:
    return [connection.execute(_FEW, (workflow_id, FEW)).fetchall() for workflow_id in ids]


def _traceless(cells: Cells) -> Cells:
    return (*cells[:_TRACE], None, *cells[_TRACE + 1 :])


async def earlier_hours(reader: Reader, recent: Recent, further: Mapping[str, float]) -> Hours:
    """By the hour, what workflows did since `further` that is not among the executions that were read.

    Of the hour in which those begin it is what is left of it; the roll-ups do not reach further than hours.
    """
    cut = {
        workflow_id: executions[-1].started_at
        for workflow_id, executions in recent.items()
        if len(executions) > FEW and executions[-1].ended_at > further.get(workflow_id, _EVER)
    }
    if not cut:
        return {}
    since = min(further[workflow_id] for workflow_id in cut) // HOUR * HOUR
    found: dict[str, list[Hour]] = {workflow_id: [] for workflow_id in cut}
    for workflow_id, at, bad, total in await reader.pool.fetch(_HOURS, (HOUR, since, json.dumps(list(cut)))):
        if at > cut[workflow_id] or at + HOUR <= further[workflow_id]:
            continue
        known = [
            one
            for one in recent[workflow_id]
            if at <= one.started_at < at + HOUR and one.outcome not in NO_NEWS
        ]
        bad -= sum(one.outcome.is_failure for one in known)
        found[workflow_id].append((at, max(bad, 0), max(total - len(known), 0)))
    return found


async def _more(reader: Reader, known: Sequence[Execution], since: float, most: int) -> Sequence[Execution]:
    found = list(known)
    while len(found) < most and found[-1].ended_at > since:
        page = min(_PAGE, most - len(found))
        read = await reader.executions(workflow_id=found[-1].workflow_id, before_id=found[-1].id, limit=page)
        found += read
        if len(read) < page:
            break
    return found


def _all_bad(executions: Sequence[Execution]) -> bool:
    return all(one.outcome.is_failure or one.outcome in NO_NEWS for one in executions)


async def restore(
    reader: Reader, recent: Recent, hours: Hours, alerts: AlertManager, health: HealthMonitor, now: float
) -> None:
    """Give rules their history, open alerts and silences, and health what workflows did last."""
    open_alerts = await reader.open_alerts()
    announced = {alert.id: await reader.announced(alert.id) for alert in open_alerts}
    known = await muted(reader.pool, now)
    alerts.restore(open_alerts, await reader.last_alerts(), recent, announced, known, hours)
    for executions in recent.values():
        for execution in reversed(executions[:2]):
            health.observe(execution)
