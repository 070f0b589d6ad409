"""Health of the parts and of the whole, from what the engine sees of itself and of its checks.

The system's score is the mean of its components' scores, weighted by what they stand for: workflows by
priority (critical 4, high 2, normal 1, low 0.5), each part of the engine 2. Components nobody knows anything
about yet do not count. The system is unhealthy below 50, degraded below 70, and never better than degraded
while a critical workflow or a part of the engine is unhealthy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.clock import Clock
from engine.lines import lasted
from engine.model import (
    ComponentHealth,
    Execution,
    Health,
    HealthCheck,
    HealthHour,
    HealthStatus,
    Outcome,
    Priority,
)
from engine.supervisor import Ailment
from engine.text import counted, plain

if TYPE_CHECKING:
    from engine.config.schema import Workflow

WARN_BELOW = 70.0
BAD_BELOW = 50.0
CHECK_INTERVAL = 60.0
STALL_AFTER = 30.0
LATE_AFTER = 5.0
DROPS_REMEMBERED = 60.0
UNDELIVERED_WARN = 300.0
UNDELIVERED_BAD = 3_600.0
ENGINE_WEIGHT = 2.0
ENGINE_PARTS = ("scheduler", "store", "notifier", "network")
WEIGHTS = {Priority.CRITICAL: 4.0, Priority.HIGH: 2.0, Priority.NORMAL: 1.0, Priority.LOW: 0.5}
_HOUR = 3_600.0
_HOURS = 24
"""An uptime is about so many."""
_PART_OF = {
    **dict.fromkeys(("housekeeping", "retention", "roll-ups", "database care", "provenance"), "store"),
    **dict.fromkeys(("outbox", "rules", "alerts"), "notifier"),
    "canary": "network",
}
"""The component that shows a task of the engine that died; `scheduler` where none is named."""


@dataclass(frozen=True, slots=True)
class Signals:
    """What the engine's parts say of themselves at one moment.

    Args:
        beat_age: seconds since the scheduler's loop last turned; None before it runs.
        lag: seconds the newest start was late.
        overload: slots of the last minute that were skipped since more was due than can be done.
        store_error: the writer's last error, empty when it works.
        store_queued: records that wait for the writer.
        last_commit_at: when the writer last committed; None before the first time.
        dropped: records lost to full buffers since the start.
        oldest_undelivered: when the oldest undelivered notification was made.
        dead: notifications given up within the last hour.
        offline: seconds since the monitor's own network was found gone.
        store_notice: what is wrong with the file itself, or was at the start; empty when nothing.
        store_caution: what a person should do something about before it gets worse; empty when nothing.
        dropped_by_kind: the same as `dropped`, by what the records were.
        ailing: the engine's tasks, by name, that died and may do so again.
        disabled: rules that failed so often that they are not evaluated any more.
    """

    beat_age: float | None = None
    lag: float = 0.0
    overload: int = 0
    paused: bool = False
    store_error: str = ""
    store_queued: int = 0
    last_commit_at: float | None = None
    dropped: int = 0
    oldest_undelivered: float | None = None
    dead: int = 0
    offline: float | None = None
    store_notice: str = ""
    store_caution: str = ""
    dropped_by_kind: Mapping[str, int] = field(default_factory=dict)
    ailing: Mapping[str, Ailment] = field(default_factory=dict)
    disabled: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look at a component found; `score` is 0–100."""

    status: HealthStatus
    score: float
    detail: str = ""


HEALTHY = Finding(HealthStatus.HEALTHY, 100.0)
UNKNOWN = Finding(HealthStatus.UNKNOWN, 0.0, "nothing known yet")


