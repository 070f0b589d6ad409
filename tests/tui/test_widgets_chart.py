"""Charts: round ticks, gaps, exact size, drawn off the loop, and the newest request wins."""

from __future__ import annotations

import itertools
import math
import re
import threading
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from engine.client import Bucket
from tests.tui.fake_data import HOSTILE, NOW
from tests.tui.hosts import Host, frame, is_safe, settled
from tui import present
from tui.themes import LIGHT
from tui.widgets import chart as chart_module
from tui.widgets.chart import Chart, duration_series, success_series
from tui.widgets.plot import PLOTTER, Frame, Series, render_plot, runs, time_ticks, value_ticks

SINCE = NOW - 3600
WAVE = tuple((SINCE + 60.0 * minute, 50 + 40 * math.sin(minute / 6)) for minute in range(61))


def bucket(number: int, p95: float | None, count: int = 4, successes: int = 3) -> Bucket:
    return Bucket(SINCE + 60.0 * number, 60.0, count, successes, p95 and p95 / 2, p95, p95)


def drawn(frame: Frame) -> list[str]:
    text = PLOTTER.submit(render_plot, frame).result(10)
    return re.sub(r"\x1b\[[0-9;]*m", "", text).split("\n")


def request(
    *series: Series, width: int = 80, height: int = 12, y_range: tuple[float, float] | None = None
) -> Frame:
    return Frame(series, width, height, SINCE, NOW, "ms", y_range)


@given(st.floats(1e-6, 1e9), st.integers(1, 8))
@example(999_999_999.0, 2)
def test_value_ticks_are_round_even_and_within(high: float, count: int) -> None:
    ticks = value_ticks(0.0, high, count)
    assert ticks[0] == 0.0
    assert ticks[-1] <= high * (1 + 1e-6)
    assert count <= len(ticks) - 1 <= max(10, 2.5 * count)
    steps = [later - earlier for earlier, later in itertools.pairwise(ticks)]
    assert max(steps) == pytest.approx(min(steps), rel=1e-3, abs=1e-8)


def test_percent_ticks() -> None:
    assert value_ticks(0.0, 100.0, 1) == (0.0, 100.0)
    assert value_ticks(0.0, 100.0, 2) == (0.0, 50.0, 100.0)


