"""The one door through which a UI or an API reaches the engine.

`EngineClient` is what a caller may rely on. `LocalClient` (engine/local.py) runs the engine in a thread of
its own; `FileClient` (engine/attached.py) reads a database beside, or without, a running engine.
Every method may be awaited from any loop; none blocks the caller's loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from engine.model import (
    Alert,
    AlertEvent,
    AlertState,
    BreakerStatus,
    Decision,
    Execution,
    ExplanationLine,
    Health,
    KeptReply,
    LogCount,
    LogFacets,
    LogPage,
    MetricsSummary,
    Notice,
    Notification,
    Outcome,
    PointBucket,
    Priority,
    ReloadReport,
    Series,
    Span,
    Topic,
)
from engine.muting_client import MutingClient
from engine.past_client import PastClient
from engine.reporting.model import Pledge
from engine.rules_client import RulesClient
from engine.telemetry.critical_path import Anatomy as Anatomy
from engine.telemetry.critical_path import Segment as Segment
from engine.telemetry.critical_path import anatomy as anatomy

Listener = Callable[[frozenset[Topic]], None]


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What runs, on which files.

    Args:
        dropped: records lost since the start, for want of time or room.
        dropped_by_kind: the same, by what they were, such as `log lines`.
        exports_to: the collector that records are sent to; empty for none.
        exporting: records that wait to be sent there; unexported: those it did not get, since the start.
        ailing: the tasks of the engine, by name, that died and may do so again, and in words why.
        digest: tells the configuration in force from others.
        config_fault: why what the configuration's files say now is not in force; empty when it is.
        attached: another process runs it, and it goes on when this one ends.
    """

    version: str
    environment: str
    config: str
    database: str
    started_at: float
    workflows: int
    rules: int
    channels: int
    queued: int = 0
    dropped: int = 0
    running: int = 0
    paused: bool = False
    live: bool = True
    unexported: int = 0
    exports_to: str = ""
    exporting: int = 0
    dropped_by_kind: Mapping[str, int] = field(default_factory=dict)
    ailing: Mapping[str, str] = field(default_factory=dict)
    config_fault: str = ""
    digest: str = ""
    attached: bool = False


@dataclass(frozen=True, slots=True)
class WorkflowStatus:
    """A workflow as the console lists it, over the chosen time range.

    `recent` holds the newest outcomes, oldest first (at most 60). Rates are 0–1, None without executions.
    Durations are seconds. `breakers` are those of the targets that its last execution called. `next_at` is
    None when paused or unknown. `stopped`: a maintenance window keeps it from being started.
    """

    id: str
    name: str
    priority: Priority
    schedule: str
    tags: tuple[str, ...]
    last: Execution | None
    recent: tuple[Outcome, ...]
    durations: tuple[float, ...]
    executions: int
    success_rate: float | None
    p50: float | None
    p95: float | None
    next_at: float | None
    running: bool = False
    breakers: tuple[BreakerStatus, ...] = ()
    steps: tuple[str, ...] = ()
    paused: bool = False
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Bucket:
    """Executions that started in [at, at + width): counts, and durations in seconds (None when empty)."""

    at: float
    width: float
    count: int
    successes: int
    p50: float | None
    p95: float | None
    maximum: float | None

    @property
    def success_rate(self) -> float | None:
        """0–1, None without executions."""
        return self.successes / self.count if self.count else None


@dataclass(frozen=True, slots=True)
class AlertDetail:
    """An alert with everything that belongs to it, events and decisions oldest first."""

    alert: Alert
    events: tuple[AlertEvent, ...] = ()
    decisions: tuple[Decision, ...] = ()
    notifications: tuple[Notification, ...] = ()


@dataclass(frozen=True, slots=True)
class RetryFigures:
    """What trying again was good for, of one workflow or of one target.

    Args:
        subject: the workflow's identifier, or the target.
        executions: those with a result; of a target those that were tried again on its account.
        attempts: all of them; of a target those that failed on its account and were followed by another.
        retried: executions of more than one attempt.
        rescued: those of them that succeeded in the end.
        given_up: those of them that did not.
        waited: seconds between attempts.
        rescued_by: which attempt it was that succeeded, and how often.
    """

    subject: str
    executions: int
    attempts: int
    retried: int
    rescued: int
    given_up: int
    waited: float
    rescued_by: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class RetryReport:
    """Retry figures by workflow and by target, each in the order of their names."""

    workflows: tuple[RetryFigures, ...] = ()
    targets: tuple[RetryFigures, ...] = ()


