"""The messages that would leave: what waits for its group, what collapses, what a storm holds up.

Goes by the outbox's own rules, on channels that take everything at once.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.model import Alert, AlertEventKind, Notification, NotificationState
from engine.notify.grouping import Groups
from engine.notify.pairing import sort
from engine.notify.storm import StormGuard

if TYPE_CHECKING:
    from engine.config.schema import Channel

Find = Callable[[int], Alert | None]
"""An alert by its id, as it is now."""

_SENT = NotificationState.SENT


class Post:
    """Takes rows as they are queued, and counts the messages that they become.

    Args:
        find: the alerts that rows are about.
        since: from when on it counts what is not told in the end.
    """

    def __init__(self, channels: Mapping[str, Channel], find: Find, since: float = -math.inf) -> None:
        self._since = since
        self._groups: Groups | None = None
        self._guard = StormGuard({name: channel.rate_limit for name, channel in channels.items()})
        self._find = find
        self._due: dict[tuple[str, str], float] = {}
        self._waiting: dict[str, list[Notification]] = {}
        self._known: dict[int, dict[str, Notification]] = {}
        self.sent: list[tuple[float, str, tuple[Notification, ...]]] = []
        """When, to which channel, and what of: the messages."""
        self.stopped: Counter[str] = Counter()
        """How many rows were not told in the end, by why."""

    def take(self, rows: Iterable[Notification], now: float) -> None:
        """Rows that belong to one transition."""
        groups = self._groups = self._groups or Groups(now)
        for row in rows:
            self._known.setdefault(row.alert_id, {})[row.key] = row
            self._waiting.setdefault(row.channel, []).append(row)
            due = groups.arrives(row, now) if row.group else now
            key = (row.channel, row.group or row.key)
            self._due[key] = min(due, self._due.get(key, math.inf))
        self.until(now)

    def until(self, now: float) -> None:
        """Let everything leave whose time has come."""
        if self._groups is not None:
            self._remind(self._groups, now)
        while self._due:
            (channel, key), due = min(self._due.items(), key=lambda each: each[1])
            if due > now:
                return
            closed = self._guard.closed_until(channel, due)
            if closed is not None:
                self._hold(channel, closed)
            else:
                del self._due[channel, key]
                self._leave(channel, key, due)

    def _hold(self, channel: str, until: float) -> None:
        for key, due in self._due.items():
            if key[0] == channel:
                self._due[key] = max(due, until)

    def _leave(self, channel: str, key: str, now: float) -> None:
        waiting = self._waiting.get(channel, [])
        if self._guard.gathers(channel):
            rows = list(waiting)
            self._due = {each: due for each, due in self._due.items() if each[0] != channel}
        else:
            rows = [row for row in waiting if (row.group or row.key) == key]
        groups = self._groups
        assert groups is not None
        for group in {row.group for row in rows if row.group}:
            groups.looked(channel, group, now)
        taken = {row.key for row in rows}
        self._waiting[channel] = [row for row in waiting if row.key not in taken]
        told = self._sorted(rows, now)
        if told:
            self.sent.append((now, channel, told))
            self._guard.sent(channel, now)
            groups.told(told, now)

    def _sorted(self, rows: list[Notification], now: float) -> tuple[Notification, ...]:
        """What of `rows` is told; the others have become pointless."""
        if not rows:
            return ()
        about = {row.alert_id for row in rows}
        known = [row for alert_id in about for row in self._known[alert_id].values()]
        alerts = {alert_id: alert for alert_id in about if (alert := self._find(alert_id)) is not None}
        sorting = sort(rows, known, alerts, now)
        if sorting.collapsed and now >= self._since:
            self.stopped["collapsed"] += len(sorting.collapsed)
        for row in sorting.settled:
            self._known[row.alert_id][row.key] = row
        for row in sorting.send:
            self._known[row.alert_id][row.key] = replace(row, state=_SENT, message=row.key)
        for row in sorting.send:
            if row.transition is AlertEventKind.RESOLVED and not self._find(row.alert_id):
                self._forget(row.alert_id)
        return tuple(sorting.send)

    def _forget(self, alert_id: int) -> None:
        """An alert that has ended, once everything about it has left."""
        if all(row.state is not NotificationState.QUEUED for row in self._known[alert_id].values()):
            del self._known[alert_id]

    def _remind(self, groups: Groups, now: float) -> None:
        for channel, group, alert_ids in tuple(groups.reminders(now)):
            alerts = [alert for number in alert_ids if (alert := self._find(number)) is not None]
            firing = [alert for alert in alerts if alert.state.is_active]
            rows = tuple(_reminder(alert, channel, group, now) for alert in firing)
            if rows:
                self.sent.append((now, channel, rows))
                self._guard.sent(channel, now)
                groups.told(rows, now)


def _reminder(alert: Alert, channel: str, group: str, now: float) -> Notification:
    return Notification(
        key=f"{alert.id}:{AlertEventKind.REMINDED}:{channel}:{now:.0f}",
        alert_id=alert.id,
        channel=channel,
        transition=AlertEventKind.REMINDED,
        severity=alert.severity,
        title="",
        body="",
        created_at=now,
        group=group,
    )
