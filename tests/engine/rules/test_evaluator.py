"""Each condition type: when it holds, when it must not, when it cannot be known, and what it says."""

from __future__ import annotations

from typing import Any

import pytest

from engine.model import HealthStatus, Outcome, Priority
from engine.patterns import compile_pattern
from engine.rules.evaluator import Memory, evaluate
from engine.rules.metrics import Facts
from engine.rules.scope import covers, own_subject
from tests.engine.rules.build import START, execution, health, look, outcomes, rule, window

FAILED = {"type": "THRESHOLD", "metric": "workflow.status", "operator": "==", "value": "failed"}
CRITICAL = {"type": "THRESHOLD", "metric": "workflow.priority", "operator": "==", "value": "critical"}
SLOW = {"type": "THRESHOLD", "metric": "workflow.duration", "operator": ">", "value": "30s"}


@pytest.mark.parametrize(
    ("letters", "fields", "expected"),
    [("f", {}, True), ("o", {}, False), ("e", {}, False), ("fs", {}, None), ("", {}, None)],
)
def test_threshold_on_status(letters: str, fields: dict[str, Any], expected: bool | None) -> None:
    assert look(FAILED, outcomes(letters, **fields)).result is expected


def test_threshold_says_value_and_limit() -> None:
    found = look(SLOW, outcomes("o", duration=31.2))
    assert (found.result, found.value, found.threshold) == (True, 31.2, "> 30 s")
    assert found.explanation == "workflow.duration (31.2 s) > 30 s"


def test_threshold_of_a_rate_looks_at_its_window_and_count() -> None:
    condition = {
        "type": "THRESHOLD",
        "metric": "workflow.failure_rate",
        "operator": ">",
        "value": "50%",
        "min_count": 4,
    }
    assert look(condition, outcomes("fff"), at=3).result is None
    found = look(condition, outcomes("ffffffooo"[1:]), at=8)
    assert found.explanation == "workflow.failure_rate (62.5 %) > 50 %"
    assert look({**condition, "window": "2s"}, outcomes("fffffoooo"), at=8).result is None
    assert look({**condition, "window": "3s"}, outcomes("fffffoooo"), at=8).result is False


@pytest.mark.parametrize(
    ("durations", "at", "expected"),
    [([3, 3, 1], 2, True), ([3, 1, 1, 1], 3, False), ([3, 1], 1, None), ([3, 3, 3, 1, 1, 1], 60, None)],
)
def test_rate(durations: list[float], at: float, expected: bool | None) -> None:
    condition = {
        "type": "RATE",
        "metric": "workflow.duration",
        "operator": ">",
        "value": "2s",
        "window": "50s",
        "rate": "25%",
    }
    history = window(*(execution(at=number, duration=took) for number, took in enumerate(durations)))
    assert look(condition, history, at=at).result is expected


def test_rate_is_strictly_above() -> None:
    condition = {
        "type": "RATE",
        "metric": "workflow.status",
        "operator": "==",
        "value": "failed",
        "window": "1m",
        "rate": 50,
    }
    assert look(condition, outcomes("ffoo"), at=4).result is False
    found = look(condition, outcomes("ffffo"), at=4)
    assert (found.result, found.value) == (True, 80.0)
    assert found.explanation == ("share of workflow.status == failed (80 % of 5 executions in 1 m) > 50 %")


def test_rate_of_what_no_execution_has_is_unknown() -> None:
    condition = {
        "type": "RATE",
        "metric": "health.score",
        "operator": "<",
        "value": 50,
        "window": "1m",
        "rate": 50,
    }
    assert look(condition, outcomes("ffff"), at=4, system=health()).result is None


@pytest.mark.parametrize(
    ("pattern", "error", "expected"),
    [
        ("refused|reset", "connection refused", True),
        ("Refused", "connection refused", False),
        ("(?i)REFUSED", "connection refused", True),
        ("x", "y" * 9000 + "x", False),
        ("x", "y" * 8000 + "x", True),
        ("é+$", "caféé", True),
        ("a", "\ud800a", True),
    ],
)
def test_pattern(pattern: str, error: str, expected: bool) -> None:
    history = window(execution(Outcome.FAILED, error=error))
    assert look({"type": "PATTERN", "pattern": pattern}, history).result is expected


