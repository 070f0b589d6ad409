"""The rule language: what it means, what it refuses and how it says so."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.model import Execution, Outcome
from engine.rules.expression import MAX_CHARACTERS, parse
from tests.effort import tried
from tests.engine.rules.build import execution, health, look, window


def value(text: str, *executions: Execution, at: float = 10.0) -> bool | None:
    return look(
        {"type": "CUSTOM", "expression": text, "window": "1m"}, window(*executions), at=at, system=health()
    ).result


RUNS = tuple(
    execution(
        Outcome.FAILED if number % 2 else Outcome.OK,
        at=number,
        duration=number + 1.0,
        attempts=1 + number % 2,
    )
    for number in range(5)
)
"""Durations 1, 2, 3, 4, 5; the second and fourth failed after two attempts."""


@pytest.mark.parametrize(
    "text",
    [
        "1 + 2 * 3 == 7",
        "(1 + 2) * 3 == 9",
        "7 % 4 == 3",
        "7 / 2 == 3.5",
        "-2 < -1",
        "1 < 2 < 3",
        "not 1 > 2",
        "1 > 2 or 2 > 1 and 3 > 2",
        "'A' == 'a'",
        "'a' != 'b'",
        "workflow.duration == 5",
        "workflow.status == 'ok'",
        "workflow.attempts == 1",
        "workflow.name == 'login'",
        "workflow.failure_rate == 40",
        "workflow.success_rate == 60",
        "workflow.consecutive_failures == 0",
        "avg(workflow.duration) == 3",
        "min(workflow.duration) == 1",
        "max(workflow.duration) == 5",
        "p50(workflow.duration) == 3",
        "p95(workflow.duration) == 4.8",
        "p99(workflow.duration) > 4.9",
        "delta(workflow.duration) == 4",
        "count() == 5",
        "age() == 6",
        "rate(workflow.duration > 2) == 60",
        "rate(workflow.status == 'failed') == 40",
        "rate(not matches(workflow.error, 'ref')) == 60",
        "matches(workflow.name, '^Log')",
        r"matches(workflow.name, '\w+')",
        "health.score == 100",
        "health.status == 'healthy'",
        "avg(workflow.attempts) * 10 == 14",
    ],
)
def test_true(text: str) -> None:
    assert value(text, *RUNS) is True


@pytest.mark.parametrize(
    "text",
    [
        "1 > 2",
        "1 < 2 < 2",
        "not 1 < 2",
        "workflow.duration > 5",
        "matches(workflow.error, 'x')",
        "count() > 5",
    ],
)
def test_false(text: str) -> None:
    assert value(text, *RUNS) is False


@pytest.mark.parametrize(
    "text",
    [
        "1 / 0 > 1",
        "1 % 0 == 0",
        "1e308 * 10 > 1",
        "1 / (count() - 5) > 1",
        "health.store.score > 1",
        "not health.store.score > 1",
        "health.store.score > 1 and 1 < 2",
        "health.store.score + 1 > 0",
        "matches(health.store.status, 'x')",
    ],
)
def test_unknown(text: str) -> None:
    assert value(text, *RUNS) is None


@pytest.mark.parametrize(
    "text",
    [
        "avg(workflow.duration) > 0",
        "delta(workflow.duration) == 0",
        "age() > 0",
        "count() == 0",
        "p95(workflow.duration) > 0",
        "rate(workflow.attempts > 1) >= 0",
        "workflow.duration > 0",
        "workflow.consecutive_failures == 0",
    ],
)
def test_nothing_is_known_of_a_workflow_that_never_ran(text: str) -> None:
    assert value(text) is None


def test_one_unknown_does_not_hide_what_is_decided() -> None:
    assert value("health.store.score > 1 or 1 < 2", *RUNS) is True
    assert value("health.store.score > 1 and 1 > 2", *RUNS) is False
    assert value("1 > 2 < health.store.score", *RUNS) is False


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "cannot be read"),
        ("1 +", "cannot be read"),
        ("a\x00b > 1", "cannot be read"),
        ("(" * 300, "cannot be read"),
        ("1", "gives a number"),
        ("'x'", "gives a text"),
        ("workflow.duration", "compare it"),
        ("workflow.duraton > 1", "did you mean workflow.duration"),
        ("os.system > 1", "no metric"),
        ("x > 1", "no metric"),
        ("health.workflow > 1", "no metric"),
        ("__import__('os') > 1", "no function"),
        ("().__class__ > 1", "no metric"),
        ("workflow.duration.real > 1", "no metric"),
        ("workflow.name.upper() == 'X'", "no function"),
        ("2 ** 9 > 1", "not part of the rule language"),
        ("1 << 2 > 1", "not part"),
        ("[1] > 1", "not part"),
        ("(lambda: 1) > 1", "not part"),
        ("f'{1:1000000}' == 'x'", "not part"),
        ("(1 if 2 > 1 else 3) > 1", "not part"),
        ("'a' * 1000 == 'x'", "only numbers"),
        ("'%99d' % 1 == 'x'", "only numbers"),
        ("~1 > 1", "minus or not"),
        ("True", "no number and no text"),
        ("None == None", "no number"),
        ("1j > 1", "no number"),
        ("b'x' == 'x'", "no number"),
        ("1e999 > 1", "too large"),
        ("9" * 400 + " > 1", "too large"),
        ("'a' < 'b'", "in order"),
        ("1 == 'a'", "like with like"),
        ("workflow.status > 1", "like with like"),
        ("1 in workflow.name", "only == !="),
        ("1 is 1", "only == !="),
        ("(1 < 2) == (2 < 3)", "already true or false"),
        ("1 and 2 < 3", "not true or false"),
        ("not 1", "not true or false"),
        ("avg() > 1", "takes 1 argument"),
        ("count(1) > 1", "no arguments"),
        ("avg(workflow.status) > 1", "takes workflow.duration"),
        ("avg(health.score) > 1", "takes workflow.duration"),
        ("avg(1) > 1", "no metric"),
        ("matches(workflow.duration, 'x')", "text metric"),
        ("matches(workflow.error, workflow.name)", "quoted pattern"),
        ("matches(workflow.error, '(')", "pattern cannot be used"),
        ("rate(count() > 1) > 1", "move it out"),
        ("rate(workflow.failure_rate > 1) > 1", "single execution"),
        ("rate(1) > 1", "not true or false"),
        ("avg(m=workflow.duration) > 1", "takes 1 argument"),
        ("rate(*workflow.name) > 1", "not part"),
        ("x := 1", "cannot be read"),
        ("- " * 60 + "1 > 1", "too large"),
        ("1 > 1 or " * 40 + "1 > 1", "too large"),
        ("1 > " + "1" * MAX_CHARACTERS, "shorten it"),
    ],
)
def test_refused_with_a_sentence(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]{20,300}$") as raised:
        parse(text)
    assert says in str(raised.value)


def test_what_an_expression_uses() -> None:
    made = parse(" rate(workflow.attempts > 1) > 5 and health.score < 9 ")
    assert made.metrics == {"workflow.attempts", "health.score"}
    assert [words for words, _ in made.sources] == ["rate(workflow.attempts > 1)", "health.score"]
    assert not made.looks_back
    assert parse("age() > 1").looks_back


WORDS = st.sampled_from(
    [
        "workflow.duration",
        "workflow.status",
        "health.score",
        "count()",
        "age()",
        "rate(",
        "avg(",
        "matches(",
        "'a'",
        "1",
        "0",
        "1e308",
        "(",
        ")",
        ",",
        " and ",
        " or ",
        "not ",
        ">",
        "==",
        "<",
        "+",
        "-",
        "*",
        "/",
        "%",
        "**",
        ".",
        "[",
        "]",
        "lambda:",
        "x",
        "\\",
        "'",
    ]
)


@settings(max_examples=tried(150, 1_000), deadline=None)
@given(st.one_of(st.text(max_size=600), st.lists(WORDS, max_size=40).map("".join)))
@example("-" * 499 + "1")
@example("(" * 200 + "1" + ")" * 200)
@example("not " * 120 + "1")
@example("\ud800")
@example("'\\")
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        made = parse(text)
    except ValueError:
        return
    result = value(made.text, *RUNS)
    assert result in (True, False, None)


NUMBERS = st.floats(allow_nan=True, allow_infinity=True)


@settings(max_examples=tried(80, 400), deadline=None)
@given(NUMBERS, st.sampled_from(["+", "-", "*", "/", "%"]), NUMBERS)
def test_arithmetic_never_raises_and_never_leaves_the_range(left: float, sign: str, right: float) -> None:
    runs = (execution(at=0, duration=abs(left) if math.isfinite(left) else left), execution(at=1, duration=1))
    number = f"{abs(right):.17g}" if math.isfinite(right) else "0"
    assert value(f"max(workflow.duration) {sign} {number} < 1e308", *runs) in (True, False, None)
