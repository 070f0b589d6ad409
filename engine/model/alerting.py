"""Alerts, their transitions, the decisions behind them and the messages about them."""

from __future__ import annotations

from dataclasses import dataclass

from engine.model.words import AlertEventKind, AlertState, NotificationState, Scalar, Severity


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
