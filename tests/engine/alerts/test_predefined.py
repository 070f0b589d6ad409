"""The six rules that ship: each fires when it should, and not when it should not."""

from __future__ import annotations

from typing import Any

from engine.model import HealthStatus, Priority
from tests.engine.alerts.stand import FAILED, Stand, config
from tests.engine.rules.build import health


def threshold(metric: str, operator: str, value: Any) -> dict[str, Any]:
    return {"type": "THRESHOLD", "metric": metric, "operator": operator, "value": value}


CRITICAL_FAILURE = {
    "severity": "CRITICAL",
    "conditions": [FAILED, threshold("workflow.priority", "==", "critical")],
    "logic": "AND",
}
HIGH_FAILURE_RATE = {"conditions": [threshold("workflow.failure_rate", ">", "50%")]}
SLOW_RESPONSE = {"conditions": [threshold("workflow.duration", ">", "30s")]}
CONSECUTIVE_FAILURES = {"conditions": [threshold("workflow.consecutive_failures", ">=", 3)]}
UNHEALTHY = {"conditions": [threshold("health.status", "==", "unhealthy")]}
LOW_SUCCESS_RATE = {"conditions": [threshold("workflow.success_rate", "<", "80%")]}


async def messages(rule: dict[str, Any], letters: str, **fields: Any) -> list[str]:
    """What is open after executions with outcomes f(ailed), o(k), s(kipped)."""
    stand = Stand(config(rule))
    for letter in letters:
        await stand.run({"f": "failed", "o": "ok", "s": "skipped"}[letter], after=30, **fields)
    return [alert.message for alert in stand.manager.open_alerts()]


async def test_critical_workflow_failure() -> None:
    assert await messages(CRITICAL_FAILURE, "f", priority=Priority.CRITICAL) == [
        "workflow.status (failed) == failed and workflow.priority (critical) == critical"
    ]
    assert await messages(CRITICAL_FAILURE, "f", priority=Priority.HIGH) == []
    assert await messages(CRITICAL_FAILURE, "os", priority=Priority.CRITICAL) == []


async def test_high_failure_rate() -> None:
    assert await messages(HIGH_FAILURE_RATE, "ffofofff") == ["workflow.failure_rate (66.67 %) > 50 %"]
    assert await messages(HIGH_FAILURE_RATE, "ofof") == []
    assert await messages(HIGH_FAILURE_RATE, "ff") == []


async def test_slow_response() -> None:
    assert await messages(SLOW_RESPONSE, "o", duration=30.001) == ["workflow.duration (30.001 s) > 30 s"]
    assert await messages(SLOW_RESPONSE, "o", duration=30.0) == []


async def test_consecutive_failures() -> None:
    assert await messages(CONSECUTIVE_FAILURES, "fsff") == ["workflow.consecutive_failures (3) >= 3"]
    assert await messages(CONSECUTIVE_FAILURES, "ffoff") == []


async def test_health_check_failure() -> None:
    stand = Stand(config(UNHEALTHY))
    await stand.tick(system=health(HealthStatus.DEGRADED, 60))
    assert stand.manager.open_alerts() == ()
    await stand.tick(after=15, system=health(HealthStatus.UNHEALTHY, 40))
    assert stand.alert.message == "health.status (unhealthy) == unhealthy"


async def test_low_success_rate() -> None:
    assert await messages(LOW_SUCCESS_RATE, "ofo") == ["workflow.success_rate (66.67 %) < 80 %"]
    assert await messages(LOW_SUCCESS_RATE, "oooof") == []
