"""The closed sets of words: outcomes, states, severities."""

from __future__ import annotations

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
        return self in _SUCCESSES

    @property
    def is_failure(self) -> bool:
        """Counts as a failure in rates: `failed` and `error`."""
        return self in _FAILURES


_SUCCESSES = (Outcome.OK, Outcome.DEGRADED)
_FAILURES = (Outcome.FAILED, Outcome.ERROR)


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
    """The life of what one channel is told.

    `dead` means given up, and is shown; `collapsed` never told, since it was over before; `moved` handed
    on to the fallback of its channel.
    """

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DEAD = "dead"
    COLLAPSED = "collapsed"
    MOVED = "moved"


class Topic(StrEnum):
    """What a client is told has changed; it then asks for what it shows."""

    EXECUTIONS = "executions"
    ALERTS = "alerts"
    HEALTH = "health"
    LOGS = "logs"
    NOTIFICATIONS = "notifications"
    ENGINE = "engine"


class AlertEventKind(StrEnum):
    """What happened to an alert, and what is told of it.

    `lapsed`: the acknowledgement ran out; `flapping` and `steady`: it began and ceased to change too often;
    `eased`: its value fell to a lower severity; `noted`: a person wrote something down. Nobody is told of
    these two.
    """

    PENDING = "pending"
    FIRED = "fired"
    ACKNOWLEDGED = "acknowledged"
    LAPSED = "lapsed"
    ESCALATED = "escalated"
    EASED = "eased"
    REMINDED = "reminded"
    FLAPPING = "flapping"
    STEADY = "steady"
    RESOLVED = "resolved"
    CANCELLED = "cancelled"
    REOPENED = "reopened"
    NOTED = "noted"


class Direction(StrEnum):
    """Where a measure is going; stable unless there is good evidence."""

    IMPROVING = "improving"
    STABLE = "stable"
    DEGRADING = "degrading"


class SpanKind(StrEnum):
    """As in OpenTelemetry; the last three are those of other programs' spans."""

    INTERNAL = "internal"
    CLIENT = "client"
    SERVER = "server"
    PRODUCER = "producer"
    CONSUMER = "consumer"


class SpanStatus(StrEnum):
    UNSET = "unset"
    OK = "ok"
    ERROR = "error"


class LineKind(StrEnum):
    """What a line of an explanation is: `evidence` is what was seen, `told` and `untold` are receipts."""

    TITLE = "title"
    HEADING = "heading"
    TEXT = "text"
    PASSED = "passed"
    STOPPED = "stopped"
    EVIDENCE = "evidence"
    TOLD = "told"
    UNTOLD = "untold"
