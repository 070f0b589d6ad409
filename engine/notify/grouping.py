"""When the alerts of a group are told together: Alertmanager's rules, pure, with the time as an argument.

A new group waits for `wait`; after each look, the next comes `interval` later. What has changed by then
leaves as one message. Of a group in which nothing changed and something still fires, one is told at the first
look later than `repeat` after the last message. A group that is empty is forgotten at the next sweep, every
30 s; until then an alert that joins it waits for the next look.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from engine.model import AlertEventKind, Notification
from engine.text import plain

SWEEP_INTERVAL = 30.0
KEY_LIMIT = 200
_NEVER = "-"
_BEGINNINGS = frozenset({AlertEventKind.FIRED, AlertEventKind.ESCALATED, AlertEventKind.REOPENED})


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: how long the first message of a group waits, how often one that changed is told, and one that
    did not; None for never. The defaults are Alertmanager's."""

    wait: float = 30.0
    interval: float = 300.0
    repeat: float | None = 14_400.0


def group_text(key: str, pace: Pace) -> str:
    """What rows of one group carry: its pace and its key, so that a restart needs nothing else to go on."""
    if len(key) > KEY_LIMIT:
        key = f"{key[:KEY_LIMIT]}…{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    repeat = _NEVER if pace.repeat is None else f"{pace.repeat:g}"
    return f"{pace.wait:g}/{pace.interval:g}/{repeat} {plain(key)}"


def pace_of(group: str) -> Pace:
    """The pace that `group_text` wrote."""
    wait, interval, repeat = group.partition(" ")[0].split("/")
    return Pace(float(wait), float(interval), None if repeat == _NEVER else float(repeat))


@dataclass(slots=True)
class _Group:
    """`members` were told that they fire and not that they ended; `empty_since` is when the last one left.

    `silent_at` is the last look at which there was nothing to tell of what waited.
    """

    pace: Pace
    due_at: float
    empty_since: float
    members: set[int] = field(default_factory=set)
    waiting: bool = False
    looked_at: float = -math.inf
    silent_at: float = -math.inf
    told_at: float = -math.inf

    def roll_to(self, now: float) -> None:
        """Looks at which there was nothing to do are not made: count them."""
        if self.due_at < now:
            self.due_at += math.ceil((now - self.due_at) / self.pace.interval) * self.pace.interval

    def reminder_at(self) -> float:
        """The first look later than `repeat` after the last message."""
        if self.pace.repeat is None or not self.members or self.waiting:
            return math.inf
        if self.told_at + self.pace.repeat < self.silent_at:
            return self.silent_at
        looks = math.floor((self.told_at + self.pace.repeat - self.due_at) / self.pace.interval) + 1
        return self.due_at + max(looks, 0) * self.pace.interval


class Groups:
    """The groups of all channels, as far as memory goes: a restart begins them anew, as Alertmanager does.

    Args:
        started_at: sweeps are counted from here.
    """

    def __init__(self, started_at: float) -> None:
        self._started_at = started_at
        self._groups: dict[tuple[str, str], _Group] = {}

    def __len__(self) -> int:
        return len(self._groups)

    def restore(self, channel: str, group: str, alert_id: int, told_at: float, now: float) -> None:
        """An alert that still fires was told at `told_at`, before the start."""
        known = self._groups.get((channel, group))
        if known is None:
            pace = pace_of(group)
            known = self._groups[channel, group] = _Group(pace, now + pace.wait, now)
        known.members.add(alert_id)
        known.told_at = max(known.told_at, told_at)

    def arrives(self, row: Notification, now: float) -> float:
        """When what is queued for a group may leave; now or earlier means at once."""
        self._sweep(now)
        known = self._groups.get((row.channel, row.group))
        if known is None:
            pace = pace_of(row.group)
            known = self._groups[row.channel, row.group] = _Group(pace, now + pace.wait, now)
        if not known.waiting:
            known.roll_to(now)
            known.waiting = True
        first = known.looked_at == -math.inf
        if first and row.created_at + known.pace.wait <= now:
            known.due_at = now
        return known.due_at

    def looked(self, channel: str, group: str, now: float) -> None:
        """What waited in the group has been taken out of it."""
        known = self._groups.get((channel, group))
        if known is not None:
            known.waiting, known.looked_at, known.due_at = False, now, now + known.pace.interval
            if not known.members:
                known.empty_since = now

    def had_nothing(self, channel: str, group: str, now: float) -> None:
        """Nothing of what was taken out of the group had to be told: it may be the time for a reminder."""
        known = self._groups.get((channel, group))
        if known is not None:
            known.silent_at = now

    def told(self, rows: Iterable[Notification], now: float) -> None:
        """These rows have left in one message."""
        for row in rows:
            known = self._groups.get((row.channel, row.group))
            if known is None:
                continue
            known.told_at = now
            if row.transition is AlertEventKind.RESOLVED:
                self._leave(known, row.alert_id, now)
            elif row.transition in _BEGINNINGS:
                known.members.add(row.alert_id)

    def reminders(self, now: float) -> Iterator[tuple[str, str, tuple[int, ...]]]:
        """Channel, group and alerts of which one is to be reminded now; the groups count as looked at."""
        for (channel, group), known in self._groups.items():
            if known.reminder_at() <= now:
                self.looked(channel, group, now)
                known.told_at = now
                yield channel, group, tuple(sorted(known.members))

    def gone(self, channel: str, group: str, alert_ids: Iterable[int], now: float) -> None:
        """These alerts have ended without a word."""
        for alert_id in alert_ids:
            self._leave(self._groups[channel, group], alert_id, now)

    def next_reminder(self) -> float:
        """When one is to be reminded next; infinity for never."""
        return min((group.reminder_at() for group in self._groups.values()), default=math.inf)

    def shift(self, seconds: float) -> None:
        """The clock was set: everything that was to come still comes after the same time."""
        self._started_at += seconds
        for group in self._groups.values():
            group.due_at += seconds
            group.looked_at += seconds
            group.silent_at += seconds
            group.told_at += seconds
            group.empty_since += seconds

    def _leave(self, group: _Group, alert_id: int, now: float) -> None:
        group.members.discard(alert_id)
        if not group.members:
            group.empty_since = now

    def _sweep(self, now: float) -> None:
        """Forget what was empty when the last sweep was due."""
        swept_at = self._started_at + (now - self._started_at) // SWEEP_INTERVAL * SWEEP_INTERVAL
        self._groups = {
            key: group
            for key, group in self._groups.items()
            if group.members or group.waiting or group.empty_since >= swept_at
        }
