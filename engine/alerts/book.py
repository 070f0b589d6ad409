"""What the alert manager remembers between evaluations; changes only once a transition is stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from engine.alerts.announce import Notices
from engine.alerts.lifecycle import Circumstances, Transition, quiet_since
from engine.model import Alert, AlertEventKind, AlertState, Gate

REFRESH_INTERVAL = 60.0


class AlertBook:
    """Open alerts by fingerprint, whom each was announced to, and what keeps fingerprints quiet.

    Args:
        first_id: the id of the next alert.
        limit: how many alerts may be firing or acknowledged at once.
    """

    def __init__(self, first_id: int, limit: int) -> None:
        self._next_id = first_id
        self.limit = limit
        self._open: dict[str, Alert] = {}
        self._active: set[int] = set()
        self._told: dict[int, frozenset[str]] = {}
        self._quiet: dict[str, float] = {}
        self._stopped: dict[int, str] = {}
        self._recorded: dict[int, frozenset[str]] = {}
        self._stored: dict[int, float] = {}
        self._confirmed_from = float("-inf")
        self._ended: dict[str, Alert] = {}

    def restore(
        self, open_alerts: Iterable[Alert], last_alerts: Iterable[Alert], told: Mapping[int, frozenset[str]]
    ) -> None:
        """Take over what an earlier run left behind."""
        for alert in (*last_alerts, *open_alerts):
            quiet = quiet_since(alert)
            if quiet is not None:
                self._quiet[alert.fingerprint] = max(quiet, self._quiet.get(alert.fingerprint, quiet))
        self._ended = {alert.fingerprint: alert for alert in last_alerts if alert.resolved_at is not None}
        for alert in open_alerts:
            self._keep(alert)
            self._told[alert.id] = told.get(alert.id, frozenset())
            self._stored[alert.id] = alert.last_true_at

    def take_id(self) -> int:
        """An alert id that was never used; it is spent even when the alert cannot be stored."""
        self._next_id += 1
        return self._next_id - 1

    def skip_to(self, alert_id: int) -> None:
        """Number the next alert no lower than `alert_id`."""
        self._next_id = max(self._next_id, alert_id)

    def was_used(self, alert_id: int) -> bool:
        """Whether an alert of that id may have existed."""
        return 0 < alert_id < self._next_id

    def get(self, fingerprint: str) -> Alert | None:
        return self._open.get(fingerprint)

    def ended(self, fingerprint: str) -> Alert | None:
        """The last alert of a fingerprint that fired and ended."""
        return self._ended.get(fingerprint)

    def find(self, alert_id: int) -> Alert | None:
        return next((alert for alert in self._open.values() if alert.id == alert_id), None)

    def all(self) -> tuple[Alert, ...]:
        """Open alerts: pending, firing and acknowledged, oldest first."""
        return tuple(sorted(self._open.values(), key=lambda alert: alert.id))

    def told(self, alert_id: int) -> frozenset[str]:
        """The channels that were told of the alert's fire."""
        return self._told.get(alert_id, frozenset())

    def circumstances(self, fingerprint: str, now: float, mute: tuple[Gate, ...] = ()) -> Circumstances:
        """What decides a transition besides the rule; `mute` are the gates that stop it from outside."""
        room = len(self._active) < self.limit
        return Circumstances(now, room, self._quiet.get(fingerprint), self._confirmed_from, mute)

    def confirm_from(self, now: float) -> None:
        """Nobody looked before `now`: auto-resolve counts from here at the earliest."""
        self._confirmed_from = now

    def is_news(self, transition: Transition) -> bool:
        """Whether a transition is worth a record: a change of state, or the first stop at this gate."""
        return transition.kind is not None or self._stopped.get(transition.alert.id) != transition.stopped_at

    def is_recorded(self, transition: Transition) -> bool:
        """Whether a stop at this gate has been recorded since the alert last changed its state."""
        known = self._recorded.get(transition.alert.id, frozenset())
        return transition.kind is None and transition.stopped_at in known

    def confirm(self, alert: Alert) -> None:
        """Remember that the condition was found true once more; stored later, see `stale()`."""
        self._open[alert.fingerprint] = alert

    def stale(self, now: float) -> tuple[Alert, ...]:
        """Open alerts whose last confirmation has not been stored for a minute."""
        return tuple(
            alert
            for alert in self._open.values()
            if alert.last_true_at > self._stored[alert.id]
            and now - self._stored[alert.id] >= REFRESH_INTERVAL
        )

    def refreshed(self, alerts: Sequence[Alert]) -> None:
        self._stored.update((alert.id, alert.last_true_at) for alert in alerts)

    def apply(self, transition: Transition, notices: Notices) -> None:
        """A transition has been stored: make it true."""
        alert = transition.alert
        if transition.kind in (AlertEventKind.RESOLVED, AlertEventKind.CANCELLED):
            self._close(alert)
        elif alert.state is not AlertState.RESOLVED:
            self._keep(alert)
            heard = {channel for channel, kind in notices if kind is AlertEventKind.FIRED}
            self._told[alert.id] = self.told(alert.id) | heard
            self._stored[alert.id] = alert.last_true_at
            self._stopped[alert.id] = transition.stopped_at
            before = self._recorded.get(alert.id, frozenset()) if transition.kind is None else frozenset()
            self._recorded[alert.id] = before | {transition.stopped_at}
        quiet = quiet_since(alert)
        if quiet is not None:
            self._quiet[alert.fingerprint] = quiet

    def _keep(self, alert: Alert) -> None:
        self._open[alert.fingerprint] = alert
        if alert.state.is_active:
            self._active.add(alert.id)

    def _close(self, alert: Alert) -> None:
        del self._open[alert.fingerprint]
        if alert.fired_at is not None:
            self._ended[alert.fingerprint] = alert
        self._active.discard(alert.id)
        for memory in (self._told, self._stopped, self._recorded, self._stored):
            memory.pop(alert.id, None)
