"""A stand-in for the engine: rich, realistic, deterministic, and hostile where the world is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from engine.client import (
    Bucket,
    EngineInfo,
    Listener,
    RetryFigures,
    RetryReport,
    WorkflowStatus,
)
from engine.clock import VirtualClock
from engine.errors import ConflictError, NotFoundError, TocsinError
from engine.model import (
    Alert,
    AlertState,
    BreakerState,
    BreakerStatus,
    ComponentHealth,
    Execution,
    Health,
    HealthStatus,
    Notice,
    Outcome,
    PointBucket,
    Series,
    Span,
    Topic,
)
from tests.tui.fake_data import (
    FAILURE,
    HOSTILE,
    NOW,
    WORKFLOWS,
    make_alerts,
    make_executions,
    make_logs,
    make_points,
    make_series,
    make_spans,
)
from tests.tui.fake_explaining import FakeExplaining
from tests.tui.fake_logs import FakeLogs
from tests.tui.fake_past import FakePast, as_of_then
from tests.tui.fake_reload import FakeReload
from tests.tui.fake_reports import FakeReports
from tests.tui.fake_rules import FakeRules
from tests.tui.fake_silences import FakeSilences


class FakeClient(FakePast, FakeExplaining, FakeLogs, FakeRules, FakeSilences, FakeReload, FakeReports):
    """An `EngineClient` over fixed data; commands change it and are written down in `calls`.

    Args:
        clock: tells what time it is.
        hostile: names, messages and bodies are attacks.
        empty: an engine that has not recorded anything yet.
    """

    def __init__(
        self, clock: VirtualClock | None = None, *, hostile: bool = False, empty: bool = False
    ) -> None:
        super().__init__()
        self.clock = clock or VirtualClock(NOW)
        self.calls: list[tuple[str, object]] = []
        self.fail_with: TocsinError | None = None
        self.listeners: list[Listener] = []
        self.paused = False
        self.paused_workflows: set[str] = set()
        self.stopped_workflows: set[str] = set()
        self.is_broken = True
        self.is_live = True
        self.notices_made: list[Notice] = []
        self.score = 82.0
        self._hostile = hostile
        now = self.clock.now()
        self.all_executions = [] if empty else make_executions(self._say, now)
        self.all_alerts = [] if empty else make_alerts(self._say, now)
        self.all_logs = [] if empty else make_logs(self._say, self.all_executions)

    def announce(self, *topics: Topic) -> None:
        """Tell listeners that something changed."""
        for listener in tuple(self.listeners):
            listener(frozenset(topics))

    def add_execution(self, workflow_id: str, outcome: Outcome) -> Execution:
        """One more execution, started now."""
        number = (self.all_executions[-1].id if self.all_executions else 0) + 1
        name, priority = next((name, priority) for id, name, priority, *_ in WORKFLOWS if id == workflow_id)
        now, failed = self.clock.now(), outcome.is_failure
        made = Execution(
            number, workflow_id, name, priority, f"{number:032x}", now, now, 0.2, outcome, "",
            FAILURE if failed else None, 0 if outcome is Outcome.SKIPPED else 1,
        )  # fmt: skip
        self.all_executions.append(made)
        return made

    # The client's own methods.

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)

    async def info(self, at: float | None = None) -> EngineInfo:
        self._called("info", at)
        return EngineInfo(
            version="1.2.3",
            environment=self._say("production", 1),
            config="rules.yaml",
            database="tocsin.db",
            started_at=NOW - 90_000,
            workflows=6,
            rules=6,
            channels=1,
            running=1,
            paused=self.paused,
            live=self.is_live,
            config_fault=self.config_fault,
            digest=self.in_force_at(at).digest,
        )

    async def health(self, at: float | None = None) -> Health:
        self._called("health", at)
        now = self.clock.now() if at is None else at
        parts = [
            ComponentHealth("scheduler", "engine", HealthStatus.HEALTHY, 100.0, now - 9_000, uptime=1.0),
            ComponentHealth("store", "engine", HealthStatus.HEALTHY, 100.0, now - 9_000, uptime=1.0),
            ComponentHealth(
                "notifier",
                "engine",
                HealthStatus.DEGRADED,
                60.0,
                now - 300,
                self._say("2 messages wait for `ops`", 0),
                0.98,
            ),
        ]
        parts += [
            ComponentHealth(f"workflow:{id}", "workflow", HealthStatus.HEALTHY, 95.0, now - 900, uptime=0.99)
            for id, *_ in WORKFLOWS
        ]
        return Health(now, HealthStatus.DEGRADED, self.score, now - 300, NOW - 90_000, tuple(parts))

    async def workflows(
        self, since: float, until: float, at: float | None = None
    ) -> tuple[WorkflowStatus, ...]:
        self._called("workflows", since)
        found = tuple(self._status(index, since, until) for index in range(len(WORKFLOWS)))
        return found if at is None else tuple(map(as_of_then, found))

    async def executions(
        self,
        *,
        workflow_id: str | None = None,
        since: float | None = None,
        until: float | None = None,
        before_id: int | None = None,
        failures_only: bool = False,
        limit: int = 200,
    ) -> tuple[Execution, ...]:
        self._called("executions", (workflow_id, since, failures_only, limit))
        found = (
            replace(execution, attempts=())
            for execution in reversed(self.all_executions)
            if workflow_id in (None, execution.workflow_id)
            and (since is None or execution.started_at >= since)
            and (until is None or execution.started_at <= until)
            and (before_id is None or execution.id < before_id)
            and (not failures_only or execution.outcome.is_failure)
        )
        return tuple(execution for execution, _ in zip(found, range(limit), strict=False))

    async def execution(self, execution_id: int) -> Execution:
        self._called("execution", execution_id)
        for execution in self.all_executions:
            if execution.id == execution_id:
                return execution
        raise NotFoundError(f"there is no execution {execution_id}")

    async def trace(self, trace_id: str) -> tuple[Span, ...]:
        self._called("trace", trace_id)
        execution = next((item for item in self.all_executions if item.trace_id == trace_id), None)
        return make_spans(self._say, execution) if execution else ()

    async def buckets(
        self, since: float, until: float, count: int, workflow_id: str | None = None
    ) -> tuple[Bucket, ...]:
        self._called("buckets", (since, count, workflow_id))
        width = (until - since) / count
        return tuple(self._bucket(since + index * width, width, workflow_id) for index in range(count))

    async def notices(self, after: int = 0) -> tuple[Notice, ...]:
        return tuple(notice for notice in self.notices_made if notice.number > after)

    async def series(
        self, name: str | None = None, labels: Mapping[str, str] | None = None
    ) -> tuple[Series, ...]:
        self._called("series")
        return make_series(self._say) if self.all_logs else ()

    async def points(
        self, name: str, since: float, until: float, count: int, labels: Mapping[str, str] | None = None
    ) -> tuple[PointBucket, ...]:
        self._called("points", (name, since, until, dict(labels or {})))
        return make_points(name, since, until, count)

    async def retries(self, since: float, until: float, workflow_id: str | None = None) -> RetryReport:
        self._called("retries", (since, workflow_id))
        target = RetryFigures(self._say("http://127.0.0.1:8778", 1), 12, 15, 12, 9, 3, 31.0, ((2, 8), (3, 1)))
        workflows = [RetryFigures(id, 70, 70, 0, 0, 0, 0.0) for id, *_ in WORKFLOWS]
        workflows[1] = RetryFigures("checkout", 70, 88, 12, 9, 3, 31.0, ((2, 8), (3, 1)))
        mine = tuple(one for one in workflows if workflow_id in (None, one.subject))
        return RetryReport(mine, (target,) if workflow_id in (None, "checkout") else ())

    async def acknowledge(
        self, alert_id: int, author: str, note: str = "", lasting: float | None = None
    ) -> Alert:
        self._called("acknowledge", (alert_id, note))
        alert = self._find_alert(alert_id)
        if alert.state is AlertState.ACKNOWLEDGED:
            raise ConflictError(f"alert {alert_id} is acknowledged already")
        return self._change(
            replace(
                alert,
                state=AlertState.ACKNOWLEDGED,
                acked_at=self.clock.now(),
                acked_by=author,
                ack_note=note,
                ack_until=None if lasting is None else self.clock.now() + lasting,
            )
        )

    async def resolve(self, alert_id: int, author: str, note: str = "") -> Alert:
        self._called("resolve", (alert_id, note))
        alert = self._find_alert(alert_id)
        return self._change(
            replace(
                alert,
                state=AlertState.RESOLVED,
                resolved_at=self.clock.now(),
                resolved_by=author,
                resolve_note=note,
            )
        )

    async def run_now(self, workflow_id: str) -> None:
        self._called("run_now", workflow_id)

    async def set_paused(self, paused: bool, workflow_id: str | None = None) -> None:
        self._called("set_paused", (paused, workflow_id) if workflow_id else paused)
        if workflow_id is None:
            self.paused = paused
        elif paused:
            self.paused_workflows.add(workflow_id)
        else:
            self.paused_workflows.discard(workflow_id)

    async def breakers(self) -> tuple[BreakerStatus, ...]:
        self._called("breakers")
        return (self._breaker(1), self._breaker(0))

    async def reset_breaker(self, target: str) -> None:
        self._called("reset_breaker", target)
        self.is_broken = False

    def close(self, grace: float = 10.0) -> None:
        self.calls.append(("close", grace))

    # The data.

    def _called(self, name: str, detail: object = None) -> None:
        self.calls.append((name, detail))
        if self.fail_with is not None:
            raise self.fail_with

    def _say(self, text: str, number: int) -> str:
        return HOSTILE[number % len(HOSTILE)] if self._hostile else text

    def _status(self, index: int, since: float, until: float) -> WorkflowStatus:
        id, name, priority, schedule, steps, _ = WORKFLOWS[index]
        mine = [
            item
            for item in self.all_executions
            if item.workflow_id == id and since <= item.started_at <= until
        ]
        durations = sorted(item.duration for item in mine)
        good = sum(item.outcome.is_success for item in mine)
        return WorkflowStatus(
            id,
            self._say(name, index),
            priority,
            schedule,
            (),
            mine[-1] if mine else None,
            tuple(item.outcome for item in mine[-60:]),
            tuple(item.duration for item in mine[-60:]),
            len(mine),
            good / len(mine) if mine else None,
            durations[len(mine) // 2] if mine else None,
            durations[-1 - len(mine) // 20] if mine else None,
            until + 11 * (index + 1),
            index == 3,
            (self._breaker(index),),
            steps,
            self.paused or id in self.paused_workflows,
            id in self.stopped_workflows,
        )

    def _breaker(self, index: int) -> BreakerStatus:
        """The one of the checkout is open, a while still."""
        target, now = self._say(f"http://127.0.0.1:{8777 + index}", index), self.clock.now()
        if WORKFLOWS[index][0] != "checkout" or not self.is_broken:
            return BreakerStatus(target, BreakerState.CLOSED)
        return BreakerStatus(target, BreakerState.OPEN, 5, now - 20, now + 40)

    def _bucket(self, at: float, width: float, workflow_id: str | None) -> Bucket:
        mine = [
            item
            for item in self.all_executions
            if at <= item.started_at < at + width and workflow_id in (None, item.workflow_id)
        ]
        took = sorted(item.duration for item in mine)
        good = sum(item.outcome.is_success for item in mine)
        if not took:
            return Bucket(at, width, 0, 0, None, None, None)
        return Bucket(at, width, len(took), good, took[len(took) // 2] * 0.3, took[-1], took[-1])

    def _find_alert(self, alert_id: int) -> Alert:
        for alert in self.all_alerts:
            if alert.id == alert_id:
                return alert
        raise NotFoundError(f"there is no alert {alert_id}")

    def _change(self, alert: Alert) -> Alert:
        self.all_alerts = [alert if old.id == alert.id else old for old in self.all_alerts]
        return alert
