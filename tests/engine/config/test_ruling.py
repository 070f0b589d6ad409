"""Rules that could never be true are refused when the file is read."""

from pathlib import Path

import pytest

from engine.config.loader import load_config
from engine.errors import ConfigError

FILE = """\
version: 1
workflows:
  - {id: web, name: Web shop, every: 30s, steps: [{id: a, wait: {for: 1s}}]}
  - {id: broken, name: Half a workflow}
rules:
  - id: r
    name: R
    workflows: [%s]
    conditions: [%s]
"""


def problems(tmp_path: Path, condition: str, whom: str = '"*"') -> list[str]:
    """What is wrong with the rule; that `broken` lacks its steps is left out."""
    path = tmp_path / "rules.yaml"
    path.write_text(FILE % (whom, condition))
    with pytest.raises(ConfigError) as raised:
        load_config(path, env={})
    return [problem.message for problem in raised.value.problems if problem.line > 4]


def threshold(metric: str, operator: str, value: str) -> str:
    return f'{{type: THRESHOLD, metric: {metric}, operator: "{operator}", value: {value}}}'


@pytest.mark.parametrize(
    ("metric", "operator", "value", "expected"),
    [
        ("workflow.status", "==", "faild", "workflow.status is never `faild`; did you mean failed?"),
        (
            "workflow.priority",
            "!=",
            "critcal",
            "workflow.priority is never `critcal`; did you mean critical?",
        ),
        ("health.status", "==", "unhealty", "health.status is never `unhealty`; did you mean unhealthy?"),
        ("health.store.status", "==", "down", "health.store.status is never `down`; there is "),
        ("workflow.breaker", "==", "opn", "workflow.breaker is never `opn`; did you mean OPEN?"),
        ("workflow.status", "contains", "xx", "workflow.status is never `xx`; there is ok, "),
        ("workflow.success_rate", "<", "0.8", "`workflow.success_rate` is percent, found the number 0.8"),
        ("workflow.failure_rate", ">", "1", "`workflow.failure_rate` is percent, found the number 1"),
    ],
)
def test_a_comparison_that_cannot_be_meant_is_refused(
    tmp_path: Path, metric: str, operator: str, value: str, expected: str
) -> None:
    [message] = problems(tmp_path, threshold(metric, operator, value))
    assert message.startswith(expected)


@pytest.mark.parametrize(
    "condition",
    [
        threshold("workflow.status", "==", "FAILED"),
        threshold("workflow.status", "contains", "fail"),
        threshold("workflow.breaker", "==", "half_open"),
        threshold("workflow.error", "==", "faild"),
        threshold("workflow.failure_rate", ">", "0"),
        threshold("workflow.failure_rate", ">", "0.5%"),
        threshold("health.score", "<", "0.5"),
        '{type: CUSTOM, expression: "workflow.failure_rate > 50 and rate(workflow.duration > 0.5) >= 20"}',
    ],
)
def test_what_can_be_meant_is_taken(tmp_path: Path, condition: str) -> None:
    assert problems(tmp_path, condition) == []


def test_a_share_is_told_how_percent_are_written(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(FILE % ('"*"', threshold("workflow.success_rate", "<", "0.8")))
    with pytest.raises(ConfigError, match=r"found the number 0\.8 \(write 80%\)"):
        load_config(path, env={})


def test_the_rate_of_a_condition_is_percent_too(tmp_path: Path) -> None:
    rate = '{type: RATE, metric: workflow.duration, operator: ">", value: 2s, window: 10m, rate: %s}'
    assert problems(tmp_path, rate % "0.2") == ["`rate` is percent, found the number 0.2"]
    assert problems(tmp_path, rate % "0.2%") == []


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("workflow.status == 'faild'", "did you mean failed?"),
        ("'critcal' == workflow.priority", "did you mean critical?"),
        ("workflow.failure_rate > 0.5", "workflow.failure_rate is percent, not a share; write 50 for 0.5"),
        ("rate(workflow.attempts > 1) > 0.25", "rate() is percent, not a share; write 25 for 0.25"),
        ("rate(workflow.status == 'eror') > 25", "did you mean error?"),
        ("workflow.duration = 2", "; did you mean ==?"),
        ("workflow.duration >= 2 &", "write it like"),
    ],
)
def test_expressions_are_held_to_the_same(tmp_path: Path, expression: str, expected: str) -> None:
    [message] = problems(tmp_path, f'{{type: CUSTOM, expression: "{expression}"}}')
    assert expected in message


@pytest.mark.parametrize(
    ("whom", "expected"),
    [
        ('"wx*"', ["no workflow fits `wx*`"]),
        ('"web*", "?eb", "Half*"', []),
        ('"**"', []),
    ],
)
def test_a_pattern_fits_a_workflow(tmp_path: Path, whom: str, expected: list[str]) -> None:
    assert problems(tmp_path, threshold("health.score", "<", "50"), whom) == expected


@pytest.mark.parametrize(
    ("written", "meant"), [("=", "=="), ("=>", ">="), ("<>", "!="), ("contain", "contains")]
)
def test_an_operator_of_another_language_is_known(tmp_path: Path, written: str, meant: str) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(FILE % ('"*"', threshold("workflow.duration", written, "2")))
    with pytest.raises(ConfigError, match=rf"found `{written}` \(did you mean `{meant}`\?\)"):
        load_config(path, env={})
