"""The shortcut finds what the whole evaluation finds."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model import Outcome
from engine.rules.evaluator import evaluate
from engine.rules.metrics import Facts
from engine.rules.quick import quick
from tests.effort import tried
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
@settings(max_examples=tried(100, 600), deadline=None)
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


LONG = {"metric": "workflow.duration", "operator": ">", "value": 1}
COUNTING: list[dict[str, Any]] = [
    {"type": "RATE", **LONG, "window": "3s", "rate": "40%", "min_count": 2},
    {"type": "CONSECUTIVE", **LONG, "count": 2},
    {"type": "X_OF_Y", **LONG, "x": 2, "y": 3},
    {"type": "BURN_RATE", "objective": 90, "min_count": 2, "min_errors": 1},
    {"type": "CUSTOM", "expression": "p95(workflow.duration) > 1 and rate(workflow.status == 'ok') < 90"},
    {"type": "CUSTOM", "expression": "delta(workflow.duration) > 0 or count() > 4 and age() < 2"},
    {"type": "THRESHOLD", "metric": "workflow.failure_rate", "operator": ">", "value": 30, "window": "3s"},
]


@given(
    chosen=st.lists(st.sampled_from(COUNTING), min_size=1, max_size=2),
    logic=st.sampled_from(["AND", "OR"]),
    letters=st.lists(st.tuples(st.sampled_from("ofs"), st.floats(0, 3)), max_size=12),
)
@settings(max_examples=150, deadline=None)
def test_asked_all_along_it_finds_what_a_first_look_finds(
    chosen: list[dict[str, Any]], logic: str, letters: list[tuple[str, float]]
) -> None:
    made = rule(*chosen, logic=logic)
    shortcut = quick(made)
    assert shortcut is not None
    kinds = {"o": Outcome.OK, "f": Outcome.FAILED, "s": Outcome.SKIPPED}
    history, afresh = window(), window()
    for at, (letter, took) in enumerate(letters):
        for each in (history, afresh):
            each.add(execution(kinds[letter], at=at, duration=took))
        result = shortcut(Facts("login", history), START + at + 3)
    if letters:
        now = START + len(letters) + 2
        assert result is evaluate(made, Facts("login", afresh), now, {}).result


def test_a_check_that_fails_is_looked_at_whole() -> None:
    made = rule({"type": "BURN_RATE", "objective": 90, "bad": "no such thing"})
    shortcut = quick(made)
    assert shortcut is not None
    assert shortcut(Facts("login", outcomes("ooo")), START + 9) is True


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
