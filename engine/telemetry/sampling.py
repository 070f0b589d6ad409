"""Which traces keep their spans."""

from __future__ import annotations

import math
from dataclasses import replace

from engine.model import Outcome, Recording, SpanStatus

_RANDOM_BITS = 56
_RANDOM_DIGITS = _RANDOM_BITS // 4
_UNREMARKABLE = frozenset({Outcome.OK, Outcome.SKIPPED})


class Sampler:
    """Decides at the beginning by the trace identifier alone, and at the end once more: errors are kept.

    An identifier is sampled when its last 56 bits are at least `(1 - rate) · 2^56`: the rule of
    OpenTelemetry's consistent probability sampling. Of two programs that go by it, the one with the higher
    rate keeps every trace that the other keeps.

    Args:
        rate: the share of traces that is kept, 0–1.
        slow: seconds from which on an execution keeps its spans.
    """

    def __init__(self, rate: float = 1.0, slow: float | None = None) -> None:
        self._least = round((1 - rate) * 2**_RANDOM_BITS)
        self._slow = math.inf if slow is None else slow

    def is_sampled(self, trace_id: str) -> bool:
        """What `traceparent` says of a trace while it goes on."""
        return not self._least or int(trace_id[-_RANDOM_DIGITS:], 16) >= self._least

    def __call__(self, recording: Recording) -> Recording:
        """The recording; without its spans when it is not sampled and nothing is remarkable about it."""
        if self.is_sampled(recording.execution.trace_id) or self._is_remarkable(recording):
            return recording
        return replace(recording, spans=())

    def _is_remarkable(self, recording: Recording) -> bool:
        execution = recording.execution
        return (
            execution.outcome not in _UNREMARKABLE
            or execution.attempt_count > 1
            or execution.duration >= self._slow
            or any(span.status is SpanStatus.ERROR for span in recording.spans)
        )
