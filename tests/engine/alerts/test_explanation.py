"""What is said of an alert at each gate: texts compared exactly, of real engines in virtual time.

`TOCSIN_RENEW_GOLDENS=1` writes what is found in place of the texts in `goldens/`.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.alerts.receipts import fate, when
from engine.errors import NotFoundError
from engine.explaining import Explainer
from engine.model import (
    AlertEventKind,
    ErrorCategory,
    ErrorType,
    ExplanationLine,
    Failure,
    MaintenanceWish,
    Notification,
    NotificationState,
    Severity,
)
from engine.workflows.steps.base import Reply, StepContext, StepError
from engine.workflows.steps.wait import WaitSpec, WaitStep
from tests.engine.rehearsal.test_equals_live import patient as patient
from tests.engine.reload_stand import Stand, running
from tests.servers import http_target
from tui.commands import explain

GOLDENS = Path(__file__).with_name("goldens")
DOWN = "conditions: [{type: THRESHOLD, metric: workflow.status, operator: '==', value: failed}]"
ONE = "retry: {max_attempts: 1}, breaker: false, steps: [{id: s, wait: {for: 1s}}]"
TWO = "retry: {max_attempts: 1}, breaker: false, steps: [{id: s, wait: {for: 2s}}]"
SHOP = f"{{id: shop, name: Shop, every: 10s, {ONE}}}"
DB = f"{{id: db, name: Database, every: 10s, tags: [database], {TWO}}}"
LOG = "ops: {log: {}}"


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr(explain, "is_utf8_terminal", lambda: True)
    yield
    monkeypatch.undo()
    time.tzset()


class Moods:
    """How the runs of a workflow go, told by how long its step waits: `.` well, `x` failing."""

    def __init__(self, shop: str, db: str = ".") -> None:
        self._left = {1.0: list(shop), 2.0: list(db)}

    async def run(self, step: WaitStep, spec: WaitSpec, context: StepContext) -> Reply:
        left = self._left[spec.for_]
        mood = left.pop(0) if len(left) > 1 else left[0]
        await step._clock.sleep(spec.for_)
        if mood == "x":
            raise StepError(Failure("no answer", ErrorType.NETWORK, ErrorCategory.NETWORK))
        return Reply({"duration": spec.for_})


Place = Callable[..., Any]


@pytest.fixture
def place(tmp_path: Path, patient: None, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Runs an engine with one rule, `down`, about workflows that go as they are told to."""

    @asynccontextmanager
    async def run(
        shop: str,
        rule: str = "channels: [ops]",
        more: str = "",
        *,
        channels: str = LOG,
        db: str = "",
        looks: str = DOWN,
    ) -> AsyncIterator[Stand]:
        moods = Moods(shop, db or ".")
        monkeypatch.setattr(WaitStep, "run", lambda step, spec, context: moods.run(step, spec, context))
        flows = f"{SHOP}, {DB}" if db else SHOP
        text = (
            f"version: 1\nchannels: {{{channels}}}\n{more}\nworkflows: [{flows}]\n"
            f"rules: [{{id: down, name: Down, {looks}, {rule}}}]\n"
        )
        async with running(tmp_path, text) as stand:
            stand.engine._rooms.outbox._setbacks._rng = random.Random(7)
            yield stand

    return run


def compare(name: str, lines: tuple[ExplanationLine, ...]) -> str:
    """The explanation as `tocsin explain` prints it, held against the text that is kept."""
    found = "\n".join(explain.page(lines)) + "\n"
    found = re.sub(r"trace [0-9a-f]{32}", "trace …", found)
    found = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", found)
    golden = GOLDENS / f"{name}.txt"
    if os.environ.get("TOCSIN_RENEW_GOLDENS"):
        golden.write_text(found)
    assert found == golden.read_text()
    return found


async def explained(stand: Stand, name: str, alert_id: int = 1) -> str:
    await stand.settled()
    return compare(name, await stand.engine.explainer.alert(alert_id))


async def test_for(place: Place) -> None:
    async with place("x", "for: 1m, channels: [ops]") as stand:
        await stand.pass_by(40)
        found = await explained(stand, "for")
    assert "It is held at for" in found


async def test_a_condition_that_did_not_hold(place: Place) -> None:
    async with place("xx.", "for: 1m, channels: [ops]") as stand:
        await stand.pass_by(60)
        found = await explained(stand, "for-not-held")
    assert "It never fired" in found


async def test_cooldown(place: Place) -> None:
    async with place("x.x", "cooldown: 5m, channels: [ops]") as stand:
        await stand.pass_by(60)
        found = await explained(stand, "cooldown", 2)
    assert "It is held at cooldown" in found


async def test_dedup(place: Place) -> None:
    async with place("x") as stand:
        await stand.pass_by(60)
        found = await explained(stand, "dedup")
    assert "dedup: alert 1 is open" in found


