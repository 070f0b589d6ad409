"""What a report over a period says, before it is put into words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.model import MetricsSummary, Severity

DEFAULT_OBJECTIVE = 0.99
"""The share of executions that are to succeed where the configuration does not say."""


@dataclass(frozen=True, slots=True)
class Pledge:
    """What the configuration promises of a workflow.

    Args:
        objective: the share of executions that are to succeed, 0–1.
        timeout: seconds that an execution may take; None when only a running engine would know.
        rules: how many rules look at it; None likewise.
    """

    workflow_id: str
    objective: float = DEFAULT_OBJECTIVE
    timeout: float | None = None
    rules: int | None = None


@dataclass(frozen=True, slots=True)
class ServiceLevel:
    """A workflow against its objective; durations in seconds, shares 0–1.

    Args:
        executions: those with a result.
        allowed: failures that the objective allows among so many executions.
        alerts: that fired about it in the period.
        rescued: executions that only succeeded because they were tried again.
        previous: the success rate of the period before, None when nothing ran.
    """

    workflow_id: str
    objective: float
    executions: int
    failures: int
    success_rate: float | None
    allowed: float
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    timeout: float | None = None
    rules: int | None = None
    alerts: int = 0
    retried: int = 0
    rescued: int = 0
    waited: float = 0.0
    previous: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the objective is met; None without executions."""
        return None if self.success_rate is None else self.success_rate >= self.objective

    @property
    def left(self) -> float | None:
        """The share of the error budget that is left: 1 untouched, 0 used up, below 0 overspent."""
        return None if not self.allowed else 1 - self.failures / self.allowed


@dataclass(frozen=True, slots=True)
class RuleTally:
    """The alerts of one rule that fired in the period.

    Args:
        subjects: how many fired about each subject.
        acknowledged: those that a person acknowledged or resolved.
        lasted: the median of how long those that ended had fired, seconds; None when none did.
    """

    rule_id: str
    name: str
    severity: Severity
    alerts: int
    subjects: Mapping[str, int]
    acknowledged: int
    ended: int
    lasted: float | None


@dataclass(frozen=True, slots=True)
class ChannelTally:
    """What one channel was told in the period; `latency` is the median in seconds from queue to receipt."""

    channel: str
    sent: int
    dead: int
    waiting: int
    latency: float | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Advice:
    """Something to look at: what it is about, what to do, and the figures that say so."""

    severity: Severity
    subject: str
    advice: str
    evidence: str
    workflow_id: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What happened in a period: levels that are furthest from their objective first, likewise the rest.

    Args:
        made_at: seconds since the epoch.
        trends: sentences.
        partial: what was left out, in words; empty when nothing was.
    """

    made_at: float
    summary: MetricsSummary
    levels: tuple[ServiceLevel, ...] = ()
    rules: tuple[RuleTally, ...] = ()
    channels: tuple[ChannelTally, ...] = ()
    trends: tuple[str, ...] = ()
    advice: tuple[Advice, ...] = field(default_factory=tuple)
    partial: str = ""

    @property
    def missed(self) -> tuple[ServiceLevel, ...]:
        """The levels whose objective is not met."""
        return tuple(level for level in self.levels if level.met is False)
