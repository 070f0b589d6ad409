"""Alerts, their transitions, the decisions behind them and the messages about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from engine.model.words import AlertEventKind, AlertState, LineKind, NotificationState, Scalar, Severity


@dataclass(frozen=True, slots=True)
class Alert:
    """One firing of a rule for one subject; times are None until they happen.

    `last_true_at` is the last evaluation that found the condition true; `fingerprint` is
    `rule_id|subject` and is shared by all alerts that deduplicate into one. `ack_until` is when an
    acknowledgement runs out, `reopened` how often it fired again after its end, `escalations` and `reminders`
    how many there were since it fired, `told_at` when somebody was last told that it fires. `cleared_at` is
    since when its condition is false while it is kept firing. It is `owed` while it fires and is muted: then
    it is announced when that ends.
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
    ack_until: float | None = None
    reopened: int = 0
    escalations: int = 0
    reminders: int = 0
    told_at: float | None = None
    cleared_at: float | None = None
    owed: bool = False


@dataclass(frozen=True, slots=True)
class Silence:
    """Nobody is told of alerts that meet all `matchers` from `starts_at` until `ends_at`.

    It is ended early by being expired. One that stands in the configuration has a negative id.
    """

    id: int
    matchers: tuple[str, ...]
    author: str
    reason: str
    created_at: float
    starts_at: float
    ends_at: float
    expired_at: float | None = None
    expired_by: str = ""

    def is_active(self, now: float) -> bool:
        """Whether it mutes now; one that began when it was made has begun, wherever the clock is set."""
        return self.starts_at <= max(now, self.created_at) and now < self.end

    @property
    def end(self) -> float:
        """When it ends, or has been ended."""
        return self.ends_at if self.expired_at is None else min(self.expired_at, self.ends_at)


@dataclass(frozen=True, slots=True)
class MaintenanceWish:
    """A maintenance window that somebody asks for.

    Args:
        workflows: patterns of ids and names, one of which has to fit.
        tags: patterns, one of which has to fit one of the workflow's tags; none for any.
        mode: `mute` tells nobody of their alerts, `stop` does not run them either.
        starts_at: now unless given.
        ends_at, lasting: when it ends, or how many seconds after it began; one of the two.
    """

    workflows: tuple[str, ...]
    tags: tuple[str, ...]
    mode: str
    author: str
    reason: str
    starts_at: float | None = None
    ends_at: float | None = None
    lasting: float | None = None


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A maintenance window made at run time: see `MaintenanceWish`. It may be ended early."""

    id: int
    workflows: tuple[str, ...]
    tags: tuple[str, ...]
    mode: str
    author: str
    reason: str
    created_at: float
    starts_at: float
    ends_at: float
    ended_at: float | None = None
    ended_by: str = ""

    def is_active(self, now: float) -> bool:
        """Whether it is on now; one that began when it was made has begun, wherever the clock is set."""
        return self.starts_at <= max(now, self.created_at) and now < self.end

    @property
    def end(self) -> float:
        """When it ends, or has been ended."""
        return self.ends_at if self.ended_at is None else min(self.ended_at, self.ends_at)


@dataclass(frozen=True, slots=True)
class MaintenanceStatus:
    """A maintenance window of the configuration, or made at run time.

    Args:
        id: its name in the configuration, or its number.
        when: its times in words.
        ends_at: None when it comes again and again.
        is_standing: it stands in the configuration, and can only be ended there.
        state: `on`, `waiting` or `ended`.
    """

    id: str
    workflows: tuple[str, ...]
    tags: tuple[str, ...]
    mode: str
    when: str
    author: str
    reason: str
    ends_at: float | None
    is_standing: bool
    state: str

    @property
    def whom(self) -> str:
        """Which workflows it is about: `workflow=db-* tag=web`."""
        words = [f"workflow={pattern}" for pattern in self.workflows if pattern != "*" or not self.tags]
        return " ".join([*words, *(f"tag={pattern}" for pattern in self.tags)])


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
class Notice:
    """A message for whoever looks at the console; `number` counts up from 1 in each run of the engine."""

    number: int
    severity: Severity
    title: str
    body: str
    bell: bool


class Muted(NamedTuple):
    """What a restart takes over: silences and maintenance that have not ended, and what was said to flap."""

    silences: tuple[Silence, ...] = ()
    next_silence: int = 1
    flapping: tuple[str, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    next_maintenance: int = 1


NOT_MUTED = Muted()


@dataclass(frozen=True, slots=True)
class Notification:
    """What one channel is told of one transition. `key` is its own: `alert_id:transition:channel`.

    Rows of one `group` leave together (`engine.notify.grouping`). `message` is the key of the message that
    carried it, and empty while nobody can have heard of it; `stands_for` is the channel that failed to tell
    it. `error` is what its last try said or, of one that was never tried, why it waits or was not told.
    `facts` is what was known of the alert, a JSON object (`engine.notify.facts`).
    """

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
    group: str = ""
    message: str = ""
    stands_for: str = ""
    facts: str = ""


@dataclass(frozen=True, slots=True)
class ExplanationLine:
    """One line of why an alert or a rule is as it is (`engine.alerts.explanation`)."""

    kind: LineKind
    text: str