async def test_a_whole_life(place: Place) -> None:
    async with place("xxxxxx.", "channels: [ops], escalation: {after: 20s, severity: CRITICAL}") as stand:
        await stand.pass_by(40)
        await stand.engine.alerts.acknowledge(1, "ada", "on it")
        await stand.pass_by(60)
        found = await explained(stand, "life")
    assert "ops was told that it ended" in found


async def test_the_lines_that_a_search_found(place: Place) -> None:
    looks = "conditions: [{type: PATTERN, search: 'level:error answer', count: 2, window: 1m}]"
    async with place(".x", looks=looks, db="x") as stand:
        await stand.pass_by(60)
        alerts = await stand.alerts()
        found = await explained(
            stand, "search-lines", next(each.id for each in alerts if each.subject == "shop")
        )
    assert found.count("· log") == 2
    assert "db" not in found


async def test_silence(place: Place) -> None:
    async with place("x") as stand:
        ends_at = stand.clock.now() + 600
        await stand.engine.alerts.silence(["rule=down"], "ada", "a new release", ends_at)
        await stand.pass_by(40)
        found = await explained(stand, "silence")
    assert "Nobody was told: silence 1 by ada until" in found


async def test_a_silence_that_is_over(place: Place) -> None:
    async with place("x") as stand:
        ends_at = stand.clock.now() + 60
        await stand.engine.alerts.silence(["rule=down"], "ada", "a new release", ends_at)
        await stand.pass_by(120)
        found = await explained(stand, "silence-over")
    assert "it is no longer muted" in found


async def test_inhibition(place: Place) -> None:
    more = "inhibit: [{source: [subject=db], target: [subject=shop]}]"
    async with place(".x", more=more, db="x") as stand:
        await stand.pass_by(40)
        found = await explained(stand, "inhibition", 2)
    assert "It is held at inhibited: alert 1 (down of db) is active" in found


async def test_maintenance(place: Place) -> None:
    more = 'maintenance: [{id: move, reason: new racks, from: "2023-11-14T00:00", to: "2023-11-15T00:00"}]'
    async with place("x", more=more) as stand:
        await stand.pass_by(40)
        found = await explained(stand, "maintenance")
    assert "Nobody was told: maintenance move" in found


async def test_severity(place: Place) -> None:
    async with place("x", channels="ops: {log: {}, min_severity: CRITICAL}") as stand:
        await stand.pass_by(40)
        found = await explained(stand, "severity")
    assert "WARNING, the channel takes CRITICAL and above" in found


async def test_route(place: Place) -> None:
    more = "routes: [{tags: [database], channels: [ops]}, {min_severity: CRITICAL, channels: [pager]}]"
    async with place("x", "tags: [web]", more, channels=f"{LOG}, pager: {{log: {{}}}}", db=".") as stand:
        await stand.pass_by(40)
        found = await explained(stand, "route")
    assert "route 1: takes tags database" in found


async def test_no_channel_at_all(place: Place) -> None:
    async with place("x", "tags: [web]") as stand:
        await stand.pass_by(40)
        found = await explained(stand, "no-channel")
    assert "names no channel" in found


async def test_storm(place: Place) -> None:
    async with place("x", db="x", channels="ops: {log: {}, rate_limit: 1}") as stand:
        await stand.pass_by(30)
        await explained(stand, "storm-waiting", 2)
        await stand.pass_by(60)
        found = await explained(stand, "storm", 2)
    assert "storm:ops: more than 1 message a minute" in found


async def test_flapping(place: Place) -> None:
    async with place("x." * 12, "flapping: {low: 10, high: 20}, cooldown: 0s, channels: [ops]") as stand:
        await stand.pass_by(130)
        alerts = await stand.alerts()
        found = await explained(stand, "flapping", max(alert.id for alert in alerts))
        assert "it changes too often" in stand.engine.alerts.muted()[max(alert.id for alert in alerts)]
    assert "It will be told when that ends: it changes too often" in found


async def test_limit(place: Place) -> None:
    async with place("x", more="settings: {max_active_alerts: 1}", db=".x") as stand:
        await stand.pass_by(40)
        found = await explained(stand, "limit", 2)
    assert "It is held at limit" in found


async def test_collapsed(place: Place) -> None:
    more = "routes: [{channels: [ops], group_by: [rule], group_wait: 1m}]"
    async with place("x.", "tags: [web]", more) as stand:
        await stand.pass_by(10)
        assert "with what else its group has to tell" in await explained(stand, "group-waiting")
        await stand.pass_by(80)
        found = await explained(stand, "collapsed")
    assert "it was over before it was told" in found


async def test_a_dead_channel(place: Place) -> None:
    async with http_target() as target:
        target.status = 404
        async with place("x", channels=f'ops: {{webhook: {{url: "{target.url}/hook"}}}}') as stand:
            await stand.pass_by(1)
            await stand.until(_tried(stand, 1))
            await explained(stand, "channel-failing")
            for tries, seconds in ((2, 12), (3, 24)):
                await stand.pass_by(seconds)
                await stand.until(_tried(stand, tries))
            found = await explained(stand, "dead-channel")
    assert "ops was not told that it fires: given up after 3 tries" in found


