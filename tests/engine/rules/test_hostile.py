"""Patterns made to run for ever, expressions made to break things, values that are none: never a crash."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.model import Execution, LogLevel, LogRecord, Outcome, Point, Scalar
from engine.patterns import PatternError, compile_pattern, found
from engine.rules.evaluator import evaluate
from engine.rules.expression import parse
from engine.rules.metrics import METRICS, Facts, compare
from engine.rules.witness import Witness
from tests.effort import tried
from tests.engine.rules.build import START, execution, health, rule, window

EXPLOSIVE = [
    (r"(a+)+$", "a" * 8000 + "!"),
    (r"([a-zA-Z]+)*$", "a" * 8000 + "!"),
    (r"(a|aa)+$", "a" * 8000 + "!"),
    (r"(a|a?)+$", "a" * 8000 + "!"),
    (r"(.*a){20}$", "a" * 8000 + "!"),
    (r"^(([a-z])+.)+[A-Z]([a-z])+$", "a" * 8000),
    (r"(x+x+)+y", "x" * 8000),
    (r"\s+$", " " * 8000 + "x"),
    (r"^(\w+\s?)*$", "word " * 1600 + "!"),
    (r"(?:a?){50}a{50}$", "a" * 49 + "!"),
    (r"((a{0,30}){0,30})$", "a" * 8000 + "!"),
]
REFUSED = [r"(?=a)", r"(?<!a)b", r"(a)\1", r"a++", r"a{1001}", "(" * 2000, "[", "a**", r"\p{Nope}"]


@pytest.mark.parametrize(("pattern", "text"), EXPLOSIVE)
def test_row_46_no_pattern_takes_long(pattern: str, text: str) -> None:
    """The CPU's time, and far above what it takes; a backtracking engine needs years."""
    try:
        compile_pattern(pattern)
    except PatternError:
        return
    before = time.process_time()
    found(pattern, text)
    assert time.process_time() - before < 0.25


@pytest.mark.parametrize("pattern", REFUSED)
def test_what_is_not_linear_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        compile_pattern(pattern)


METRIC = st.sampled_from([*METRICS, "series.x", "health.workflow:login.score", "nonsense", "a.b.c", "x"])
NUMBER = st.sampled_from(["0", "1", "1e308", "-1", "1e999", "0.1", "10**9", "1_0", "0x1f", "True", "None"])
TEXT = st.sampled_from(["'ok'", "'failed'", "''", "'(a+)+'", "'\\ud800'", "b'x'", "f'{x}'"])
FUNCTION = st.sampled_from(
    [
        "avg",
        "min",
        "max",
        "p50",
        "p95",
        "p99",
        "delta",
        "count",
        "age",
        "rate",
        "matches",
        "open",
        "__import__",
    ]
)


