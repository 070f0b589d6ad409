"""What a rule is doing: as it is listed, and in full."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from engine.model.alerting import Decision
from engine.model.words import AlertState, Severity

MAX_STRIKES = 3
"""Failures of a rule after which it is not looked at any more."""


class RuleState(StrEnum):
    """The most pressing first. `failed`: it raised an error so often that it is not evaluated any more."""

    FIRING = "firing"
    FAILED = "failed"
    PENDING = "pending"
    QUIET = "quiet"
    ASLEEP = "asleep"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class RuleStatus:
    """A rule as it is listed.

    Args:
        looks_for: its conditions as one sentence.
        firing: how many subjects have a firing or acknowledged alert; pending: a pending one.
        strikes: how often it has failed.
        asleep: the times in which it looks, when this is none of them.
        last: its newest decision.
    """

    id: str
    name: str
    severity: Severity
    state: RuleState
    looks_for: str
    channels: tuple[str, ...] = ()
    firing: int = 0
    pending: int = 0
    strikes: int = 0
    asleep: str = ""
    last: Decision | None = None


@dataclass(frozen=True, slots=True)
class ConditionState:
    """One condition of a rule now: in words, the value that it looks at, and what it is held against."""

    words: str
    value: str
    threshold: str
    result: bool | None


@dataclass(frozen=True, slots=True)
class SubjectState:
    """What a rule says of one subject now; `conditions` are in the order of the file."""

    subject: str
    result: bool | None
    conditions: tuple[ConditionState, ...] = ()
    alert: AlertState | None = None
    alert_id: int | None = None


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Where a rule stands in a file: its lines, the number of the first, and of each condition's first."""

    file: str = ""
    line: int = 1
    text: str = ""
    places: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleDetail:
    """A rule in full.

    Args:
        excerpt: without secrets; its file is empty when the rule stands in none.
        subjects: some of them, those that matter most first.
        subject_count: how many there are in all.
        decisions: the newest, newest first.
        settings: the numbers and times that a backtest may change, such as `threshold=5s`.
    """

    status: RuleStatus
    excerpt: Excerpt
    subjects: tuple[SubjectState, ...] = ()
    subject_count: int = 0
    decisions: tuple[Decision, ...] = ()
    settings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TestReceipt:
    """What became of a test message to a channel; `error` is empty when it was taken, `latency` seconds."""

    __test__ = False

    channel: str
    kind: str
    latency: float
    error: str = ""
