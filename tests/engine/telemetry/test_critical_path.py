"""Hand-drawn traces, and the laws of self time and critical path."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model import Span, SpanKind
from engine.telemetry.critical_path import Anatomy, anatomy

TRACE = "0" * 31 + "1"
Draw = Callable[[st.SearchStrategy[list[int]]], list[int]]
START = 1_700_000_000.0


def span(name: str, parent: str | None, start: float, end: float) -> Span:
    return Span(TRACE, name, parent, name, SpanKind.INTERNAL, START + start, end - start)


def path(found: Anatomy) -> list[tuple[str, int, int]]:
    return [(s.span_id, round(s.start), round(s.start + s.duration)) for s in found.path]


def selves(found: Anatomy) -> dict[str, int]:
    return {name: round(seconds) for name, seconds in found.self_times.items()}


def test_one_after_the_other() -> None:
    # root 0──────────10
    # a      1──4
    # b          5──9
    # c           6─8
    found = anatomy(
        [span("c", "b", 6, 8), span("b", "root", 5, 9), span("root", None, 0, 10), span("a", "root", 1, 4)]
    )
    assert found.root is not None
    assert found.root.name == "root"
    assert path(found) == [
        ("root", 0, 1), ("a", 1, 4), ("root", 4, 5), ("b", 5, 6), ("c", 6, 8), ("b", 8, 9), ("root", 9, 10),
    ]  # fmt: skip
    assert selves(found) == {"root": 3, "a": 3, "b": 2, "c": 2}
    assert found.critical_time("b") == pytest.approx(2)


def test_side_by_side_the_last_to_finish_decides() -> None:
    # root 0──────────10
    # a    0──6
    # b       4──────10
    # c      2─3
    spans = [
        span("root", None, 0, 10),
        span("a", "root", 0, 6),
        span("b", "root", 4, 10),
        span("c", "root", 2, 3),
    ]
    found = anatomy(spans)
    # a was still at work when b began, so that b did not wait for it; c had finished.
    assert path(found) == [("root", 0, 2), ("c", 2, 3), ("root", 3, 4), ("b", 4, 10)]
    assert selves(found) == {"root": 0, "a": 6, "b": 6, "c": 1}
    assert found.critical_time("a") == 0


def test_a_late_child_counts_no_longer_than_its_parent() -> None:
    # root 0────5
    # a      3──────9
    # b           6───9    after its parent
    # a1         4.. 8     below a
    spans = [
        span("root", None, 0, 5),
        span("a", "root", 3, 9),
        span("b", "root", 6, 9),
        span("a1", "a", 4, 8),
    ]
    found = anatomy(spans)
    assert path(found) == [("root", 0, 3), ("a", 3, 4), ("a1", 4, 5)]
    assert selves(found) == {"root": 3, "a": 2, "a1": 4, "b": 3}


def test_a_clock_that_is_wrong_makes_nothing_negative() -> None:
    # root      0────10
    # a    -5───2
    # b           4 (ended before it began)
    found = anatomy([span("root", None, 0, 10), span("a", "root", -5, 2), span("b", "root", 4, 3)])
    assert path(found) == [("a", 0, 2), ("root", 2, 10)]
    assert selves(found) == {"root": 8, "a": 7, "b": 0}


def test_orphans_count_as_children_of_the_root() -> None:
    found = anatomy([span("orphan", "lost", 2, 6), span("root", None, 1, 9), span("below", "orphan", 3, 4)])
    assert path(found) == [
        ("root", 0, 1),
        ("orphan", 1, 2),
        ("below", 2, 3),
        ("orphan", 3, 5),
        ("root", 5, 8),
    ]
    assert selves(found) == {"root": 4, "orphan": 3, "below": 1}


def test_the_root_is_the_span_without_a_parent_though_another_seems_earlier() -> None:
    found = anatomy([span("orphan", "lost", -2, 3), span("root", None, 0, 9)])
    assert path(found) == [("orphan", 0, 3), ("root", 3, 9)]


def test_without_a_root_the_first_orphan_is_one() -> None:
    found = anatomy([span("b", "lost", 4, 5), span("a", "lost", 0, 6)])
    assert path(found) == [("a", 0, 4), ("b", 4, 5), ("a", 5, 6)]


def test_a_circle_is_cut_open() -> None:
    # Each the other's parent, and one below; one its own parent.
    found = anatomy([span("b", "a", 1, 3), span("a", "b", 0, 4), span("c", "b", 2, 3), span("d", "d", 3, 4)])
    assert selves(found) == {"a": 1, "b": 1, "c": 1, "d": 1}
    assert path(found) == [("a", 0, 1), ("b", 1, 2), ("c", 2, 3), ("d", 3, 4)]


def test_of_spans_with_one_identifier_the_first_counts() -> None:
    assert selves(anatomy([span("a", None, 0, 4), span("a", "a", 1, 2)])) == {"a": 4}


def test_no_spans() -> None:
    assert anatomy([]) == Anatomy(None, {}, ())


def test_children_whose_times_were_rounded_are_one_after_the_other() -> None:
    spans = [span("root", None, 0, 10), span("a", "root", 0, 5.000002), span("b", "root", 5, 10)]
    assert path(anatomy(spans)) == [("a", 0, 5), ("b", 5, 10)]


def test_a_deep_trace_needs_no_deep_stack() -> None:
    spans = [
        span(str(depth), str(depth - 1) if depth else None, depth, 20_000 - depth) for depth in range(9_000)
    ]
    assert len(anatomy(spans).path) == 2 * 9_000 - 1


@st.composite
def any_spans(draw: st.DrawFn) -> list[Span]:
    """Any parents, any times: late, early, zero, circles and orphans among them."""
    count = draw(st.integers(1, 12))
    names = [str(number) for number in range(count)]
    times = st.integers(0, 20)
    return [
        span(name, draw(st.sampled_from([None, "lost", *names])), draw(times), draw(times)) for name in names
    ]


@given(spans=any_spans(), seed=st.integers(0, 99))
def test_the_path_is_as_long_as_the_root_and_has_no_gaps(spans: list[Span], seed: int) -> None:
    found = anatomy(spans)
    assert found.root is not None
    at = 0.0
    for segment in found.path:
        assert segment.start == pytest.approx(at)
        assert segment.duration > 0
        at = segment.start + segment.duration
    assert at == pytest.approx(max(found.root.duration, 0.0))
    assert set(found.self_times) == {span.span_id for span in spans}
    for each in spans:
        assert -1e-9 <= found.self_times[each.span_id] <= max(each.duration, 0.0) + 1e-9
    # Spans of equal times may change places, the decisive length cannot.
    shuffled = random.Random(seed).sample(spans, len(spans))
    assert sum(s.duration for s in anatomy(shuffled).path) == pytest.approx(at)


def sequential(draw: Draw, name: str, parent: str | None, start: int, end: int) -> Sequence[Span]:
    found = [span(name, parent, start, end)]
    cuts = sorted(draw(st.lists(st.integers(start, end), max_size=4, unique=True)))
    if len(name) < 4:
        for number, (first, last) in enumerate(zip(cuts[::2], cuts[1::2], strict=False)):
            found += sequential(draw, f"{name}{number}", name, first, last)
    return found


@given(data=st.data())
def test_self_times_of_sequential_spans_add_up_to_the_root(data: st.DataObject) -> None:
    spans = sequential(data.draw, "r", None, 0, 60)
    found = anatomy(spans)
    assert sum(found.self_times.values()) == pytest.approx(60)
    for each in spans:
        assert found.critical_time(each.span_id) == pytest.approx(found.self_times[each.span_id])
