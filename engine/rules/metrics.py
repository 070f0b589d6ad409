"""The metrics rules may name: what each one is, how it is read, compared and shown.

Rates are percent, 0–100; durations are seconds. Text compares without regard to case. Whatever is missing,
of the wrong type or not a number is unknown (None), never false.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from engine.lines import spelled
from engine.model import BreakerState, Execution, Health, HealthStatus, Outcome, Priority, Scalar
from engine.model.record import record
from engine.rules.series import PREFIX, Pairs, SeriesWindow, pairs
from engine.rules.window import WorkflowWindow
from engine.text import nearest, plain

if TYPE_CHECKING:
    from engine.rules.witness import Witness

DEFAULT_WINDOW = 600.0
DEFAULT_MIN_COUNT = 3
SYSTEM = "system"
SHOWN_TEXT = 200


class Kind(StrEnum):
    """What a metric's values are."""

    NUMBER = "number"
    TEXT = "text"


@record(frozen=True, slots=True)
class Facts:
    """What one evaluation may look at: a workflow's window, the system's health, series, or all of them.

    `labels` are those of the series that a subject stands for; what no `witness` has seen is unknown.
    """

    subject: str
    window: WorkflowWindow | None = None
    health: Health | None = None
    breaker: str | None = None
    """The worst state of the circuit breakers of what the workflow called last."""
    witness: Witness | None = None
    labels: Pairs = ()

    def series(self, metric: str, wanted: Mapping[str, str]) -> SeriesWindow | None:
        """The subject's series of a `series.…` metric, None when there is none."""
        if self.witness is None:
            return None
        subject = self.labels or ((("workflow", self.subject),) if self.window is not None else ())
        return self.witness.series.find(metric.removeprefix(PREFIX), pairs(wanted), subject)


_EXECUTION: dict[str, tuple[Kind, Callable[[Execution], Scalar]]] = {
    "workflow.status": (Kind.TEXT, lambda execution: execution.outcome.value),
    "workflow.duration": (Kind.NUMBER, lambda execution: execution.duration),
    "workflow.error": (Kind.TEXT, lambda execution: execution.error),
    "workflow.name": (Kind.TEXT, lambda execution: execution.workflow_name),
    "workflow.priority": (Kind.TEXT, lambda execution: execution.priority.value),
    "workflow.attempts": (Kind.NUMBER, lambda execution: execution.attempt_count),
}
_WINDOW = ("workflow.consecutive_failures", "workflow.failure_rate", "workflow.success_rate")
BREAKER = "workflow.breaker"
STRIKES = "rule.strikes"
"""Of a rule about the monitor's rules: how often the one that is its subject has failed."""
SUBJECT_RULE = "rule:"
"""What subjects that are rules begin with."""
_COMPONENTS = ("scheduler", "store", "notifier", "network")
SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt, "<": operator.lt, ">=": operator.ge,
    "<=": operator.le, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
"""The comparisons of numbers."""
_SERIES = re.compile(r"series(\.[A-Za-z_][A-Za-z0-9_-]{0,99}){1,10}")
_NO_LABELS: Mapping[str, str] = {}
_LASTING = frozenset({"workflow.name", "workflow.priority"})

EXECUTION_METRICS = frozenset(_EXECUTION)
"""Metrics that every single execution has."""

METRICS = (
    *_EXECUTION,
    *_WINDOW,
    BREAKER,
    "health.score",
    "health.status",
    *(f"health.{component}.{field}" for component in _COMPONENTS for field in ("score", "status")),
)
"""Those with a fixed name; `health.workflow:<id>.status`, its `.score`, and `series.<name>` come on top."""


def known_metric(name: str) -> bool:
    """Whether a condition may name it."""
    component = component_of(name)
    if name.startswith(PREFIX):
        return _SERIES.fullmatch(name) is not None
    return name in METRICS or (component is not None and len(component) > len("workflow:"))


def metric_kind(name: str) -> Kind:
    """Whether the metric's values are numbers or text."""
    if name in _EXECUTION:
        return _EXECUTION[name][0]
    is_text = name == BREAKER or (name.startswith("health.") and name.endswith(".status"))
    return Kind.TEXT if is_text else Kind.NUMBER


def check_word(name: str, sign: str, word: str) -> None:
    """Whether a text metric can be, or with `contains` hold, this word.

    Raises:
        ValueError: it takes other words; the sentence has the nearest of them, or all.
    """
    words = _words(name)
    folded = [known.casefold() for known in words]
    wanted = word.casefold()
    if not words or wanted in folded or (sign == "contains" and any(wanted in known for known in folded)):
        return
    near = nearest(word, words)
    hint = f"did you mean {near}?" if near else f"there is {', '.join(words)}"
    raise ValueError(f"{name} is never `{plain(word, 40)}`; {hint}")


