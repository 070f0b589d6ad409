"""The view of charts: which series there are, what is drawn of them, and what the cursor reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.model import Series, SeriesKind
from tests.tui.fake_data import HOSTILE, make_points
from tests.tui.fakes import FakeClient
from tests.tui.harness import console, frame, press, settle
from tests.tui.hosts import is_safe
from tui.screens.charts import Choice, Drawing, Measure, choices_of, lines_of, reading
from tui.widgets.chart import Chart
from tui.widgets.plot import Series as Line
from tui.widgets.row_table import RowTable

DURATION = Choice("workflow.duration", (("workflow", "checkout"),), SeriesKind.DURATION)
COUNTER = Choice("jobs.done", (), SeriesKind.COUNTER)


def drawing(choice: Choice, *, compares: bool = False) -> Drawing:
    buckets = make_points(choice.name, 1000.0, 2000.0, 10)
    before = make_points(choice.name, 0.0, 1000.0, 10) if compares else ()
    return Drawing(choice, 1000.0, 2000.0, buckets, before, ())


def test_all_of_a_name_stand_before_each_and_workflows_before_their_parts() -> None:
    series = [
        Series("http.connect", (("step", "get"), ("workflow", "shop")), SeriesKind.DURATION),
        Series("workflow.duration", (("workflow", "shop"),), SeriesKind.DURATION),
    ]
    found = [(choice.name, choice.of) for choice in choices_of(series)]
    assert found == [
        ("workflow.duration", ""),
        ("workflow.duration", "shop"),
        ("http.connect", ""),
        ("http.connect", "shop › get"),
    ]


def test_durations_are_percentiles_in_a_fitting_unit() -> None:
    lines, unit = lines_of(drawing(DURATION), Measure.PERCENTILES)
    assert [line.name for line in lines] == ["p50", "p95", "p99"]
    assert unit == "s"
    assert lines[0].points[0] == (1050.0, 0.1)
    assert lines[0].points[6][1] is None  # nothing was measured there


def test_counters_are_rates() -> None:
    assert COUNTER.measures[0] is Measure.RATE
    lines, unit = lines_of(drawing(COUNTER), Measure.RATE)
    assert unit == "/s"
    assert lines[0].points[1][1] == 0.2


def test_the_period_before_lies_over_this_one() -> None:
    lines, _ = lines_of(drawing(DURATION, compares=True), Measure.PERCENTILES)
    assert lines[-1].name == "p95 before"
    assert [at for at, _ in lines[-1].points] == [at for at, _ in lines[0].points]


async def test_the_cursor_reads_values_and_leaves_first(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path, (140, 40)) as (app, pilot):
        await press(pilot, "4", "h")
        assert str(app.screen.query_one("#chart").border_subtitle).endswith("4 points")
        assert "p95" in frame(app).splitlines()[-2]
        await press(pilot, "h")
        assert str(app.screen.query_one("#chart").border_subtitle).count("p95") == 1
        await press(pilot, "escape")
        assert not app.screen.query_one("#chart").border_subtitle


@pytest.mark.parametrize(("room", "said"), [(84, " – "), (74, "4 points"), (63, "p95 before")])
def test_what_the_cursor_reads_fits_its_border(room: int, said: str) -> None:
    lines, unit = lines_of(drawing(DURATION, compares=True), Measure.PERCENTILES)
    told = str(reading(drawing(DURATION).buckets[0], lines, 0, unit, room))
    assert len(told) <= room
    assert said in told
    assert "p50 100 ms" in told


async def test_a_filter_that_nothing_passes_leaves_no_chart_of_something_else(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path, (100, 30)) as (app, pilot):
        await press(pilot, "4")
        listed = app.screen.query_one("#series", RowTable).row_count
        assert f"Series · {listed} " in frame(app)
        await press(pilot, "slash", *"zzz", "enter")
        assert "no series is selected" in frame(app)
        assert "p95" not in frame(app)
        await press(pilot, "escape")
        assert "p95" in frame(app)


async def test_a_period_before_without_points_is_told(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path, (140, 40)) as (app, pilot):
        chart = app.screen.query_one(Chart)
        chart.plot("", [Line("p95", ((1.0, 2.0),), "accent"), Line("before", ((1.0, None),), "error")], 0, 2)
        await settle(pilot)
        assert "p95 2" in frame(app)
        assert "before –" in frame(app)


async def test_measure_and_compare(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path, (140, 40)) as (app, pilot):
        await press(pilot, "4", "m")
        assert "mean and extremes" in frame(app)
        asked = [name for name, _ in client.calls].count("points")
        await press(pilot, "c")
        assert [name for name, _ in client.calls].count("points") == asked + 2
        assert "before" in frame(app)


async def test_alerts_are_marked_above_the_chart(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path, (140, 40)) as (app, pilot):
        await press(pilot, "4")
        assert any(sign in frame(app).splitlines()[3] for sign in "▲■●")


async def test_hostile_labels_are_text_and_an_empty_store_says_so(tmp_path: Path) -> None:
    async with console(FakeClient(hostile=True), tmp_path, (140, 40)) as (app, pilot):
        await press(pilot, "4", "j", "h")
        assert HOSTILE[0][:6] in frame(app)
        assert is_safe(frame(app).replace("\n", ""))
    async with console(FakeClient(empty=True), tmp_path, (80, 24)) as (app, pilot):
        await press(pilot, "4")
        assert "no series have been recorded yet" in frame(app)
