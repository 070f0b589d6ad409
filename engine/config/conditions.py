"""What a rule may look for: its conditions, as strict models.

Whether their metrics, words and expressions mean anything is checked by `engine.config.ruling`.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema, model_validator

from engine.config.choices import SeverityField
from engine.config.comparing import (
    COMPARED,
    SIGNS,
    Comparison,
    InRow,
    Labels,
    Levelled,
    Levels,
    MinCount,
    Number,
    Percent,
    Unlevelled,
    Window,
    as_operator,
    is_float,
    levels_instead,
)
from engine.config.types import PositiveDuration, Strict, as_tuple
from engine.model import Severity


def _joined(value: object) -> object:
    """`{all: [a, b]}` as `a and b`, `{any: [a, b]}` as `a or b`."""
    if not isinstance(value, dict) or len(value) != 1:
        return value
    [(how, ids)] = value.items()
    word = {"all": " and ", "any": " or "}.get(how)
    if word is None or not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
        return value
    return word.join(ids)


_IDS = {"type": "array", "items": {"type": "string"}, "minItems": 1}
_RULES = {
    "anyOf": [
        {"type": "string"},
        {"type": "object", "properties": {"all": _IDS}, "required": ["all"], "additionalProperties": False},
        {"type": "object", "properties": {"any": _IDS}, "required": ["any"], "additionalProperties": False},
    ]
}
_IDS = {"type": "array", "items": {"type": "string"}, "minItems": 1}
_RULES = {
    "anyOf": [
        {"type": "string"},
        {"type": "object", "properties": {"all": _IDS}, "required": ["all"], "additionalProperties": False},
        {"type": "object", "properties": {"any": _IDS}, "required": ["any"], "additionalProperties": False},
    ]
}


class ThresholdCondition(Levelled, Comparison):
    """The metric now, compared with a value; rates look at `window` and at least `min_count` executions.

    Keys:
        levels: a severity by value, such as `{WARNING: 1s, CRITICAL: 5s}`; the alert has the highest that is
            reached, and its `value` is the one that is reached first.
        clear: an alert that is firing goes on until the comparison with this value, too, is false.
        window: how far rates look back, and how old the newest point of a series may be.
    """

    type: Literal["THRESHOLD"]
    levels: Levels | None = None
    clear: Number | None = None
    window: Window = 600.0
    min_count: MinCount = 3

    model_config = {"json_schema_extra": levels_instead("value")}

    @model_validator(mode="after")
    def _fits(self) -> ThresholdCondition:
        if self.clear is None:
            return self
        sign = self.operator[0]
        if sign not in "<>" or not is_float(self.value):
            raise ValueError("levels: and clear: go with the operators >, >=, <, <= and numbers")
        direction = 1 if sign == ">" else -1
        if direction * self.clear > direction * float(self.value):
            raise ValueError(f"clear: is to lie {'below' if direction > 0 else 'above'} what fires")
        return self


class RateCondition(Levelled, Comparison):
    """The share of executions within `window` that met `metric operator value` is above `rate` percent.

    Example: more than 20 % of executions in 10 minutes took over 2 seconds.

    Keys:
        levels: a severity by share, such as `{WARNING: 20%, CRITICAL: 50%}`; the alert has the highest
            that is exceeded, and its `rate` is the one that is reached first.
        clear: an alert that is firing goes on until the share is not above this percentage, either.
    """

    first: ClassVar[str] = "rate"
    rises: ClassVar[bool] = True

    type: Literal["RATE"]
    window: Window
    rate: Percent
    levels: Annotated[dict[SeverityField, Percent], Field(min_length=1)] | None = None
    clear: Percent | None = None
    min_count: MinCount = 3

    model_config = {"json_schema_extra": levels_instead("rate")}

    @model_validator(mode="after")
    def _fits(self) -> RateCondition:
        if self.clear is not None and self.clear > self.rate:
            raise ValueError("clear: is to lie below rate:")
        return self


class PatternCondition(Unlevelled):
    """A text metric has a `text`, or fits an RE2 `pattern`; or log lines fit a `search`.

    Keys:
        metric: workflow.error unless told otherwise.
        text: what it contains, whatever the case.
        search: words, "phrases", prefix*, -not, level:error, level:warning+, source:nginx, as in `/` of the
            log view; at least `count` lines of the workflow within `window`.
    """

    type: Literal["PATTERN"]
    metric: str = "workflow.error"
    pattern: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    text: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    search: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    count: Annotated[int, Field(ge=1, le=1_000)] = 1
    window: Window = 300.0

    @model_validator(mode="after")
    def _one(self) -> PatternCondition:
        if sum(each is not None for each in (self.pattern, self.text, self.search)) != 1:
            raise ValueError("a PATTERN has exactly one of pattern:, text: and search:")
        if self.search is None and {"count", "window"} & self.model_fields_set:
            raise ValueError("count: and window: belong to search:")
        if self.search is not None and "metric" in self.model_fields_set:
            raise ValueError("search: looks into log lines; leave metric: out")
        return self


class DurationCondition(Levelled, Comparison):
    """The comparison has held without a break for `duration` seconds.

    Keys:
        levels: a severity by value, such as `{WARNING: 1s, CRITICAL: 5s}`: the comparison with the one that
            is reached first, which is `value`, has to hold; the alert has the highest that is reached now.
    """

    type: Literal["DURATION"]
    duration: PositiveDuration
    levels: Levels | None = None

    model_config = {"json_schema_extra": levels_instead("value")}


class CustomCondition(Unlevelled):
    """An expression over metrics, in the rule language (`engine.rules.expression`).

    Keys:
        expression: what has to be true, such as `p95(workflow.duration) > 2 and workflow.attempts > 1`.
    """

    type: Literal["CUSTOM"]
    expression: Annotated[str, Field(min_length=1, max_length=500)]
    window: Window = 600.0


class AbsenceCondition(Levelled):
    """Nothing came for `duration` seconds; unknown before the engine has watched for so long.

    Keys:
        levels: a severity by time, such as `{WARNING: 10m, CRITICAL: 1h}`; the alert has the highest that is
            reached, and `duration` is the one that is reached first.
        of: `execution` (skipped ones do not count), `success`, `point` of the series `metric`, `heartbeat` of
            the workflow's job, or `log`: a line of the workflow, one that fits `search` when given.
    """

    first: ClassVar[str] = "duration"
    rises: ClassVar[bool] = True

    type: Literal["ABSENCE"]
    of: Literal["execution", "success", "point", "heartbeat", "log"] = "execution"
    duration: PositiveDuration
    levels: Annotated[dict[SeverityField, PositiveDuration], Field(min_length=1)] | None = None
    metric: str | None = None
    labels: Labels = Field(default_factory=dict)
    search: Annotated[str, Field(min_length=1, max_length=256)] | None = None

    model_config = {"json_schema_extra": levels_instead("duration")}

    @model_validator(mode="after")
    def _fits(self) -> AbsenceCondition:
        if (self.of == "point") != (self.metric is not None):
            raise ValueError("of: point has a metric: such as series.disk.used, and nothing else has one")
        if self.search is not None and self.of != "log":
            raise ValueError("search: belongs to of: log")
        return self


class ConsecutiveCondition(Unlevelled, Comparison):
    """The comparison held for the last `count` executions, or points of a series, in a row."""

    type: Literal["CONSECUTIVE"]
    count: InRow


class XOfYCondition(Levelled, Comparison):
    """The comparison held for at least `x` of the last `y` executions, or points of a series.

    Keys:
        levels: a severity by number, such as `{WARNING: 3, CRITICAL: 8}`; the alert has the highest that is
            reached, and `x` is the one that is reached first.
    """

    first: ClassVar[str] = "x"
    rises: ClassVar[bool] = True

    type: Literal["X_OF_Y"]
    x: InRow
    y: InRow
    levels: Annotated[dict[SeverityField, InRow], Field(min_length=1)] | None = None

    model_config = {"json_schema_extra": levels_instead("x")}

    @model_validator(mode="after")
    def _fits(self) -> XOfYCondition:
        if max((self.x, *(self.levels or {}).values())) > self.y:
            raise ValueError("levels: are at most y:" if self.levels else "x: is at most y:")
        return self


class BurnWindow(Strict):
    """The error budget burns `factor` times as fast as it lasts, over `long` and over `short` alike."""

    long: Annotated[PositiveDuration, Field(le=30 * 86_400)]
    short: Annotated[PositiveDuration, Field(le=30 * 86_400)]
    factor: Annotated[float, Field(gt=0, strict=False)]
    severity: Annotated[SeverityField | None, Field(description="of the alert, in place of the rule's.")] = (
        None
    )

    @model_validator(mode="after")
    def _fits(self) -> BurnWindow:
        if self.short >= self.long:
            raise ValueError("short: is to be shorter than long:")
        return self


BURN_WINDOWS = (
    BurnWindow(long=3600.0, short=300.0, factor=14.4, severity=Severity.CRITICAL),
    BurnWindow(long=21_600.0, short=1800.0, factor=6.0, severity=Severity.CRITICAL),
    BurnWindow(long=259_200.0, short=21_600.0, factor=1.0, severity=Severity.WARNING),
)
"""2 % of 30 days' budget in an hour, 5 % in six hours, 10 % in three days (Google's SRE Workbook, ch. 5)."""


class BurnRateCondition(Unlevelled):
    """The workflow uses up the error budget of an objective too fast, over a long and a short window.

    Keys:
        objective: percent of executions that are to be good, such as 99.9%.
        bad: what counts as bad, as inside `rate()`: `workflow.duration > 2`; a failure unless given.
        windows: pairs to look at; unless given 1h/5m at 14.4 and 6h/30m at 6 (CRITICAL), and 3d/6h at 1
            (WARNING).
        min_count: executions in the long window below which nothing is known.
        min_errors: bad ones in it below which it does not fire.
    """

    type: Literal["BURN_RATE"]
    objective: Annotated[Percent, Field(gt=0, lt=100)]
    bad: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    windows: Annotated[
        tuple[BurnWindow, ...], BeforeValidator(as_tuple), Field(min_length=1, max_length=10)
    ] = BURN_WINDOWS
    min_count: MinCount = 30
    min_errors: MinCount = 3


class CompositeCondition(Unlevelled):
    """Other rules: each is true while it has a firing alert, and unknown while its own result is.

    Keys:
        rules: the ids of rules with `and`, `or`, `not` and parentheses: `database-down and not offline`; or
            just lists of them, `{all: [a, b]}` or `{any: [a, b]}`.
        subject: `same` looks at their alerts about the same workflow (and at health), `any` at all.
    """

    type: Literal["COMPOSITE"]
    rules: Annotated[
        str, BeforeValidator(_joined), Field(min_length=1, max_length=1000), WithJsonSchema(_RULES)
    ]
    subject: Literal["same", "any"] = "same"


class TrendCondition(Levelled, Comparison):
    """A straight line through the metric's values within `window` comes to `value` `within` so many seconds.

    Keys:
        metric: workflow.duration, workflow.attempts or a series.
        levels: a severity by forecast, such as `{WARNING: 80, CRITICAL: 95}`; the alert has the highest that
            is reached `within` so long, and `value` is the one that is reached first.
        min_count: values below which nothing is known.
    """

    type: Literal["TREND"]
    operator: Annotated[
        Literal[">", "<", ">=", "<="],
        BeforeValidator(as_operator),
        WithJsonSchema({"enum": [*SIGNS, "gt", "lt", "gte", "ge", "lte", "le"], "description": COMPARED}),
    ]
    value: Number
    levels: Levels | None = None
    within: PositiveDuration
    window: Window = 21_600.0
    min_count: Annotated[int, Field(ge=3, le=2_000)] = 10

    model_config = {"json_schema_extra": levels_instead("value")}


SimpleCondition = Annotated[
    ThresholdCondition
    | RateCondition
    | PatternCondition
    | DurationCondition
    | CustomCondition
    | AbsenceCondition
    | ConsecutiveCondition
    | XOfYCondition
    | BurnRateCondition
    | CompositeCondition
    | TrendCondition,
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

    @property
    def parts(self) -> tuple[Condition, ...]:
        """The conditions in it."""
        return self.all or self.any or ((self.not_,) if self.not_ else ())


def _condition_kind(value: Any) -> str:
    if isinstance(value, dict):
        return "group" if "type" not in value and {"all", "any", "not"} & value.keys() else "simple"
    return "group" if isinstance(value, Group) else "simple"


Condition = Annotated[
    Annotated[SimpleCondition, Tag("simple")] | Annotated[Group, Tag("group")],
    Discriminator(_condition_kind),
]
Conditions = Annotated[tuple[Condition, ...], BeforeValidator(as_tuple)]
