"""What trying again was good for, from what is stored."""

from __future__ import annotations

from typing import Any

from engine.client import RetryFigures, RetryReport
from engine.model import Attempt, Outcome, Recording, Span, SpanKind, SpanStatus
from engine.store.store import Store
from tests.engine.store.samples import FAILURE, START, execution, trace_of

API, PAY = "http://api.example", "tcp://pay.example"


def tried(number: int, *failing: str | None, outcome: Outcome, workflow: str = "shop") -> Recording:
    """One execution: an attempt of 1 s that fails at each of `failing`, 2 s of patience after each.

    With a good outcome one more attempt succeeds; the failing step is called by another workflow's.
    """
    good = outcome.is_success
    count = len(failing) + good
    mine: dict[str, Any] = {"trace_id": trace_of(number), "execution_id": number}

    def span(place: int, parent: int | None, name: str, at: float, error: bool, **attributes: str) -> Span:
        status = SpanStatus.ERROR if error else SpanStatus.OK
        above = f"{number:08x}{parent:08x}" if parent is not None else None
        return Span(
            span_id=f"{number:08x}{place:08x}", parent_id=above, name=name, kind=SpanKind.CLIENT,
            started_at=START + number + at, duration=1.0, status=status, attributes=dict(attributes), **mine,
        )  # fmt: skip

    spans, attempts = [span(0, None, "Shop", 0, not good)], []
    for index in range(count):
        at, bad = index * 3.0, index < len(failing)
        target = failing[index] if bad else API
        found = Outcome.FAILED if bad else Outcome.OK
        attempts.append(Attempt(index + 1, START + number + at, 1.0, found, FAILURE if bad else None))
        spans += [
            span(10 + index, 0, f"attempt {index + 1}", at, bad),
            span(20 + index, 10 + index, "first", at, False, target=API),
            span(30 + index, 10 + index, "attempt 7", at + 0.1, bad),
            span(40 + index, 30 + index, "inner", at + 0.2, bad, **({"target": target} if target else {})),
            span(50 + index, 10 + index, "later", at + 0.3, bad, target="http://innocent"),
        ]
    made = execution(
        number, workflow_id=workflow, started_at=START + number, duration=count * 3.0 - 2.0, outcome=outcome,
        attempt_count=count, attempts=tuple(attempts), failure=None if good else FAILURE,
    )  # fmt: skip
    return Recording(made, tuple(spans))


async def test_workflows_and_targets_are_told_apart(store: Store) -> None:
    await store.writer.must(
        tried(1, outcome=Outcome.OK),
        tried(2, API, outcome=Outcome.OK),
        tried(3, API, PAY, outcome=Outcome.DEGRADED),
        tried(4, PAY, PAY, PAY, outcome=Outcome.FAILED),
        tried(5, API, outcome=Outcome.FAILED, workflow="once"),
        Recording(execution(6, workflow_id="shop", outcome=Outcome.SKIPPED, attempt_count=0)),
    )
    report = await store.reader.retries(START, START + 100)
    assert report.workflows == (
        RetryFigures("once", 1, 1, 0, 0, 0, 0.0),
        RetryFigures("shop", 4, 9, 3, 2, 1, 2.0 + 4.0 + 4.0, ((2, 1), (3, 1))),
    )
    assert report.targets == (
        RetryFigures(API, 2, 2, 2, 2, 0, 4.0, ((2, 1), (3, 1))),
        RetryFigures(PAY, 2, 3, 2, 1, 1, 6.0, ((3, 1),)),
    )
    only = await store.reader.retries(START, START + 100, "once")
    assert only == RetryReport(report.workflows[:1])
    assert await store.reader.retries(START + 50, START + 100) == RetryReport()


async def test_what_failed_before_any_target_is_nobodys_account(store: Store) -> None:
    lone = tried(1, None, outcome=Outcome.OK)
    spans = tuple(span for span in lone.spans if span.name != "later")
    await store.writer.must(
        Recording(lone.execution, spans), Recording(tried(2, API, outcome=Outcome.OK).execution)
    )
    report = await store.reader.retries(START, START + 100)
    assert report.workflows[0].retried == 2
    assert report.targets == ()


async def test_a_trace_that_goes_in_circles_ends(store: Store) -> None:
    lone = tried(1, API, outcome=Outcome.OK)
    mine: dict[str, Any] = {"trace_id": trace_of(1), "execution_id": 1, "attributes": {"target": PAY}}
    circle = [
        Span(span_id=a * 16, parent_id=b * 16, name="x", kind=SpanKind.CLIENT, started_at=START, duration=0.1,
             status=SpanStatus.ERROR, **mine)
        for a, b in (("a", "b"), ("b", "a"))
    ]  # fmt: skip
    await store.writer.must(Recording(lone.execution, (*lone.spans, *circle)))
    report = await store.reader.retries(START, START + 100)
    assert [figures.subject for figures in report.targets] == [API]
