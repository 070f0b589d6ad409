"""Rules about anything but one workflow: series, lines of files, other rules; and one that cannot be used."""

from __future__ import annotations

from typing import Any

from engine.config.schema import Config
from engine.model import AlertState, HealthStatus, LogLevel, LogRecord, Point, Severity
from engine.own_rules import with_own_rules
from tests.engine.alerts.stand import FAILED, Stand, config
from tests.engine.rules.build import health

USED = {"type": "THRESHOLD", "metric": "series.disk.used", "operator": ">", "value": 90}
STATUS = {"type": "THRESHOLD", "metric": "health.status", "operator": "==", "value": "unhealthy"}


def subjects(stand: Stand) -> list[str]:
    return [alert.subject for alert in stand.manager.open_alerts()]


def point(stand: Stand, value: float, **labels: str) -> None:
    stand.manager.witness([Point("disk.used", tuple(sorted(labels.items())), stand.clock.now(), value)])


async def test_each_series_is_a_subject() -> None:
    stand = Stand(config({"conditions": [USED]}))
    await stand.tick()
    point(stand, 95, host="a")
    point(stand, 50, host="b")
    point(stand, 99, host="c")
    await stand.tick(15)
    assert subjects(stand) == ["host=a", "host=c"]
    point(stand, 10, host="a")
    await stand.tick(15)
    assert subjects(stand) == ["host=c"]


async def test_lines_of_a_source() -> None:
    search = {"type": "PATTERN", "search": "source:nginx refused", "window": "1m"}
    stand = Stand(config({"conditions": [search]}))
    record = LogRecord(stand.clock.now(), LogLevel.ERROR, "refused", source="nginx")
    stand.manager.witness([record, object()])
    await stand.tick(15)
    assert subjects(stand) == ["source:nginx"]
    await stand.wait(61)
    assert subjects(stand) == []


async def test_absence_needs_no_execution() -> None:
    stand = Stand(config({"conditions": [{"type": "ABSENCE", "duration": "2m"}]}))
    await stand.wait(120)
    assert subjects(stand) == []
    await stand.wait(15)
    assert subjects(stand) == ["login"]
    await stand.run()
    assert subjects(stand) == []


def composed(rules: str, **fields: Any) -> Stand:
    """`down`, fires after a minute, `sick`, about health, and `both`, about the two."""
    condition = {"type": "COMPOSITE", "rules": rules}
    return Stand(
        config(
            {"id": "both", "conditions": [condition], **fields},
            {"id": "down", "conditions": [FAILED], "for": "1m"},
            {"id": "sick", "conditions": [STATUS]},
        )
    )


async def test_a_rule_about_rules_follows_their_alerts_in_the_same_look() -> None:
    stand = composed("down and not sick")
    await stand.tick(system=health())
    await stand.run("failed")
    assert [alert.rule_id for alert in stand.manager.open_alerts()] == ["down"]
    await stand.tick(60)
    assert [alert.rule_id for alert in stand.manager.open_alerts()] == ["down", "both"]
    assert stand.manager.open_alerts()[1].message == "down and not sick (down is firing, sick is quiet)"
    await stand.tick(5, system=health(HealthStatus.UNHEALTHY))
    await stand.tick(5)
    assert [alert.rule_id for alert in stand.manager.open_alerts()] == ["down", "sick"]


async def test_a_reload_keeps_points_and_lines() -> None:
    stand = Stand(config({"conditions": [USED]}))
    await stand.tick()
    point(stand, 95, host="a")
    stand.manager.adopt(config({"conditions": [{**USED, "value": 80}]}), {})
    await stand.tick(15)
    assert subjects(stand) == ["host=a"]


def broken(expression: str, other: str = "INFO", **fields: Any) -> Config:
    """A rule whose expression nobody has checked, and the monitor's own."""
    rule = {"conditions": [{"type": "CUSTOM", "expression": expression}], **fields}
    return with_own_rules(config(rule, {"id": "fine", "severity": other}))


async def test_a_rule_that_is_disabled_is_an_alert_until_it_is_put_in_force_again() -> None:
    stand = Stand(broken("open()"))
    await stand.run()
    await stand.tick()
    assert stand.tables.alerts == {}
    await stand.run(after=30)
    await stand.tick()
    alert = stand.alert
    assert (alert.rule_id, alert.subject, alert.severity) == ("monitor-rules", "rule:down", Severity.ERROR)
    assert (alert.state, alert.message) == (AlertState.FIRING, "rule.strikes (3) >= 3")
    told = stand.tables.notifications["1:fired:ops"]
    assert "Correct its pattern, search or expression, and reload" in told.body
    await stand.wait(7_200, 600)
    assert stand.state() is AlertState.FIRING
    stand.manager.adopt(broken("open()", name="Another name, the same fault"), {})
    await stand.tick(after=15)
    assert stand.tables.kinds() == ["fired", "resolved"]
    assert stand.tables.alerts[1].resolved_by == "recovery"
    assert stand.tables.keys == ["1:fired:ops", "1:resolved:ops"]


async def test_the_alert_about_a_rule_that_is_disabled_stays_when_another_is_changed() -> None:
    stand = Stand(broken("open()"))
    for _ in range(3):
        await stand.run(after=30)
    await stand.tick()
    stand.manager.adopt(broken("open()", other="ERROR"), {})
    assert stand.manager.disabled == ("down",)
    await stand.tick(after=15)
    assert stand.tables.kinds() == ["fired"]


async def test_a_start_gives_it_another_chance() -> None:
    stand = Stand(broken("open()"))
    for _ in range(3):
        await stand.run(after=30)
    await stand.tick()
    await stand.clock.advance(60)
    stand.restart()
    await stand.tick()
    assert stand.tables.kinds() == ["fired", "resolved"]
    assert stand.tables.alerts[1].resolved_by == "recovery"


async def test_a_rule_that_fails_three_times_is_disabled_and_shown() -> None:
    stand = Stand(config({"conditions": [{"type": "CUSTOM", "expression": "nonsense > 1"}]}, {"id": "sound"}))
    for number in range(3):
        assert stand.manager.disabled == (), number
        await stand.run("failed")
    assert stand.manager.disabled == ("down",)
    assert [alert.rule_id for alert in stand.manager.open_alerts()] == ["sound"]
