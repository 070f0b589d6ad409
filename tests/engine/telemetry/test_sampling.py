"""Sampling: by the identifier, alike everywhere; what went wrong is kept."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model import Execution, Outcome, Priority, Recording, Span, SpanKind, SpanStatus
from engine.telemetry.sampling import Sampler
from engine.telemetry.tracing import new_trace_id

EXECUTION = Execution(
    1, "shop", "Shop", Priority.NORMAL, "a" * 32, 0.0, 0.0, 0.2, Outcome.OK, attempt_count=1
)
SPAN = Span("a" * 32, "b" * 16, None, "Shop", SpanKind.INTERNAL, 0.0, 0.2, SpanStatus.OK)
FINE = Recording(EXECUTION, (SPAN,))

ids = st.integers(0, 2**128 - 1).map(lambda number: f"{number:032x}")
rates = st.floats(0, 1)


@given(ids, rates, rates)
def test_who_keeps_more_keeps_what_the_others_keep(trace_id: str, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert not Sampler(low).is_sampled(trace_id) or Sampler(high).is_sampled(trace_id)


@given(ids)
def test_all_and_nothing(trace_id: str) -> None:
    assert Sampler(1.0).is_sampled(trace_id)
    assert not Sampler(0.0).is_sampled(trace_id)


@pytest.mark.parametrize(
    ("trace_id", "sampled"),
    [
        ("0" * 18 + "80000000000000", True),
        ("f" * 18 + "7fffffffffffff", False),
        ("f" * 32, True),
    ],
)
def test_the_rule_is_that_of_opentelemetry(trace_id: str, sampled: bool) -> None:
    """The last 56 bits against a threshold; what stands before them has no say."""
    assert Sampler(0.5).is_sampled(trace_id) is sampled


def test_the_share_is_about_the_rate() -> None:
    """10,000 draws at 0.1: five standard deviations are 150."""
    sampler = Sampler(0.1)
    assert abs(sum(sampler.is_sampled(new_trace_id()) for _ in range(10_000)) - 1_000) < 150


def test_what_is_not_sampled_goes_without_its_spans_but_stays_itself() -> None:
    thinned = Sampler(0.0)(FINE)
    assert thinned.spans == ()
    assert thinned.execution is EXECUTION
    assert Sampler(1.0)(FINE) is FINE


@pytest.mark.parametrize(
    "changes",
    [
        {"outcome": Outcome.FAILED},
        {"outcome": Outcome.ERROR},
        {"outcome": Outcome.DEGRADED},
        {"outcome": Outcome.INTERRUPTED},
        {"attempt_count": 2},
        {"duration": 3.0},
    ],
)
def test_what_is_remarkable_is_kept(changes: dict[str, object]) -> None:
    recording = replace(FINE, execution=replace(EXECUTION, **changes))  # type: ignore[arg-type]
    assert Sampler(0.0, slow=3.0)(recording) is recording


def test_an_error_in_the_middle_is_kept() -> None:
    recording = replace(FINE, spans=(SPAN, replace(SPAN, span_id="c" * 16, status=SpanStatus.ERROR)))
    assert Sampler(0.0)(recording) is recording