@pytest.mark.parametrize(
    ("zone", "span", "expected"),
    [
        ("UTC", 3600.0, ["07:00", "07:15", "07:30", "07:45", "08:00"]),
        ("Asia/Kolkata", 3600.0, ["12:30", "12:45", "13:00", "13:15", "13:30"]),
        ("UTC", 86_400.0, ["12:00", "18:00", "15 Jan", "06:00"]),
        ("UTC", 604_800.0, ["10 Jan", "12 Jan", "14 Jan"]),
        ("UTC", 30.0, ["07:59:30", "07:59:40", "07:59:50", "08:00:00"]),
    ],
)
def test_time_ticks_are_round_in_local_time(
    monkeypatch: pytest.MonkeyPatch, zone: str, span: float, expected: list[str]
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        until = 1_800_000_000.0
        assert [label for _, label in time_ticks(until - span, until, 4)] == expected
    finally:
        monkeypatch.undo()
        time.tzset()


def test_runs_are_cut_at_unusual_gaps_only() -> None:
    every_other = [(float(at), 1.0) for at in (0, 2, 4, 6, 14, 16)]
    assert [len(run) for run in runs(every_other)] == [4, 2]
    assert runs([(1.0, 2.0)]) == (((1.0, 2.0),),)
    assert runs([]) == ()


@pytest.mark.parametrize(("width", "height"), [(16, 3), (34, 8), (80, 12), (200, 50)])
def test_plot_has_exactly_the_size(width: int, height: int) -> None:
    lines = drawn(request(Series("a", WAVE), Series("b", WAVE[:30]), width=width, height=height))
    assert len(lines) == height
    assert all(cell_len(line) <= width for line in lines)


_value = st.none() | st.floats()


@given(
    st.lists(st.tuples(st.floats(SINCE - 100, NOW + 100), _value), max_size=12),
    st.sampled_from([None, (0.0, 100.0)]),
)
def test_plot_takes_any_values(
    points: list[tuple[float, float | None]], y_range: tuple[float, float] | None
) -> None:
    series = Series("a", tuple(sorted(points, key=lambda point: point[0])))
    assert len(drawn(request(series, y_range=y_range))) == 12


def test_small_plots_stay_readable() -> None:
    lines = drawn(request(Series("a", WAVE), width=34, height=8))
    assert any("50 ms" in line for line in lines)
    assert sum(any("\u2800" < character < "\u2900" for character in line) for line in lines) >= 4
    assert re.search(r"\d\d:\d\d .*\d\d:\d\d", lines[-1])
    low = drawn(request(Series("a", WAVE), width=34, height=3))
    assert not any(":" in line for line in low)
    assert all("┤" in line or "│" in line for line in low)


def test_gaps_are_left_empty() -> None:
    gap = tuple((at, None if 20 <= minute <= 40 else value) for minute, (at, value) in enumerate(WAVE))
    lines = drawn(request(Series("a", gap)))
    columns = [line[6 + 30 : 6 + 45] for line in lines[:-2]]
    assert not any("\u2800" < character < "\u2900" for column in columns for character in column)
    assert sum("\u2800" < character < "\u2900" for line in lines for character in line) > 20


def test_a_lone_point_is_seen() -> None:
    assert any("•" in line for line in drawn(request(Series("a", ((NOW - 60, 3.0),)))))


def test_ascii_plots_are_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(present, "UNICODE", False)
    lines = drawn(request(Series("a", WAVE), Series("b", WAVE[:20])))
    assert all(line.isascii() for line in lines)
    assert any("*" in line for line in lines)
    assert any("+" in line[10:] for line in lines[:-2])


def test_durations_choose_their_unit() -> None:
    (p50, p95), unit = duration_series([bucket(0, 0.4), bucket(1, None)])
    assert unit == "ms"
    assert p95.points == ((SINCE + 30, 400.0), (SINCE + 90, None))
    assert p50.measured == ((SINCE + 30, 200.0),)
    (_, p95), unit = duration_series([bucket(0, 0.4), bucket(1, 2.5)])
    assert (unit, [value for _, value in p95.points]) == ("s", [0.4, 2.5])


def test_success_is_in_percent() -> None:
    (series,) = success_series([bucket(0, 1.0), bucket(1, None, 0, 0)])
    assert [value for _, value in series.points] == [75.0, None]


@pytest.mark.parametrize("size", [(40, 8), (80, 12), (160, 40), (10, 2), (40, 1), (12, 3)])
async def test_chart_at_all_sizes(size: tuple[int, int]) -> None:
    chart = Chart()
    app = Host(chart)
    async with app.run_test(size=size) as pilot:
        chart.plot("Duration", [Series("p50", WAVE)], SINCE, NOW, unit="ms")
        await settled(pilot)
        lines = frame(app)
        assert {cell_len(line) for line in lines} == {size[0]}
        assert lines[0].startswith("Duratio")
        if size[1] > 1:
            assert any(set(line) & set("▁▂▃▄▅▆▇█") or "┤" in line for line in lines)


async def test_chart_says_why_it_is_empty() -> None:
    chart = Chart()
    app = Host(chart)
    async with app.run_test(size=(60, 9)) as pilot:
        chart.plot("Duration", [Series("p50", WAVE)], SINCE, NOW)
        await settled(pilot)
        chart.plot("Duration", [Series("p50", ((SINCE, None),))], SINCE, NOW)
        await settled(pilot)
        assert any("no executions in this range" in line for line in frame(app))
        assert not any("┤" in line for line in frame(app))


async def test_chart_draws_in_its_own_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []

    def spy(request: Frame) -> str:
        threads.append(threading.current_thread().name)
        return render_plot(request)

    monkeypatch.setattr(chart_module, "render_plot", spy)
    chart = Chart()
    async with Host(chart).run_test(size=(60, 12)) as pilot:
        chart.plot("Duration", [Series("p50", WAVE)], SINCE, NOW)
        await settled(pilot)
    assert threads == ["plot_0"]


async def test_the_newest_request_wins_and_equal_ones_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn_units: list[str] = []

    def spy(request: Frame) -> str:
        drawn_units.append(request.unit)
        return render_plot(request)

    monkeypatch.setattr(chart_module, "render_plot", spy)
    chart = Chart()
    app = Host(chart)
    async with app.run_test(size=(60, 12)) as pilot:
        release = threading.Event()
        PLOTTER.submit(release.wait, 10)
        for unit in ("a", "b", "c"):
            chart.plot("Duration", [Series("p50", WAVE)], SINCE, NOW, unit=unit)
            await pilot.pause()
        release.set()
        await settled(pilot)
        assert drawn_units == ["c"]
        assert any("80 c┤" in line for line in frame(app))
        chart.plot("Duration", [Series("p50", WAVE)], SINCE, NOW, unit="c")
        await settled(pilot)
        assert drawn_units == ["c"]


async def test_going_back_while_another_frame_is_drawn_keeps_the_first() -> None:
    chart = Chart()
    app = Host(chart)
    async with app.run_test(size=(60, 12)) as pilot:
        chart.plot("", [Series("p50", WAVE)], SINCE, NOW, unit="a")
        await settled(pilot)
        release = threading.Event()
        PLOTTER.submit(release.wait, 10)
        chart.plot("", [Series("p50", WAVE)], SINCE, NOW, unit="b")
        await pilot.pause()
        assert any("80 a┤" in line for line in frame(app))
        chart.plot("", [Series("p50", WAVE)], SINCE, NOW, unit="a")
        release.set()
        await settled(pilot)
        PLOTTER.submit(lambda: None).result(10)
        await settled(pilot)
        assert any("80 a┤" in line for line in frame(app))


async def test_resize_and_theme_redraw() -> None:
    chart = Chart()
    app = Host(chart)
    async with app.run_test(size=(60, 12)) as pilot:
        chart.plot("Duration", [Series("p50", WAVE)], SINCE, NOW)
        await settled(pilot)
        before = app.screen.get_style_at(3, 11).color
        await pilot.resize_terminal(90, 20)
        await settled(pilot)
        assert "┬" in frame(app)[18]
        app.theme = LIGHT.name
        await settled(pilot)
        assert app.screen.get_style_at(60, 19).color != before


async def test_hostile_titles_are_harmless() -> None:
    for text in HOSTILE:
        chart = Chart()
        app = Host(chart)
        async with app.run_test(size=(40, 8)) as pilot:
            chart.plot(text, [Series("p50", WAVE)], SINCE, NOW)
            await settled(pilot)
            assert is_safe(frame(app))


async def test_every_theme_has_the_colours_of_charts() -> None:
    chart = Chart()
    app = Host(chart)
    async with app.run_test(size=(60, 12)) as pilot:
        series, unit = duration_series([bucket(number, 0.4 + number / 100) for number in range(60)])
        for name in app.available_themes:
            app.theme = name
            chart.plot(name, [*series, *success_series([bucket(0, 0.4)])], SINCE, NOW, unit=unit)
            await settled(pilot)
            assert any("┤" in line for line in frame(app)), name
