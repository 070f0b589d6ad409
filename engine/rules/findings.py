"""What a condition was found to be."""

from __future__ import annotations

from engine.config.schema import Condition
from engine.model import Scalar
from engine.model.record import record


@record(frozen=True, slots=True)
class Finding:
    """One condition's result, None when unknown.

    `value` is what was compared (a share in percent for RATE); `detail` is the seconds a DURATION has held or
    the number of executions a RATE counted; `sources` are an expression's values; `parts` belong to a group.
    """

    condition: Condition
    result: bool | None
    value: Scalar = None
    detail: float = 0.0
    sources: tuple[tuple[str, Scalar], ...] = ()
    parts: tuple[Finding, ...] = ()
