"""Names, values, comparisons and how they are shown."""

from __future__ import annotations

import pytest

from engine.model import HealthStatus, Outcome, Priority, Scalar
from engine.rules.metrics import (
    METRICS,
    Facts,
    Kind,
    compare,
    component_of,
    known_metric,
    metric_kind,
    show,
    value_of,
)
from tests.engine.rules.build import START, execution, health, outcomes, window


@pytest.mark.parametrize("name", [*METRICS, "health.workflow:shop.front-1.status", "health.workflow:a.score"])
def test_known_metrics(name: str) -> None:
    assert known_metric(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "workflow",
        "workflow.speed",
        "health",
        "health.",
        "health.store",
        "health.disk.score",
        "status",
        "health.workflow:.score",
        "health.workflow:a.detail",
        "health..score",
    ],
)
def test_unknown_metrics(name: str) -> None:
    assert not known_metric(name)


def test_kinds_and_components() -> None:
    assert metric_kind("workflow.error") is Kind.TEXT
    assert metric_kind("health.store.status") is Kind.TEXT
    assert metric_kind("health.store.score") is Kind.NUMBER
    assert metric_kind("workflow.failure_rate") is Kind.NUMBER
    assert component_of("health.workflow:a.b.status") == "workflow:a.b"
    assert component_of("health.status") is None


@pytest.mark.parametrize(
    ("left", "sign", "right", "expected"),
    [
        (2, ">", 1.0, True),
        (1, ">", 1.0, False),
        (1, ">=", 1.0, True),
        (1, "<", 1.0, False),
        (1, "<=", 1.0, True),
        (1, "==", 1.0, True),
        (1, "!=", 1.0, False),
        ("failed", "==", "FAILED", True),
        ("ok", "!=", "failed", True),
        ("ok", "==", "failed", False),
        ("Connection Refused", "contains", "refused", True),
        ("", "contains", "refused", False),
        ("a", ">", "b", None),
        (5, "contains", 5, None),
        (None, "==", 1.0, None),
        ("1", "==", 1.0, None),
        (1, "==", "1", None),
        (True, "==", 1.0, None),
        (1, "==", True, None),
        (float("nan"), "!=", 1.0, None),
        (1, "<", float("inf"), None),
    ],
)
def test_compare(left: Scalar, sign: str, right: Scalar, expected: bool | None) -> None:
    assert compare(left, sign, right) is expected


def test_values_of_the_current_execution() -> None:
    one = execution(Outcome.ERROR, duration=2.0, error="boom", priority=Priority.CRITICAL, attempts=3)
    facts = Facts("login", window(one))
    got = {
        name: value_of(f"workflow.{name}", facts, START)
        for name in ("status", "duration", "error", "name", "priority", "attempts", "consecutive_failures")
    }
    assert got == {
        "status": "error",
        "duration": 2.0,
        "error": "boom",
        "name": "Login",
        "priority": "critical",
        "attempts": 3,
        "consecutive_failures": 1,
    }


def test_a_skip_hides_status_but_not_name_and_priority() -> None:
    facts = Facts("login", outcomes("fs", priority=Priority.HIGH))
    assert value_of("workflow.status", facts, START) is None
    assert value_of("workflow.error", facts, START) is None
    assert value_of("workflow.priority", facts, START) == "high"


def test_rates_are_percent_and_add_up() -> None:
    facts = Facts("login", outcomes("fffoo"))
    assert value_of("workflow.failure_rate", facts, START + 5) == 60
    assert value_of("workflow.success_rate", facts, START + 5) == 40
    assert value_of("workflow.success_rate", facts, START + 5, 600, 6) is None
    assert value_of("workflow.failure_rate", facts, START + 9000) is None


def test_success_counts_degraded_as_success() -> None:
    assert value_of("workflow.success_rate", Facts("login", outcomes("ddf")), START + 3) == pytest.approx(
        200 / 3
    )


def test_health_values() -> None:
    system = health(
        HealthStatus.DEGRADED, 60.0, store=HealthStatus.UNHEALTHY, workflow__a=HealthStatus.UNKNOWN
    )
    facts = Facts("system", health=system)
    assert value_of("health.status", facts, START) == "degraded"
    assert value_of("health.score", facts, START) == 60
    assert value_of("health.store.status", facts, START) == "unhealthy"
    assert value_of("health.store.score", facts, START) == 0
    assert value_of("health.workflow:a.status", facts, START) is None
    assert value_of("health.notifier.status", facts, START) is None


def test_no_facts_no_values() -> None:
    for name in METRICS:
        assert value_of(name, Facts("x"), START) is None


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("workflow.failure_rate", 62.5, "62.5 %"),
        ("workflow.failure_rate", 200 / 3, "66.67 %"),
        ("workflow.duration", 31.2, "31.2 s"),
        ("workflow.duration", 0.08123, "81 ms"),
        ("workflow.attempts", 3, "3"),
        ("health.score", 49.95, "49.95"),
        ("workflow.error", None, "unknown"),
        ("workflow.error", "no\nway", "'no⏎way'"),
        ("workflow.status", "failed", "failed"),
        ("workflow.error", "\x1b]52;c;x\x07hm", "'hm'"),
    ],
)
def test_show(name: str, value: Scalar, shown: str) -> None:
    assert show(name, value) == shown
