from __future__ import annotations

from typing import Any

import pytest

from engine.config.schema import Config, Rule
from engine.errors import TocsinError
from engine.rehearsal.changing import changeable, changed, parse_change, parse_sweep
from tests.engine.alerts.stand import config
from tests.engine.rules import build

SLOW = {"type": "THRESHOLD", "metric": "workflow.duration", "operator": ">", "value": "30s"}
SHARE = {**SLOW, "type": "RATE", "value": "2s", "window": "10m", "rate": "20%"}
CONFIG: Config = config({})


def made(rule: Rule, *changes: str) -> Rule:
    return changed(rule, [parse_change(text) for text in changes], CONFIG)


@pytest.mark.parametrize(
    ("change", "key", "value"),
    [
        ("threshold=5s", "value", 5.0),
        ("threshold=2.5", "value", 2.5),
        ("value=1m", "value", 60.0),
        ("count=7", "min_count", 7),
        ("window=20m", "window", 1200.0),
    ],
)
def test_a_value_of_the_condition_is_put_in_place(change: str, key: str, value: Any) -> None:
    (condition,) = made(build.rule(SLOW), change).conditions
    assert getattr(condition, key) == value


@pytest.mark.parametrize(
    ("change", "key", "value"),
    [
        ("for=2m", "for_", 120.0),
        ("cooldown=0", "cooldown", 0.0),
        ("severity=critical", "severity", "CRITICAL"),
    ],
)
def test_a_value_of_the_rule_is_put_in_place(change: str, key: str, value: Any) -> None:
    assert getattr(made(build.rule(SLOW), change), key) == value


def test_one_of_several_conditions_is_named_by_its_place() -> None:
    rule = build.rule(SLOW, SHARE)
    with pytest.raises(TocsinError, match="several conditions of rule r have `threshold`") as found:
        made(rule, "threshold=5s")
    assert found.value.hint == "name one: 1.threshold or 2.threshold"
    conditions: Any = made(rule, "2.threshold=5s", "rate=50%").conditions
    assert (conditions[0].value, conditions[1].value, conditions[1].rate) == (30.0, 5.0, 50.0)


def test_conditions_inside_groups_are_reached() -> None:
    rule = build.rule({"any": [SLOW, {"not": SHARE}]})
    after = made(rule, "1.1.threshold=5s", "rate=90%")
    group: Any = after.conditions[0]
    assert group.any[0].value == 5.0
    assert group.any[1].not_.rate == 90.0


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("treshold=5s", "rule r has no `treshold` to change .did you mean `threshold`"),
        ("threshold=soon", "`workflow.duration` is compared with a number"),
        ("window=2d", "`window` is at most 1d"),
        ("threshold", "KEY=VALUE is wanted"),
        ("for=-5", "a duration is between 0 and 10 years"),
    ],
)
def test_what_cannot_be_changed_is_said(change: str, sentence: str) -> None:
    with pytest.raises(TocsinError, match=sentence):
        made(build.rule(SLOW), change)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("threshold=1s..10s", [f"{n}s" for n in range(1, 11)]),
        ("threshold=1..2:0.5", ["1", "1.5", "2"]),
        ("rate=10%..30%:10%", ["10%", "20%", "30%"]),
        ("window=5m..12m:5m", ["5m", "10m"]),
        ("threshold=100ms..1s:300ms", ["0.1s", "0.4s", "0.7s", "1s"]),
        ("window=30s..2m:30s", ["30s", "60s", "90s", "120s"]),
        ("x=1..5:2", ["1", "3", "5"]),
        ("count=1..10", [str(n) for n in range(1, 11)]),
    ],
)
def test_a_sweep_has_both_ends(text: str, values: list[str]) -> None:
    assert [change.value for change in parse_sweep(text)] == values


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("threshold=1s", "KEY=FROM..TO"),
        ("threshold=1s..20%", "different units"),
        ("count=5..1", "TO is above FROM"),
        ("threshold=2s..1s", "TO is above FROM"),
        ("threshold=1..1000:1", "means 1,000 values; at most 50"),
        ("count=1..5", "count takes whole numbers, and so do FROM and STEP"),
        ("2.x=1..5:0.5", "2.x takes whole numbers"),
        ("y=1.5..5.5:1", "y takes whole numbers"),
        ("min_count=1s..5s:1s", "min_count takes whole numbers"),
    ],
)
def test_a_sweep_that_cannot_be_is_said(text: str, sentence: str) -> None:
    with pytest.raises(TocsinError, match=sentence):
        parse_sweep(text)


def test_what_a_rule_says_can_be_typed_again_and_means_the_same() -> None:
    status = {"type": "THRESHOLD", "metric": "workflow.status", "operator": "==", "value": "failed"}
    rate = {
        "type": "THRESHOLD",
        "metric": "workflow.failure_rate",
        "operator": ">",
        "value": "50%",
        "min_count": 5,
    }
    for rule, wanted in (
        (build.rule(SLOW), ("threshold=30s", "for=0s", "cooldown=5m")),
        (build.rule(status, **{"for": "90s"}), ("for=1m30s", "cooldown=5m")),
        (build.rule(rate, cooldown="0s"), ("threshold=50%", "count=5", "for=0s", "cooldown=0s")),
        (build.rule(SHARE), ("threshold=2s", "rate=20%", "window=10m", "for=0s", "cooldown=5m")),
        (build.rule(SLOW, SLOW), ("1.threshold=30s", "2.threshold=30s", "for=0s", "cooldown=5m")),
        (
            build.rule({"all": [SLOW, {"not": rate}]}),
            ("1.1.threshold=30s", "1.2.threshold=50%", "1.2.count=5"),
        ),
    ):
        told = tuple(map(str, changeable(rule)))
        assert told[: len(wanted)] == wanted
        assert made(rule, *told).conditions == rule.conditions