def test_pattern_is_known_to_be_absent_from_a_success_and_unknown_after_a_skip() -> None:
    assert look({"type": "PATTERN", "pattern": "refused"}, outcomes("o")).result is False
    assert look({"type": "PATTERN", "pattern": "refused"}, outcomes("fs")).result is None
    assert look({"type": "PATTERN", "pattern": "8"}, system=health()).result is None


def test_a_hostile_pattern_costs_nothing() -> None:
    history = window(execution(Outcome.FAILED, error="a" * 8000 + "!"))
    assert look({"type": "PATTERN", "pattern": "(a+)+$"}, history).result is False


@pytest.mark.parametrize("pattern", ["(a", "(?=a)b", r"(a)\1", "(a{1000}){1000}", "a\ud800"])
def test_a_bad_pattern_is_an_error_with_a_sentence(pattern: str) -> None:
    with pytest.raises(ValueError, match="the pattern"):
        compile_pattern(pattern)


class TestDuration:
    CONDITION = {
        "type": "DURATION",
        "metric": "workflow.duration",
        "operator": ">",
        "value": "2s",
        "duration": "60s",
    }

    def see(self, memory: Memory, at: float, duration: float | None) -> bool | None:
        history = window() if duration is None else window(execution(at=at, duration=duration))
        return look(self.CONDITION, history, at=at, memory=memory).result

    def test_it_holds_after_its_time_without_a_break(self) -> None:
        memory: Memory = {}
        seen = [self.see(memory, at, took) for at, took in [(0, 1), (10, 3), (69, 3), (70, 3)]]
        assert seen == [False, False, False, True]

    def test_a_break_starts_it_anew(self) -> None:
        memory: Memory = {}
        seen = [
            self.see(memory, at, took) for at, took in [(0, 1), (10, 3), (50, 1), (60, 3), (119, 3), (120, 3)]
        ]
        assert seen == [False, False, False, False, False, True]

    def test_unknown_neither_breaks_nor_starts(self) -> None:
        memory: Memory = {}
        seen = [self.see(memory, at, took) for at, took in [(0, 1), (5, None), (10, 3), (50, None), (70, 3)]]
        assert seen == [False, None, False, None, True]

    def test_without_a_past_it_is_unknown_until_its_time_is_over(self) -> None:
        memory: Memory = {}
        assert [self.see(memory, at, 3) for at in (0, 59, 60)] == [None, None, True]

    def test_subjects_and_places_do_not_share_a_memory(self) -> None:
        memory: Memory = {}
        two = rule(self.CONDITION, {**self.CONDITION, "duration": "10s"}, logic="OR")
        for at, took in [(0.0, 1.0), (1.0, 3.0), (12.0, 3.0)]:
            facts = Facts("a", window(execution(at=at, duration=took)))
            result = evaluate(two, facts, START + at, memory).result
        assert result is True
        assert evaluate(two, Facts("b", window(execution(duration=3.0))), START + 12, memory).result is None

    def test_it_says_how_long(self) -> None:
        memory: Memory = {}
        self.see(memory, 0, 1)
        self.see(memory, 1, 3)
        found = look(self.CONDITION, window(execution(at=31, duration=3)), at=31, memory=memory)
        assert found.explanation == "workflow.duration (3 s) > 2 s for 1 m (held 30 s)"


def test_custom_and_its_words() -> None:
    condition = {
        "type": "CUSTOM",
        "expression": "avg(workflow.duration) > 2 and count() >= 2",
        "window": "1m",
    }
    found = look(condition, outcomes("oo", duration=3), at=2)
    assert (found.result, found.value) == (True, 3.0)
    assert found.explanation == (
        "avg(workflow.duration) > 2 and count() >= 2 with avg(workflow.duration) = 3 s, count() = 2"
    )
    assert look(condition, outcomes("o", duration=3), at=2).result is False
    assert look(condition, window(), at=2).result is None


def test_a_bad_expression_raises() -> None:
    with pytest.raises(ValueError, match="no metric"):
        look({"type": "CUSTOM", "expression": "nonsense > 1"}, outcomes("o"))


