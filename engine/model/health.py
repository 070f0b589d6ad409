"""How the system and its parts are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from engine.model.words import HealthStatus


@dataclass(frozen=True, slots=True)
class ComponentHealth:
    """`score` is 0–100; `uptime` is the share of checks found healthy or degraded, 0–1, None if none yet."""

    name: str
    kind: str
    status: HealthStatus
    score: float
    since: float
    detail: str = ""
    uptime: float | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """The system as a whole: score 0–100 (warn below 70, bad below 50)."""

    at: float
    status: HealthStatus
    score: float
    since: float
    started_at: float
    components: tuple[ComponentHealth, ...] = ()


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One stored observation of a component."""

    at: float
    component: str
    status: HealthStatus
    score: float
    detail: str = ""


class HealthHour(NamedTuple):
    """Checks of a component in the hour that `at` lies in that found anything, and how many found it well."""

    at: float
    component: str
    checks: int
    good: int
