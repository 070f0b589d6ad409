"""The guard that keeps a monitor without a network from blaming its targets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from engine.alerts.manager import AlertManager
from engine.canary import FRESH, Canary
from engine.clock import VirtualClock, settle
from engine.health import HealthMonitor, Signals
from engine.model import (
    AlertState,
    ErrorType,
    Failure,
    HealthStatus,
    LogLevel,
    LogRecord,
    Outcome,
    Point,
    Recording,
)
from engine.notify.messages import compose
from engine.own_rules import NOTIFIER, OFFLINE, OWN_RULES, RULES, STORE, with_own_rules
from tests.engine.alerts.stand import Tables, config
from tests.engine.rules import build


def recording(outcome: Outcome, kind: ErrorType = ErrorType.NETWORK) -> Recording:
    execution = build.execution(outcome)
    failure = Failure("connection refused", kind) if outcome.is_failure else None
    point = Point("workflow.success", (("workflow", "login"),), execution.started_at, 0.0)
    return Recording(replace(execution, failure=failure), points=(point,))


@asynccontextmanager
async def listening(port: int = 0) -> AsyncIterator[int]:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", port)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def canary(clock: VirtualClock, logs: list[LogRecord], *ports: int) -> AsyncIterator[Canary]:
    made = Canary(clock, tuple(("127.0.0.1", port) for port in ports), logs.append)
    try:
        yield made
    finally:
        await made.close()


async def closed_port() -> int:
    async with listening() as port:
        return port


async def test_a_failure_without_a_network_says_nothing_and_one_with_it_does() -> None:
    clock, logs, port = VirtualClock(), list[LogRecord](), await closed_port()
    async with canary(clock, logs, port) as guard:
        seen = await guard.judged(recording(Outcome.FAILED))
        assert (seen.execution.outcome, seen.execution.reason) == (Outcome.SKIPPED, "offline")
        assert (seen.points, seen.execution.error) == ((), "connection refused")
        assert "counts as skipped" in seen.logs[-1].message
        await clock.advance(FRESH)
        away = guard.offline
        assert away == FRESH
        async with listening(port):
            assert (await guard.judged(recording(Outcome.FAILED))).execution.outcome is Outcome.FAILED
        assert guard.offline is None
    assert [log.level for log in logs] == [LogLevel.ERROR, LogLevel.INFO]
    assert logs[1].message == "the monitor itself is online again after 3 s"


async def test_one_canary_that_answers_is_enough() -> None:
    clock, logs, port = VirtualClock(), list[LogRecord](), await closed_port()
    async with listening() as open_port, canary(clock, logs, port, open_port) as guard:
        await guard.look()
        assert guard.offline is None
    # The doors it knocked at see their guests leave.
    await settle()
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (Outcome.OK, ErrorType.NETWORK),
        (Outcome.FAILED, ErrorType.PERMANENT),
        (Outcome.ERROR, ErrorType.UNKNOWN),
    ],
)
async def test_what_is_not_about_the_network_asks_nobody(outcome: Outcome, kind: ErrorType) -> None:
    clock, logs, port = VirtualClock(), list[LogRecord](), await closed_port()
    async with canary(clock, logs, port) as guard:
        sent = recording(outcome, kind)
        assert await guard.judged(sent) is sent
        assert guard.offline is None


async def test_fifty_failures_at_once_ask_once() -> None:
    asked = 0

    async def count(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        writer.close()

    server = await asyncio.start_server(count, "127.0.0.1", 0)
    async with server, canary(VirtualClock(), [], server.sockets[0].getsockname()[1]) as guard:
        await asyncio.gather(*(guard.judged(recording(Outcome.FAILED)) for _ in range(50)))
    assert asked == 1


async def test_there_is_one_alert_and_it_is_about_the_monitor() -> None:
    clock, tables = VirtualClock(build.START), Tables()
    made = config({}, workflows=("a", "b", "c"), settings={"canary": ["192.0.2.1:53"]})
    manager = AlertManager(
        config=with_own_rules(made),
        writer=tables,
        clock=clock,
        first_id=1,
        changed=lambda topic: None,
        notified=lambda: None,
        compose=compose,
    )
    health = HealthMonitor(
        clock=clock, workflows=made.workflows, emit=lambda check: None, watches_network=True
    )
    for offline in (None, 0.5, 15.0):
        await manager.tick(health.assess(Signals(beat_age=0.0, offline=offline)))
    (alert,) = tables.open()
    assert (alert.rule_id, alert.state) == (OFFLINE, AlertState.FIRING)
    assert tables.keys == [f"{alert.id}:fired:ops"]
    await manager.tick(health.assess(Signals(beat_age=0.0)))
    assert tables.open() == []


def test_a_rule_of_ones_own_goes_before_the_built_in_one_and_nobody_watches_unasked() -> None:
    assert [rule.id for rule in with_own_rules(config()).rules] == [STORE, NOTIFIER, RULES]
    own = config(*({"id": each} for each in OWN_RULES), settings={"canary": ["h:1"]})
    assert with_own_rules(own) is own
    health = HealthMonitor(clock=VirtualClock(), workflows=(), emit=lambda check: None)
    parts = {part.name: part.status for part in health.assess(Signals(beat_age=0.0)).components}
    assert parts == dict.fromkeys(("scheduler", "store", "notifier"), HealthStatus.HEALTHY)


@pytest.mark.parametrize("address", ["h", "h:", ":53", "h:99999", "http://h:1", "u@h:1"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="a host and a port"):
        config(settings={"canary": [address]})
