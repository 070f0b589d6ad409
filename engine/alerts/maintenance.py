"""Maintenance windows, of the configuration and made at run time: who is in one now, and which."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias
from zoneinfo import ZoneInfo

from engine.alerts.silences import MAX_LENGTH, end_of
from engine.errors import ConflictError, NotFoundError, TocsinError
from engine.lines import spelled
from engine.model import Maintenance, MaintenanceStatus, MaintenanceWish
from engine.rules.scope import fits
from engine.text import plain

if TYPE_CHECKING:
    from engine.config.muting import MaintenanceSpec

    Window: TypeAlias = MaintenanceSpec | Maintenance
    """One that stands in the configuration, or was made at run time."""

MODES = ("mute", "stop")
MAX_PATTERNS = 20
MAX_OPEN = 200
_TEXT_LIMIT, _PATTERN_LIMIT = 500, 200


def make(number: int, wish: MaintenanceWish, now: float) -> Maintenance:
    """A window that was asked for at `now`.

    Raises:
        TocsinError: no pattern or too many, no author, no reason, an unknown mode, an end that is not after
            its beginning, is past, or is more than 30 days off.
    """
    author, reason = plain(wish.author, _TEXT_LIMIT).strip(), plain(wish.reason, _TEXT_LIMIT).strip()
    patterns = (*wish.workflows, *wish.tags)
    if not wish.workflows or len(patterns) > MAX_PATTERNS or not all(patterns):
        raise TocsinError(f"maintenance is about 1 to {MAX_PATTERNS} patterns, such as workflow=db-*")
    if wish.mode not in MODES:
        raise TocsinError(f"there is no maintenance of the mode {plain(wish.mode, 40)}", "mute or stop")
    if not author or not reason:
        raise TocsinError("maintenance says who asked for it, and why")
    begins = now if wish.starts_at is None else wish.starts_at
    ends_at = end_of(wish.ends_at, wish.lasting, begins)
    if not max(begins, now) < ends_at:
        raise TocsinError("maintenance ends after it begins, and not in the past")
    if ends_at - max(begins, now) > MAX_LENGTH:
        raise TocsinError(f"maintenance lasts {spelled(MAX_LENGTH)} at most")
    whom = (tuple(plain(each, _PATTERN_LIMIT) for each in some) for some in (wish.workflows, wish.tags))
    workflows, tags = whom
    return Maintenance(number, workflows, tags, wish.mode, author, reason, now, begins, ends_at)


def ended(window: Maintenance, author: str, now: float) -> Maintenance:
    """A window that somebody ends now. Raises ConflictError when it has ended."""
    if window.end <= now:
        raise ConflictError(f"maintenance {window.id} has ended")
    return replace(window, ended_at=now, ended_by=plain(author, _TEXT_LIMIT))


class Windows:
    """The maintenance windows that are on, or will be.

    Args:
        specs: those of the configuration.
    """

    def __init__(self, specs: Iterable[MaintenanceSpec] = ()) -> None:
        self._standing = tuple(specs)
        self._made: dict[int, Maintenance] = {}
        self._next_id = 1

    def restore(self, made: Iterable[Maintenance], next_id: int) -> None:
        """Take over those that were made at run time."""
        self._made |= {window.id: window for window in made}
        self._next_id = max(self._next_id, next_id)

    def adopt(self, specs: Iterable[MaintenanceSpec]) -> None:
        """Go by the windows of another configuration; those made at run time stay."""
        self._standing = tuple(specs)

    def draft(self, wish: MaintenanceWish, now: float) -> Maintenance:
        """A new one, which counts when it is put in. Raises TocsinError, ConflictError for too many."""
        self._made = {number: window for number, window in self._made.items() if window.end > now}
        if len(self._made) >= MAX_OPEN:
            raise ConflictError(f"there are {MAX_OPEN} maintenance windows already", "end some")
        made = make(self._next_id, wish, now)
        self._next_id += 1
        return made

    def put(self, window: Maintenance) -> None:
        """Let a window count as it is now."""
        self._made[window.id] = window

    def find(self, number: int) -> Maintenance:
        """Raises NotFoundError, also for one that ended long ago."""
        if number not in self._made:
            raise NotFoundError(f"there is no open maintenance {number}", "tocsin maintenance lists them")
        return self._made[number]

    def statuses(self, now: float) -> tuple[MaintenanceStatus, ...]:
        """Those that have not ended: made at run time, as they end, then as the configuration has them."""
        made = sorted(self._made.values(), key=lambda window: window.end)
        found = [status(window, now) for window in made if window.end > now]
        found += [status(spec, now) for spec in self._standing if spec.to is None or spec.to > now]
        return tuple(found)

    def over(
        self, workflow_id: str, name: str, tags: Collection[str], now: float, *, stopping: bool = False
    ) -> Window | None:
        """The first window that a workflow is in at `now`; with `stopping`, of those that stop it."""
        for window in self._known():
            if stopping and _mode(window) != "stop":
                continue
            if is_about(window, workflow_id, name, tags) and holds(window, now):
                return window
        return None

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._standing or self._made)

    def _known(self) -> Iterator[Window]:
        yield from self._standing
        yield from self._made.values()


def is_about(window: Window, workflow_id: str, name: str, tags: Collection[str]) -> bool:
    """Whether the workflow is one that the window names, by id or name and by tag."""
    if window.tags and not any(fits(pattern, tag) for pattern in window.tags for tag in tags):
        return False
    return any(fits(pattern, workflow_id) or fits(pattern, name) for pattern in window.workflows)


def holds(window: Window, now: float) -> bool:
    """Whether `now` lies in the window; its end does not."""
    if isinstance(window, Maintenance):
        return window.is_active(now)
    if window.from_ is not None and window.to is not None:
        return window.from_ <= now < window.to
    if window.cron is not None and window.duration is not None:
        began = _last_start(window.cron, window.timezone, int(now // 60), window.duration)
        return began is not None and began <= now < began + window.duration
    return any(period.holds(now) for period in window.weekly)


def words(window: Window) -> str:
    """Which window it is, and when it is: `maintenance nightly (02:00-03:00)`."""
    by = f" by {window.author}" if isinstance(window, Maintenance) else ""
    reason = f", {window.reason}" if window.reason else ""
    return f"maintenance {window.id}{by} ({_until(window)}{reason})"


def status(window: Window, now: float) -> MaintenanceStatus:
    """What there is to say of a window."""
    author, starts_at, ends_at = _said(window)
    state, when = "on" if holds(window, now) else "waiting", _until(window)
    if ends_at is not None and ends_at <= now:
        state = "ended"
    if starts_at is not None and state == "waiting":
        when = f"from {_moment(starts_at)} {when}"
    return MaintenanceStatus(
        id=str(window.id),
        workflows=window.workflows,
        tags=window.tags,
        mode=_mode(window),
        when=when,
        author=author,
        reason=window.reason,
        ends_at=ends_at,
        is_standing=not isinstance(window, Maintenance),
        state=state,
    )


def _said(window: Window) -> tuple[str, float | None, float | None]:
    """By whom, from when and until when."""
    if isinstance(window, Maintenance):
        return window.author, window.starts_at, window.end
    return "", window.from_, window.to


def _until(window: Window) -> str:
    if isinstance(window, Maintenance):
        return f"until {_moment(window.end)}"
    if window.to is not None:
        return f"until {_moment(window.to)}"
    if window.cron is not None and window.duration is not None:
        return f"cron {window.cron} {window.timezone}, for {spelled(window.duration)}"
    return "; ".join(map(str, window.weekly))


def _mode(window: Window) -> str:
    return window.mode if isinstance(window, Maintenance) else window.do


def _moment(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


@lru_cache(maxsize=256)
def _last_start(cron: str, timezone: str, minute: int, duration: float) -> float | None:
    """The newest start at or before a minute, looking back as far as a window lasts."""
    from cronsim import CronSim

    place = ZoneInfo(timezone)
    now = datetime.fromtimestamp(minute * 60, place)
    # Starts are whole minutes; the one after this minute's is the first that is too late.
    past = CronSim(cron, now + timedelta(minutes=1), reverse=True)
    began = next(past, None)
    if began is None or began.timestamp() < minute * 60 - duration - 60:
        return None
    return began.timestamp()
