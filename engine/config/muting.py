"""When nobody is to be told: silences, maintenance windows, and alerts that others make superfluous.

```yaml
silences:
  - {matchers: [rule=slow-*, tag=batch], author: ada, reason: known since Monday, until: 2026-12-01}
maintenance:
  - {id: nightly, workflows: ["db-*"], do: stop, weekly: [{days: [mon-fri], from: "02:00", to: "03:00"}]}
  - {id: move, tags: [web], from: "2026-12-01T22:00", to: "2026-12-02T04:00"}
inhibit:
  - {source: [rule=datacentre-down], target: [tag=web], equal: [severity]}
```
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from engine.config.times import Periods
from engine.config.types import Identifier, Name, PositiveDuration, Strict, as_tuple

_LAST_MOMENT = datetime(3000, 1, 1, tzinfo=UTC).timestamp()


def parse_moment(value: object) -> float:
    """Seconds since the epoch of `2026-12-01`, `2026-12-01T22:00`, `2026-12-01T22:00+01:00`; UTC if not said.

    Raises:
        ValueError: with a sentence that says what a moment looks like and where it may lie.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = float(value)
    else:
        try:
            moment = datetime.fromisoformat(str(value).strip())
        except ValueError:
            raise ValueError("a moment is such as 2026-12-01 or 2026-12-01T22:00+01:00") from None
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    # What lies further off cannot be written as a date in every time zone.
    if not 0 <= seconds < _LAST_MOMENT:
        raise ValueError("a moment lies in the years 1970 to 2999")
    return seconds


def _matcher(text: str) -> str:
    from engine.alerts.matchers import meant

    meant(text)
    return text


Moment = Annotated[
    float, BeforeValidator(parse_moment), WithJsonSchema({"type": "string", "pattern": r"^\d{4}-\d\d-\d\d"})
]
Matchers = Annotated[
    tuple[Annotated[str, AfterValidator(_matcher)], ...],
    BeforeValidator(as_tuple),
    Field(min_length=1, max_length=50),
]
Patterns = Annotated[tuple[str, ...], BeforeValidator(as_tuple), Field(max_length=200)]


class SilenceSpec(Strict):
    """Alerts that meet all `matchers` are kept and shown, and nobody is told of them `until` then.

    Keys:
        author, reason: who and why; everybody can read it.
        matchers: such as `rule=slow-*`, `severity!=CRITICAL`, `tag=~db|cache`.
        from, until: moments such as 2026-12-01T22:00+01:00; UTC when they do not say.
    """

    matchers: Matchers
    author: Name
    reason: Name
    from_: Annotated[Moment, Field(alias="from")] = 0.0
    until: Moment

    @model_validator(mode="after")
    def _forward(self) -> SilenceSpec:
        if self.until <= self.from_:
            raise ValueError("a silence ends after it begins")
        return self


class MaintenanceSpec(Strict):
    """A time of work on what the workflows check: nobody is told of their alerts, or they do not run.

    Exactly one of `from:` and `to:`, `weekly:`, `cron:` and `duration:`.

    Keys:
        id, reason: what it is called, and what for.
        from, to: moments between which it lasts, once.
        do: `mute` runs them and tells nobody, `stop` skips their slots, reason `maintenance`.
        workflows: their ids or names, with `*` as wildcard; all of them unless given.
        tags: only those that have one of these.
        weekly: times of the week, such as `[{days: [sat], from: "22:00", to: "06:00"}]`.
        cron: when it begins, in `timezone`; it lasts for `duration`.
    """

    id: Identifier
    reason: str = ""
    do: Literal["mute", "stop"] = "mute"
    workflows: Patterns = ("*",)
    tags: Patterns = ()
    from_: Annotated[Moment | None, Field(alias="from")] = None
    to: Moment | None = None
    weekly: Periods = ()
    cron: Annotated[str, AfterValidator(lambda text: _cron(text))] | None = None
    duration: Annotated[PositiveDuration, Field(le=7 * 86_400)] | None = None
    timezone: Annotated[str, AfterValidator(lambda name: _timezone(name))] = "UTC"

    @model_validator(mode="after")
    def _one_time(self) -> MaintenanceSpec:
        once, by_cron = (self.from_, self.to), (self.cron, self.duration)
        for pair in (once, by_cron):
            if (pair[0] is None) != (pair[1] is None):
                raise ValueError("from: goes with to:, and cron: with duration:")
        if (self.from_ is not None) + bool(self.weekly) + (self.cron is not None) != 1:
            raise ValueError("a maintenance window has exactly one of from: and to:, weekly:, cron:")
        if self.from_ is not None and self.to is not None and self.to <= self.from_:
            raise ValueError("a maintenance window ends after it begins")
        return self


class InhibitSpec(Strict):
    """While an alert that meets `source` is active, none that meets `target` is made or told.

    Keys:
        equal: labels in which the two must agree, such as `subject`.
    """

    source: Matchers
    target: Matchers
    equal: Annotated[
        tuple[Literal["rule", "subject", "workflow", "severity", "tag"], ...],
        BeforeValidator(as_tuple),
        Field(max_length=10),
    ] = ()


Silences = Annotated[tuple[SilenceSpec, ...], BeforeValidator(as_tuple), Field(max_length=500)]
Maintenances = Annotated[tuple[MaintenanceSpec, ...], BeforeValidator(as_tuple), Field(max_length=200)]
Inhibitions = Annotated[tuple[InhibitSpec, ...], BeforeValidator(as_tuple), Field(max_length=200)]


def _cron(text: str) -> str:
    from cronsim import CronSim, CronSimError

    try:
        next(CronSim(text, datetime.now(UTC)))
    except (CronSimError, StopIteration):
        raise ValueError("minute hour day month weekday are wanted, such as 0 2 * * 0") from None
    return text


def _timezone(name: str) -> str:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise ValueError(f"there is no time zone {name}, such as Europe/Berlin or UTC") from None
    return name