async def test_a_rule_of_which_one_subject_fires(place: Place) -> None:
    async with place("x", "for: 1m, workflows: [shop, db], channels: [ops]", db=".") as stand:
        await stand.pass_by(35)
        before = stand.engine.alerts.standings("down")
        compare("rule", await stand.engine.explainer.rule("down"))
        compare("rule-subject", await stand.engine.explainer.rule("down", "shop"))
        for unknown in (("dawn", ""), ("down", "shoop")):
            with pytest.raises(NotFoundError):
                await stand.engine.explainer.rule(*unknown)
        assert stand.engine.alerts.standings("down") == before


async def test_a_rule_whose_subjects_are_muted_firing_or_not(place: Place) -> None:
    async with place("x", "workflows: [shop, db], channels: [ops]", db=".") as stand:
        manager = stand.engine.alerts
        await stand.pass_by(35)
        await manager.silence(["subject=shop"], "ada", "known", lasting=600)
        await manager.maintain(MaintenanceWish(("db",), (), "stop", "eva", "new disks", lasting=600))
        before = manager.standings("down")
        found = compare("rule-muted", await stand.engine.explainer.rule("down"))
        assert manager.standings("down") == before
        assert len(manager.open_alerts()) == 1
    assert "dedup: alert 1 is open" in found
    assert "silence 1 by ada until" in found
    assert "maintenance 1 by eva (until" in found


async def test_a_file_alone_tells_what_was_recorded(place: Place) -> None:
    async with place("x", "for: 1m, channels: [ops]") as stand:
        await stand.pass_by(40)
        compare("alone", await Explainer(stand.engine.reader).alert(1))
        compare("rule-alone", await Explainer(stand.engine.reader).rule("down"))
        with pytest.raises(NotFoundError):
            await Explainer(stand.engine.reader).rule("up")


async def stops_of(stand: Stand, alert_id: int) -> list[str]:
    """The gates at which its decisions stopped, oldest first; empty for one that went through."""
    decisions = (await stand.engine.reader.alert(alert_id)).decisions
    return [next((gate.name for gate in each.gates if not gate.passed), "") for each in decisions]


async def test_an_earlier_moment_is_told_as_it_was(place: Place) -> None:
    async with place(".x", "for: 20s, channels: [ops]") as stand:
        await stand.pass_by(60)
        explainer, alert = stand.engine.explainer, (await stand.alerts())[0]
        compare("past", await explainer.alert(1, alert.started_at + 5))
        assert alert.fired_at is not None
        later = await explainer.alert(1, alert.fired_at + 5)
        assert later[1].text.endswith("and is firing.")
        with pytest.raises(NotFoundError):
            await explainer.alert(1, alert.started_at - 5)


async def test_what_stops_at_a_gate_is_recorded_once(place: Place) -> None:
    async with place("x", "for: 1m, channels: [ops]") as stand:
        await stand.pass_by(600, 10.0)
        assert await stops_of(stand, 1) == ["for", "", "dedup"]


async def test_a_condition_that_comes_and_goes_is_not_recorded_each_time(place: Place) -> None:
    async with place("x." * 30, "keep_firing_for: 10m, channels: [ops]") as stand:
        await stand.pass_by(400, 10.0)
        assert await stops_of(stand, 1) == ["", "keep_firing_for", "dedup"]
        await stand.engine.alerts.acknowledge(1, "ada")
        await stand.pass_by(100, 10.0)
        assert sorted((await stops_of(stand, 1))[3:]) == ["dedup", "keep_firing_for"]


def _tried(stand: Stand, tries: int) -> Callable[[], Awaitable[bool]]:
    async def has_failed() -> bool:
        row = (await stand.engine.reader.alert(1)).notifications[0]
        settled = row.state in (NotificationState.QUEUED, NotificationState.DEAD)
        return settled and row.tries >= tries and row.transition is AlertEventKind.FIRED

    return has_failed


def test_a_date_is_told_again_only_when_it_is_another() -> None:
    midnight = 1_700_006_400.0
    assert [when(at, midnight) for at in (midnight - 1, midnight, midnight + 86_399, midnight + 86_400)] == [
        "2023-11-14 23:59:59",
        "00:00:00",
        "23:59:59",
        "2023-11-16 00:00:00",
    ]


def test_what_was_never_tried_is_not_said_to_have_been() -> None:
    row = Notification("1:resolved:ops", 1, "ops", AlertEventKind.RESOLVED, Severity.ERROR, "", "", 10.0)
    dead = replace(row, state=NotificationState.DEAD, error="its channel is no longer configured")
    assert fate(dead, 10.0) == (
        "ops was not told that it ended: given up, its channel is no longer configured"
    )
