"""The words of the house as data: frozen records that all rooms share.

Times are seconds since the Unix epoch (UTC, float), durations are seconds, identifiers of
executions, alerts, logs and notifications are positive integers that grow with time.
Trace identifiers are 32, span identifiers 16 lower-case hexadecimal digits, as in W3C Trace Context.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

Scalar = str | int | float | bool | None


class Outcome(StrEnum):
    """How an execution, attempt or step ended."""

    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"
    INTERRUPTED = "interrupted"

    @property
    def is_success(self) -> bool:
        """Counts as a success in rates: `ok` and `degraded` (slow is not down)."""
        return self in (Outcome.OK, Outcome.DEGRADED)

    @property
    def is_failure(self) -> bool:
        """Counts as a failure in rates: `failed` and `error`."""
        return self in (Outcome.FAILED, Outcome.ERROR)


class ErrorType(StrEnum):
    """What kind of error it was: decides whether to try again."""

    TRANSIENT = "TRANSIENT"
    PERMANENT = "PERMANENT"
    RATE_LIMIT = "RATE_LIMIT"
    TIMEOUT = "TIMEOUT"
    NETWORK = "NETWORK"
    UNKNOWN = "UNKNOWN"


class ErrorCategory(StrEnum):
    """The finer name of an error, for people and for rules."""

    RATE_LIMIT = "rate_limit"
    NETWORK = "network"
    AUTHENTICATION = "authentication"
    NOT_FOUND = "not_found"
    DATABASE = "database"
    VALIDATION = "validation"
    UNKNOWN = "unknown"


class BreakerState(StrEnum):
    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


class Priority(StrEnum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    CRITICAL = "critical"


class Severity(StrEnum):
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
    CRITICAL = "CRITICAL"

    @property
    def rank(self) -> int:
        """0 (INFO) to 3 (CRITICAL)."""
        return list(Severity).index(self)


class AlertState(StrEnum):
    PENDING = "pending"
    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"

    @property
    def is_active(self) -> bool:
        """Somebody should care: firing or acknowledged."""
        return self in (AlertState.FIRING, AlertState.ACKNOWLEDGED)


class HealthStatus(StrEnum):
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"


class LogLevel(IntEnum):
    """Numbers follow OpenTelemetry's severity numbers."""

    DEBUG = 5
    INFO = 9
    WARNING = 13
    ERROR = 17
    FATAL = 21

    @property
    def label(self) -> str:
        return self.name.lower()


class NotificationState(StrEnum):
    """The life of one message to one channel; `dead` means given up, and is shown."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DEAD = "dead"


class Topic(StrEnum):
    """What a client is told has changed; it then asks for what it shows."""

    EXECUTIONS = "executions"
    ALERTS = "alerts"
    HEALTH = "health"
    LOGS = "logs"
    NOTIFICATIONS = "notifications"
    ENGINE = "engine"


@dataclass(frozen=True, slots=True)
class Phases:
    """Where the time of one HTTP exchange went, seconds; None: the phase did not happen."""

    dns: float | None = None
    connect: float | None = None
    tls: float | None = None
    first_byte: float | None = None
    transfer: float | None = None


@dataclass(frozen=True, slots=True)
class Assertion:
    """One checked expectation; `shown` has the actual value in place: `status (503) == 200`."""

    text: str
    passed: bool
    shown: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a step did not succeed: a sentence, its type and its category."""

    message: str
    type: ErrorType = ErrorType.UNKNOWN
    category: ErrorCategory = ErrorCategory.UNKNOWN
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class StepResult:
    """One run of one step."""

    step_id: str
    type: str
    outcome: Outcome
    started_at: float
    duration: float
    failure: Failure | None = None
    phases: Phases = Phases()
    assertions: tuple[Assertion, ...] = ()
    extracted: Mapping[str, Scalar] = field(default_factory=dict)
    attributes: Mapping[str, Scalar] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try inside an execution; `number` counts from 1."""

    number: int
    started_at: float
    duration: float
    outcome: Outcome
    failure: Failure | None = None
    steps: tuple[StepResult, ...] = ()


@dataclass(frozen=True, slots=True)
class Execution:
    """One scheduled run of a workflow.

    `reason` tells why it was skipped (`breaker`, `overlap`, `misfire`); `attempt_count` is kept
    apart from `attempts` because lists of executions are read without them.
    """

    id: int
    workflow_id: str
    workflow_name: str
    priority: Priority
    trace_id: str
    scheduled_at: float
    started_at: float
    duration: float
    outcome: Outcome
    reason: str = ""
    failure: Failure | None = None
    attempt_count: int = 0
    attempts: tuple[Attempt, ...] = ()

    @property
    def ended_at(self) -> float:
        return self.started_at + self.duration

    @property
    def error(self) -> str:
        """The failure's sentence, or an empty string."""
        return self.failure.message if self.failure else ""


