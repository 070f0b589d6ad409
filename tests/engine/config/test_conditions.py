"""Every kind of condition as a file has it: what is taken, and what cannot be meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from engine.config.conditions import BURN_WINDOWS, CompositeCondition, ThresholdCondition
from engine.config.json_schema import file_schema
from engine.config.loader import load_config
from engine.config.nodes import plain_data
from engine.config.schema import Config, Rule
from engine.config.yaml_guard import parse_yaml
from engine.errors import ConfigError

HEAD = """\
version: 1
workflows:
  - {id: web, name: Web shop, every: 30s, steps: [{id: a, heartbeat: {token: 0123456789abcdef, period: 1h}}]}
rules:
  - {id: other, name: O, conditions: [{type: THRESHOLD, metric: health.score, operator: lt, value: 50}]}
"""
RULE = "  - {id: r, name: R, conditions: [%s]}\n"
VALID = [
    "{type: THRESHOLD, metric: workflow.duration, operator: gte, value: 2s, clear: 500ms}",
    "{type: THRESHOLD, metric: workflow.duration, operator: '>', levels: {warning: 1s, CRITICAL: 5s}}",
    "{type: THRESHOLD, metric: series.disk.used, operator: '>', value: 90%, labels: {mount: /}}",
    "{type: RATE, metric: workflow.status, operator: ==, value: failed, window: 5m, levels: {warning: 0.5%}}",
    "{type: DURATION, metric: workflow.duration, operator: '>', levels: {INFO: 1s, ERROR: 2s}, duration: 5m}",
    "{type: ABSENCE, of: heartbeat, levels: {WARNING: 10m, CRITICAL: 1h}}",
    "{type: X_OF_Y, metric: workflow.status, operator: ==, value: failed, levels: {INFO: 2, ERROR: 5}, y: 5}",
    "{type: TREND, metric: series.disk.free, operator: '<', levels: {WARNING: 20, ERROR: 5}, within: 6h}",
    "{type: RATE, metric: series.ok, operator: ==, value: 0, window: 5m, rate: 50%, clear: 20%}",
    "{type: PATTERN, text: refused}",
    "{type: PATTERN, search: 'level:error timeout', count: 3, window: 5m}",
    "{type: ABSENCE, duration: 10m}",
    "{type: ABSENCE, of: heartbeat, duration: 1d}",
    "{type: ABSENCE, of: point, metric: series.disk.used, labels: {host: a}, duration: 10m}",
    "{type: ABSENCE, of: log, search: backup done, duration: 1d}",
    "{type: CONSECUTIVE, metric: workflow.status, operator: ==, value: failed, count: 3}",
    "{type: X_OF_Y, metric: workflow.duration, operator: '>', value: 2s, x: 3, y: 5}",
    "{type: BURN_RATE, objective: 99.9%}",
    "{type: BURN_RATE, objective: 99, bad: workflow.attempts > 1}",
    "{type: BURN_RATE, objective: 99, windows: [{long: 1h, short: 5m, factor: 10, severity: error}]}",
    "{type: COMPOSITE, rules: other and not third}",
    "{type: COMPOSITE, rules: {any: [other, third]}, subject: any}",
    "{type: TREND, metric: series.disk.used, operator: '>=', value: 95%, within: 6h}",
    "{not: {all: [{type: CUSTOM, expression: 'avg(series.rows) < 5'}, {type: COMPOSITE, rules: other}]}}",
]
THIRD = "  - {id: third, name: T, conditions: [{type: PATTERN, text: x}], active: [{days: [mon-fri]}]}\n"


def problems(tmp_path: Path, condition: str, more: str = "") -> list[str]:
    path = tmp_path / "rules.yaml"
    path.write_text(HEAD + RULE % condition + more)
    try:
        load_config(path, env={})
    except ConfigError as error:
        return [problem.message for problem in error.problems]
    return []


def test_every_kind_is_taken_and_fits_the_schema(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(HEAD + RULE % ", ".join(VALID) + THIRD)
    config: Config = load_config(path, env={}).config
    rule = next(rule for rule in config.rules if rule.id == "r")
    assert len(rule.conditions) == len(VALID)
    validator = jsonschema_rs.validator_for(file_schema())
    assert [
        str(error) for error in validator.iter_errors(plain_data(parse_yaml(path.read_text(), "x")[0]))
    ] == []


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ("{type: ABSENCE, of: point, duration: 1m}", "of: point has a metric:"),
        (
            "{type: ABSENCE, of: point, metric: workflow.duration, duration: 1m}",
            "`workflow.duration` is none",
        ),
        ("{type: ABSENCE, duration: 1m, search: x}", "search: belongs to of: log"),
        (
            "{type: X_OF_Y, metric: workflow.duration, operator: '>', value: 1, x: 6, y: 5}",
            "x: is at most y:",
        ),
        (
            "{type: CONSECUTIVE, metric: health.score, operator: '<', value: 1, count: 2}",
            "a CONSECUTIVE counts",
        ),
        (
            "{type: CONSECUTIVE, metric: workflow.status, operator: ==, value: faild, count: 2}",
            "mean failed?",
        ),
        ("{type: BURN_RATE, objective: 100%}", "objective"),
        ("{type: BURN_RATE, objective: 99, bad: workflow.duraton > 1}", "did you mean workflow.duration?"),
        ("{type: BURN_RATE, objective: 99, windows: [{long: 5m, short: 1h, factor: 2}]}", "short: is to be"),
        ("{type: COMPOSITE, rules: othr}", "there is no rule `othr`"),
        ("{type: COMPOSITE, rules: other and}", "a rule is expected at the end"),
        ("{type: COMPOSITE, rules: not r}", "in a circle: r → r"),
        ("{type: TREND, metric: workflow.status, operator: '>', value: 1, within: 1h}", "it has no trend"),
        (
            "{type: TREND, metric: workflow.failure_rate, operator: '>', value: 1, within: 1h}",
            "a TREND counts",
        ),
        ("{type: PATTERN, text: x, pattern: x}", "exactly one of pattern:, text: and search:"),
        ("{type: PATTERN, text: x, window: 1m}", "belong to search:"),
        ("{type: PATTERN, search: 'level:eror'}", "did you mean error?"),
        ("{type: PATTERN, metric: workflow.duration, text: x}", "`workflow.duration` is a number"),
        ("{type: THRESHOLD, metric: series., operator: '>', value: 1}", "unknown metric `series.`"),
        (
            "{type: THRESHOLD, metric: workflow.duration, operator: '>', value: 1, labels: {a: b}}",
            "`workflow.duration` has no labels",
        ),
        (
            "{type: THRESHOLD, metric: workflow.duration, operator: '>', levels: {WARNING: 5, ERROR: 1}}",
            "the value of ERROR is to lie above that of WARNING",
        ),
        (
            "{type: THRESHOLD, metric: workflow.duration, operator: '>', value: 2, levels: {WARNING: 1}}",
            "value: is the level that is reached first",
        ),
        ("{type: THRESHOLD, metric: workflow.duration, operator: '>', value: 2, clear: 3}", "to lie below"),
        ("{type: THRESHOLD, metric: workflow.duration, operator: '<', value: 2, clear: 1}", "to lie above"),
        (
            "{type: THRESHOLD, metric: workflow.status, operator: ==, value: ok, clear: 1}",
            "go with the operators",
        ),
        ("{type: THRESHOLD, metric: workflow.duration, operator: '>'}", "`value` is missing"),
        ("{type: RATE, metric: workflow.attempts, operator: '>', value: 1, window: 5m}", "`rate` is missing"),
        (
            "{type: RATE, metric: workflow.attempts, operator: '>', value: 1, window: 5m, "
            "levels: {info: 0.2}}",
            "`rate` is percent, found the number 0.2",
        ),
        (
            "{type: RATE, metric: workflow.attempts, operator: '>', value: 1, window: 5m, rate: 20%,"
            " levels: {ERROR: 50%}}",
            "rate: is the level that is reached first",
        ),
        (
            "{type: DURATION, metric: workflow.status, operator: ==, value: ok, "
            "levels: {INFO: 2}, duration: 5m}",
            "levels: and clear: go with the operators >",
        ),
        (
            "{type: ABSENCE, levels: {WARNING: 1h, ERROR: 10m}}",
            "the value of ERROR is to lie above that of WARNING",
        ),
        (
            "{type: X_OF_Y, metric: workflow.status, operator: ==, value: failed, levels: {ERROR: 6}, y: 5}",
            "levels: are at most y:",
        ),
        (
            "{type: BURN_RATE, objective: 99, levels: {ERROR: 6}}",
            "has a severity: in each of its windows: instead",
        ),
        (
            "{type: PATTERN, text: refused, levels: {ERROR: 6}}",
            "levels: a PATTERN has no value that says how bad it is",
        ),
        (
            "{type: CONSECUTIVE, metric: workflow.status, operator: ==, value: ok, count: 3, "
            "levels: {INFO: 6}}",
            "levels: a CONSECUTIVE has no value that says how bad it is",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, condition: str, says: str) -> None:
    assert [message for message in problems(tmp_path, condition) if says in message]


def test_rules_that_look_at_each_other_in_a_circle(tmp_path: Path) -> None:
    back = "  - {id: s, name: S, conditions: [{any: [{type: COMPOSITE, rules: r}]}]}\n"
    [message] = problems(tmp_path, "{type: COMPOSITE, rules: s or other}", back)
    assert message.startswith("rules look at each other in a circle: r → s → r")


def threshold(**fields: Any) -> ThresholdCondition:
    return ThresholdCondition.model_validate({"type": "THRESHOLD", "metric": "workflow.duration", **fields})


def test_the_value_is_the_level_that_is_reached_first() -> None:
    assert threshold(operator=">", levels={"CRITICAL": "5s", "WARNING": "1s"}).value == 1.0
    assert threshold(operator="lte", levels={"CRITICAL": 1, "WARNING": 5}).value == 5.0


@pytest.mark.parametrize(
    ("alias", "sign"),
    [
        ("gt", ">"),
        ("GTE", ">="),
        ("ge", ">="),
        ("lt", "<"),
        ("lte", "<="),
        ("le", "<="),
        ("eq", "=="),
        ("ne", "!="),
    ],
)
def test_operators_have_names(alias: str, sign: str) -> None:
    assert threshold(operator=alias, value=1).operator == sign


def test_lists_of_rules_are_short_for_words() -> None:
    def words(rules: object) -> str:
        return CompositeCondition.model_validate({"type": "COMPOSITE", "rules": rules}).rules

    assert words({"all": ["a", "b"]}) == "a and b"
    assert words({"any": ["a", "b"]}) == "a or b"


def test_the_preset_of_burn_rates() -> None:
    """Factor × long window is a share of 30 days' budget: 2 %, 5 % and 10 %."""
    shares = [round(each.factor * each.long / (30 * 86_400), 3) for each in BURN_WINDOWS]
    assert shares == [0.02, 0.05, 0.1]
    assert all(each.long == 12 * each.short for each in BURN_WINDOWS)


def test_defaults_are_those_of_a_rule_without_them() -> None:
    made = Rule.model_validate({"id": "r", "name": "R", "conditions": [{"type": "PATTERN", "text": "x"}]})
    assert (made.keep_firing_for, made.active, made.cooldown, made.auto_resolve) == (0, (), 300, 3600)
