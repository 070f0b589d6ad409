"""The shortcut finds what the whole evaluation finds."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model import Outcome
from engine.rules.evaluator import evaluate
from engine.rules.metrics import Facts
from engine.rules.quick import quick
from tests.engine.rules.build import START, execution, health, outcomes, rule, window

CONDITIONS: list[tuple[str, str, Any]] = [
    ("workflow.duration", ">", 1),
    ("workflow.duration", "<=", 0.5),
    ("workflow.attempts", "!=", 1),
    ("workflow.status", "==", "failed"),
    ("workflow.error", "contains", "REF"),
    ("workflow.failure_rate", ">", 50),
    ("workflow.consecutive_failures", ">=", 2),
    ("health.score", "<", 50),
    ("workflow.duration", "==", "text"),
]


@given(
    chosen=st.lists(st.sampled_from(CONDITIONS), min_size=1, max_size=3),
    logic=st.sampled_from(["AND", "OR"]),
    letters=st.text("ofesd", max_size=6),
    took=st.floats(0, 3),
    score=st.none() | st.floats(0, 100),
)
@settings(max_examples=300, deadline=None)
def test_both_find_the_same(
    chosen: list[tuple[str, str, Any]], logic: str, letters: str, took: float, score: float | None
) -> None:
    conditions = [
        {"type": "THRESHOLD", "metric": metric, "operator": sign, "value": value}
        for metric, sign, value in chosen
    ]
    made = rule(*conditions, logic=logic)
    system = None if score is None else health(score=score)
    facts = Facts("login", outcomes(letters, duration=took), system)
    shortcut = quick(made)
    assert shortcut is not None
    assert shortcut(facts, START + 9) is evaluate(made, facts, START + 9, {}).result


def test_a_duration_that_is_no_number_is_unknown() -> None:
    made = rule({"type": "THRESHOLD", "metric": "workflow.duration", "operator": ">", "value": 1})
    shortcut = quick(made)
    assert shortcut is not None
    for duration in (float("nan"), float("inf")):
        history = window(execution(Outcome.OK, duration=duration))
        assert shortcut(Facts("login", history), START) is None


def test_rules_with_a_memory_or_times_have_none() -> None:
    comparison = {"metric": "workflow.duration", "operator": ">", "value": 1}
    assert quick(rule({"type": "DURATION", **comparison, "duration": "1m"})) is None
    assert quick(rule({"type": "THRESHOLD", **comparison}, active=[{"days": ["mon"]}])) is None