class Uptime:
    """The share of checks found healthy or degraded, of 24 hours that end with that of the newest check."""

    def __init__(self) -> None:
        self._hours: dict[int, tuple[int, int]] = {}

    @staticmethod
    def since(now: float) -> float:
        """Where the first of the 24 hours begins."""
        return (now // _HOUR + 1 - _HOURS) * _HOUR

    def add(self, at: float, status: HealthStatus) -> None:
        """Count a check; one that found nothing counts nowhere, but time goes on."""
        known = status is not HealthStatus.UNKNOWN
        self.count(at, int(known and status is not HealthStatus.UNHEALTHY), int(known))

    def count(self, at: float, good: int, checks: int) -> None:
        """Count checks of the hour of `at`, `good` ones among them."""
        newest = int(at // _HOUR)
        if newest not in self._hours:
            oldest = newest - _HOURS
            for hour in [hour for hour in self._hours if not oldest < hour < newest]:
                del self._hours[hour]
            self._hours[newest] = (0, 0)
        known_good, known = self._hours[newest]
        self._hours[newest] = (known_good + good, known + checks)

    @property
    def share(self) -> float | None:
        """0–1; None before the first check."""
        total = sum(total for _, total in self._hours.values())
        return sum(good for good, _ in self._hours.values()) / total if total else None


@dataclass(slots=True)
class _Component:
    """What is remembered of one component between looks."""

    name: str
    kind: str
    weight: float
    since: float
    finding: Finding = UNKNOWN
    checked_at: float = 0.0
    uptime: Uptime = field(default_factory=Uptime)
    told: ComponentHealth | None = None

    def shown(self) -> ComponentHealth:
        """What is known of it; made anew only when that has changed."""
        if self.told is None:
            self.told = self._made()
        return self.told

    def find(self, finding: Finding) -> None:
        """This is what the newest look found."""
        if finding is not self.finding:
            self.finding, self.told = finding, None

    def count(self, at: float, status: HealthStatus) -> None:
        """Count a check for its uptime."""
        self.uptime.add(at, status)
        self.told = None

    def _made(self) -> ComponentHealth:
        found = self.finding
        return ComponentHealth(
            name=self.name,
            kind=self.kind,
            status=found.status,
            score=found.score,
            since=self.since,
            detail=found.detail,
            uptime=self.uptime.share,
        )


class HealthMonitor:
    """Remembers what was seen and says how well everything is.

    Args:
        workflows: the configured checks, each a component `workflow:<id>`.
        emit: takes a check of each component when its status changes and every 60 seconds.
        history: stored checks of the last 24 hours, oldest first, for uptime.
        watches_network: whether anybody looks; otherwise there is no component `network`.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        workflows: Sequence[Workflow],
        emit: Callable[[HealthCheck], object],
        history: Iterable[HealthHour] = (),
        watches_network: bool = False,
    ) -> None:
        self._clock = clock
        self._emit = emit
        self._started_at = now = clock.now()
        self._dropped = 0
        self._dropped_at: float | None = None
        self._commit_at: float | None = None
        self._waiting_since = now
        self._failures: dict[str, int] = {workflow.id: 0 for workflow in workflows}
        self._findings: dict[str, Finding] = {}
        names = [name for name in ENGINE_PARTS if name != "network" or watches_network]
        parts = [_Component(name, "engine", ENGINE_WEIGHT, now) for name in names]
        checks = [_component_of(workflow, now) for workflow in workflows]
        self._components = {component.name: component for component in (*parts, *checks)}
        self._status = HealthStatus.UNKNOWN
        self._since = now
        self._restore(history, self._components)

    def adopt(self, workflows: Sequence[Workflow], history: Iterable[HealthHour] = ()) -> None:
        """Watch these workflows from now on; what is known of those that stay is kept.

        Args:
            history: as at the beginning, for the uptime of new ones.
        """
        now, before = self._clock.now(), self._components
        self._components = {name: part for name, part in before.items() if part.kind == "engine"}
        for workflow in workflows:
            fresh = _component_of(workflow, now)
            component = self._components[fresh.name] = before.get(fresh.name, fresh)
            component.weight = fresh.weight
        self._failures = {workflow.id: self._failures.get(workflow.id, 0) for workflow in workflows}
        self._findings = {name: it for name, it in self._findings.items() if name in self._components}
        self._restore(history, {name: it for name, it in self._components.items() if name not in before})

    def observe(self, execution: Execution) -> None:
        """Take note of how a workflow's newest execution ended; skipped and interrupted ones say nothing."""
        outcome, workflow_id = execution.outcome, execution.workflow_id
        if workflow_id not in self._failures or not (outcome.is_success or outcome.is_failure):
            return
        failures = self._failures[workflow_id] + 1 if outcome.is_failure else 0
        self._failures[workflow_id] = failures
        self._findings[f"workflow:{workflow_id}"] = _judge_workflow(outcome, failures, execution.error)

    def assess(self, signals: Signals) -> Health:
        """Judge every component and the whole as of now."""
        now = self._clock.now()
        if signals.dropped > self._dropped:
            self._dropped, self._dropped_at = signals.dropped, now
        if not signals.store_queued or signals.last_commit_at != self._commit_at:
            self._commit_at, self._waiting_since = signals.last_commit_at, now
        drops = self._dropped_at is not None and now - self._dropped_at < DROPS_REMEMBERED
        found = {
            **self._findings,
            "scheduler": _judge_scheduler(signals),
            "store": _judge_store(signals, now - self._waiting_since, drops),
            "notifier": _judge_notifier(signals, now),
            "network": _judge_network(signals),
        }
        for name, ailment in signals.ailing.items():
            part = _PART_OF.get(name, "scheduler")
            judged = _judge_task(name, ailment)
            found[part] = judged if found[part] is UNKNOWN else min(found[part], judged, key=_by_score)
        if signals.disabled:
            judged = Finding(HealthStatus.DEGRADED, 60.0, _disabled(signals.disabled))
            found["notifier"] = min(found["notifier"], judged, key=_by_score)
        for component in self._components.values():
            self._note(component, found.get(component.name, UNKNOWN), now)
        shown = [(component.shown(), component.weight) for component in self._components.values()]
        status, score = summarize(shown)
        if status is not self._status:
            self._status, self._since = status, now
        return Health(
            at=now,
            status=status,
            score=score,
            since=self._since,
            started_at=self._started_at,
            components=tuple(component for component, _ in shown),
        )

    def _restore(self, history: Iterable[HealthHour], components: Mapping[str, _Component]) -> None:
        """Go on from what was counted before; what a clock that ran ahead wrote would displace the rest."""
        now = self._clock.now()
        for hour in history:
            if hour.at <= now and (component := components.get(hour.component)) is not None:
                component.uptime.count(hour.at, hour.good, hour.checks)

    def _note(self, component: _Component, finding: Finding, now: float) -> None:
        changed = finding.status is not component.finding.status
        component.find(finding)
        if changed:
            component.since = now
        if changed or not 0 <= now - component.checked_at < CHECK_INTERVAL:
            component.checked_at = now
            component.count(now, finding.status)
            self._emit(HealthCheck(now, component.name, finding.status, finding.score, finding.detail))


def summarize(components: Iterable[tuple[ComponentHealth, float]]) -> tuple[HealthStatus, float]:
    """Status and score of the whole from components and their weights, by the formula above."""
    known = [(part, weight) for part, weight in components if part.status is not HealthStatus.UNKNOWN]
    total = sum(weight for _, weight in known)
    if not total:
        return HealthStatus.UNKNOWN, 0.0
    score = sum(part.score * weight for part, weight in known) / total
    down = [(part, weight) for part, weight in known if part.status is HealthStatus.UNHEALTHY]
    vital_down = any(part.kind == "engine" or weight >= WEIGHTS[Priority.CRITICAL] for part, weight in down)
    if score < BAD_BELOW:
        return HealthStatus.UNHEALTHY, score
    if score < WARN_BELOW or vital_down:
        return HealthStatus.DEGRADED, score
    return HealthStatus.HEALTHY, score


def _component_of(workflow: Workflow, now: float) -> _Component:
    return _Component(f"workflow:{workflow.id}", "workflow", WEIGHTS[workflow.priority], now)


def _judge_workflow(outcome: Outcome, failures: int, error: str) -> Finding:
    if failures >= 2:
        return Finding(HealthStatus.UNHEALTHY, 0.0, plain(f"{failures} failures in a row: {error}"))
    if failures:
        return Finding(HealthStatus.DEGRADED, 50.0, plain(f"failed once: {error}"))
    return Finding(HealthStatus.DEGRADED, 70.0, "degraded") if outcome is Outcome.DEGRADED else HEALTHY


def _judge_scheduler(signals: Signals) -> Finding:
    if signals.beat_age is None:
        return UNKNOWN
    if signals.beat_age > STALL_AFTER:
        return Finding(HealthStatus.UNHEALTHY, 0.0, f"has not moved for {lasted(signals.beat_age)}")
    if signals.lag > STALL_AFTER:
        return Finding(HealthStatus.UNHEALTHY, 0.0, f"starts checks {lasted(signals.lag)} late")
    if signals.paused:
        return Finding(HealthStatus.DEGRADED, 70.0, "paused")
    if signals.overload:
        return Finding(HealthStatus.DEGRADED, 60.0, f"cannot keep up: skipped {signals.overload} slots in 1m")
    if signals.lag > LATE_AFTER:
        return Finding(HealthStatus.DEGRADED, 60.0, f"starts checks {lasted(signals.lag)} late")
    return HEALTHY


def _judge_store(signals: Signals, waited: float, drops: bool) -> Finding:
    if wrong := signals.store_error or signals.store_notice:
        return Finding(HealthStatus.UNHEALTHY, 0.0, plain(wrong))
    if waited > STALL_AFTER:
        return Finding(HealthStatus.UNHEALTHY, 0.0, f"has written nothing for {lasted(waited)}")
    if signals.store_caution:
        return Finding(HealthStatus.DEGRADED, 50.0, plain(signals.store_caution))
    if drops:
        return Finding(HealthStatus.DEGRADED, 60.0, _dropped(signals))
    return HEALTHY


def _dropped(signals: Signals) -> str:
    kinds = ", ".join(f"{count} {kind}" for kind, count in signals.dropped_by_kind.items())
    return f"{signals.dropped} records dropped since the start" + (f": {kinds}" if kinds else "")


def _judge_notifier(signals: Signals, now: float) -> Finding:
    waited = now - signals.oldest_undelivered if signals.oldest_undelivered is not None else 0.0
    if signals.dead:
        return Finding(HealthStatus.UNHEALTHY, 0.0, f"gave up {signals.dead} messages in the last hour")
    if waited > UNDELIVERED_BAD:
        return Finding(HealthStatus.UNHEALTHY, 20.0, f"a message has waited {lasted(waited)}")
    if waited > UNDELIVERED_WARN:
        return Finding(HealthStatus.DEGRADED, 60.0, f"a message has waited {lasted(waited)}")
    return HEALTHY


def _judge_task(name: str, ailment: Ailment) -> Finding:
    """A task that died once has been started again; one that dies at each start does its work no more."""
    lasting = ailment.deaths > 1
    status, score = (HealthStatus.UNHEALTHY, 0.0) if lasting else (HealthStatus.DEGRADED, 60.0)
    return Finding(status, score, plain(f"{name} {ailment}"))


def _disabled(rules: Sequence[str]) -> str:
    return plain(f"disabled, because they failed: {counted(len(rules), 'rule')} ({', '.join(rules)})")


def _judge_network(signals: Signals) -> Finding:
    if signals.offline is None:
        return HEALTHY
    return Finding(HealthStatus.UNHEALTHY, 0.0, f"offline for {lasted(signals.offline)}")


def _by_score(finding: Finding) -> float:
    return finding.score