T = {"type": "CUSTOM", "expression": "1 < 2"}
F = {"type": "CUSTOM", "expression": "1 > 2"}
U = {"type": "CUSTOM", "expression": "health.score > 2"}


@pytest.mark.parametrize(
    ("logic", "parts", "expected"),
    [
        ("AND", [T, T], True),
        ("AND", [T, F], False),
        ("AND", [T, U], None),
        ("AND", [U, F], False),
        ("OR", [F, F], False),
        ("OR", [F, T], True),
        ("OR", [F, U], None),
        ("OR", [U, T], True),
        ("AND", [{"all": [T, U]}], None),
        ("AND", [{"any": [U, T]}], True),
        ("AND", [{"not": U}], None),
        ("AND", [{"not": F}], True),
        ("AND", [{"not": {"any": [F, {"all": [T, T]}]}}], False),
    ],
)
def test_three_valued_logic(logic: str, parts: list[dict[str, Any]], expected: bool | None) -> None:
    assert evaluate(rule(*parts, logic=logic), Facts("x"), START, {}).result is expected


def test_the_words_of_groups_and_the_deciding_value() -> None:
    made = rule({"any": [SLOW, {"not": FAILED}]}, CRITICAL)
    found = evaluate(made, Facts("x", outcomes("o", priority=Priority.CRITICAL)), START, {})
    assert found.explanation == (
        "(workflow.duration (500 ms) > 30 s or not (workflow.status (ok) == failed))"
        " and workflow.priority (critical) == critical"
    )
    assert (found.value, found.threshold) == ("ok", "== failed")


def test_hostile_text_in_a_value_is_cleaned() -> None:
    condition = {"type": "THRESHOLD", "metric": "workflow.error", "operator": "contains", "value": "x"}
    found = look(condition, window(execution(Outcome.FAILED, error="\x1b]52;c;aGk=\x07x\x1b[31m\u202e")))
    assert found.result is True
    for text in (str(found.value), found.explanation):
        assert not {"\x1b", "\x07", "\u202e"} & set(text)


@pytest.mark.parametrize(
    ("metric", "subject"),
    [
        ("health.score", "system"),
        ("health.store.status", "store"),
        ("health.workflow:a.status", "workflow:a"),
        ("workflow.status", None),
    ],
)
def test_whom_a_rule_is_about(metric: str, subject: str | None) -> None:
    condition = {"type": "THRESHOLD", "metric": metric, "operator": "==", "value": "x"}
    assert own_subject(rule(condition)) == subject
    assert own_subject(rule({"not": condition})) == subject
    assert own_subject(rule(condition, FAILED)) is None


def test_rules_about_several_components_are_about_the_system() -> None:
    parts = ({"type": "CUSTOM", "expression": f"health.{name}.score < 50"} for name in ("store", "notifier"))
    assert own_subject(rule(*parts)) == "system"


def test_expressions_that_look_back_are_about_workflows() -> None:
    assert own_subject(rule({"type": "CUSTOM", "expression": "health.score < 50 and age() > 5"})) is None
    assert own_subject(rule({"type": "CUSTOM", "expression": "matches(health.status, 'un')"})) == "system"
    assert own_subject(rule(T)) is None


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["*"], True),
        (["login"], True),
        (["log*"], True),
        (["*gin"], True),
        (["User [EU] login"], True),
        (["shop", "User*"], True),
        (["LOGIN"], False),
        (["log"], False),
        ([], False),
    ],
)
def test_which_workflows_a_rule_covers(patterns: list[str], expected: bool) -> None:
    assert covers(rule(FAILED, workflows=patterns), "login", "User [EU] login") is expected


def test_health_conditions() -> None:
    condition = {"type": "THRESHOLD", "metric": "health.status", "operator": "==", "value": "unhealthy"}
    assert look(condition, system=health(HealthStatus.UNHEALTHY)).result is True
    assert look(condition, system=health(HealthStatus.DEGRADED)).result is False
    assert look(condition, system=health(HealthStatus.UNKNOWN)).result is None
    assert look(condition).result is None
