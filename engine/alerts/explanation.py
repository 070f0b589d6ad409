"""Why an alert fired or did not, and why somebody was told or nobody was: records in, words out. Pure.

Everything is said as it was recorded: each gate with what it said when it was passed or stopped at, each
message with its receipt. Only what `Standing` holds is about now. The first sentence of an alert tells the
date and the zone; further times are of that day unless they say otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from engine.alerts.receipts import fate, short, when
from engine.client import AlertDetail
from engine.lines import moment, seconds
from engine.model import (
    Alert,
    AlertEvent,
    AlertEventKind,
    AlertState,
    Decision,
    Execution,
    ExplanationLine,
    Gate,
    LineKind,
    LogRecord,
    NotificationState,
    Span,
    SpanStatus,
)
from engine.text import counted, plain

T = TypeVar("T")
Lines = Iterator[ExplanationLine]

MAX_LOOKS = 20
"""Decisions that are told in each part; the oldest and the newest of them, of more."""
MAX_MESSAGES = 40
MAX_SPANS = 5
MAX_REASONS = 3
MAX_SUBJECTS = 30
_MUTING = frozenset({"inhibited", "maintenance", "silence", "flapping"})


@dataclass(frozen=True, slots=True)
class Standing:
    """How a rule stands with one subject now.

    `gates` are those that its open `alert` is at; without one, those that would mute it.
    """

    subject: str
    result: bool | None
    explanation: str
    alert: Alert | None = None
    gates: tuple[Gate, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an alert was raised by, as far as it is kept: log lines oldest first."""

    execution: Execution | None = None
    spans: tuple[Span, ...] = ()
    records: tuple[LogRecord, ...] = ()


NO_EVIDENCE = Evidence()


def of_alert(
    detail: AlertDetail, evidence: Evidence = NO_EVIDENCE, standing: Standing | None = None, muted: str = ""
) -> tuple[ExplanationLine, ...]:
    """Everything there is to say of one alert.

    Args:
        standing: how its rule stands with its subject now; None when no engine can tell.
        muted: why nobody is told of it now.
    """
    return tuple(_of_alert(detail, evidence, standing, muted))


def of_rule(
    title: str,
    looks_for: str,
    standings: Sequence[Standing],
    last: Mapping[str, Alert],
    why_not: str = "",
) -> tuple[ExplanationLine, ...]:
    """Why a rule fires or does not, subject by subject.

    Args:
        title: its name and id.
        last: the newest alert about each subject.
        why_not: why it is not looked at at all; empty when it is.
    """
    return tuple(_of_rule(title, looks_for, standings, last, why_not))


def _of_rule(
    title: str, looks_for: str, standings: Sequence[Standing], last: Mapping[str, Alert], why_not: str
) -> Lines:
    yield ExplanationLine(LineKind.TITLE, title)
    if looks_for:
        yield _text(f"It looks for {short(looks_for)}")
    if why_not:
        yield ExplanationLine(LineKind.STOPPED, why_not)
    known = {standing.subject for standing in standings}
    for standing in standings[:MAX_SUBJECTS]:
        yield _heading(plain(standing.subject))
        yield from _now(standing)
        yield from _newest(standing.alert or last.get(standing.subject))
    for subject in [each for each in last if each not in known][: max(MAX_SUBJECTS - len(known), 0)]:
        yield _heading(plain(subject))
        yield from _newest(last[subject])
    left_out = len(known | last.keys()) - MAX_SUBJECTS
    if left_out > 0:
        yield _text(f"… and {counted(left_out, 'subject')} more; name the one to be explained")
    if not known and not last:
        yield _text("It has found nothing that it could be about.")


def _newest(alert: Alert | None) -> Lines:
    """The newest alert about a subject."""
    if alert is None:
        yield _text("There is no alert about it.")
    else:
        yield _text(f"Alert {alert.id}: {_life(alert)}")


def _of_alert(detail: AlertDetail, evidence: Evidence, standing: Standing | None, muted: str) -> Lines:
    alert = detail.alert
    said = _said(alert)
    name = f"Alert {alert.id}: {plain(alert.rule_name)}, about {plain(alert.subject)} ({alert.severity})"
    yield ExplanationLine(LineKind.TITLE, name)
    yield _text(_life(alert))
    yield _text(_echo(detail, standing, muted))
    looks = [each for each in detail.decisions if _is_creation(each)]
    yield _heading(_why(alert))
    for look in _few(looks):
        yield _text(f"{when(look.at, said)}  {short(look.explanation)}")
        yield from _gates(gate for gate in look.gates if ":" not in gate.name and gate.name not in _LATER)
    if not looks:
        yield _text(short(alert.message))
    yield from _raised(evidence, said)
    yield from _told(detail, muted)
    yield from _since(detail, looks)
    if standing is not None and alert.state is not AlertState.RESOLVED:
        yield _heading("Now")
        yield from _now(standing)


