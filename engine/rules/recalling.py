"""Gives the long counts of burn rates back what they knew: further back than executions are remembered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from engine.config.conditions import (
    BurnRateCondition,
    Condition,
    ConsecutiveCondition,
    PatternCondition,
    ThresholdCondition,
    XOfYCondition,
)
from engine.config.schema import Rule
from engine.model import Execution
from engine.rules.checks import burning
from engine.rules.metrics import EXECUTION_METRICS
from engine.rules.scope import leaves
from engine.rules.series import PREFIX
from engine.rules.tallies import MAX_AGE
from engine.rules.window import NO_NEWS, WorkflowWindow

IN_ROW = 200
"""As many executions are given to rules at a start in any case."""

Hour = tuple[float, int, int]
"""When an hour began, how many executions that started in it failed, and how many there were."""


def recall(
    window: WorkflowWindow, rules: Iterable[Rule], executions: Sequence[Execution], hours: Sequence[Hour]
) -> None:
    """Count for `rules` what a workflow did before now.

    Args:
        executions: oldest first.
        hours: of the time before those, oldest first. What only a look at each execution tells (`bad:`) is
            not known of them.
    """
    for condition in _burn_rates(rules):
        key, met, spans = burning(condition)
        known = [one for one in executions if one.outcome not in NO_NEWS]
        looked = [(one.started_at + one.duration, met(one)) for one in known]
        parts = [(at, int(verdict), 1) for at, verdict in looked if verdict is not None]
        window.begin_long(key, met, spans, [*(hours if condition.bad is None else ()), *parts])


def looks_back(rules: Iterable[Rule]) -> float:
    """Seconds that rules count executions of, or of which they want more than 200 in a row; 0 without any."""
    return max((_counted(condition) for rule in rules for condition in leaves(rule.conditions)), default=0.0)


def _counted(condition: Condition) -> float:
    match condition:
        case BurnRateCondition():
            return max(pair.long for pair in condition.windows)
        case ConsecutiveCondition(count=in_row) | XOfYCondition(y=in_row):
            return MAX_AGE if in_row > IN_ROW else 0.0
        case ThresholdCondition() if condition.metric in EXECUTION_METRICS:
            return 0.0
        case PatternCondition():
            return 0.0
        case _ if str(getattr(condition, "metric", "")).startswith(PREFIX):
            return 0.0
        case _:
            return float(getattr(condition, "window", 0.0))


def _burn_rates(rules: Iterable[Rule]) -> Iterator[BurnRateCondition]:
    for rule in rules:
        for condition in leaves(rule.conditions):
            if isinstance(condition, BurnRateCondition):
                yield condition
