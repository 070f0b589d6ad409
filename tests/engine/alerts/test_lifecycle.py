"""The state machine alone, transition by transition."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.alerts.lifecycle import (
    Circumstances,
    Transition,
    acknowledge,
    close,
    draft,
    observe,
    quiet_since,
    resolve,
)
from engine.errors import ConflictError
from engine.model import Alert, AlertEventKind, AlertState, Severity
from engine.rules.evaluator import Evaluation
from tests.engine.alerts.stand import FAILED
from tests.engine.rules.build import rule

NOW = 1_000.0
RULE = rule(FAILED)
LATER = rule(FAILED, **{"for": "1m"})


def made(state: AlertState = AlertState.PENDING, **fields: Any) -> Alert:
    alert = draft(7, RULE, "login", Evaluation(True), None, NOW)
    fired = None if state is AlertState.PENDING else NOW
    return replace(alert, **{"state": state, "fired_at": fired, **fields})


def seen(
    alert: Alert, result: bool | None, at: Circumstances, by: Any = RULE, *, new: bool = False
) -> Transition:
    transition = observe(alert, by, Evaluation(result), at, new=new)
    assert transition is not None
    return transition


def test_without_for_it_fires_at_once() -> None:
    done = seen(made(), True, Circumstances(NOW), new=True)
    assert (done.kind, done.alert.state, done.alert.fired_at) == (
        AlertEventKind.FIRED,
        AlertState.FIRING,
        NOW,
    )
    assert [gate.name for gate in done.gates] == ["for", "cooldown", "limit"]
    assert done.gates[0].detail == "no waiting is asked for"
    assert done.stopped_at == ""


@pytest.mark.parametrize(
    ("at", "by", "gate"),
    [
        (Circumstances(NOW), LATER, "for"),
        (Circumstances(NOW + 59.9), LATER, "for"),
        (Circumstances(NOW, quiet_since=NOW - 299), RULE, "cooldown"),
        (Circumstances(NOW, quiet_since=NOW + 500), RULE, "cooldown"),
        (Circumstances(NOW, room=False), RULE, "limit"),
        (Circumstances(NOW, room=False, quiet_since=NOW), LATER, "for"),
        (Circumstances(NOW, room=False, quiet_since=NOW), RULE, "cooldown"),
    ],
)
def test_each_gate_holds_it_pending(at: Circumstances, by: Any, gate: str) -> None:
    begun = seen(made(), True, at, by, new=True)
    assert (begun.kind, begun.alert.state, begun.stopped_at) == (
        AlertEventKind.PENDING,
        AlertState.PENDING,
        gate,
    )
    again = seen(begun.alert, True, at, by)
    assert (again.kind, again.stopped_at) == (None, gate)


@pytest.mark.parametrize(
    ("at", "by"),
    [(Circumstances(NOW + 60), LATER), (Circumstances(NOW, quiet_since=NOW - 300), RULE)],
)
def test_each_gate_opens_to_the_second(at: Circumstances, by: Any) -> None:
    assert seen(made(), True, at, by).kind is AlertEventKind.FIRED


@pytest.mark.parametrize("state", [AlertState.PENDING, AlertState.FIRING, AlertState.ACKNOWLEDGED])
def test_unknown_changes_nothing(state: AlertState) -> None:
    assert observe(made(state), LATER, Evaluation(None), Circumstances(NOW + 600)) is None


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (AlertState.PENDING, AlertEventKind.CANCELLED),
        (AlertState.FIRING, AlertEventKind.RESOLVED),
        (AlertState.ACKNOWLEDGED, AlertEventKind.RESOLVED),
    ],
)
def test_false_ends_it(state: AlertState, kind: AlertEventKind) -> None:
    done = seen(made(state), False, Circumstances(NOW + 5))
    assert (done.kind, done.author) == (kind, "recovery")
    assert (done.alert.state, done.alert.resolved_at) == (AlertState.RESOLVED, NOW + 5)


def test_auto_resolve_counts_from_the_last_confirmation_or_the_first_look() -> None:
    alert = made(AlertState.FIRING, last_true_at=NOW + 100)
    assert observe(alert, RULE, Evaluation(None), Circumstances(NOW + 3699)) is None
    assert seen(alert, None, Circumstances(NOW + 3700)).author == "auto"
    assert observe(alert, RULE, Evaluation(None), Circumstances(NOW + 3700, confirmed_from=NOW + 101)) is None


def test_a_clock_that_jumps_back_does_not_stretch_for() -> None:
    held = seen(made(started_at=NOW + 3600), True, Circumstances(NOW), LATER)
    assert held.alert.started_at == NOW
    assert seen(held.alert, True, Circumstances(NOW + 60), LATER).kind is AlertEventKind.FIRED


def test_escalation_comes_once_with_unknown_as_well() -> None:
    by = rule(FAILED, escalation={"after": "1m", "severity": "CRITICAL"})
    alert = made(AlertState.FIRING)
    assert observe(alert, by, Evaluation(None), Circumstances(NOW + 59)) is None
    done = seen(alert, None, Circumstances(NOW + 60), by)
    assert (done.kind, done.alert.severity) == (AlertEventKind.ESCALATED, Severity.CRITICAL)
    assert done.note == "WARNING → CRITICAL: nobody acknowledged it for 1 m"
    assert observe(done.alert, by, Evaluation(None), Circumstances(NOW + 500)) is None
    assert observe(made(AlertState.ACKNOWLEDGED), by, Evaluation(None), Circumstances(NOW + 60)) is None


@pytest.mark.parametrize("state", [AlertState.PENDING, AlertState.ACKNOWLEDGED, AlertState.RESOLVED])
def test_only_a_firing_alert_is_acknowledged(state: AlertState) -> None:
    with pytest.raises(ConflictError):
        acknowledge(made(state), "ada", "", NOW)


@pytest.mark.parametrize("state", [AlertState.PENDING, AlertState.RESOLVED])
def test_only_an_active_alert_is_resolved(state: AlertState) -> None:
    with pytest.raises(ConflictError):
        resolve(made(state), "ada", "", NOW)


def test_acknowledging_keeps_who_when_and_why() -> None:
    done = acknowledge(made(AlertState.FIRING), "ada", "mine", NOW + 9)
    assert (done.alert.acked_by, done.alert.acked_at, done.alert.ack_note) == ("ada", NOW + 9, "mine")
    assert resolve(done.alert, "bob", "", NOW + 10).alert.acked_by == "ada"


def test_what_the_cooldown_counts_from() -> None:
    firing = made(AlertState.FIRING)
    assert quiet_since(made()) is None
    assert quiet_since(firing) == NOW
    assert quiet_since(resolve(firing, "ada", "", NOW + 50).alert) == NOW + 50
    for author in ("recovery", "auto", "rule"):
        assert quiet_since(close(firing, author, "", NOW + 50).alert) == NOW
        assert quiet_since(close(made(), author, "", NOW + 50).alert) is None
