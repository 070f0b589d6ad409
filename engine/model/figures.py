"""What executions, checks of health and points came to over a period."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from engine.model.telemetry import Trend
from engine.model.words import Outcome, Severity


@dataclass(frozen=True, slots=True)
class WorkflowSummary:
    """One workflow over a period; durations in seconds, rate 0–1."""

    workflow_id: str
    executions: int
    success_rate: float | None
    mean: float | None
    p50: float | None
    p95: float | None
    p99: float | None
    p90: float | None = None


@dataclass(frozen=True, slots=True)
class PeriodTotals:
    """All executions of a period together; durations in seconds, rate 0–1."""

    executions: int
    success_rate: float | None
    mean: float | None
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None


@dataclass(frozen=True, slots=True)
class HourOfDay:
    """What was done in one hour of the local day, 0–23, on all days of a period; `mean` is seconds."""

    hour: int
    executions: int
    success_rate: float | None
    mean: float | None


@dataclass(frozen=True, slots=True)
class ComponentSummary:
    """How a component was: the share of its checks found healthy or degraded, 0–1; the mean score, 0–100."""

    component: str
    checks: int
    uptime: float
    score: float


@dataclass(frozen=True, slots=True)
class Trends:
    """Where a period went, over its equal parts: their executions, success rates and mean durations."""

    executions: Trend
    success_rate: Trend
    performance: Trend


@dataclass(frozen=True, slots=True)
class MetricsSummary:
    """Totals over [since, until).

    Percentiles are exact over few executions, and within 1 % over many. `previous` is the period of the same
    length before, None when nothing ran in it; `pattern` has the hours in which something ran.
    """

    since: float
    until: float
    executions: int
    outcomes: dict[Outcome, int]
    success_rate: float | None
    p50: float | None
    p95: float | None
    p99: float | None
    alerts: dict[Severity, int]
    workflows: tuple[WorkflowSummary, ...] = field(default_factory=tuple)
    p90: float | None = None
    mean: float | None = None
    previous: PeriodTotals | None = None
    pattern: tuple[HourOfDay, ...] = ()
    health: tuple[ComponentSummary, ...] = ()
    trends: Trends | None = None


class SeriesKind(StrEnum):
    """What the values of a series are; durations are seconds."""

    COUNTER = "counter"
    GAUGE = "gauge"
    DURATION = "duration"


@dataclass(frozen=True, slots=True)
class Series:
    """A series that has had points; `labels` are sorted pairs."""

    name: str
    labels: tuple[tuple[str, str], ...]
    kind: SeriesKind


@dataclass(frozen=True, slots=True)
class PointBucket:
    """Points in [at, at + width) of one or several series.

    `rate` is what counters grew by, each second, from the first point of the range on; None for other kinds.
    """

    at: float
    width: float
    count: int
    mean: float | None
    minimum: float | None
    maximum: float | None
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    rate: float | None = None
