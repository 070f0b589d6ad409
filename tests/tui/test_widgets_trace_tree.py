"""The trace tree: every span once, whatever its parents; bars in scale; details in full."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from engine.model import Scalar, Span, SpanEvent, SpanKind, SpanLink, SpanStatus
from tests.tui.fake_data import HOSTILE, NOW
from tests.tui.hosts import Ear, Host, frame, is_safe
from tui.widgets.branches import branches
from tui.widgets.trace_tree import TraceTree


def span(
    span_id: str,
    parent: str | None = None,
    start: float = 0.0,
    took: float = 1.0,
    status: SpanStatus = SpanStatus.OK,
    **attributes: Scalar,
) -> Span:
    named: Mapping[str, Scalar] = {key.replace("__", "."): value for key, value in attributes.items()}
    return Span(
        "t" * 32, span_id, parent, f"name {span_id}", SpanKind.CLIENT, NOW + start, took, status, named
    )


def shape(*spans: Span) -> list[str]:
    return [branch.guides + branch.span.span_id for branch in branches(spans)]


def test_children_hang_below_their_parents_by_start_time() -> None:
    spans = [span("c", "a", 3), span("b1", "b", 1.5), span("b", "a", 1), span("a")]
    assert shape(*spans) == ["a", "├─ b", "│  └─ b1", "└─ c"]


def test_orphans_are_roots_and_self_parents_too() -> None:
    assert shape(span("a", "gone"), span("b", "b", 1), span("c", "b", 2)) == ["a", "b", "└─ c"]


def test_cycles_end_and_show_each_span_once() -> None:
    assert shape(span("a", "c"), span("b", "a", 1), span("c", "b", 2)) == ["a", "└─ b", "   └─ c"]


def test_deep_trees_do_not_outgrow_the_screen() -> None:
    chain = [span("0"), *(span(str(depth), str(depth - 1), depth) for depth in range(1, 3000))]
    deepest = branches(chain)[-1]
    assert deepest.span.span_id == "2999"
    assert len(deepest.guides) < 60


_ids = st.sampled_from("abcdefgh")


@given(st.lists(st.tuples(_ids, st.none() | _ids, st.floats(0, 10)), max_size=20))
def test_every_span_appears_exactly_once(shapes: list[tuple[str, str | None, float]]) -> None:
    spans = [span(name, parent, start) for name, parent, start in shapes]
    assert sorted(id(branch.span) for branch in branches(spans)) == sorted(map(id, spans))


SPANS = (
    span("root", None, 0, 2.0, SpanStatus.ERROR, outcome="failed", error__message="status (503) == 200"),
    span("try1", "root", 0, 1.0, SpanStatus.ERROR, outcome="failed", error__message="status (503) == 200"),
    span(
        "step", "try1", 0.5, 0.5, SpanStatus.ERROR,
        outcome="failed", error__message="status (503) == 200", phase__connect=0.1, phase__first_byte=0.4,
    ),
    span("try2", "root", 1.0, 1.0, outcome="degraded"),
)  # fmt: skip


@pytest.mark.parametrize("width", [40, 80, 160])
async def test_waterfall(width: int) -> None:
    tree = TraceTree()
    app = Host(tree)
    async with app.run_test(size=(width, 10)) as pilot:
        tree.show(SPANS)
        await pilot.pause()
        lines = frame(app)
        assert {cell_len(line) for line in lines} == {width}
        assert [line.split("  ")[0] for line in lines[1:3]] == ["name root", "├─ name try1"]
        assert ["✗" in line for line in lines[1:6]] == [True, True, True, False, False]
        assert "◐" in lines[5]
        assert lines[4].strip().startswith("│")
        assert "status (503) == 200" in lines[4]
        assert sum("status" in line for line in lines) == 1
        assert "2.00 s" in lines[1]
        assert ("─" in lines[1]) is (width >= 80)
        assert (" 0 ms" in lines[1]) is (width >= 80)


async def test_bars_share_one_scale_and_show_phases() -> None:
    tree = TraceTree()
    app = Host(tree)
    async with app.run_test(size=(160, 10)) as pilot:
        tree.show(SPANS)
        await pilot.pause()
        lines = frame(app)
        start, end = lines[1].index("─"), lines[1].rindex("─") + 1
        middle = (start + end) // 2
        assert abs(lines[2].rindex("─", 0, end) + 1 - middle) <= 1
        assert abs(lines[5].index("━━") - middle) <= 1
        shades = lines[3][(start + middle) // 2 : middle]
        assert shades.count("█") > 3 * shades.count("▒") > 0
        assert "connect" in lines[0]
        assert "wait" in lines[0]
        assert "tls" not in lines[0]


async def test_the_critical_path_is_heavy_and_told() -> None:
    """Of two calls at the same time the longer one is what the trace waited for; then the root was busy."""
    tree = TraceTree()
    app = Host(tree)
    async with app.run_test(size=(120, 6)) as pilot:
        tree.show([span("root", None, 0, 4), span("long", "root", 0, 3), span("short", "root", 0, 1)])
        await pilot.pause()
        root, long, short = (line.rstrip() for line in frame(app)[1:4])
        assert "━ critical path" in frame(app)[0]
        assert "1.00 s" in root
        marks = [line.index("✓") + 2 for line in (root, long, short)]
        cells = [line[mark] for line, mark in zip((root, long, short), marks, strict=True)]
        assert cells == ["━", "━", " "]
        bars = [line.split(" s ")[-1].strip() for line in (root, long, short)]
        assert set(bars[1]) == {"━"}
        assert set(bars[2]) == {"─"}
        assert bars[0] == "─" * bars[0].count("─") + "━" * bars[0].count("━")
        assert abs(bars[0].count("─") - len(bars[1])) <= 1
        detail = tree.detail(span("root", None, 0, 4)).plain
        assert "Own time     1.00 s" in detail
        assert "Critical     25.0 % of the trace's time" in detail


async def test_spans_of_other_programs_and_links_are_told() -> None:
    tree = TraceTree()
    app = Host(tree)
    linked = replace(
        span("b", "a", service__name="till"), links=(SpanLink("d" * 32, "e" * 16, {"why": "batch"}),)
    )
    async with app.run_test(size=(80, 6)) as pilot:
        tree.show([span("a"), linked])
        await pilot.pause()
        assert frame(app)[2].startswith("└─ name b till ")
        detail = tree.detail(linked).plain
        assert "e" * 16 in detail
        assert "batch" in detail


async def test_enter_opens_the_span_also_from_its_error_line() -> None:
    tree, ear = TraceTree(), Ear()
    async with Host(tree).run_test(size=(80, 12), message_hook=ear) as pilot:
        tree.focus()
        tree.show(SPANS)
        await pilot.press("j", "j", "enter", "j", "enter")
        assert tree.cursor_span is SPANS[2]
        assert [message.span.span_id for message in ear.of(TraceTree.Opened)] == ["step", "step"]


async def test_hostile_spans_are_harmless() -> None:
    tree = TraceTree()
    app = Host(tree)
    spans = [
        replace(
            span(text, HOSTILE[0], number, status=SpanStatus.ERROR),
            name=text,
            attributes={"error.message": text, "phase.dns": float("nan"), "phase.tls": text, "outcome": text},
        )
        for number, text in enumerate([*HOSTILE, *HOSTILE])
    ]
    async with app.run_test(size=(80, 40)) as pilot:
        tree.show(spans)
        await pilot.pause()
        lines = frame(app)
        assert is_safe(lines)
        assert {cell_len(line) for line in lines} == {80}
        assert tree.row_count == 2 * len(spans) - 2
        assert is_safe(tree.detail(spans[1]).plain.splitlines())


@pytest.mark.parametrize("took", [0.0, 1e-9, 1e12])
async def test_odd_times_still_draw(took: float) -> None:
    tree = TraceTree()
    app = Host(tree)
    async with app.run_test(size=(100, 6)) as pilot:
        tree.show([span("a", None, 0, took), span("b", "a", took, 0.0)])
        await pilot.pause()
        assert [line.rstrip()[-1] in "━─" for line in frame(app)[1:3]] == [True, True]


async def test_a_huge_trace_is_cut_and_says_so() -> None:
    tree = TraceTree()
    app = Host(tree)
    async with app.run_test(size=(80, 10)) as pilot:
        tree.focus()
        tree.show([span("0"), *(span(str(number), "0", number) for number in range(1, 10_005))])
        await pilot.press("G")
        assert tree.row_count == 10_001
        assert "5 more spans are not shown" in frame(app)[-1]
        await pilot.press("enter")


async def test_empty_trace_says_so() -> None:
    tree = TraceTree()
    app = Host(tree)
    async with app.run_test(size=(60, 5)) as pilot:
        tree.show(SPANS)
        tree.show([])
        await pilot.pause()
        assert any(line.strip().startswith("no spans") for line in frame(app))
        assert tree.cursor_span is None


async def test_detail_has_everything() -> None:
    tree = TraceTree()
    async with Host(tree).run_test():
        tree.show(SPANS)
        event = SpanEvent(NOW + 0.75, "assertion failed", {"assertion": "status (503) == 200"})
        text = tree.detail(replace(SPANS[2], events=(event,), parent_id=None)).plain
    for part in ("name step", "failed", "500 ms", "500 ms in", "client", "t" * 32, "phase.connect", "100 ms",
                 "+250 ms", "assertion failed", "status (503) == 200"):  # fmt: skip
        assert part in text
