"""What all views share: the time range, what is selected, and the vital signs of the engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from engine.client import EngineInfo
from engine.model import Alert, AlertState, Health, Severity


@dataclass(frozen=True, slots=True)
class TimeRange:
    """The last `seconds` up to now."""

    label: str
    seconds: float

    def since(self, until: float) -> float:
        return until - self.seconds


RANGES = (
    TimeRange("15m", 900.0),
    TimeRange("1h", 3600.0),
    TimeRange("6h", 21_600.0),
    TimeRange("24h", 86_400.0),
    TimeRange("7d", 604_800.0),
)
DEFAULT_RANGE = RANGES[0]
_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def range_over(seconds: float) -> TimeRange:
    """A range of any length, labelled with its two greatest units: `1h30m`."""
    parts, left = [], max(round(seconds), 1)
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        parts += [f"{count}{unit}"] if count else []
    return TimeRange("".join(parts[:2]), seconds)


@dataclass(frozen=True, slots=True)
class Selection:
    """What the next view shall put its cursor on; None: wherever it is."""

    alert_id: int | None = None
    execution_id: int | None = None


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the header of every view needs, read in one go."""

    info: EngineInfo
    health: Health | None
    """None: it is not known."""
    open_alerts: tuple[Alert, ...] = field(default_factory=tuple)
    alerts_known: bool = True
    heard: bool = True
    """The engine has answered; else `info` is the last that it said."""
    missed: int = 0
    """Alerts that began to fire while the display was held still, or of the past."""
    in_force: str = ""
    """The beginning of the digest of a configuration of then, where it is not that of now."""

    @property
    def firing(self) -> Mapping[Severity, int]:
        """Alerts that nobody has taken yet, counted by severity."""
        return Counter(alert.severity for alert in self.open_alerts if alert.state is AlertState.FIRING)

    @property
    def taken(self) -> int:
        """How many open alerts somebody has acknowledged."""
        return sum(alert.state is AlertState.ACKNOWLEDGED for alert in self.open_alerts)

    def is_news(self, before: Vitals | None) -> bool:
        """Whether something has happened that cannot wait for the next second."""
        return before is None or self._urgent() != before._urgent()

    def _urgent(self) -> object:
        alerts = {(alert.id, alert.state) for alert in self.open_alerts}
        info = self.info
        status = None if self.health is None else self.health.status
        known = self.heard, self.alerts_known
        return alerts, status, info.paused, info.live, info.digest, self.missed, known

    def unheard(self) -> Vitals:
        """These, of an engine that answers no more."""
        return replace(self, health=None, open_alerts=(), alerts_known=False, heard=False)

    def rung_by(self, newer: Vitals) -> Vitals:
        """These, with the count of alerts that fire in `newer` and did not here."""
        if not (self.alerts_known and newer.alerts_known):
            return self
        known = {alert.id for alert in self.open_alerts}
        rung = (one for one in newer.open_alerts if one.state is AlertState.FIRING and one.id not in known)
        return replace(self, missed=sum(1 for _ in rung))