class EngineClient(RulesClient, PastClient, MutingClient, Protocol):
    """Reads and commands; raises errors of `engine.errors` only.

    With `at`, a read tells how it was then, and with `until` what there was by then; nothing is known of
    what ran or was waiting at an earlier moment.
    """

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` from the engine's thread, at most 4 times a second, with what changed.

        Returns the function that unsubscribes.
        """
        ...

    async def info(self, at: float | None = None) -> EngineInfo: ...

    async def health(self, at: float | None = None) -> Health: ...

    async def workflows(
        self, since: float, until: float, at: float | None = None
    ) -> tuple[WorkflowStatus, ...]:
        """All workflows in the order of the file."""
        ...

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
        """Newest first, without attempts; page on with `before_id` of the last one."""
        ...

    async def execution(self, execution_id: int) -> Execution:
        """One execution with its attempts (their steps are the trace's spans). Raises NotFoundError."""
        ...

    async def trace(self, trace_id: str) -> tuple[Span, ...]:
        """The spans of a trace, by start time."""
        ...

    async def buckets(
        self, since: float, until: float, count: int, workflow_id: str | None = None
    ) -> tuple[Bucket, ...]:
        """`count` (1–500) equal buckets over [since, until)."""
        ...

    async def alerts(
        self,
        *,
        states: frozenset[AlertState] | None = None,
        since: float | None = None,
        at: float | None = None,
        limit: int = 200,
    ) -> tuple[Alert, ...]:
        """Active ones first, then newest first; `since` bounds resolved ones only."""
        ...

    async def alert(self, alert_id: int, at: float | None = None) -> AlertDetail:
        """Raises NotFoundError, also when it had not begun."""
        ...

    async def logs(
        self,
        query: str = "",
        *,
        since: float | None = None,
        until: float | None = None,
        before_id: int | None = None,
        after_id: int | None = None,
        limit: int = 200,
    ) -> LogPage:
        """Search logs, newest first. Raises QueryError with a hint for what cannot be asked."""
        ...

    async def log_count(
        self, query: str = "", *, since: float | None = None, until: float | None = None
    ) -> LogCount:
        """How many lines a search finds, as far as half a second goes. Raises QueryError."""
        ...

    async def log_facets(
        self,
        query: str = "",
        *,
        since: float | None = None,
        until: float | None = None,
        buckets: int = 24,
    ) -> LogFacets:
        """What the lines of a search are, over time, as far as half a second goes. Raises QueryError."""
        ...

    async def notifications(
        self, *, until: float | None = None, limit: int = 200
    ) -> tuple[Notification, ...]:
        """Newest first."""
        ...

    async def retry_notification(self, key: str) -> Notification:
        """Queue a message that was given up once more.

        Raises NotFoundError, ConflictError when it was not given up or has become pointless.
        """
        ...

    async def notices(self, after: int = 0) -> tuple[Notice, ...]:
        """Messages for whoever looks at the console, oldest first; only from an engine in this process."""
        ...

    async def summary(self, since: float, until: float) -> MetricsSummary: ...

    async def series(
        self, name: str | None = None, labels: Mapping[str, str] | None = None
    ) -> tuple[Series, ...]:
        """Series of a name, or of any, that have all of `labels`; at most 1,000, by name and labels."""
        ...

    async def points(
        self, name: str, since: float, until: float, count: int, labels: Mapping[str, str] | None = None
    ) -> tuple[PointBucket, ...]:
        """The points of all such series together, in `count` (1–500) equal buckets over [since, until)."""
        ...

    async def retries(self, since: float, until: float, workflow_id: str | None = None) -> RetryReport:
        """What trying again was good for over [since, until), of one workflow or of all."""
        ...

    async def pledges(self) -> tuple[Pledge, ...]:
        """What the configuration promises of each workflow, in the order of the file."""
        ...

    async def replies(
        self, workflow_id: str, *, until: float | None = None, limit: int = 20
    ) -> tuple[KeptReply, ...]:
        """What its steps got back in the newest `limit` executions that are kept, newest first.

        With `until`, of those that are kept still, the ones from then or before.
        """
        ...

    async def acknowledge(
        self, alert_id: int, author: str, note: str = "", lasting: float | None = None
    ) -> Alert:
        """Durable when it returns; firing again `lasting` seconds from now, unless it has ended by then.

        Raises NotFoundError, ConflictError.
        """
        ...

    async def resolve(self, alert_id: int, author: str, note: str = "") -> Alert:
        """Durable when it returns. Raises NotFoundError, ConflictError."""
        ...

    async def note(self, alert_id: int, author: str, note: str) -> Alert:
        """Write something down about an open alert. Raises NotFoundError, ConflictError."""
        ...

    async def explain(self, alert_id: int, at: float | None = None) -> tuple[ExplanationLine, ...]:
        """Why an alert fired or did not, and why somebody was told or nobody was. Raises NotFoundError."""
        ...

    async def explain_rule(self, rule_id: str, subject: str = "") -> tuple[ExplanationLine, ...]:
        """How a rule stands with its subjects, or with one. Raises NotFoundError."""
        ...

    async def run_now(self, workflow_id: str) -> None:
        """Start the workflow at once beside its schedule. Raises NotFoundError, ConflictError."""
        ...

    async def set_paused(self, paused: bool, workflow_id: str | None = None) -> None:
        """Stop or restart starting new executions, of one workflow or of all; running ones finish.

        It is kept over a restart. Raises NotFoundError.
        """
        ...

    async def reload(self) -> ReloadReport:
        """Put in force what the configuration's files say now; with a problem in them, nothing changes."""
        ...

    async def breakers(self) -> tuple[BreakerStatus, ...]:
        """The circuit breakers, those that let least through first."""
        ...

    async def reset_breaker(self, target: str) -> None:
        """Close the circuit breakers of a target by hand. Raises NotFoundError."""
        ...

    def close(self, grace: float = 10.0) -> None:
        """Stop what was started, within `grace` seconds; blocks; safe to call twice."""
        ...
