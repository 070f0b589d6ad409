"""What a configuration says about roll-ups; the key `settings.rollups`."""

from __future__ import annotations

from engine.config.types import PositiveDuration, Strict
from engine.store.periods import DAY, HOUR


class RollupsSpec(Strict):
    """How long roll-ups are kept: what executions and health checks came to, by the hour and by the day.

    They outlive the rows that they were derived from, which leave after `settings.retention`.
    """

    hours: PositiveDuration = 90.0 * DAY
    days: PositiveDuration = 730.0 * DAY

    def befores(self, now: float) -> dict[int, float]:
        """By width (s), the moment before which roll-ups leave."""
        return {HOUR: now - self.hours, DAY: now - self.days}
