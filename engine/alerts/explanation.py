"""Why an alert fired or did not, and why somebody was told or nobody was: records in, words out. Pure.

Everything is said as it was recorded: each gate with what it said when it was passed or stopped at, each
message with its receipt. Only what `Standing` holds is about now.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

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
    Notification,
    NotificationState,
    Span,
    SpanStatus,
)
from engine.text import clean, counted, plain

T = TypeVar("T")
Lines = Iterator[ExplanationLine]

MAX_LOOKS = 20
"""Decisions that are told in each part; the oldest and the newest of them, of more."""
MAX_MESSAGES = 40
MAX_SPANS = 5
MAX_SUBJECTS = 30
_TEXT = 500
_MUTING = frozenset({"inhibited", "maintenance", "silence", "flapping"})
_WORDS = {
    AlertEventKind.FIRED: "it fires",
    AlertEventKind.REOPENED: "it fires again",
    AlertEventKind.ESCALATED: "it escalated",
    AlertEventKind.REMINDED: "it still fires",
    AlertEventKind.LAPSED: "its acknowledgement ran out",
    AlertEventKind.FLAPPING: "it changes too often",
    AlertEventKind.STEADY: "it no longer changes too often",
    AlertEventKind.RESOLVED: "it ended",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """How a rule stands with one subject now: `gates` are those that its open `alert` is at."""

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
        yield _text(f"It looks for {_cut(looks_for)}")
    if why_not:
        yield ExplanationLine(LineKind.STOPPED, why_not)
    known = {standing.subject for standing in standings}
    for standing in standings[:MAX_SUBJECTS]:
        yield _heading(plain(standing.subject))
        yield from _now(standing)
        yield from _newest(standing.alert or last.get(standing.subject))
    for subject in [each for each in last if each not in known][: MAX_SUBJECTS - len(known)]:
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
    name = f"Alert {alert.id}: {plain(alert.rule_name)}, about {plain(alert.subject)} ({alert.severity})"
    yield ExplanationLine(LineKind.TITLE, name)
    yield _text(_life(alert))
    yield _text(_echo(detail, muted))
    looks = [each for each in detail.decisions if _is_creation(each)]
    yield _heading(_why(alert))
    for look in _few(looks):
        yield _text(f"{_at(look.at)}  {_cut(look.explanation)}")
        yield from _gates(gate for gate in look.gates if ":" not in gate.name and gate.name not in _LATER)
    if not looks:
        yield _text(_cut(alert.message))
    yield from _raised(evidence)
    yield from _told(detail, muted)
    yield from _since(detail, looks)
    if standing is not None and alert.state is not AlertState.RESOLVED:
        yield _heading("Now")
        yield from _now(standing)


_LATER = frozenset({"maintenance", "silence", "flapping"})
"""Gates at which an alert that has fired is not told."""


def _life(alert: Alert) -> str:
    if alert.fired_at is None:
        since = f"true since {moment(alert.started_at)}"
        if alert.state is AlertState.PENDING:
            return f"It has not fired: {since}."
        return f"It never fired: {since}, until {moment(alert.resolved_at or alert.last_true_at)}."
    words = f"It fired at {moment(alert.fired_at)}"
    if alert.reopened:
        words += f" and had fired {counted(alert.reopened, 'time')} before"
    match alert.state:
        case AlertState.RESOLVED:
            note = f": {_cut(alert.resolve_note)}" if alert.resolve_note else ""
            by = {"recovery": "as it was no longer true", "auto": "by itself", "rule": "with its rule"}.get(
                alert.resolved_by, f"by {plain(alert.resolved_by)}"
            )
            return f"{words} and ended at {moment(alert.resolved_at or 0.0)} {by}{note}."
        case AlertState.ACKNOWLEDGED:
            until = f" until {moment(alert.ack_until)}" if alert.ack_until is not None else ""
            note = f": {_cut(alert.ack_note)}" if alert.ack_note else ""
            return f"{words}; {plain(alert.acked_by) or 'somebody'} takes care of it{until}{note}."
        case _:
            return f"{words} and is firing."


def _echo(detail: AlertDetail, muted: str) -> str:
    """Who knows of it, in a sentence; when nobody does, why."""
    told = dict.fromkeys(
        plain(row.channel)
        for row in detail.notifications
        if row.state is NotificationState.SENT and row.transition is not AlertEventKind.RESOLVED
    )
    if told:
        return f"{', '.join(told)} {'was' if len(told) == 1 else 'were'} told."
    if detail.alert.fired_at is None:
        stop = next((gate for each in reversed(detail.decisions) for gate in _stops(each.gates)), None)
        held = f" It is held at {stop.name}: {_cut(stop.detail)}." if stop is not None else ""
        pending = detail.alert.state is AlertState.PENDING
        return "Nobody is told of what has not fired." + (held if pending else held.replace("is", "was", 1))
    rows = [row for row in detail.notifications if row.transition is not AlertEventKind.RESOLVED]
    if rows:
        return f"Nobody has been told: {_fate(rows[-1])}."
    stops = [gate for each in detail.decisions for gate in _stops(each.gates) if _keeps_quiet(gate)]
    if muted or stops:
        reasons = dict.fromkeys([muted] if muted else [f"{gate.name}, {_cut(gate.detail)}" for gate in stops])
        return f"Nobody was told: {'; '.join(reasons)}."
    return "Nobody was told: its rule names no channel, and no route takes it."


def _why(alert: Alert) -> str:
    if alert.fired_at is not None:
        return "Why it fired"
    return "Why it has not fired" if alert.state is AlertState.PENDING else "Why it did not fire"


def _raised(evidence: Evidence) -> Lines:
    """The execution that it was raised by, where its time went or what failed in it, and what was logged."""
    execution = evidence.execution
    if execution is None and not evidence.records:
        return
    yield _heading("What it was raised by")
    if execution is not None:
        said = _cut(execution.error or execution.reason)
        tries = f", {execution.attempt_count} attempts" if execution.attempt_count > 1 else ""
        yield _seen(
            f"execution {execution.id} of {plain(execution.workflow_id)}, {_at(execution.started_at)}: "
            f"{execution.outcome} after {seconds(execution.duration)}{tries}{f': {said}' if said else ''}"
        )
        yield _seen(f"trace {plain(execution.trace_id)}")
    for span in _telling(evidence.spans):
        error = plain(span.attributes.get("error.message", ""))
        status = "failed" if span.status is SpanStatus.ERROR else "took"
        yield _seen(
            f"span {plain(span.name)} {status} {seconds(span.duration)}{f': {error}' if error else ''}"
        )
    for record in evidence.records:
        yield _seen(f"log {_at(record.at)} {record.level.label} {_cut(record.message)}")


def _telling(spans: Sequence[Span]) -> Sequence[Span]:
    """Those that failed; when none did, those below the root that took longest."""
    failed = [span for span in spans if span.status is SpanStatus.ERROR]
    if failed:
        return failed[:MAX_SPANS]
    inner = [span for span in spans if span.parent_id is not None]
    return sorted(inner, key=lambda span: -span.duration)[:2]


def _told(detail: AlertDetail, muted: str) -> Lines:
    """What kept it quiet, and each message with its receipt."""
    rows = detail.notifications
    reached = any(row.state is NotificationState.SENT for row in rows)
    yield _heading("Who was told" if reached else "Why nobody was told")
    for at, gate in _quieting(detail):
        kind = LineKind.PASSED if gate.passed else LineKind.STOPPED
        yield ExplanationLine(kind, f"{_at(at)}  {_gate(gate)}")
    for row in rows[:MAX_MESSAGES]:
        sent = row.state is NotificationState.SENT
        yield ExplanationLine(
            LineKind.TOLD if sent else LineKind.UNTOLD, f"{_at(row.sent_at or row.created_at)}  {_fate(row)}"
        )
    if len(rows) > MAX_MESSAGES:
        yield _text(f"… and {counted(len(rows) - MAX_MESSAGES, 'message')} more")
    alert = detail.alert
    if alert.fired_at is None:
        yield _text("Nobody is told of an alert before it fires.")
    elif alert.owed and alert.state.is_active:
        yield _text(f"It will be told when that ends{f': {muted}' if muted else ''}.")
    elif muted and alert.state.is_active:
        yield _text(f"Nobody is reminded for now: {muted}.")
    elif not rows and not any(True for _ in _quieting(detail)):
        yield _text("Its rule names no channel, and no route takes it.")


def _quieting(detail: AlertDetail) -> Iterator[tuple[float, Gate]]:
    """The gates between an alert that has fired and its channels; what is said again is left out."""
    seen = set()
    for decision in detail.decisions:
        muting = not (_is_creation(decision) and detail.alert.fired_at is None)
        for gate in decision.gates:
            is_channel = ":" in gate.name or gate.name == "collapsed"
            counts = is_channel or (muting and _keeps_quiet(gate) and not gate.passed)
            if counts and (gate.name, gate.detail) not in seen:
                seen.add((gate.name, gate.detail))
                yield decision.at, gate


def _since(detail: AlertDetail, looks: Sequence[Decision]) -> Lines:
    """What has happened to it, and what further looks at its rule came to."""
    happened: list[tuple[float, ExplanationLine]] = [
        (event.at, _text(f"{_at(event.at)}  {_event(event)}")) for event in detail.events
    ]
    for decision in detail.decisions:
        stops = [] if decision in looks else _stops(decision.gates)
        for gate in stops:
            if not _keeps_quiet(gate):
                line = f"{_at(decision.at)}  {_gate(gate)}"
                happened.append((decision.at, ExplanationLine(LineKind.STOPPED, line)))
    if happened:
        yield _heading("What happened to it")
        yield from _few([line for _, line in sorted(happened, key=lambda each: each[0])])


def _now(standing: Standing) -> Lines:
    verdict = {True: "true", False: "false", None: "unknown"}[standing.result]
    yield _text(f"{verdict}: {_cut(standing.explanation)}")
    yield from _gates(standing.gates)


def _fate(row: Notification) -> str:
    """What became of a message: `ops was told that it fires (taken in 12 ms)`."""
    channel, error = plain(row.channel), _cut(row.error)
    if row.stands_for:
        channel += f", in place of {plain(row.stands_for)},"
    what = f"told that {_WORDS.get(row.transition, row.transition)}"
    match row.state:
        case NotificationState.SENT:
            tries = f" at try {row.tries}" if row.tries > 1 else ""
            return f"{channel} was {what} (taken in {seconds(row.latency or 0.0)}{tries})"
        case NotificationState.SENDING:
            return f"{channel} is just being {what}"
        case NotificationState.QUEUED if row.error:
            tries = _tries(row.tries)
            return f"{channel} could not be {what}: {error}; {tries}, the next at {_at(row.next_at)}"
        case NotificationState.QUEUED:
            return f"{channel} is to be {what} at {_at(max(row.next_at, row.created_at))}"
        case NotificationState.DEAD:
            tries = _tries(row.tries)
            return f"{channel} was not {what}: given up after {tries}, {error}"
        case _:
            return f"{channel} was not {what}: {error}"


def _event(event: AlertEvent) -> str:
    by = f" by {plain(event.author)}" if event.author else ""
    return f"{event.kind}{by}{f': {_cut(event.note)}' if event.note else ''}"


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
    return f"{plain(gate.name)}: {_cut(gate.detail)}" if gate.detail else plain(gate.name)


def _few(each: Sequence[T]) -> Sequence[T]:
    """All of them, or the first half and the last of too many."""
    half = MAX_LOOKS // 2
    return each if len(each) <= MAX_LOOKS else [*each[:half], *each[-half:]]


def _tries(number: int) -> str:
    return "1 try" if number == 1 else f"{number} tries"


def _heading(text: str) -> ExplanationLine:
    return ExplanationLine(LineKind.HEADING, text)


def _text(text: str) -> ExplanationLine:
    return ExplanationLine(LineKind.TEXT, text)


def _seen(text: str) -> ExplanationLine:
    return ExplanationLine(LineKind.EVIDENCE, text)


def _at(at: float) -> str:
    """A moment without its zone, which the first lines have."""
    return moment(at)[:19]


def _cut(text: str) -> str:
    return clean(text, _TEXT)
