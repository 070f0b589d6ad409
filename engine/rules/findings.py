"""What a condition was found to be."""

from __future__ import annotations

from engine.config.conditions import Condition
from engine.model import Scalar, Severity
from engine.model.record import record


@record(frozen=True, slots=True)
class Finding:
    """One condition's result, None when unknown.

    `value` is what was compared: a share in percent for RATE, hits for CONSECUTIVE and X_OF_Y, lines for a
    search, seconds for ABSENCE, a forecast for TREND, how many times too fast for BURN_RATE. `detail` is the
    seconds a DURATION has held, the number of executions a RATE or X_OF_Y counted, the seconds until a TREND
    is there. `sources` are the values that it was made of, with their names; `parts` belong to a group.
    `clearing` tells that a firing alert was held against `clear`.
    """

    condition: Condition
    result: bool | None
    value: Scalar = None
    detail: float = 0.0
    sources: tuple[tuple[str, Scalar], ...] = ()
    parts: tuple[Finding, ...] = ()
    severity: Severity | None = None
    clearing: bool = False
