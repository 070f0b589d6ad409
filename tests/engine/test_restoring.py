"""What rules are given of the past at a start: enough for how far they look back, and no more."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.recorded import recordings
from engine import restoring
from engine.alerts.judge import Judge
from engine.clock import VirtualClock
from engine.config.schema import Config, Workflow
from engine.model import Execution, Outcome
from engine.restoring import FEW, RESTORED_EXECUTIONS, earlier_hours, moments, recent_executions
from engine.rules.evaluator import Evaluation
from engine.store.rollups import catch_up
from engine.store.store import Store

MADE = 250
NOW = 1_750_000_000.0


@pytest.mark.parametrize(
    ("outcome", "reach", "expected"),
    [
        (Outcome.OK, 0.0, FEW),
        (Outcome.OK, 300.0, 31),
        (Outcome.OK, MADE * 10.0, RESTORED_EXECUTIONS),
        (Outcome.FAILED, 0.0, RESTORED_EXECUTIONS),
    ],
)
async def test_as_much_is_read_as_rules_look_back(
    outcome: Outcome, reach: float, expected: int, tmp_path: Path
) -> None:
    store = await Store.open(tmp_path / "test.db", VirtualClock(NOW))
    try:
        for number, made in enumerate(recordings(MADE, lines=0, workflows=1)):
            at = NOW - (MADE - number) * 10.0
            execution = replace(made.execution, started_at=at, scheduled_at=at, duration=0.1, outcome=outcome)
            store.writer.offer(replace(made, execution=execution, spans=(), points=()))
        await store.writer.flush()
        step = {"id": "pass", "wait": {"for": "1s"}}
        workflow = Workflow.model_validate({"id": "shop-0", "name": "Shop", "every": "10s", "steps": [step]})
        found = await recent_executions(store.reader, [workflow], NOW - reach)
        assert len(found["shop-0"]) == expected
        assert found["shop-0"][0].id == MADE
    finally:
        await store.close()


async def test_few_questions_are_asked_of_many_workflows_and_what_no_rule_asks_for_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restoring, "_AT_ONCE", 2)
    store = await Store.open(tmp_path / "test.db", VirtualClock(NOW))
    try:
        made = [each.execution for each in recordings(9, lines=0, workflows=3)]
        for each in recordings(9, lines=0, workflows=3):
            store.writer.offer(each)
        await store.writer.flush()
        workflows = [
            Workflow.model_validate({"id": id, "name": id, "every": "10s", "steps": [STEP]})
            for id in ("shop-0", "shop-1", "shop-2", "new")
        ]
        found = await recent_executions(store.reader, workflows, NOW)
    finally:
        await store.close()
    assert found["new"] == ()
    for workflow_id, executions in list(found.items())[:3]:
        known = {each.id for each in made if each.workflow_id == workflow_id}
        assert [each.id for each in executions] == sorted(known, reverse=True)
        assert executions[0].trace_id
        assert {each.trace_id for each in executions[1:]} == {""}
        assert {each.workflow_id for each in executions} == {workflow_id}


DAYS, EVERY = 3.2, 300.0
BURN = {"type": "BURN_RATE", "objective": 99, "windows": [{"long": "3d", "short": "6h", "factor": 1}]}
STEP = {"id": "pass", "wait": {"for": "1s"}}


def config(**fields: Any) -> Config:
    return Config.model_validate(
        {
            "version": 1,
            "workflows": [{"id": "shop-0", "name": "Shop", "every": "5m", "steps": [STEP]}],
            "rules": [{"id": "burn", "name": "Burn", "conditions": [{**BURN, **fields}]}],
        }
    )


@asynccontextmanager
async def burnt(path: Path) -> AsyncIterator[tuple[Store, Sequence[Execution]]]:
    """A store, and what a workflow did in over three days: every 15th run failed, later every 40th."""
    store = await Store.open(path, VirtualClock(NOW))
    made = int(DAYS * 86_400 / EVERY)
    try:
        executions = []
        for number, each in enumerate(recordings(made, lines=0, workflows=1)):
            at = NOW - (made - number) * EVERY
            often = 15 if number < made // 2 else 40
            outcome = Outcome.OK if number % often else Outcome.FAILED
            took = 0.1 if number % 30 else 9.0
            one = replace(each.execution, started_at=at, scheduled_at=at, duration=took, outcome=outcome)
            executions.append(one)
            store.writer.offer(replace(each, execution=one, spans=(), points=()))
        await store.writer.flush()
        await catch_up(store.writer, store.reader.pool, NOW)
        yield store, executions
    finally:
        await store.close()


def said(judge: Judge, last: Execution) -> Evaluation:
    """What the rule says once the workflow has run again."""
    judge.remember(replace(last, id=last.id + 1, started_at=NOW, outcome=Outcome.OK, failure=None))
    ((_, evaluation),) = judge.peek("burn", NOW + 1)
    return evaluation


async def restarted(store: Store, made: Config) -> Judge:
    further = moments(made.rules, made.workflows, NOW)
    recent = await recent_executions(store.reader, made.workflows, NOW - 86_400, further)
    hours = await earlier_hours(store.reader, recent, further)
    judge = Judge(made)
    judge.restore(
        (), (), {each: tuple(reversed(found)) for each, found in recent.items()}, {}, NOW, (), hours
    )
    return judge


def lived(made: Config, executions: Sequence[Execution]) -> Judge:
    """One that was there all the time."""
    judge = Judge(made)
    for one in executions:
        judge.remember(one)
        if one is executions[0]:
            list(judge.peek("burn", one.ended_at))
    return judge


@pytest.mark.parametrize("fields", [{}, {"bad": "workflow.duration > 5"}])
async def test_a_burn_rate_over_three_days_is_the_same_after_a_restart(
    fields: dict[str, Any], tmp_path: Path
) -> None:
    made = config(**fields)
    async with burnt(tmp_path / "test.db") as (store, executions):
        before = said(lived(made, executions), executions[-1])
        after = said(await restarted(store, made), executions[-1])
    assert before.result is after.result is True
    assert before.explanation == after.explanation


async def test_where_the_executions_are_too_many_the_hours_tell_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restoring, "MOST_TOGETHER", 230)
    made = config()
    async with burnt(tmp_path / "test.db") as (store, executions):
        judge = await restarted(store, made)
        before, after = said(lived(made, executions), executions[-1]), said(judge, executions[-1])
    assert before.result is after.result is True
    assert after.value == pytest.approx(before.value, rel=0.02), "as much as an hour at the edge"


async def test_a_reload_keeps_what_was_counted(tmp_path: Path) -> None:
    made = config()
    async with burnt(tmp_path / "test.db") as (store, executions):
        judge = await restarted(store, made)
    expected = said(lived(made, executions), executions[-1])
    other = made.rules[0].model_copy(update={"id": "other", "name": "Other"})
    judge.adopt(made.model_copy(update={"rules": (*made.rules, other)}), {})
    assert said(judge, executions[-1]).explanation == expected.explanation