class SpanKind(StrEnum):
    INTERNAL = "internal"
    CLIENT = "client"


class SpanStatus(StrEnum):
    UNSET = "unset"
    OK = "ok"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class SpanEvent:
    at: float
    name: str
    attributes: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Span:
    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: SpanKind
    started_at: float
    duration: float
    status: SpanStatus = SpanStatus.UNSET
    attributes: Mapping[str, Scalar] = field(default_factory=dict)
    events: tuple[SpanEvent, ...] = ()
    execution_id: int | None = None


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One structured log line; `id` is 0 until stored."""

    at: float
    level: LogLevel
    message: str
    workflow_id: str | None = None
    execution_id: int | None = None
    trace_id: str | None = None
    span_id: str | None = None
    fields: Mapping[str, Scalar] = field(default_factory=dict)
    id: int = 0


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a series; `labels` is sorted pairs, so that equal series compare equal."""

    name: str
    labels: tuple[tuple[str, str], ...]
    at: float
    value: float


@dataclass(frozen=True, slots=True)
class Recording:
    """All that one execution leaves behind."""

    execution: Execution
    spans: tuple[Span, ...] = ()
    points: tuple[Point, ...] = ()
    logs: tuple[LogRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class ScheduleCursor:
    """The last slot of a workflow that was handled; nothing at or before it fires again."""

    workflow_id: str
    last_slot: float
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Alert:
    """One firing of a rule for one subject; times are None until they happen.

    `last_true_at` is the last evaluation that found the condition true; `fingerprint` is
    `rule_id|subject` and is shared by all alerts that deduplicate into one.
    """

    id: int
    fingerprint: str
    rule_id: str
    rule_name: str
    subject: str
    severity: Severity
    state: AlertState
    message: str
    started_at: float
    last_true_at: float
    value: Scalar = None
    execution_id: int | None = None
    trace_id: str | None = None
    fired_at: float | None = None
    acked_at: float | None = None
    acked_by: str = ""
    ack_note: str = ""
    resolved_at: float | None = None
    resolved_by: str = ""
    resolve_note: str = ""
    escalated_at: float | None = None


class AlertEventKind(StrEnum):
    PENDING = "pending"
    FIRED = "fired"
    ACKNOWLEDGED = "acknowledged"
    ESCALATED = "escalated"
    RESOLVED = "resolved"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """One transition of an alert; `author` is a person's name, `recovery`, `auto` or `rule`."""

    alert_id: int
    at: float
    kind: AlertEventKind
    author: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Gate:
    """One place a decision passed or stopped at: `for`, `cooldown`, `dedup`, `limit`, `severity:ops` …"""

    name: str
    passed: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """The record of one evaluation that mattered."""

    at: float
    rule_id: str
    subject: str
    result: bool | None
    value: Scalar
    threshold: str
    explanation: str
    gates: tuple[Gate, ...] = ()
    alert_id: int | None = None
    execution_id: int | None = None


@dataclass(frozen=True, slots=True)
class Notification:
    """One message to one channel. `key` is its idempotency key: `alert_id:transition:channel`."""

    key: str
    alert_id: int
    channel: str
    transition: AlertEventKind
    severity: Severity
    title: str
    body: str
    created_at: float
    state: NotificationState = NotificationState.QUEUED
    tries: int = 0
    next_at: float = 0.0
    sent_at: float | None = None
    latency: float | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class ComponentHealth:
    """`score` is 0–100; `uptime` is the share of checks found healthy or degraded, 0–1, None if none yet."""

    name: str
    kind: str
    status: HealthStatus
    score: float
    since: float
    detail: str = ""
    uptime: float | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """The system as a whole: score 0–100 (warn below 70, bad below 50)."""

    at: float
    status: HealthStatus
    score: float
    since: float
    started_at: float
    components: tuple[ComponentHealth, ...] = ()


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One stored observation of a component."""

    at: float
    component: str
    status: HealthStatus
    score: float
    detail: str = ""
