"""The health pane and the header line."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.content import Content

from engine.client import EngineInfo, WorkflowStatus
from engine.model import (
    BreakerState,
    BreakerStatus,
    ComponentHealth,
    Execution,
    Health,
    HealthStatus,
    Outcome,
    Priority,
    Severity,
)
from tests.tui.fake_data import HOSTILE, NOW
from tests.tui.hosts import Ear, Host, frame, is_safe
from tui.widgets.health_pane import HealthPane
from tui.widgets.row_table import RowTable
from tui.widgets.status_bar import Part, StatusBar, hint, line


def component(name: str, status: HealthStatus = HealthStatus.HEALTHY, detail: str = "") -> ComponentHealth:
    return ComponentHealth(name, "engine", status, 100, NOW, detail)


HEALTH = Health(
    NOW,
    HealthStatus.DEGRADED,
    64.4,
    NOW - 125,
    NOW - 9000,
    (
        component("scheduler"),
        component("store", HealthStatus.UNHEALTHY, "commit 3 s late"),
        component("workflow:w1"),
    ),
)
INFO = EngineInfo("1.0", "staging", "rules.yaml", "x.db", NOW, 3, 6, 1)


def status(number: int, outcome: Outcome = Outcome.OK, rate: float | None = 1.0) -> WorkflowStatus:
    id = f"w{number}"
    last = Execution(1, id, id, Priority.NORMAL, "a" * 32, NOW, NOW, 0.2, outcome)
    recent = (*[Outcome.OK] * 30, outcome)
    return WorkflowStatus(
        id,
        f"Workflow {number}",
        Priority.NORMAL,
        "every 30s",
        (),
        last,
        recent,
        (),
        31,
        rate,
        0.1,
        0.3,
        NOW + 12,
    )


STATUSES = (
    status(1),
    replace(
        status(2, Outcome.FAILED, 0.42), breakers=(BreakerStatus("api", BreakerState.OPEN),), running=True
    ),
    replace(status(3), last=None, recent=(), success_rate=None, p95=None, next_at=None),
)


@pytest.mark.parametrize("width", [30, 40, 80, 160])
async def test_pane(width: int) -> None:
    pane = HealthPane()
    app = Host(pane)
    async with app.run_test(size=(width, 16)) as pilot:
        pane.show(HEALTH, STATUSES, NOW)
        await pilot.pause()
        lines = frame(app)
        assert {cell_len(one) for one in lines} == {width}
        assert "◐ degraded  for 2 m" in lines[0]
        assert "✗ store: commit" in lines[1]
        assert "workflow:w1" not in lines[1]
        assert lines[2].split("✗")[1].startswith(" 1 failed  ✓ 1 ok  o")
        assert lines[3].split()[:2] == ["Workflow", "Recent"]
        assert [one.split()[0] for one in lines[4:7]] == ["✓", "✗", "·"]
        assert "▌█" in lines[5]
        assert "42.0 %" in lines[5]
        assert ("300 ms" in lines[4]) is (width >= 44)
        assert ("in 20 s" in lines[4]) is (width >= 72)
        assert ("○ open" in lines[5]) is (width >= 40)


async def test_short_pane_has_one_line_of_head() -> None:
    pane = HealthPane()
    app = Host(pane)
    async with app.run_test(size=(80, 16)) as pilot:
        pane.show(HEALTH, STATUSES, NOW)
        await pilot.resize_terminal(80, 6)
        await pilot.pause()
        lines = frame(app)
        assert lines[0].startswith("64 ◐ degraded  ✗ store: commit 3 s late  ● scheduler")
        assert lines[1].split()[0] == "Workflow"
        assert "Workflow 1" in lines[2]


async def test_pane_takes_focus_and_names_the_workflow() -> None:
    pane, ear = HealthPane(), Ear()
    async with Host(pane).run_test(size=(60, 8), message_hook=ear) as pilot:
        pane.focus()
        pane.show(HEALTH, STATUSES, NOW)
        await pilot.press("j", "enter")
        assert pane.cursor_workflow == "w2"
        assert [message.workflow_id for message in ear.of(HealthPane.Highlighted)] == ["w1", "w2"]
        assert [message.workflow_id for message in ear.of(HealthPane.Selected)] == ["w2"]
        assert pane.move_to("w3")
        assert not pane.move_to("gone")
        assert pane.cursor_workflow == "w3"


async def test_uptime_is_redrawn_when_only_it_changed() -> None:
    pane = HealthPane()
    app = Host(pane)
    async with app.run_test(size=(60, 8)) as pilot:
        pane.show(HEALTH, STATUSES, NOW)
        await pilot.pause()
        pane.show(HEALTH, (replace(STATUSES[0], recent=(Outcome.ERROR,)), *STATUSES[1:]), NOW)
        await pilot.pause()
        assert "▓" in "".join(frame(app))


async def test_when_only_the_time_goes_by_no_list_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    pane = HealthPane()
    app = Host(pane)
    async with app.run_test(size=(100, 20)) as pilot:
        listed = (status(1), status(2))
        pane.show(HEALTH, listed, NOW)
        await pilot.pause()
        before = frame(app)
        monkeypatch.setattr(RowTable, "set_rows", None)
        pane.show(HEALTH, listed, NOW + 5)
        await pilot.pause()
        assert "in 20 s" in "\n".join(before)
        assert "in 7 s" in "\n".join(frame(app))


async def test_hostile_names_are_harmless() -> None:
    pane = HealthPane()
    app = Host(pane)
    health = replace(
        HEALTH, components=tuple(component(text, HealthStatus.UNKNOWN, text) for text in HOSTILE)
    )
    async with app.run_test(size=(80, 20)) as pilot:
        pane.show(health, [replace(status(n), name=text) for n, text in enumerate(HOSTILE)], NOW)
        await pilot.pause()
        assert is_safe(frame(app))
        assert {cell_len(one) for one in frame(app)} == {80}


async def test_no_workflows_says_so() -> None:
    pane = HealthPane()
    app = Host(pane)
    async with app.run_test(size=(60, 8)) as pilot:
        pane.show(HEALTH, [], NOW)
        await pilot.pause()
        assert any("no workflows" in one for one in frame(app))


async def bar_text(
    width: int,
    info: EngineInfo | None = INFO,
    counts: dict[Severity, int] | None = None,
    live: bool = True,
    health: Health | None = HEALTH,
    taken: int = 0,
) -> str:
    bar = StatusBar()
    app = Host(bar)
    async with app.run_test(size=(width, 3)) as pilot:
        bar.show(info, health, counts or {}, live, "1h", NOW, taken=taken)
        await pilot.pause()
        lines = frame(app)
        assert {cell_len(one) for one in lines} == {width}
        return lines[0]


async def test_bar_has_everything_where_there_is_room() -> None:
    text = await bar_text(160, counts={Severity.CRITICAL: 2, Severity.INFO: 1})
    for part in ("tocsin", "staging", "64 ◐ degraded", "2 CRITICAL", "1 INFO", "● live", "last 1h"):
        assert part in text
    assert text.index("CRITICAL") < text.index("INFO")


async def test_an_alert_that_somebody_took_is_open_still() -> None:
    assert "no alerts" in await bar_text(100)
    text = await bar_text(100, taken=2)
    assert "2 acked" in text
    assert "no alerts" not in text
    text = await bar_text(100, counts={Severity.ERROR: 1}, taken=2)
    assert text.index("1 ERROR") < text.index("2 acked")


@pytest.mark.parametrize("width", [20, 40, 80])
async def test_bar_keeps_what_matters_most(width: int) -> None:
    text = await bar_text(width, counts={Severity.CRITICAL: 2, Severity.INFO: 1})
    assert ("2 CRITICAL" if width > 20 else "2 CRIT ") in text
    assert ("tocsin" in text) is (width >= 40)
    assert "● live" in text


async def test_words_get_shorter_before_facts_go() -> None:
    production = replace(INFO, environment="production")
    counts = {Severity.CRITICAL: 1, Severity.ERROR: 2, Severity.WARNING: 3}
    bar = StatusBar()
    app = Host(bar)
    told = {}
    async with app.run_test(size=(80, 3)) as pilot:
        for width in (120, 100, 80, 60):
            await pilot.resize_terminal(width, 3)
            bar.show(production, HEALTH, counts, True, "15m", NOW, frame="error")
            await pilot.pause()
            told[width] = frame(app)[0].split()
    facts = {"tocsin", "PRODUCTION", "64", "◐", "1", "2", "ERROR", "3", "●", "live", "15m"}
    assert {"last", "degraded", "CRITICAL", "WARNING"} | facts < set(told[120])
    assert facts < set(told[100])
    assert {"CRITICAL", "WARNING"} < set(told[100])
    assert {"last", "degraded"}.isdisjoint(told[100])
    assert {"CRIT", "WARN"} | facts < set(told[80])
    assert {"PRODUCTION", "CRIT", "●", "live"} < set(told[60])


async def test_bar_tells_states() -> None:
    assert "paused" in await bar_text(80, live=False)
    assert "checks paused" in await bar_text(100, replace(INFO, paused=True))
    gone = await bar_text(100, replace(INFO, live=False))
    assert "no engine is running" in gone
    assert "○ not live" in gone
    assert "● live" not in gone
    assert "7 dropped" in await bar_text(100, replace(INFO, dropped=7))
    assert "no alerts" in await bar_text(120)
    assert "no word from the engine" in await bar_text(80, None, health=None)


@pytest.mark.parametrize("text", HOSTILE)
async def test_bar_is_safe(text: str) -> None:
    assert is_safe([await bar_text(100, replace(INFO, environment=text))])


_parts = st.lists(st.builds(Part, st.integers(0, 7), st.text("abc日", max_size=20).map(Content)), max_size=6)


@given(_parts, _parts, st.integers(0, 120))
def test_line_has_exactly_the_width(left: list[Part], right: list[Part], width: int) -> None:
    assert line(left, right, width).cell_length == width


def test_hint_names_the_key() -> None:
    assert hint("no alerts in this range", "t", "widens the range").plain == (
        "no alerts in this range\nt widens the range"
    )
    assert hint("nothing").plain == "nothing"


async def test_titles_go_before_a_workflow_does() -> None:
    pane = HealthPane()
    app = Host(pane)
    async with app.run_test(size=(60, 8)) as pilot:
        pane.show(HEALTH, STATUSES, NOW)
        await pilot.pause()
        assert "Success" in frame(app)[1]
        await pilot.resize_terminal(60, 1 + len(STATUSES))
        await pilot.pause()
        assert "Success" not in "".join(frame(app))
        assert all(f"Workflow {number}" in "".join(frame(app)) for number in range(1, len(STATUSES) + 1))
