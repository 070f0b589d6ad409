"""What the judges of an engine take over from the run before."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
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
from engine.store.tally import GOOD

FEW = 5
"""Executions of a workflow that are read in any case: some may have ended in another order."""
RESTORED_EXECUTIONS = 200
"""Executions that are read for rules that do not say that they count further back."""
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
# The last two columns: whether rules look back on it, and whether it is a success.
_LAST = (
    f"SELECT {decode.EXECUTION}, started_at + duration > ?, {GOOD} FROM executions WHERE workflow_id = ?"  # noqa: S608
    f" ORDER BY id DESC LIMIT {RESTORED_EXECUTIONS}"
)
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
    """The last of each workflow, 5 to 200: back to one that ended before `since`, and to a success.

    More where those end after what `further` says of the workflow: up to that moment, but at most 20,000 of
    each, 100,000 together.
    """
    found = await _last(reader, [(min(since, further.get(each.id, since)), each.id) for each in workflows])
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


async def _last(reader: Reader, wanted: Sequence[tuple[float, str]]) -> dict[str, Sequence[Execution]]:
    """By workflow; only the newest has its trace, since rules keep no other (`WorkflowWindow`).

    Args:
        wanted: since when, and of which workflow.
    """
    found: dict[str, Sequence[Execution]] = {}
    for first in range(0, len(wanted), _AT_ONCE):
        some = wanted[first : first + _AT_ONCE]
        for (_, workflow_id), rows in zip(some, await reader.pool.run(partial(_rows, some)), strict=True):
            found[workflow_id] = decode.each(decode.execution, rows, reader.on_damage)
    return found


def _rows(wanted: Sequence[tuple[float, str]], connection: sqlite3.Connection) -> list[list[Cells]]:
    return [_needed(connection.execute(_LAST, each)) for each in wanted]


def _needed(rows: Iterable[Cells]) -> list[Cells]:
    """As many of them as rules need."""
    found: list[Cells] = []
    has_success = False
    for row in rows:
        is_recent, is_good = row[-2:]
        found.append((*row[:_TRACE], None, *row[_TRACE + 1 : -2]) if found else row[:-2])
        has_success = has_success or is_good
        if has_success and not is_recent and len(found) >= FEW:
            break
    return found


async def earlier_hours(reader: Reader, recent: Recent, further: Mapping[str, float]) -> Hours:
    """By the hour, what workflows did since `further` that is not among the executions that were read.

    Of the hour in which those begin it is what is left of it; the roll-ups do not reach further than hours.
    """
    cut = {
        workflow_id: executions[-1].started_at
        for workflow_id, executions in recent.items()
        if executions and executions[-1].ended_at > further.get(workflow_id, _EVER)
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
