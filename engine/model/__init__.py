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
from engine.model.figures import (
    ComponentSummary,
    HourOfDay,
    MetricsSummary,
    PeriodTotals,
    PointBucket,
    Series,
    SeriesKind,
    Trends,
    WorkflowSummary,
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
    BreakerStatus,
    Execution,
    Failure,
    Phases,
    Recording,
    ScheduleCursor,
    StepResult,
    StoredResponse,
)
from engine.model.searching import (
    LogCount,
    LogFacet,
    LogFacets,
    LogPage,
)
from engine.model.telemetry import (
    LogRecord,
    Point,
    SourceFile,
    Span,
    SpanEvent,
    SpanLink,
    Trend,
)
from engine.model.words import (
    AlertEventKind,
    AlertState,
    BreakerState,
    Direction,
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
    "BreakerStatus",
    "ComponentHealth",
    "ComponentSummary",
    "Decision",
    "Direction",
    "ErrorCategory",
    "ErrorType",
    "Execution",
    "Failure",
    "Gate",
    "Health",
    "HealthCheck",
    "HealthStatus",
    "Heartbeat",
    "HourOfDay",
    "LogCount",
    "LogFacet",
    "LogFacets",
    "LogLevel",
    "LogPage",
    "LogRecord",
    "MetricsSummary",
    "Notification",
    "NotificationState",
    "Outcome",
    "PeriodTotals",
    "Phases",
    "Point",
    "PointBucket",
    "Priority",
    "Recording",
    "Scalar",
    "ScheduleCursor",
    "Series",
    "SeriesKind",
    "Severity",
    "Signal",
    "SourceFile",
    "Span",
    "SpanEvent",
    "SpanKind",
    "SpanLink",
    "SpanStatus",
    "StepResult",
    "StoredResponse",
    "Topic",
    "Trend",
    "Trends",
    "WorkflowSummary",
]
