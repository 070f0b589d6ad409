"""How rules stood at an earlier moment, by the alerts and decisions that a file has of then."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.clock import VirtualClock
from engine.explaining import Explainer
from engine.model import AlertEvent, AlertEventKind, AlertState, Decision, Severity
from engine.model.rules import ConditionState, Excerpt, RuleDetail, RuleState, RuleStatus, SubjectState
from engine.past_rules import detail_at, statuses_at
from engine.store import alerting
from engine.store.reader import Reader
from engine.store.store import Store
from tests.engine.store.samples import START, alert, execution

KINDS = AlertEventKind


def rule(rule_id: str, state: RuleState = RuleState.QUIET) -> RuleStatus:
    return RuleStatus(rule_id, rule_id, Severity.ERROR, state, "x", strikes=2, asleep="mon-fri")


def decision(after: float, rule_id: str, subject: str, result: bool) -> Decision:
    return Decision(START + after, rule_id, subject, result, after, "", "")


@pytest.fixture
async def reader(tmp_path: Path) -> AsyncIterator[Reader]:
    store = await Store.open(tmp_path / "tocsin.db", VirtualClock(START + 9_000))
    ended = alert(
        1, rule_id="slow", subject="shop", state=AlertState.RESOLVED, started_at=START + 100,
        fired_at=START + 160, resolved_at=START + 900,
    )  # fmt: skip
    happened = ((100, KINDS.PENDING), (160, KINDS.FIRED), (900, KINDS.RESOLVED))
    await store.writer.must(
        ended,
        *(AlertEvent(1, START + after, kind) for after, kind in happened),
        decision(100, "slow", "shop", True),
        decision(120, "down", "auth", False),
        decision(900, "slow", "shop", False),
        decision(950, "slow", "auth", True),
    )
    yield store.reader
    await store.close()


@pytest.mark.parametrize(
    ("after", "state", "firing", "pending", "last"),
    [
        (99, RuleState.QUIET, 0, 0, None),
        (130, RuleState.PENDING, 0, 1, 100),
        (899, RuleState.FIRING, 1, 0, 100),
        (901, RuleState.QUIET, 0, 0, 900),
    ],
)
async def test_a_rule_stood_as_its_alerts_and_decisions_did(
    after: float, state: RuleState, firing: int, pending: int, last: float | None, reader: Reader
) -> None:
    found, off = await statuses_at(
        reader, [rule("slow", RuleState.FAILED), rule("off", RuleState.DISABLED)], START + after
    )
    assert (found.state, found.firing, found.pending) == (state, firing, pending)
    assert (None if found.last is None else found.last.value) == last
    assert (found.strikes, found.asleep) == (0, "")
    assert off.state is RuleState.DISABLED


async def test_a_rule_in_full_has_the_subjects_and_decisions_of_then(reader: Reader) -> None:
    now = SubjectState("shop", True, (ConditionState("x", "1", "2", True),))
    detail = RuleDetail(rule("slow"), Excerpt("f", 1, "x"), (now,), 7, (), ("threshold=5s",))
    then = await detail_at(reader, detail, START + 200)
    assert then.subjects == (SubjectState("shop", True, (), AlertState.FIRING, 1),)
    assert (then.subject_count, [each.value for each in then.decisions]) == (1, [100])
    assert (then.excerpt, then.settings) == (detail.excerpt, detail.settings)
    later = await detail_at(reader, detail, START + 1_000)
    assert [(each.subject, each.result) for each in later.subjects] == [("auth", True), ("shop", False)]
    assert [each.value for each in later.decisions] == [950, 900, 100]


async def test_the_newest_decisions_by_a_moment_are_found_by_their_index(reader: Reader) -> None:
    newest = await alerting.last_decisions(reader.pool, START + 200)
    assert {name: one.value for name, one in newest.items()} == {"slow": 100, "down": 120}
    scope = {"end": 9, "at": START, "rule": "slow", "limit": 3}
    for sql in (alerting._LAST, alerting._OF_RULE):
        plan = await reader.pool.fetch(f"EXPLAIN QUERY PLAN {sql}", scope)
        assert "decisions_rule" in str(plan)
        assert not [step[3] for step in plan if step[3].startswith("SCAN") and "known" not in step[3]]


async def test_an_explanation_of_then_leaves_out_a_run_that_came_later(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "t.db", VirtualClock(START + 9_000))
    burning = alert(1, state=AlertState.FIRING, started_at=START, fired_at=START, execution_id=9)
    await store.writer.must(
        burning, AlertEvent(1, START, KINDS.FIRED), execution(9, started_at=START + 500, trace_id="9" * 32)
    )
    explainer = Explainer(store.reader)
    for after, is_told in ((600, True), (400, False)):
        lines = await explainer.alert(1, START + after)
        assert any("execution 9" in line.text for line in lines) is is_told
    await store.close()