_LATER = frozenset({"maintenance", "silence", "flapping"})
"""Gates at which an alert that has fired is not told."""


def _said(alert: Alert) -> float:
    """The moment that `_life` tells with its date and zone."""
    return alert.started_at if alert.fired_at is None else alert.fired_at


def _life(alert: Alert) -> str:
    said = _said(alert)
    if alert.fired_at is None:
        since = f"true since {moment(said)}"
        if alert.state is AlertState.PENDING:
            return f"It has not fired: {since}."
        return f"It never fired: {since}, until {when(alert.resolved_at or alert.last_true_at, said)}."
    words = f"It fired at {moment(said)}"
    if alert.reopened:
        words += f" and had fired {counted(alert.reopened, 'time')} before"
    match alert.state:
        case AlertState.RESOLVED:
            note = f": {short(alert.resolve_note)}" if alert.resolve_note else ""
            by = {"recovery": "as it was no longer true", "auto": "by itself", "rule": "with its rule"}.get(
                alert.resolved_by, f"by {plain(alert.resolved_by)}"
            )
            return f"{words} and ended at {when(alert.resolved_at or said, said)} {by}{note}."
        case AlertState.ACKNOWLEDGED:
            until = f" until {when(alert.ack_until, said)}" if alert.ack_until is not None else ""
            note = f": {short(alert.ack_note)}" if alert.ack_note else ""
            return f"{words}; {plain(alert.acked_by) or 'somebody'} takes care of it{until}{note}."
        case _:
            return f"{words} and is firing."


def _echo(detail: AlertDetail, standing: Standing | None, muted: str) -> str:
    """Who knows of it, in a sentence; when nobody does, why."""
    told = dict.fromkeys(
        plain(row.channel)
        for row in detail.notifications
        if row.state is NotificationState.SENT and row.transition is not AlertEventKind.RESOLVED
    )
    if told:
        return f"{', '.join(told)} {'was' if len(told) == 1 else 'were'} told."
    if detail.alert.fired_at is None:
        return _held(detail, standing)
    rows = [row for row in detail.notifications if row.transition is not AlertEventKind.RESOLVED]
    if rows:
        return f"Nobody has been told: {fate(rows[-1], _said(detail.alert))}."
    stops = [gate for each in detail.decisions for gate in _stops(each.gates) if _keeps_quiet(gate)]
    if muted or stops:
        reasons = dict.fromkeys([muted] if muted else [_gate(gate) for gate in stops])
        return f"Nobody was told: {'; '.join(reasons)}."
    return "Nobody was told: its rule names no channel, and no route takes it."


def _held(detail: AlertDetail, standing: Standing | None) -> str:
    """The gate that an alert which has not fired is held at now, or was at last."""
    now = _stops(standing.gates) if standing is not None else []
    recorded = [gate for each in reversed(detail.decisions) for gate in _stops(each.gates)]
    stop = next(iter([*now, *recorded]), None)
    if stop is None:
        return "Nobody is told of it before it fires."
    return f"It {'is' if now else 'was'} held at {_gate(stop)}. Nobody is told before it fires."


def _why(alert: Alert) -> str:
    if alert.fired_at is not None:
        return "Why it fired"
    return "Why it has not fired" if alert.state is AlertState.PENDING else "Why it did not fire"


def _raised(evidence: Evidence, said: float) -> Lines:
    """The execution that it was raised by, where its time went or what failed in it, and what was logged."""
    execution = evidence.execution
    if execution is None and not evidence.records:
        return
    yield _heading("What it was raised by")
    if execution is not None:
        reason = short(execution.error or execution.reason)
        tries = f", {execution.attempt_count} attempts" if execution.attempt_count > 1 else ""
        yield _seen(
            f"execution {execution.id} of {plain(execution.workflow_id)}, "
            f"{when(execution.started_at, said)}: {execution.outcome} after {seconds(execution.duration)}"
            f"{tries}{f': {reason}' if reason else ''}"
        )
        yield _seen(f"trace {plain(execution.trace_id)}")
    for span in _telling(evidence.spans):
        error = plain(span.attributes.get("error.message", ""))
        status = "failed" if span.status is SpanStatus.ERROR else "took"
        yield _seen(
            f"span {plain(span.name)} {status} {seconds(span.duration)}{f': {error}' if error else ''}"
        )
    for record in evidence.records:
        yield _seen(f"log {when(record.at, said)} {record.level.label} {short(record.message)}")


def _telling(spans: Sequence[Span]) -> Sequence[Span]:
    """Those that failed; when none did, those below the root that took longest."""
    failed = [span for span in spans if span.status is SpanStatus.ERROR]
    if failed:
        return failed[:MAX_SPANS]
    inner = [span for span in spans if span.parent_id is not None]
    return sorted(inner, key=lambda span: -span.duration)[:2]


