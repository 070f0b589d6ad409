"""What a configuration says about roll-ups; the key `settings.rollups`."""

from __future__ import annotations

from engine.config.types import PositiveDuration, Strict
from engine.store.periods import DAY, HOUR, MINUTE


class RollupsSpec(Strict):
    """How long roll-ups are kept: what executions, health checks and series came to, by the hour and the day.

    They outlive the rows that they were derived from, which leave after `settings.retention`. Those of series
    by the minute do not.

    Keys:
        minutes, hours, days: those of each width.
    """

    minutes: PositiveDuration = 2.0 * DAY
    hours: PositiveDuration = 90.0 * DAY
    days: PositiveDuration = 730.0 * DAY

    def befores(self, now: float) -> dict[int, float]:
        """By width (s), the moment before which roll-ups leave."""
        return {MINUTE: now - self.minutes, HOUR: now - self.hours, DAY: now - self.days}
