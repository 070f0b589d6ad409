"""What a configuration file may say, as strict models; `Config` is the whole of it, checked.

References between parts (channels of rules, retry strategies, step names in templates) are checked by
`engine.config.references`; this module knows shapes only.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from engine.config.types import (
    Duration,
    Identifier,
    Name,
    PositiveDuration,
    Prose,
    Strict,
    format_duration,
    parse_duration,
)
from engine.model import Priority, Severity
from engine.workflows.steps import StepSpec

_OPERATOR_ALIASES = {"gt": ">", "lt": "<", "gte": ">=", "lte": "<=", "eq": "==", "ne": "!="}


def _member(kind: type[StrEnum], fold: Callable[[str], str]) -> Callable[[object], object]:
    """A validator that takes the written word of an enumeration, whatever its case."""

    def validate(value: object) -> object:
        try:
            return kind(fold(value) if isinstance(value, str) else "")
        except ValueError:
            raise PydanticCustomError("choice", "one of {expected}", {"expected": ", ".join(kind)}) from None

    return validate


def _operator(value: object) -> object:
    return _OPERATOR_ALIASES.get(value.lower(), value) if isinstance(value, str) else value


def _number_or_text(value: object) -> object:
    """Durations and percentages in a comparison become numbers: `30s` is 30.0, `50%` is 50.0."""
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        text = value.strip()
        try:
            return float(text[:-1]) if text.endswith("%") else parse_duration(text)
        except ValueError:
            return value
    return value


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


SeverityField = Annotated[Severity, BeforeValidator(_member(Severity, str.upper))]
PriorityField = Annotated[Priority, BeforeValidator(_member(Priority, str.lower))]
ConditionOperator = Annotated[
    Literal[">", "<", ">=", "<=", "==", "!=", "contains"], BeforeValidator(_operator)
]
ConditionValue = Annotated[float | str | bool, BeforeValidator(_number_or_text)]
Names = Annotated[tuple[Identifier, ...], BeforeValidator(_tuple)]
Share = Annotated[float, Field(ge=0, le=1, strict=False)]
Percent = Annotated[float, BeforeValidator(_number_or_text), Field(ge=0, le=100, strict=False)]
Window = Annotated[PositiveDuration, Field(le=86_400)]
"""What is remembered of a workflow's executions reaches back one day."""
MinCount = Annotated[int, Field(ge=1, le=100_000)]


class RetrySpec(Strict):
    """How often and how patiently to try again. Delays in seconds; `jitter` is a share of the delay, 0–1."""

    max_attempts: Annotated[int, Field(ge=1, le=20)] = 3
    initial_delay: Duration = 1.0
    max_delay: Duration = 30.0
    multiplier: Annotated[float, Field(ge=1, le=10, strict=False)] = 2.0
    jitter: Share = 0.1


class BreakerSpec(Strict):
    """Open after `threshold` failures in a row; after `reset` seconds let one trial through."""

    threshold: Annotated[int, Field(ge=1, le=1000)] = 5
    reset: PositiveDuration = 60.0


class Channel(Strict):
    """A named apprise destination that hears of alerts at or above `min_severity`."""

    url: Annotated[str, Field(min_length=3)]
    min_severity: SeverityField = Severity.INFO


class Workflow(Strict):
    """A check made of ordered steps. `timeout` caps one execution, all attempts and waits included."""

    id: Identifier
    name: Name
    description: Prose = ""
    priority: PriorityField = Priority.NORMAL
    every: PositiveDuration | None = None
    cron: str | None = None
    timezone: str | None = None
    timeout: PositiveDuration = 60.0
    retry: str | RetrySpec = "default"
    breaker: BreakerSpec | Literal[False] = BreakerSpec()
    tags: Names = ()
    steps: Annotated[tuple[StepSpec, ...], BeforeValidator(_tuple), Field(min_length=1, max_length=100)]

    @model_validator(mode="after")
    def _one_schedule(self) -> Workflow:
        if (self.every is None) == (self.cron is None):
            raise ValueError("a workflow has either every: (such as 30s) or cron: (such as */5 * * * *)")
        if self.timezone is not None and self.cron is None:
            raise ValueError("timezone: belongs to cron:")
        return self

    @property
    def schedule(self) -> str:
        """The schedule as written: `every 30s` or `cron */5 * * * *`."""
        return f"cron {self.cron}" if self.cron else f"every {format_duration(self.every or 0)}"