def _told(detail: AlertDetail, muted: str) -> Lines:
    """What kept it quiet, and each message with its receipt."""
    alert, rows = detail.alert, detail.notifications
    if alert.fired_at is None:
        return
    said = _said(alert)
    reached = any(row.state is NotificationState.SENT for row in rows)
    yield _heading("Who was told" if reached else "Why nobody was told")
    for at, gate in _few(tuple(_quieting(detail))):
        kind = LineKind.PASSED if gate.passed else LineKind.STOPPED
        yield ExplanationLine(kind, f"{when(at, said)}  {_gate(gate)}")
    for row in rows[:MAX_MESSAGES]:
        sent = row.state is NotificationState.SENT
        yield ExplanationLine(
            LineKind.TOLD if sent else LineKind.UNTOLD,
            f"{when(row.sent_at or row.created_at, said)}  {fate(row, said)}",
        )
    if len(rows) > MAX_MESSAGES:
        yield _text(f"… and {counted(len(rows) - MAX_MESSAGES, 'message')} more")
    if alert.owed and alert.state.is_active:
        yield _text(f"It will be told when that ends{f': {muted}' if muted else ''}.")
    elif muted and alert.state.is_active:
        yield _text(f"Nobody is reminded for now: {muted}.")
    elif not rows and not any(True for _ in _quieting(detail)):
        yield _text("Its rule names no channel, and no route takes it.")


def _quieting(detail: AlertDetail) -> Iterator[tuple[float, Gate]]:
    """The gates between an alert that has fired and its channels; what is said again is left out."""
    seen = set()
    for decision in detail.decisions:
        held = _is_creation(decision) and decision.gates[-1].name == "inhibited"
        for gate in decision.gates if not held else ():
            if _keeps_quiet(gate) and (gate.name, gate.detail) not in seen:
                seen.add((gate.name, gate.detail))
                yield decision.at, gate


def _since(detail: AlertDetail, looks: Sequence[Decision]) -> Lines:
    """What has happened to it, and what further looks at its rule came to; a stop is told once."""
    said = _said(detail.alert)
    happened: list[tuple[float, ExplanationLine]] = []
    told: set[Gate] = set()
    for decision in detail.decisions:
        if decision.result is False:
            line = f"{when(decision.at, said)}  found false: {short(decision.explanation)}"
            happened.append((decision.at, _text(line)))
        stops = [] if decision in looks else _stops(decision.gates)
        for gate in stops:
            if not _keeps_quiet(gate) and gate not in told:
                told.add(gate)
                line = f"{when(decision.at, said)}  {_gate(gate)}"
                happened.append((decision.at, ExplanationLine(LineKind.STOPPED, line)))
    happened += ((event.at, _text(f"{when(event.at, said)}  {_event(event)}")) for event in detail.events)
    if happened:
        yield _heading("What happened to it")
        yield from _few([line for _, line in sorted(happened, key=lambda each: each[0])])


def _now(standing: Standing) -> Lines:
    verdict = {True: "true", False: "false", None: "unknown"}[standing.result]
    yield _text(f"{verdict}: {short(standing.explanation)}")
    yield from _gates(standing.gates)


def _event(event: AlertEvent) -> str:
    by = f" by {plain(event.author)}" if event.author else ""
    return f"{event.kind}{by}{f': {short(event.note)}' if event.note else ''}"


def _is_creation(decision: Decision) -> bool:
    """Whether it was decided then whether the alert fires."""
    return any(gate.name == "for" for gate in decision.gates)


def _keeps_quiet(gate: Gate) -> bool:
    """Whether it stands between an alert that has fired and its channels."""
    return gate.name in _MUTING or gate.name == "collapsed" or ":" in gate.name


def _stops(gates: Iterable[Gate]) -> list[Gate]:
    return [gate for gate in gates if not gate.passed]


def _gates(gates: Iterable[Gate]) -> Lines:
    for gate in gates:
        yield ExplanationLine(LineKind.PASSED if gate.passed else LineKind.STOPPED, _gate(gate))


def _gate(gate: Gate) -> str:
    """Its name and what it said, unless that begins with its name."""
    detail = short(gate.detail)
    if not detail or detail.startswith(gate.name):
        return detail or plain(gate.name)
    return f"{plain(gate.name)}: {detail}"


def _few(each: Sequence[T]) -> Sequence[T]:
    """All of them, or the first half and the last of too many."""
    half = MAX_LOOKS // 2
    return each if len(each) <= MAX_LOOKS else [*each[:half], *each[-half:]]


def _heading(text: str) -> ExplanationLine:
    return ExplanationLine(LineKind.HEADING, text)


def _text(text: str) -> ExplanationLine:
    return ExplanationLine(LineKind.TEXT, text)


def _seen(text: str) -> ExplanationLine:
    return ExplanationLine(LineKind.EVIDENCE, text)
