"""Inhibition, dependencies and maintenance: nothing is made or told, and all is looked at and ended."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.alerts.inhibition import inhibitor, quieter, quieting
from engine.alerts.maintenance import holds, words
from engine.config.muting import InhibitSpec, MaintenanceSpec
from engine.model import AlertState
from tests.engine.alerts.stand import Stand, config
from tests.engine.notify.bench import make_alert

NOON = 1_700_049_600.0
"""A Wednesday, 12:00 UTC."""
BASE = {"channels": ["ops"]}


def stop(stand: Stand) -> tuple[str, str]:
    """The name and the words of the gate that stopped the last decision."""
    gate = next(gate for gate in stand.tables.decisions[-1].gates if not gate.passed)
    return gate.name, gate.detail


async def test_while_the_source_is_active_the_target_waits_and_then_fires() -> None:
    inhibit = [{"source": ["rule=core"], "target": ["tag=leaf"]}]
    stand = Stand(
        config(
            {**BASE, "id": "core", "workflows": ["a"]},
            {**BASE, "id": "leaf", "workflows": ["b"], "tags": ["leaf"]},
            workflows=("a", "b"),
            inhibit=inhibit,
        )
    )
    await stand.run("failed", "a")
    await stand.run("failed", "b", after=5)
    assert stop(stand) == ("inhibited", "alert 1 (core of a) is active")
    assert [alert.state for alert in stand.manager.open_alerts()] == [AlertState.FIRING, AlertState.PENDING]
    await stand.run("ok", "a", after=60)
    await stand.run("failed", "b", after=5)
    assert stand.tables.keys == ["1:fired:ops", "1:resolved:ops", "2:fired:ops"]


async def test_what_fired_before_the_source_still_ends_and_is_told_so() -> None:
    inhibit = [{"source": ["rule=core"], "target": ["rule=leaf"], "equal": ["severity"]}]
    stand = Stand(
        config(
            {**BASE, "id": "core", "workflows": ["a"]},
            {**BASE, "id": "leaf", "workflows": ["b"], "remind": "5m"},
            workflows=("a", "b"),
            inhibit=inhibit,
        )
    )
    await stand.run("failed", "b")
    await stand.run("failed", "a")
    await stand.wait(600)
    assert stand.tables.keys == ["1:fired:ops", "2:fired:ops"], "no reminder of what is inhibited"
    await stand.run("ok", "b")
    assert stand.tables.keys[2:] == ["1:resolved:ops"]


@pytest.mark.parametrize(
    "inhibit",
    [
        {"source": ["rule=core"], "target": ["rule=leaf"], "equal": ["severity"]},
        {"source": ["rule=*"], "target": ["rule=*"]},
        {"source": ["rule=core"], "target": ["rule=leaf"], "equal": ["subject"]},
    ],
)
async def test_labels_have_to_agree_and_nothing_inhibits_both_ways(inhibit: dict[str, Any]) -> None:
    stand = Stand(
        config(
            {**BASE, "id": "core", "workflows": ["a"], "severity": "ERROR"},
            {**BASE, "id": "leaf", "workflows": ["b"]},
            workflows=("a", "b"),
            inhibit=[inhibit],
        )
    )
    await stand.run("failed", "a")
    await stand.run("failed", "b")
    assert stand.tables.keys == ["1:fired:ops", "2:fired:ops"]


def test_an_alert_never_inhibits_itself_whatever_it_was_a_moment_ago() -> None:
    sentence = InhibitSpec.model_validate({"source": ["severity=CRITICAL"], "target": ["severity=WARNING"]})
    alert, other = make_alert(1), replace(make_alert(2), fingerprint="r|other")
    labels, critical = {"severity": ("WARNING",)}, {"severity": ("CRITICAL",)}
    assert inhibitor(alert, labels, [sentence], [(alert, critical)]) == ""
    assert inhibitor(alert, labels, [sentence], [(alert, critical), (other, critical)]) != ""


async def test_a_workflow_whose_ground_is_failing_makes_no_alert() -> None:
    made = config(dict(BASE), workflows=("db", "shop"))
    shop = made.workflows[1].model_copy(update={"depends_on": ("db",)})
    stand = Stand(made.model_copy(update={"workflows": (made.workflows[0], shop)}))
    await stand.run("failed", "db")
    await stand.run("failed", "shop")
    assert stop(stand) == ("inhibited", "it depends on workflow db, which is failing")
    await stand.run("ok", "db", after=30)
    await stand.run("failed", "shop")
    assert stand.tables.keys == ["1:fired:ops", "1:resolved:ops", "2:fired:ops"]


async def test_a_rule_that_depends_on_another_is_quiet_about_the_same_subject_only() -> None:
    stand = Stand(
        config(
            {**BASE, "id": "dead", "workflows": ["a"]},
            {**BASE, "id": "slow", "depends_on": ["dead"]},
            workflows=("a", "b"),
        )
    )
    await stand.run("failed", "a")
    await stand.run("failed", "b")
    assert stand.tables.keys == ["1:fired:ops", "3:fired:ops"]
    pending = [alert for alert in stand.manager.open_alerts() if alert.state is AlertState.PENDING]
    assert [(alert.rule_id, alert.subject) for alert in pending] == [("slow", "a")]


async def test_a_rule_that_inhibits_another_keeps_it_quiet_about_the_same_though_it_stands_below() -> None:
    stand = Stand(
        config(
            {**BASE, "id": "slow"},
            {**BASE, "id": "dead", "workflows": ["a"], "inhibits": ["slow"]},
            workflows=("a", "b"),
        )
    )
    await stand.run("failed", "a")
    assert stop(stand) == ("inhibited", "rule dead inhibits it, and its alert 1 is active")
    await stand.run("failed", "b")
    assert stand.tables.keys == ["1:fired:ops", "3:fired:ops"]
    states = {(alert.rule_id, alert.subject): alert.state for alert in stand.manager.open_alerts()}
    assert states["slow", "a"] is AlertState.PENDING
    assert states["slow", "b"] is AlertState.FIRING


async def test_what_fired_before_it_was_inhibited_is_not_told_of_again_but_ends() -> None:
    slow = {"type": "THRESHOLD", "metric": "workflow.duration", "operator": ">", "value": 1}
    stand = Stand(
        config(
            {**BASE, "id": "slow", "conditions": [slow], "remind": "5m"},
            {**BASE, "id": "dead", "inhibits": ["slow"]},
        )
    )
    await stand.run("ok", duration=2)
    await stand.run("failed", after=30, duration=2)
    await stand.wait(600)
    assert stand.tables.keys == ["1:fired:ops", "2:fired:ops"], "no reminder of what is inhibited"
    await stand.run("ok", after=30, duration=0.1)
    assert sorted(stand.tables.keys[2:]) == ["1:resolved:ops", "2:resolved:ops"]


@pytest.mark.parametrize(
    ("subject", "other", "quiet"),
    [
        ("host=a", "host=a", True),
        ("host=a", "disk=/, host=a", True),
        ("host=a", "host=b", False),
        ("disk=/, host=a", "host=a", False),
        ("workflow=shop", "shop", True),
        ("host=a", "shop", False),
        ("db", "shop", False),
        ("network", "shop", True),
        ("source:nginx", "host=a", True),
        ("rule:slow", "shop", False),
    ],
)
def test_whom_an_alert_keeps_quiet(subject: str, other: str, quiet: bool) -> None:
    rules = config({"id": "a", "inhibits": ["b"]}, {"id": "b"}).rules
    first = replace(make_alert(1), rule_id="a", subject=subject)
    second = replace(make_alert(2), rule_id="b", subject=other)
    found = quieter(second, quieting(rules)["b"], [(first, {})], {"db", "shop"}.__contains__)
    assert bool(found) is quiet


async def test_in_maintenance_nobody_is_told_until_it_is_over() -> None:
    window = {"id": "move", "workflows": ["log*"], "from": "2023-11-14T22:00", "to": "2023-11-14T22:30"}
    stand = Stand(config(dict(BASE), maintenance=[window]))
    await stand.run("failed")
    assert stop(stand) == ("maintenance", "maintenance move (until 2023-11-14 22:30 UTC)")
    await stand.wait(1_020)
    assert stand.tables.keys == ["1:fired:ops"]


def window(**said: Any) -> MaintenanceSpec:
    return MaintenanceSpec.model_validate({"id": "w", **said})


@pytest.mark.parametrize(
    ("said", "hours"),
    [
        ({"from": "2023-11-15T11:00", "to": "2023-11-15T14:00"}, [11, 12, 13]),
        ({"from": "2023-11-15T13:00+02:00", "to": "2023-11-15T16:00+02:00"}, [11, 12, 13]),
        ({"weekly": [{"days": ["wed"], "from": "11:00", "to": "14:00"}]}, [11, 12, 13]),
        ({"weekly": [{"days": ["tue"], "from": "22:00", "to": "02:00"}]}, [0, 1]),
        ({"cron": "0 11 * * 3", "duration": "3h"}, [11, 12, 13]),
        ({"cron": "0 12 * * *", "duration": "2h", "timezone": "Europe/Berlin"}, [11, 12]),
        ({"cron": "0 22 * * 2", "duration": "4h"}, [0, 1]),
    ],
)
def test_a_window_holds_from_its_beginning_until_before_its_end(
    said: dict[str, Any], hours: list[int]
) -> None:
    midnight = NOON - 12 * 3600
    spec = window(**said)
    assert [hour for hour in range(24) if holds(spec, midnight + hour * 3600)] == hours
    assert [hour for hour in range(24) if holds(spec, midnight + hour * 3600 + 3599)] == hours
    assert words(spec).startswith("maintenance w (")
