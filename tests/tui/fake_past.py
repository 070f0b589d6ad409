"""The part of the fake engine that knows earlier moments: alerts, configurations, what to stop at."""

from __future__ import annotations

from dataclasses import replace

from engine.client import AlertDetail, WorkflowStatus
from engine.clock import VirtualClock
from engine.errors import NotFoundError
from engine.model import (
    Alert,
    AlertEvent,
    AlertEventKind,
    AlertState,
    Decision,
    Gate,
    InForce,
    Landmark,
    Notification,
    NotificationState,
)
from tests.tui.fake_data import NOW

CONFIGURATIONS = (
    InForce(NOW - 90_000, "aaaa1111", "production", "rules.yaml", "1.2.2", "version: 1"),
    InForce(NOW - 1_000, "bbbb2222", "production", "rules.yaml", "1.2.3", "version: 1"),
)


class FakePast:
    """Alerts as they were, and two configurations, of which the second came 1,000 s before `NOW`."""

    clock: VirtualClock
    all_alerts: list[Alert]

    def in_force_at(self, at: float | None) -> InForce:
        """The last one that began by then; the first one before that."""
        moment = self.clock.now() if at is None else at
        return next((one for one in reversed(CONFIGURATIONS) if one.since <= moment), CONFIGURATIONS[0])

    async def configuration(self, at: float | None = None) -> InForce:
        return self.in_force_at(at)

    async def configurations(self, since: float, until: float) -> tuple[InForce, ...]:
        self._called("configurations", (since, until))
        before = [one for one in CONFIGURATIONS if one.since < since][-1:]
        return (*before, *(one for one in CONFIGURATIONS if since <= one.since <= until))

    async def landmark(self, at: float, *, later: bool) -> Landmark | None:
        self._called("landmark", (at, later))
        marks = [Landmark(one.since, "configuration", one.digest) for one in CONFIGURATIONS]
        for alert in self.all_alerts:
            for when, kind in ((alert.fired_at, "fired"), (alert.resolved_at, "resolved")):
                if when is not None:
                    marks.append(Landmark(when, kind, f"{alert.rule_name} · {alert.subject}", alert.id))
        beyond = [mark for mark in marks if (mark.at > at if later else mark.at < at)]
        return (min if later else max)(beyond, key=lambda mark: mark.at, default=None)

    async def alerts(
        self,
        *,
        states: frozenset[AlertState] | None = None,
        since: float | None = None,
        at: float | None = None,
        limit: int = 200,
    ) -> tuple[Alert, ...]:
        self._called("alerts", (states, since))
        known = [alert for one in self.all_alerts if (alert := alert_then(one, at)) is not None]
        found = [alert for alert in known if states is None or alert.state in states]
        found = [alert for alert in found if alert.resolved_at is None or alert.resolved_at >= (since or 0)]
        return tuple(sorted(found, key=lambda a: (not a.state.is_active, -a.started_at))[:limit])

    async def alert(self, alert_id: int, at: float | None = None) -> AlertDetail:
        self._called("alert", alert_id)
        alert = alert_then(self._find_alert(alert_id), at)
        if alert is None:
            raise NotFoundError(f"alert {alert_id} had not begun then")
        began = alert.started_at
        decision = Decision(
            began,
            alert.rule_id,
            alert.subject,
            True,
            "failed",
            "== failed",
            self._say("workflow.status is failed (== failed)", 2),
            (
                Gate("for", True, "0s"),
                Gate("cooldown", True, "5m since the last"),
                Gate("severity:ops", False, self._say("below WARNING", 0)),
            ),
            alert.id,
            alert.execution_id,
        )
        sent = Notification(
            f"{alert.id}:fired:ops",
            alert.id,
            "ops",
            AlertEventKind.FIRED,
            alert.severity,
            "title",
            "body",
            began,
            NotificationState.SENT,
            2,
            0.0,
            began + 2,
            0.4,
            self._say("HTTP 502 at first", 1),
        )
        events = (
            AlertEvent(alert.id, began, AlertEventKind.PENDING),
            AlertEvent(alert.id, began + 1, AlertEventKind.FIRED, "rule", self._say("", 0)),
        )
        return AlertDetail(alert, events, (decision,), (sent,))

    def _called(self, name: str, detail: object = None) -> None:
        raise NotImplementedError

    def _say(self, text: str, number: int) -> str:
        raise NotImplementedError

    def _find_alert(self, alert_id: int) -> Alert:
        raise NotImplementedError


def alert_then(alert: Alert, at: float | None) -> Alert | None:
    """What an alert of the stand-in was at `at`, by its own times; None before it began."""
    if at is None:
        return alert
    if alert.started_at > at:
        return None
    if alert.resolved_at is not None and alert.resolved_at > at:
        alert = replace(alert, state=AlertState.FIRING, resolved_at=None, resolved_by="", resolve_note="")
    if alert.acked_at is not None and alert.acked_at > at:
        alert = replace(alert, state=AlertState.FIRING, acked_at=None, acked_by="", ack_note="")
    return alert


def as_of_then(status: WorkflowStatus) -> WorkflowStatus:
    """Without what nobody knows of an earlier moment."""
    return replace(status, next_at=None, running=False, paused=False, breakers=())
