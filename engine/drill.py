"""The fire drill: a failure that is none goes through check, rule, route and channels, in its own engine.

The engine runs on a database that is thrown away; channels, routes and templates are the user's. Its alert
has the time as its number: whoever is told takes its end for that of no alert that is real.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.clock import Clock, SystemClock
from engine.engine import Engine
from engine.errors import NotFoundError
from engine.lines import clock_time, seconds
from engine.model import Alert, AlertEventKind, Gate, Notice, Notification, NotificationState, Severity
from engine.text import plain

if TYPE_CHECKING:
    from engine.config.loader import LoadedConfig
    from engine.config.schema import Config, Rule

WORKFLOW = "drill"
WORDS = "This is a drill: nothing is wrong."
DEADLINE = 30.0
NO_CHANNELS = "the file has no channels; one is such as `channels: {seen: {console: {}}}`"
_UNDER_WAY = frozenset({NotificationState.QUEUED, NotificationState.SENDING})


@dataclass(frozen=True, slots=True)
class Hop:
    """One hop of the way and its receipt in words."""

    name: str
    done: bool
    words: str


async def drill(
    loaded: LoadedConfig,
    channels: Sequence[str] = (),
    rule_id: str | None = None,
    *,
    notice: Callable[[Notice], None] = lambda notice: None,
    clock: Clock | None = None,
    deadline: float = DEADLINE,
) -> AsyncIterator[Hop]:
    """Yield the hops as they are made; the first that was not is the last, but that each channel is tried.

    Args:
        channels: whom to tell; those of the rule and its routes when empty.
        rule_id: the rule to stand in for, with its name, severity, tags and channels.
        notice: told of what channels of the kind `console` say.
        deadline: seconds that the channels have together.

    Raises:
        NotFoundError: there is no such channel or rule.
    """
    config = staged(loaded.config, channels, rule_id)
    clock = clock or SystemClock()
    async with _running(replace(loaded, config=config), clock) as engine:
        engine.board.listen(notice)
        (execution,) = await engine.run_once()
        failed = execution.outcome.is_failure
        yield Hop(
            "check", failed, f"{execution.outcome} at {clock_time(execution.ended_at)}: {execution.error}"
        )
        alerts = await engine.reader.alerts(states=None, limit=1) if failed else ()
        alert = alerts[0] if alerts else None
        if alert is None or alert.fired_at is None:
            yield Hop("rule", False, "it did not fire")
            return
        words = f"{plain(alert.rule_name)} fired at {clock_time(alert.fired_at)}: {alert.message}"
        yield Hop("rule", True, words)
        rows = (await engine.reader.alert(alert.id)).notifications
        yield await _routed(engine, alert, rows, config)
        if rows:
            async for hop in _told(engine, alert, clock, deadline):
                yield hop


def staged(config: Config, channels: Sequence[str] = (), rule_id: str | None = None) -> Config:
    """A configuration whose one check fails and whose one rule fires. Raises NotFoundError."""
    from engine.config.conditions import ThresholdCondition
    from engine.config.schema import Config, Rule, Settings, Workflow

    for name in channels:
        if name not in config.channels:
            known = f"there is {', '.join(config.channels)}" if config.channels else NO_CHANNELS
            raise NotFoundError(f"there is no channel {plain(name, 80)}", known)
    model = _model(config, rule_id)
    step = {"id": "fails", "wait": {"for": 0.001}, "expect": "failure"}
    workflow = Workflow.model_validate(
        {"id": WORKFLOW, "name": "Drill", "every": 3600.0, "retry": {"max_attempts": 1}, "steps": [step]}
    )
    metric = "workflow.consecutive_failures"
    rule = Rule(
        id=model.id if model else WORKFLOW,
        name=f"DRILL {model.name}"[:120] if model else "DRILL",
        description=WORDS,
        severity=model.severity if model else Severity.CRITICAL,
        conditions=(
            ThresholdCondition(type="THRESHOLD", metric=metric, operator=">=", value=1.0, min_count=1),
        ),
        channels=tuple(channels) or _rule_channels(config, model),
        tags=model.tags if model else (),
    )
    return Config(
        version=1,
        settings=Settings(),
        channels=config.channels,
        templates=config.templates,
        routes=() if channels else tuple(each.model_copy(update={"group_by": ()}) for each in config.routes),
        workflows=(workflow,),
        rules=(rule,),
    )


def _model(config: Config, rule_id: str | None) -> Rule | None:
    if rule_id is None:
        return None
    found = next((rule for rule in config.rules if rule.id == rule_id), None)
    if found is None:
        known = ", ".join(rule.id for rule in config.rules)
        raise NotFoundError(f"there is no rule {plain(rule_id, 80)}", f"there is {known}" if known else "")
    return found


def _rule_channels(config: Config, model: Rule | None) -> tuple[str, ...]:
    """Those of the rule that is stood in for; without one, and without routes, those that any rule names."""
    if model is not None:
        return model.channels
    if config.routes:
        return ()
    named = {name for rule in config.rules for name in rule.channels}
    return tuple(name for name in config.channels if name in named) or tuple(config.channels)


@asynccontextmanager
async def _running(loaded: LoadedConfig, clock: Clock) -> AsyncIterator[Engine]:
    with tempfile.TemporaryDirectory(prefix="tocsin-drill-", ignore_cleanup_errors=True) as directory:
        engine = Engine(loaded, Path(directory) / "drill.db", clock)
        await engine.start(scheduled=False)
        engine.alerts.judge.book.skip_to(int(clock.now()))
        try:
            yield engine
        finally:
            await engine.stop(2.0)


async def _routed(engine: Engine, alert: Alert, rows: Sequence[Notification], config: Config) -> Hop:
    """Whom it goes to, and at which gate it stopped for others."""
    decisions = (await engine.reader.alert(alert.id)).decisions
    gates = [gate for decision in decisions for gate in decision.gates]
    stops = [f"not {gate.name.partition(':')[2]}: {gate.detail}" for gate in _stops(gates)]
    to = ", ".join(dict.fromkeys(row.channel for row in rows))
    if to:
        return Hop("route", True, "; ".join([f"to {to}", *stops]))
    silent = "its rule names none, and there are no routes" if config.channels else NO_CHANNELS
    return Hop("route", False, f"nobody would be told: {'; '.join(stops) or silent}")


def _stops(gates: Iterable[Gate]) -> list[Gate]:
    return [gate for gate in gates if not gate.passed and ":" in gate.name]


async def _told(engine: Engine, alert: Alert, clock: Clock, deadline: float) -> AsyncIterator[Hop]:
    """The receipts of the fire, and then of the end, of those that were told of it."""
    ends_at = clock.monotonic() + deadline
    heard: set[str] | None = None
    for name, kind in (("deliver", AlertEventKind.FIRED), ("close", AlertEventKind.RESOLVED)):
        if kind is AlertEventKind.RESOLVED:
            await engine.alerts.resolve(alert.id, "drill", "the drill is over")
        rows = await _settled(engine, alert.id, kind, heard, ends_at - clock.monotonic())
        for row in rows:
            yield Hop(name, row.state is NotificationState.SENT, f"{row.channel}: {_receipt(row)}")
        heard = {row.channel for row in rows if row.state is NotificationState.SENT}


async def _settled(
    engine: Engine, alert_id: int, kind: AlertEventKind, channels: set[str] | None, seconds: float
) -> Sequence[Notification]:
    """The messages of one kind to `channels`, or to all, once each has been tried, or when time is up."""
    changed = asyncio.Event()
    unsubscribe = engine.publisher.subscribe(lambda topics: changed.set())
    rows: Sequence[Notification] = ()
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0.0)):
                while True:
                    changed.clear()
                    found = (await engine.reader.alert(alert_id)).notifications
                    rows = [row for row in found if row.transition is kind]
                    rows = [row for row in rows if channels is None or row.channel in channels]
                    if all(row.state not in _UNDER_WAY or row.error for row in rows):
                        break
                    await changed.wait()
    finally:
        unsubscribe()
    return rows


def _receipt(row: Notification) -> str:
    if row.state is NotificationState.SENT:
        return f"taken in {seconds(row.latency or 0.0)}"
    return f"not taken: {row.error or 'no answer in time'}"
