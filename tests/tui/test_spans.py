"""Traces: folding, the span in full beside them, and its log lines on the timeline."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model import LogLevel, LogRecord, Span, SpanKind
from tests.tui.fakes import FakeClient
from tests.tui.harness import console, frame, press
from tests.tui.hosts import Host
from tui.widgets.branches import branches
from tui.widgets.row_table import RowTable
from tui.widgets.trace_tree import TraceTree


def span(name: str, parent: str | None, start: float = 0.0, took: float = 1.0) -> Span:
    return Span("t" * 32, name, parent, name, SpanKind.INTERNAL, start, took)


SPANS = (span("root", None, 0, 10), span("a", "root", 1, 4), span("a1", "a", 2), span("b", "root", 6, 2))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 12)), max_size=10), st.sets(st.integers(0, 12)))
def test_every_span_is_shown_once_or_counted_as_folded(
    links: list[tuple[int, int]], folded: set[int]
) -> None:
    spans = [span(str(number), str(parent), number) for number, parent in links]
    found = branches(spans, {str(number) for number in folded})
    assert len(found) + sum(branch.folded for branch in found) == len(spans)
    assert len({id(branch.span) for branch in found}) == len(found)


def test_only_what_is_below_is_folded() -> None:
    assert [(one.span.span_id, one.folded) for one in branches(SPANS, {"a", "b"})] == [
        ("root", 0), ("a", 1), ("b", 0),
    ]  # fmt: skip
    assert [(one.span.span_id, one.folded) for one in branches(SPANS, {"root"})] == [("root", 3)]


async def test_a_fold_is_kept_over_news_and_forgotten_with_the_trace() -> None:
    tree = TraceTree(id="trace")
    async with Host(tree).run_test(size=(100, 20)) as pilot:
        tree.show(SPANS)
        tree.move_to("a")
        tree.fold(True)
        await pilot.pause()
        assert tree.row_count == 3
        tree.show((*SPANS, span("c", "root", 9)))
        assert tree.row_count == 4
        tree.fold(False)
        assert tree.row_count == 5
        tree.move_to("a1")
        tree.fold(True)
        assert (tree.row_count, tree.cursor_key) == (4, "a")
        tree.show([replace(one, trace_id="u" * 32) for one in SPANS])
        assert tree.row_count == 4


async def test_log_lines_are_marked_where_they_were_written() -> None:
    tree = TraceTree(id="trace")
    async with Host(tree).run_test(size=(100, 20)) as pilot:
        lines = [
            LogRecord(7.0, LogLevel.ERROR, "it broke", span_id="b"),
            LogRecord(2.0, LogLevel.INFO, "no span", span_id=None),
            LogRecord(99.0, LogLevel.INFO, "much later", span_id="gone"),
        ]
        tree.show(SPANS, logs=lines)
        await pilot.pause()
        assert [one.message for one in tree.logs_of(SPANS[0])] == ["no span", "much later"]
        assert [one.message for one in tree.logs_of(SPANS[3])] == ["it broke"]
        drawn = ["".join(segment.text for segment in tree.render_line(y)) for y in range(1, 5)]
        assert [line.count("◆") for line in drawn] == [2, 0, 0, 1]
        assert len({len(line) for line in drawn}) == 1
        assert "+1.00 s      error it broke" in tree.detail(SPANS[3]).plain


@pytest.mark.parametrize(("size", "beside"), [((80, 24), False), ((160, 45), True)])
async def test_the_span_is_told_beside_the_trace_where_there_is_room(
    size: tuple[int, int], beside: bool, tmp_path: Path
) -> None:
    async with console(FakeClient(), tmp_path, size) as (app, pilot):
        await press(pilot, "5")
        assert app.screen.query_one("#span").display is beside
        await press(pilot, "enter", "j", "j")
        assert app.screen.query_one("#span").display is beside
        if beside:
            assert "Span › " in frame(app)
            assert "http.response.status_code" in frame(app)
            assert "finished ok" in frame(app)
        assert app.screen.query_one("#trace", RowTable).region.height >= 5
