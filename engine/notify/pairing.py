"""What of the rows whose time has come is told, and what has become pointless. Pure.

Each fire that a channel may have heard of gets its end; an end whose fire it cannot have heard of is not
told, and takes what is unsent with it:

- An alert ended before it was told: everything unsent about it *collapses*.
- Somebody has acknowledged it: escalations and reminders that are unsent by then collapse, its fire does not.
- A reminder collapses beside newer word of the same alert.
- The end of an alert whose fire went to the fallback goes there, too.
- A row waits for an earlier one about the same alert that is to be tried again.
- That an alert changes too often, or no longer does, is no fire: no end follows from it, and it is told.

A row counts as unheard while its `message` is empty: it was never tried, or refused in so many words. A try
whose result nobody can tell (a timeout, a crash) counts as heard.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile

from engine.model import Alert, AlertEventKind, AlertState, Notification, NotificationState
from engine.notify.failing import stand_in

OVER = "it was over before it was told"
UNHEARD = "the channel never heard of the alert"
TAKEN_CARE = "somebody had acknowledged it before it was told"
NEWER = "there is newer word of it"
FOLLOWS = "the end is told where the alert was told"
_PAUSE = 1.0
"""Seconds that a row waits for an earlier one that is due itself."""

_ABOUT_WAITING = frozenset({AlertEventKind.ESCALATED, AlertEventKind.REMINDED, AlertEventKind.LAPSED})
_ASIDE = frozenset({AlertEventKind.FLAPPING, AlertEventKind.STEADY})
_QUEUED = NotificationState.QUEUED


@dataclass(slots=True)
class Sorting:
    """`send` is told, `settled` ends untold, `added` are new rows, `later` wait."""

    send: list[Notification] = field(default_factory=list)
    settled: list[Notification] = field(default_factory=list)
    added: list[Notification] = field(default_factory=list)
    later: list[Notification] = field(default_factory=list)

    @property
    def collapsed(self) -> list[Notification]:
        return [row for row in self.settled if row.state is NotificationState.COLLAPSED]

    @property
    def changed(self) -> list[Notification]:
        """What is to be written before anything is sent."""
        return [*self.settled, *self.added, *self.later]


def sort(
    rows: Sequence[Notification], known: Iterable[Notification], alerts: Mapping[int, Alert], now: float
) -> Sorting:
    """Decide about `rows`, which are queued for one channel, unheard, and would leave together.

    Args:
        rows: oldest first.
        known: everything queued about their alerts on any channel, oldest first, `rows` among them.
        alerts: those alerts, as far as they are kept.
    """
    known = tuple(known)
    threads = _threads(known)
    sorter = _Sorter({row.key for row in rows}, known, now)
    for thread in dict.fromkeys(map(_thread, rows)):
        earlier: list[Notification] = []
        for episode in _episodes(threads.get(thread, ())):
            sorter.take(episode, alerts.get(thread[0]), earlier)
            earlier += episode
    order = {row.key: place for place, row in enumerate(rows)}
    sorter.result.send.sort(key=lambda row: order[row.key])
    return sorter.result


def again(rows: Sequence[Notification], known: Iterable[Notification], now: float) -> Sorting:
    """A message that may have been taken is sent as it was, but not before what came before it.

    Args:
        known: everything queued about its alerts on any channel, oldest first.
    """
    keys, threads = {row.key for row in rows}, _threads(known)
    blockers = [
        other.next_at
        for row in rows
        for other in _before(row, threads[_thread(row)])
        if other.state is _QUEUED and other.key not in keys
    ]
    if not blockers:
        return Sorting(send=list(rows))
    return Sorting(later=[replace(row, next_at=_after(blockers, now)) for row in rows])


def _before(row: Notification, thread: Iterable[Notification]) -> Iterator[Notification]:
    return takewhile(lambda other: other.key != row.key, thread)


def _after(blockers: Iterable[float], now: float) -> float:
    return max(*blockers, now + _PAUSE)


def _threads(known: Iterable[Notification]) -> dict[tuple[int, str, str], list[Notification]]:
    threads: dict[tuple[int, str, str], list[Notification]] = {}
    for row in known:
        threads.setdefault(_thread(row), []).append(row)
    return threads


def _thread(row: Notification) -> tuple[int, str, str]:
    return row.alert_id, row.channel, row.stands_for


def _episodes(thread: Iterable[Notification]) -> Iterator[list[Notification]]:
    """From a fire to its end, the end included; the last one may have none yet."""
    episode: list[Notification] = []
    for row in thread:
        episode.append(row)
        if _is_end(row):
            yield episode
            episode = []
    if episode:
        yield episode


def _is_end(row: Notification) -> bool:
    return row.transition is AlertEventKind.RESOLVED


def _unheard(row: Notification) -> bool:
    return row.state is _QUEUED and not row.message


def _heard(row: Notification) -> bool:
    return row.state is NotificationState.SENT or bool(row.message)


class _Sorter:
    """Takes one episode after the other; `together` are the keys of what may be sent."""

    def __init__(self, together: set[str], known: Sequence[Notification], now: float) -> None:
        self.result = Sorting()
        self._together = together
        self._known = known
        self._now = now

    def take(
        self, episode: Sequence[Notification], alert: Alert | None, earlier: Sequence[Notification]
    ) -> None:
        """Decide about one episode; `earlier` are the rows of those before it."""
        if not any(row.key in self._together for row in episode):
            return
        end = episode[-1] if _is_end(episode[-1]) else None
        told = [row for row in episode if row is not end and row.transition not in _ASIDE]
        for row in episode:
            if row.transition in _ASIDE and row.key in self._together:
                self._send(row, earlier)
        if end is None:
            self._still_on(told, alert, earlier)
            return
        self._collapse([row for row in told if _unheard(row)], OVER)
        if _unheard(end):
            self._over(end, told, earlier)

    def _over(self, end: Notification, told: Sequence[Notification], earlier: Sequence[Notification]) -> None:
        """An end that is not told yet; what is unsent before it has collapsed."""
        moved = any(row.state is NotificationState.MOVED for row in told)
        if moved:
            self._follow(end)
        if not told or any(map(_heard, told)):
            self._send(end, [*earlier, *told])
        elif moved:
            self.result.settled.append(replace(end, state=NotificationState.MOVED, error=FOLLOWS))
        else:
            self._collapse([end], OVER if any(map(_unheard, told)) else UNHEARD)

    def _still_on(
        self, told: Sequence[Notification], alert: Alert | None, earlier: Sequence[Notification]
    ) -> None:
        acknowledged = alert is not None and alert.state is AlertState.ACKNOWLEDGED
        for place, row in enumerate(told):
            if row.key not in self._together:
                continue
            if acknowledged and row.transition in _ABOUT_WAITING:
                self._collapse([row], TAKEN_CARE)
            elif _is_outdated(row, told[:place], told[place + 1 :]):
                self._collapse([row], NEWER)
            else:
                self._send(row, [*earlier, *told[:place]])

    def _send(self, row: Notification, earlier: Sequence[Notification]) -> None:
        """Tell it, unless something earlier is still to be told on its own."""
        blockers = [
            other.next_at
            for other in earlier
            if other.state is _QUEUED and other.key not in self._together and not self._has_settled(other)
        ]
        if blockers:
            self.result.later.append(replace(row, next_at=_after(blockers, self._now)))
        elif row.key in self._together:
            self.result.send.append(row)

    def _has_settled(self, row: Notification) -> bool:
        return any(other.key == row.key for other in self.result.settled)

    def _collapse(self, rows: Iterable[Notification], why: str) -> None:
        self.result.settled += (replace(row, state=NotificationState.COLLAPSED, error=why) for row in rows)

    def _follow(self, end: Notification) -> None:
        """The end goes wherever a stand-in told of the alert."""
        keys = {row.key for row in self._known}
        channels = dict.fromkeys(
            row.channel
            for row in self._known
            if row.alert_id == end.alert_id and row.stands_for == end.channel and not _is_end(row)
        )
        copies = (stand_in(end, channel, self._now) for channel in channels)
        self.result.added += (copy for copy in copies if copy.key not in keys)


def _is_outdated(row: Notification, before: Sequence[Notification], after: Sequence[Notification]) -> bool:
    """A reminder that would leave beside other word that the alert fires, or before a newer one."""
    if row.transition is not AlertEventKind.REMINDED:
        return False
    fresh = [other for other in before if other.transition is not AlertEventKind.REMINDED]
    return any(map(_unheard, (*fresh, *after)))
