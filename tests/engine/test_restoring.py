"""What rules are given of the past at a start: enough for how far they look back, and no more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.recorded import recordings
from engine.clock import VirtualClock
from engine.config.schema import Workflow
from engine.model import Outcome
from engine.restoring import FEW, RESTORED_EXECUTIONS, recent_executions
from engine.store.store import Store

MADE = 250
NOW = 1_750_000_000.0


@pytest.mark.parametrize(
    ("outcome", "reach", "expected"),
    [
        (Outcome.OK, (FEW - 1) * 10.0, FEW),
        (Outcome.OK, (FEW + 5) * 10.0, RESTORED_EXECUTIONS),
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
