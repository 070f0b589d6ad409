"""A file's account of an earlier moment, through the client of a file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.attached import FileClient
from engine.client import EngineClient
from engine.clock import VirtualClock
from engine.errors import NotFoundError
from engine.model import (
    AlertEvent,
    AlertEventKind,
    AlertState,
    HealthCheck,
    HealthStatus,
    Maintenance,
    NotificationState,
    Outcome,
    Silence,
)
from engine.store import past
from engine.store.provenance import Run, note
from engine.store.store import Store
from tests.engine.store.samples import START, alert, execution, log, notification

OLD = """
workflows:
  - {id: user-login, name: Login of then, every: 30s, tags: [auth], steps: [{id: one}, {id: two}]}
  - {id: gone, every: 1m, steps: []}
rules: [{id: a}, {id: b}]
channels: {ops: {url: x}}
maintenance: [{id: nightly, cron: "0 2 * * *", duration: 1h}]
silences: [{matchers: [rule=a], author: ada, reason: known, until: 2100-01-01}]
overlays: {prod: {workflows: {gone: {every: 5m}}}}
"""
DAY = 86_400.0
KINDS = AlertEventKind


async def fill(store: Store) -> None:
    for at, digest, text in (
        (START, "aaaa", OLD),
        (START + DAY, "aaaa", OLD),
        (START + 2 * DAY, "bbbb", "x: 1"),
    ):
        await note(store.writer, Run(0, at, "1.0", digest, "prod", "/etc/rules.yaml", 1), text)
    resolved = alert(
        1, state=AlertState.RESOLVED, started_at=START + 100, fired_at=START + 100, acked_at=START + 200,
        acked_by="ada", resolved_at=START + 300, resolved_by="recovery",
    )  # fmt: skip
    happened = (
        (100, KINDS.FIRED, "rule"),
        (200, KINDS.ACKNOWLEDGED, "ada"),
        (300, KINDS.RESOLVED, "recovery"),
    )
    events = [AlertEvent(1, START + after, kind, author) for after, kind, author in happened]
    sent = notification(
        1, alert_id=1, created_at=START + 100, state=NotificationState.SENT, sent_at=START + 150
    )
    still = alert(2, state=AlertState.FIRING, started_at=START + 250, fired_at=START + 250)
    first = AlertEvent(2, START + 250, KINDS.FIRED)
    silence = Silence(1, ("rule=a",), "ada", "why", START + 50, START + 50, START + 500, START + 120, "eva")
    window = Maintenance(
        1, ("*",), ("auth",), "mute", "ada", "why", START + 50, START + 50, START + 500, START + 120, "eva"
    )
    await store.writer.must(resolved, *events[:2], sent, still, first, events[2], silence, window)
    for minute in range(10):
        at = START + 60 * minute
        bad = 2 <= minute < 5
        status = HealthStatus.UNHEALTHY if bad else HealthStatus.HEALTHY
        await store.writer.must(
            HealthCheck(at, "workflow:user-login", status, 0.0 if bad else 100.0, "bad" if bad else ""),
            HealthCheck(at, "store", HealthStatus.HEALTHY, 100.0),
        )
    for number in range(1, 11):
        made = execution(
            number, started_at=START + 60 * number, outcome=Outcome.OK if number < 5 else Outcome.FAILED
        )
        await store.writer.must(made)
    store.writer.offer(*(log(f"line {number}", at=START + number) for number in range(10)))
    await store.writer.flush()


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[FileClient]:
    clock = VirtualClock(START + 3 * DAY)
    store = await Store.open(tmp_path / "tocsin.db", clock)
    await fill(store)
    await store.close()
    client = await FileClient.open(tmp_path / "tocsin.db", clock)
    yield client
    client.close()


async def test_alerts_are_those_of_then(client: EngineClient) -> None:
    async def states(after: float, since: float | None = None) -> dict[int, str]:
        found = await client.alerts(at=START + after, since=since)
        return {one.id: one.state.value for one in found}

    assert await states(99) == {}
    assert await states(150) == {1: "firing"}
    assert await states(260) == {2: "firing", 1: "acknowledged"}
    assert await states(400) == {2: "firing", 1: "resolved"}
    assert await states(400, START + 350) == {2: "firing"}
    assert [
        one.id for one in await client.alerts(at=START + 400, states=frozenset({AlertState.RESOLVED}))
    ] == [1]
    assert [one.id for one in await client.alerts(at=START + 400, limit=1)] == [2]


async def test_an_alert_has_what_belonged_to_it_then(client: EngineClient) -> None:
    detail = await client.alert(1, at=START + 149)
    assert detail.alert.state is AlertState.FIRING
    assert [event.kind for event in detail.events] == [KINDS.FIRED]
    assert [row.state for row in detail.notifications] == [NotificationState.QUEUED]
    with pytest.raises(NotFoundError, match="had not begun then"):
        await client.alert(1, at=START + 99)


async def test_health_is_that_of_then(client: EngineClient) -> None:
    health = await client.health(at=START + 200)
    login = next(part for part in health.components if part.name == "workflow:user-login")
    assert (login.status, login.since, login.detail) == (HealthStatus.UNHEALTHY, START + 120, "bad")
    assert login.uptime == 0.5
    assert health.status is HealthStatus.UNHEALTHY
    well = await client.health(at=START + 330)
    assert [(part.status, part.since) for part in well.components if part.kind == "workflow"] == [
        (HealthStatus.HEALTHY, START + 300)
    ]
    assert (await client.health(at=START + 800)).status is HealthStatus.UNKNOWN
    assert (await client.health(at=START - 10)).components == ()


async def test_each_component_is_so_since_its_own_last_change(tmp_path: Path) -> None:
    bad, good = HealthStatus.UNHEALTHY, HealthStatus.HEALTHY
    turns = {"a": 2, "b": 7, "c": 0}
    store = await Store.open(tmp_path / "tocsin.db", VirtualClock(START))
    await store.writer.must(
        *(
            HealthCheck(START + minute * 60, name, good if minute >= turn else bad, 0.0)
            for minute in range(10)
            for name, turn in turns.items()
        )
    )
    found = await past.health(store.reader.pool, START, START + 600)
    assert {name: share.since - START for name, share in found.items()} == {"a": 120, "b": 420, "c": 0}
    assert {name: share.well for name, share in found.items()} == {"a": 8, "b": 3, "c": 10}
    await store.close()


async def test_workflows_are_those_of_the_configuration_of_then(client: EngineClient) -> None:
    at = START + 250
    found = {one.id: one for one in await client.workflows(START, at, at)}
    assert list(found) == ["user-login", "gone"]
    login = found["user-login"]
    assert (login.name, login.schedule, login.tags, login.steps) == (
        "Login of then", "every 30s", ("auth",), ("one", "two"),
    )  # fmt: skip
    assert (login.executions, login.success_rate, login.next_at, login.running) == (4, 1.0, None, False)
    assert login.last is not None
    assert login.last.id == 4
    assert (found["gone"].schedule, found["gone"].last) == ("every 5m", None)
    later = await client.workflows(START, START + 2.5 * DAY, START + 2.5 * DAY)
    assert [(one.id, one.schedule) for one in later] == [("user-login", "")]


async def test_executions_lines_messages_and_silences_end_then(client: EngineClient) -> None:
    assert [one.id for one in await client.executions(until=START + 180)] == [3, 2, 1]
    page = await client.logs(until=START + 2)
    assert [record.message for record in page.records] == ["line 2", "line 1", "line 0"]
    assert (await client.log_count(until=START + 2)).lines == 3
    facets = await client.log_facets(since=START - 10, until=START + 2)
    assert (facets.total.lines, facets.until) == (3, START + 2)
    assert await client.notifications(until=START + 99) == ()
    assert [row.state for row in await client.notifications(until=START + 149)] == [NotificationState.QUEUED]
    assert next((one.id, one.end) for one in await client.silences(at=START + 60)) == (1, START + 500)
    assert [one.id for one in await client.silences(at=START + 120)] == [-1]
    (moving, nightly) = await client.maintenance(at=START + 60)
    assert (moving.id, moving.ends_at, moving.state) == ("1", START + 500, "on")
    assert (nightly.id, nightly.when, nightly.is_standing) == ("nightly", "cron 0 2 * * * UTC, for 1 h", True)
    assert [one.id for one in await client.maintenance(at=START + 120)] == ["nightly"]


async def test_the_configuration_of_a_moment_is_the_last_before(client: EngineClient) -> None:
    assert (await client.configuration(at=START + 1.5 * DAY)).text == OLD
    assert (await client.configuration()).digest == "bbbb"
    with pytest.raises(NotFoundError, match="no configuration of that time"):
        await client.configuration(at=START - 1)
    changes = await client.configurations(START + DAY, START + 3 * DAY)
    assert [(one.since, one.digest) for one in changes] == [(START, "aaaa"), (START + 2 * DAY, "bbbb")]
    info = await client.info(at=START + 60)
    assert (info.digest, info.environment, info.workflows, info.rules, info.channels, info.live) == (
        "aaaa", "prod", 2, 2, 1, True,
    )  # fmt: skip
    assert not (await client.info(at=START + DAY)).live
    assert (await client.info(at=START - 60)).digest == ""


async def test_landmarks_lead_through_what_happened(client: EngineClient) -> None:
    found, at = [], START + 0.5
    while (mark := await client.landmark(at, later=True)) is not None:
        found.append((mark.at - START, mark.kind, mark.alert_id))
        at = mark.at
    assert found == [
        (100, "fired", 1),
        (250, "fired", 2),
        (300, "resolved", 1),
        (2 * DAY, "configuration", None),
    ]
    back = []
    while (mark := await client.landmark(at, later=False)) is not None:
        back.append(mark.at - START)
        at = mark.at
    assert back == [300, 250, 100, 0]


@pytest.mark.parametrize("sql", [past._OPEN_THEN, past._TOUCHED, past._CHECKS, past._PRIORITIES])
async def test_reads_of_the_past_walk_no_table(sql: str, client: FileClient) -> None:
    scope = {"since": 0.0, "at": START, "first": 1, "end": 9, "limit": 5, "most": 5}
    plans = await client._reader.pool.fetch(f"EXPLAIN QUERY PLAN {sql}", scope)
    assert not [plan[3] for plan in plans if plan[3].startswith("SCAN") and "known" not in plan[3]]
