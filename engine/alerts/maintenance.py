"""Maintenance windows: who is in one now, and which."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from engine.rules.scope import fits

if TYPE_CHECKING:
    from engine.config.muting import MaintenanceSpec


def window_of(
    windows: Iterable[MaintenanceSpec],
    workflow_id: str,
    name: str,
    tags: Collection[str],
    now: float,
    *,
    stopping: bool = False,
) -> MaintenanceSpec | None:
    """The first window that a workflow is in at `now`; with `stopping`, of those that stop it."""
    for window in windows:
        if stopping and window.do != "stop":
            continue
        if is_about(window, workflow_id, name, tags) and holds(window, now):
            return window
    return None


def is_about(window: MaintenanceSpec, workflow_id: str, name: str, tags: Collection[str]) -> bool:
    """Whether the workflow is one that the window names, by id or name and by tag."""
    if window.tags and not any(fits(pattern, tag) for pattern in window.tags for tag in tags):
        return False
    return any(fits(pattern, workflow_id) or fits(pattern, name) for pattern in window.workflows)


def holds(window: MaintenanceSpec, now: float) -> bool:
    """Whether `now` lies in the window; its end does not."""
    if window.from_ is not None and window.to is not None:
        return window.from_ <= now < window.to
    if window.cron is not None and window.duration is not None:
        began = _last_start(window.cron, window.timezone, int(now // 60), window.duration)
        return began is not None and began <= now < began + window.duration
    return any(period.holds(now) for period in window.weekly)


def words(window: MaintenanceSpec) -> str:
    """Which window it is, and when it is: `maintenance nightly (02:00-03:00)`."""
    if window.to is not None:
        when = f"until {datetime.fromtimestamp(window.to, UTC):%Y-%m-%d %H:%M} UTC"
    elif window.cron is not None:
        when = f"cron {window.cron} {window.timezone}"
    else:
        when = "; ".join(map(str, window.weekly))
    reason = f", {window.reason}" if window.reason else ""
    return f"maintenance {window.id} ({when}{reason})"


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