class ThresholdCondition(Strict):
    """The metric now, compared with a value; rates look at `window` and at least `min_count` executions."""

    type: Literal["THRESHOLD"]
    metric: str
    operator: ConditionOperator
    value: ConditionValue
    window: Window = 600.0
    min_count: MinCount = 3


class RateCondition(Strict):
    """The share of executions within `window` that met `metric operator value` is above `rate` percent.

    Example: more than 20 % of executions in 10 minutes took over 2 seconds.
    """

    type: Literal["RATE"]
    metric: str
    operator: ConditionOperator
    value: ConditionValue
    window: Window
    rate: Percent
    min_count: MinCount = 3


class PatternCondition(Strict):
    """An RE2 pattern found in a text metric, `workflow.error` unless told otherwise."""

    type: Literal["PATTERN"]
    metric: str = "workflow.error"
    pattern: Annotated[str, Field(min_length=1, max_length=1000)]


class DurationCondition(Strict):
    """The comparison has held without a break for `duration` seconds."""

    type: Literal["DURATION"]
    metric: str
    operator: ConditionOperator
    value: ConditionValue
    duration: PositiveDuration


class CustomCondition(Strict):
    """An expression over metrics, in the rule language (`engine.rules.expression`)."""

    type: Literal["CUSTOM"]
    expression: Annotated[str, Field(min_length=1, max_length=500)]
    window: Window = 600.0


SimpleCondition = Annotated[
    ThresholdCondition | RateCondition | PatternCondition | DurationCondition | CustomCondition,
    Field(discriminator="type"),
]


class Group(Strict):
    """Exactly one of `all`, `any`, `not`."""

    all: Conditions | None = None
    any: Conditions | None = None
    not_: Annotated[Condition | None, Field(alias="not")] = None

    @model_validator(mode="after")
    def _one(self) -> Group:
        given = [part for part in (self.all, self.any, self.not_) if part is not None]
        if len(given) != 1 or given[0] == ():
            raise ValueError("a group has exactly one of all, any, not, and it is not empty")
        return self


def _condition_kind(value: Any) -> str:
    if isinstance(value, dict):
        return "group" if "type" not in value and {"all", "any", "not"} & value.keys() else "simple"
    return "group" if isinstance(value, Group) else "simple"


Condition = Annotated[
    Annotated[SimpleCondition, Tag("simple")] | Annotated[Group, Tag("group")],
    Discriminator(_condition_kind),
]
Conditions = Annotated[tuple[Condition, ...], BeforeValidator(_tuple)]


class Escalation(Strict):
    """An alert that nobody acknowledged for `after` seconds gets `severity`, and `channels` are told."""

    after: PositiveDuration
    severity: SeverityField
    channels: Names = ()


class Rule(Strict):
    """What makes an alert. `for` and `cooldown` in seconds; `workflows` are names with `*` as wildcard."""

    id: Identifier
    name: Name
    description: Prose = ""
    severity: SeverityField = Severity.WARNING
    conditions: Annotated[Conditions, Field(min_length=1, max_length=50)]
    logic: Literal["AND", "OR"] = "AND"
    for_: Annotated[Duration, Field(alias="for")] = 0.0
    cooldown: Duration = 300.0
    auto_resolve: PositiveDuration = 3600.0
    workflows: Annotated[tuple[str, ...], BeforeValidator(_tuple)] = ("*",)
    escalation: Escalation | None = None
    channels: Names = ()
    tags: Names = ()
    enabled: bool = True


class Settings(Strict):
    """Engine-wide limits. Rows older than `retention` are removed."""

    concurrency: Annotated[int, Field(ge=1, le=10_000)] = 50
    max_active_alerts: Annotated[int, Field(ge=1, le=100_000)] = 100
    evaluation_interval: PositiveDuration = 15.0
    retention: PositiveDuration = 30 * 86400.0


class Config(Strict):
    """The whole configuration, one environment chosen."""

    version: Literal[1]
    environments: dict[Identifier, dict[str, str | int | float | bool]] = Field(default_factory=dict)
    settings: Settings = Settings()
    retries: dict[Identifier, RetrySpec] = Field(default_factory=dict)
    channels: dict[Identifier, Channel] = Field(default_factory=dict)
    workflows: Annotated[tuple[Workflow, ...], BeforeValidator(_tuple)] = ()
    rules: Annotated[tuple[Rule, ...], BeforeValidator(_tuple)] = ()
