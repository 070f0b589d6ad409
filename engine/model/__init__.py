"""The words of the house as data: frozen records that all rooms share.

Times are seconds since the Unix epoch (UTC, float), durations are seconds, identifiers of
executions, alerts, logs and notifications are positive integers that grow with time.
Trace identifiers are 32, span identifiers 16 lower-case hexadecimal digits, as in W3C Trace Context.
"""

from __future__ import annotations

from engine.model.alerting import (
    Alert,
    AlertEvent,
    Decision,
    Gate,
    Notification,
)
from engine.model.health import (
    ComponentHealth,
    Health,
    HealthCheck,
)
from engine.model.heartbeats import Heartbeat, Signal
from engine.model.runs import (
    Assertion,
    Attempt,
    BreakerMemory,
    Execution,
    Failure,
    Phases,
    Recording,
    ScheduleCursor,
    StepResult,
    StoredResponse,
)
from engine.model.telemetry import (
    LogRecord,
    Point,
    Span,
    SpanEvent,
)
from engine.model.words import (
    AlertEventKind,
    AlertState,
    BreakerState,
    ErrorCategory,
    ErrorType,
    HealthStatus,
    LogLevel,
    NotificationState,
    Outcome,
    Priority,
    Scalar,
    Severity,
    SpanKind,
    SpanStatus,
    Topic,
)

__all__ = [
    "Alert",
    "AlertEvent",
    "AlertEventKind",
    "AlertState",
    "Assertion",
    "Attempt",
    "BreakerMemory",
    "BreakerState",
    "ComponentHealth",
    "Decision",
    "ErrorCategory",
    "ErrorType",
    "Execution",
    "Failure",
    "Gate",
    "Health",
    "HealthCheck",
    "HealthStatus",
    "Heartbeat",
    "LogLevel",
    "LogRecord",
    "Notification",
    "NotificationState",
    "Outcome",
    "Phases",
    "Point",
    "Priority",
    "Recording",
    "Scalar",
    "ScheduleCursor",
    "Severity",
    "Signal",
    "Span",
    "SpanEvent",
    "SpanKind",
    "SpanStatus",
    "StepResult",
    "StoredResponse",
    "Topic",
]