def _words(name: str) -> tuple[str, ...]:
    """What a metric with few values may be; nothing when it may be any text."""
    if name == "workflow.status":
        return tuple(Outcome)
    if name == "workflow.priority":
        return tuple(Priority)
    if name == BREAKER:
        return tuple(BreakerState)
    return tuple(HealthStatus) if name.startswith("health.") and name.endswith(".status") else ()


def component_of(name: str) -> str | None:
    """The health component a metric belongs to: `store` of `health.store.score`, else None."""
    head, _, field = name.removeprefix("health.").rpartition(".")
    if not name.startswith("health.") or field not in ("score", "status"):
        return None
    return head if head in _COMPONENTS or head.startswith("workflow:") else None


def reader_of(name: str) -> Callable[[Execution], Scalar]:
    """What reads a metric from an execution; KeyError for metrics that an execution does not have."""
    return _EXECUTION[name][1]


def execution_value(name: str, execution: Execution) -> Scalar:
    """A metric of one execution; KeyError for metrics that an execution does not have."""
    return _EXECUTION[name][1](execution)


def value_of(
    name: str,
    facts: Facts,
    now: float,
    span: float = DEFAULT_WINDOW,
    min_count: int = DEFAULT_MIN_COUNT,
    labels: Mapping[str, str] = _NO_LABELS,
) -> Scalar:
    """The metric's value at `now`, None when unknown; rates look back `span` seconds, series no further."""
    if name.startswith("health."):
        return _health_value(name, facts.health)
    if name.startswith(PREFIX):
        series = facts.series(name, labels)
        return series.value if series is not None and series.at >= now - span else None
    if name == BREAKER:
        return facts.breaker
    if name == STRIKES:
        return facts.witness.strikes.get(facts.subject.removeprefix(SUBJECT_RULE)) if facts.witness else None
    window = facts.window
    if window is None:
        return None
    if name in _EXECUTION:
        execution = window.latest if name in _LASTING else window.current
        return None if execution is None else _EXECUTION[name][1](execution)
    if name == "workflow.consecutive_failures":
        return window.consecutive_failures
    rate = window.failure_rate(now, span, min_count)
    return rate if rate is None or name == "workflow.failure_rate" else 100.0 - rate


def compare(left: Scalar, sign: str, right: Scalar) -> bool | None:
    """`left sign right`; None when a side is missing, not a number, or the types do not go together.

    Numbers know the six comparisons; text knows `==`, `!=` and `contains`, all without regard to case.
    """
    if is_number(left) and is_number(right):
        verdict = SIGNS.get(sign)
        return verdict(left, right) if verdict else None
    if isinstance(left, str) and isinstance(right, str):
        return _compare_text(left.casefold(), sign, right.casefold())
    return None


def is_number(value: object) -> bool:
    """A finite number; truth values are none."""
    if type(value) is float:
        # Neither infinite nor NaN, for less than asking so.
        return value - value == 0
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def show(name: str, value: Scalar) -> str:
    """A metric's value for people: `62.5 %`, `1 m 05 s`, `'text'`, `unknown`."""
    if value is None:
        return "unknown"
    if isinstance(value, str):
        return (
            f"'{plain(value, SHOWN_TEXT)}'"
            if name.endswith((".error", ".name"))
            else plain(value, SHOWN_TEXT)
        )
    if isinstance(value, bool) or not math.isfinite(value):
        return str(value)
    if name.endswith("_rate") and not name.startswith(PREFIX):
        return show_percent(value)
    if name == "workflow.duration" and value >= 0:
        return spelled(round(value, 3))
    return f"{round(value, 3):.12g}"


def show_percent(value: float) -> str:
    return f"{round(value, 2):g} %"


def _compare_text(left: str, sign: str, right: str) -> bool | None:
    if sign == "contains":
        return right in left
    if sign == "==":
        return left == right
    return left != right if sign == "!=" else None


def _health_value(name: str, health: Health | None) -> Scalar:
    if health is None:
        return None
    wanted = component_of(name)
    found = health if wanted is None else next((c for c in health.components if c.name == wanted), None)
    if found is None or found.status is HealthStatus.UNKNOWN:
        return None
    return found.status.value if name.endswith(".status") else found.score