def _larger(part: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = [
        "+",
        "-",
        "*",
        "/",
        "%",
        "**",
        "//",
        "<",
        ">",
        "==",
        "!=",
        "<=",
        ">=",
        "and",
        "or",
        "in",
        "is",
    ]
    return (
        st.tuples(part, st.sampled_from(operators), part).map(" ".join)
        | part.map("({})".format)
        | part.map("not {}".format)
        | part.map("-{}".format)
        | st.tuples(FUNCTION, part).map(lambda made: f"{made[0]}({made[1]})")
        | st.tuples(part, part).map(lambda made: f"matches({made[0]}, {made[1]})")
        | st.tuples(part, part).map(lambda made: f"[{made[0]} for x in {made[1]}]")
        | part.map("{}.__class__".format)
        | part.map("lambda: {}".format)
    )


EXPRESSION = st.recursive(METRIC | NUMBER | TEXT | FUNCTION.map("{}()".format), _larger, max_leaves=15)
WEIRD = st.floats(allow_nan=True, allow_infinity=True)


def facts_of(durations: list[float], values: list[float]) -> Facts:
    witness = Witness([rule({"type": "CUSTOM", "expression": "avg(series.x) > 1"})])
    history: list[Execution] = [
        execution(Outcome.OK, at=at, duration=took) for at, took in enumerate(durations)
    ]
    witness.add([Point("x", (), START + at, value) for at, value in enumerate(values)], ())
    return Facts("login", window(*history), health(), witness=witness)


@given(text=EXPRESSION, durations=st.lists(WEIRD, max_size=4), values=st.lists(WEIRD, max_size=4))
@settings(max_examples=tried(150, 1_000), deadline=None)
def test_row_47_an_expression_is_refused_or_has_a_result(
    text: str, durations: list[float], values: list[float]
) -> None:
    try:
        parse(text)
    except ValueError as error:
        message = str(error)
        assert len(message) < 700
        return
    made = rule({"type": "CUSTOM", "expression": text})
    evaluation = evaluate(made, facts_of(durations, values), START + 9, {})
    assert evaluation.result in (True, False, None)
    assert "\n" not in evaluation.explanation


VALUE = st.none() | st.booleans() | WEIRD | st.integers() | st.text(max_size=5)


@given(left=VALUE, right=VALUE, sign=st.sampled_from([">", "<", ">=", "<=", "==", "!=", "contains"]))
@settings(max_examples=tried(100, 600), deadline=None)
def test_row_47_what_does_not_go_together_is_unknown(left: Scalar, right: Scalar, sign: str) -> None:
    result = compare(left, sign, right)
    comparable = isinstance(left, str) == isinstance(right, str)
    missing = any(value is None or isinstance(value, bool) or value != value for value in (left, right))
    if missing or not comparable:
        assert result is None


COMPARISON = {"metric": "workflow.duration", "operator": ">", "value": 1}
ALL_KINDS: list[dict[str, Any]] = [
    {"type": "THRESHOLD", **COMPARISON, "clear": 0.5},
    {"type": "THRESHOLD", **COMPARISON, "metric": "series.x"},
    {"type": "RATE", **COMPARISON, "window": "1m", "rate": 50, "min_count": 1},
    {"type": "DURATION", **COMPARISON, "duration": "1s"},
    {"type": "CONSECUTIVE", **COMPARISON, "count": 2},
    {"type": "X_OF_Y", **COMPARISON, "metric": "series.x", "x": 1, "y": 2},
    {"type": "TREND", **COMPARISON, "metric": "series.x", "within": "1h", "min_count": 3},
    {"type": "TREND", **COMPARISON, "within": "1h", "min_count": 3},
    {"type": "ABSENCE", "duration": "1s"},
    {"type": "BURN_RATE", "objective": "99%", "min_count": 1, "min_errors": 1},
    {"type": "PATTERN", "search": "x"},
    {"type": "CUSTOM", "expression": "p95(workflow.duration) - avg(series.x) > delta(series.x)"},
]


@given(
    durations=st.lists(WEIRD, max_size=5),
    values=st.lists(WEIRD, max_size=5),
    condition=st.sampled_from(ALL_KINDS),
    active=st.booleans(),
)
@example(durations=[float("inf")], values=[], condition={"type": "ABSENCE", "duration": "1s"}, active=False)
@settings(max_examples=tried(150, 1_000), deadline=None)
def test_row_47_weird_values_break_no_condition(
    durations: list[float], values: list[float], condition: dict[str, Any], active: bool
) -> None:
    facts = facts_of(durations, values)
    evaluation = evaluate(rule(condition), facts, START + 9, {}, active)
    assert evaluation.result in (True, False, None)
    assert evaluation.explanation
    assert isinstance(evaluation.threshold, str)


def test_hostile_labels_and_lines_are_tame() -> None:
    witness = Witness([rule({"type": "PATTERN", "search": "x"}), rule({"type": "THRESHOLD", **COMPARISON})])
    hostile = "\x1b]52;c;aGk=\x07 x \u202e"
    witness.add((), [LogRecord(START, LogLevel.INFO, hostile, workflow_id="login")])
    made = rule({"type": "PATTERN", "search": "x"})
    words = evaluate(made, Facts("login", witness=witness), START, {}).explanation
    assert not {"\x1b", "\x07", "\u202e"} & set(words)
