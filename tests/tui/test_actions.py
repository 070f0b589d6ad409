"""Every action of the registry does what it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from engine.model import AlertState, Topic
from tests.tui.fake_data import NOW, make_alerts
from tests.tui.fakes import FakeClient
from tests.tui.harness import console, frame, key_of, press, settle, showing
from tui.actions import ACTIONS, Action, Scope, in_scope
from tui.app import TocsinApp
from tui.modals.base import Modal
from tui.screens.charts import BUCKETS, ChartsView
from tui.state import DEFAULT_RANGE
from tui.themes import OWN_THEMES
from tui.widgets.health_pane import HealthPane
from tui.widgets.row_table import RowTable


async def test_ctrl_c_names_the_key_that_the_help_names(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, "ctrl+c")
        assert "q leaves the console" in frame(app)
        assert app.is_running


Check = Callable[[TocsinApp, FakeClient], bool]


def _called(name: str) -> Check:
    return lambda app, client: any(call[0] == name for call in client.calls)


def _mode(name: str) -> Check:
    return lambda app, _client: app.current_mode == name


def _screen(kind: str) -> Check:
    return lambda app, _client: showing(app) == kind


def _paused(paused: bool, workflow_id: str) -> Check:
    return lambda _, client: ("set_paused", (paused, workflow_id)) in client.calls


def _reset(_app: TocsinApp, client: FakeClient) -> bool:
    return ("reset_breaker", "http://127.0.0.1:8778") in client.calls


def _folded(folded: bool) -> Check:
    return lambda app, _: ("▸" in frame(app)) is folded


# For every action that runs a command: the keys that lead to where it is valid, what to press after
# it, and how to tell that it worked.
_ON_ALERT = ("3",)
_REPORTS = (key_of("reports"),)
CASES: dict[str, tuple[tuple[str, ...], tuple[str, ...], Check]] = {
    "dashboard.acknowledge": (("tab", "tab"), ("enter",), _called("acknowledge")),
    "dashboard.resolve": (("tab", "tab"), ("enter",), _called("resolve")),
    "dashboard.silence": (("tab", "tab"), (*"why", "enter"), lambda _, client: bool(client.made)),
    "dashboard.explain": (("tab", "tab"), (), _screen("ExplainedModal")),
    "dashboard.note": (("tab", "tab"), (*"mine", "enter"), _called("note")),
    "dashboard.silences": (("tab", "tab"), (), _screen("SilencesModal")),
    "dashboard.run": ((), (), _called("run_now")),
    "dashboard.pause": (("g",), ("enter",), _paused(True, "user-login")),
    "dashboard.resume": (("g", "p", "enter"), (), _paused(False, "user-login")),
    "dashboard.breaker": (("g", "j"), ("enter",), _reset),
    "dashboard.open": (("tab",), (), _mode("traces")),
    "alerts.acknowledge": (_ON_ALERT, ("h", "i", "enter"), _called("acknowledge")),
    "alerts.resolve": (_ON_ALERT, ("enter",), _called("resolve")),
    "alerts.silence": (_ON_ALERT, (*"why", "enter"), lambda _, client: bool(client.made)),
    "alerts.explain": (_ON_ALERT, (), _screen("ExplainedModal")),
    "alerts.note": (_ON_ALERT, (*"mine", "enter"), _called("note")),
    "alerts.silences": (_ON_ALERT, (), _screen("SilencesModal")),
    "notifications.alert": (("8",), (), _mode("alerts")),
    "alerts.mark": (_ON_ALERT, (), lambda app, _: "1 marked" in frame(app)),
    "alerts.mark_all": (_ON_ALERT, (), lambda app, _: "3 marked" in frame(app)),
    "alerts.all": (_ON_ALERT, (), lambda app, _: " resolved · " not in frame(app)),
    "workflows.run": (("2", "j"), (), lambda _, client: ("run_now", "checkout") in client.calls),
    "workflows.pause": (("2", "g", "j"), ("p",), _paused(True, "checkout")),
    "workflows.resume": (("2", "g", "j", "p", "y"), (), _paused(False, "checkout")),
    "workflows.breaker": (("2", "g", "j"), ("b",), _reset),
    "workflows.failures": (("2", "g", "j", "enter"), (), lambda app, _: "Failed executions" in frame(app)),
    "workflows.steps": (("2", "2", "g", "enter"), (), lambda app, _: app.screen.has_class("-steps")),
    "traces.failures": (("5",), (), lambda app, _: "Failed executions" in frame(app)),
    "charts.measure": (("4",), (), lambda app, _: "mean and extremes" in frame(app)),
    "charts.compare": (("4",), (), lambda app, _: "before" in frame(app)),
    "charts.left": (("4",), (), lambda app, _: _read(app) == BUCKETS - 1),
    "charts.right": (("4", "h", "h"), (), lambda app, _: _read(app) == BUCKETS - 2),
    "execution.run": (("5", "5", "enter"), (), _called("run_now")),
    "logs.next": (("6", "slash", *"pay", "enter"), (), lambda app, _: _log_cursor(app) == "830"),
    "logs.previous": (("6", "slash", *"pay", "enter", "n"), (), lambda app, _: _log_cursor(app) == "832"),
    "traces.fold": (("5",), (), _folded(True)),
    "traces.unfold": (("5", "h"), (), _folded(False)),
    "traces.logs": (("5",), (), _mode("logs")),
    "execution.fold": (("5", "5", "enter"), (), _folded(True)),
    "execution.unfold": (("5", "5", "enter", "h"), (), _folded(False)),
    "execution.logs": (("5", "5", "enter"), (), _mode("logs")),
    "logs.facets": (("6",), (), lambda app, _: app.screen.query_one("#facets").display),
    "logs.earlier_minute": (("6",), (), lambda app, _: _log_cursor(app) == "824"),
    "logs.later_minute": (("6", "h", "h"), (), lambda app, _: _log_cursor(app) == "823"),
    "logs.earlier_hour": (("6",), (), lambda app, _: "nothing older was logged" in frame(app)),
    "logs.later_hour": (("6", "h"), (), lambda app, _: _log_cursor(app) == "840"),
    "logs.earlier_day": (("6",), (), lambda app, _: "nothing older was logged" in frame(app)),
    "logs.later_day": (("6", "h"), (), lambda app, _: _log_cursor(app) == "840"),
    "rules.backtest": (("7",), (), _screen("BacktestModal")),
    "rules.try": (("7",), ("enter",), _called("try_channel")),
    "rules.pressing": (("7",), (), lambda app, _: "At night" not in frame(app)),
    "notifications.retry": (("8", "j", "j"), (), _called("retry_notification")),
    "notifications.dead": (("8",), (), lambda app, _: "✓ sent" not in frame(app)),
    "reports.export": (_REPORTS, (), _screen("SaveReportModal")),
    "logs.search": (("6",), (), lambda app, _: app.focused is not None and app.focused.id == "search"),
    "global.jump": ((), (), _screen("JumpModal")),
    "global.earlier_place": (("2",), (), _mode("dashboard")),
    "global.later_place": (("2", "left_curly_bracket"), (), _mode("workflows")),
    "global.panes": ((), (), _screen("PanesModal")),
    "global.copy": (("2", "g"), (), lambda app, _: app.clipboard == "user-login"),
    "global.export": (("2",), (), _screen("ExportModal")),
    "global.sort": (("7",), (), lambda app, _: "rules.rules" in app.memory.orders),
    "global.turn_order": (("7", "o"), (), lambda app, _: "falling" in str(app.memory.orders)),
    "global.range": ((), ("4",), lambda app, _: app.time_range.label == "24h"),
    "global.pause": ((), (), lambda app, _: not app.live and "space Live" in frame(app)),
    "global.live": (("space",), (), lambda app, _: app.live and "space Pause" in frame(app)),
    "global.earlier": ((), (), lambda app, _: app.past == NOW - 60),
    "global.later": (("left_square_bracket",) * 3, (), lambda app, _: app.past == NOW - 120),
    "global.previous_mark": ((), (), lambda app, _: app.past == NOW - 95),
    "global.next_mark": (("left_square_bracket",) * 2, (), lambda app, _: app.past == NOW - 95),
    "global.moment": ((), (*"5m", "enter"), lambda app, _: app.past == NOW - 300),
    "global.play": (("left_square_bracket",), (), lambda app, _: app.cursor.speed == 1),
    "global.suspend": ((), (), lambda app, _: "engine runs in this console" in frame(app)),
    "global.zoom": ((), (), lambda app, _: app.screen.maximized is not None),
    "global.help": ((), (), _screen("HelpModal")),
    "global.back": (("2",), (), _mode("dashboard")),
    "global.theme": ((), (), lambda app, _: app.theme == "tocsin-light"),
    "global.palette": ((), (), _screen("CommandPalette")),
    "global.focus": ((), (), lambda app, _: app.focused is not None and app.focused.id == "charts"),
    "view.dashboard": (("2",), (), _mode("dashboard")),
    "view.workflows": ((), (), _mode("workflows")),
    "view.alerts": ((), (), _mode("alerts")),
    "view.charts": ((), (), _mode("charts")),
    "view.traces": ((), (), _mode("traces")),
    "view.logs": ((), (), _mode("logs")),
    "view.rules": ((), (), _mode("rules")),
    "view.notifications": ((), (), _mode("notifications")),
    "view.reports": ((), (), _mode("reports")),
}
ELSEWHERE = {
    *(f"dashboard.{name}" for name in ("grow", "shrink", "even")),
    *(f"dashboard.border_{way}" for way in ("left", "right", "up", "down")),
    "rules.edit",
    "global.quit",
    "global.checks",
    "global.unpause",
    "global.reload",
    "global.filter",
    "global.screenshot",
}


def _log_cursor(app: TocsinApp) -> str | None:
    return app.screen.query_one("#lines", RowTable).cursor_key


def test_every_action_with_a_command_is_exercised() -> None:
    assert {action.id for action in ACTIONS if action.command} == CASES.keys() | ELSEWHERE


def _together() -> list[tuple[Action, ...]]:
    """The actions with a case; those of one scope share a console, but a search is not shared."""
    scopes = [tuple(action for action in in_scope(scope) if action.id in CASES) for scope in Scope]
    alone = [(action,) for action in in_scope(Scope.LOGS) if action.id in CASES]
    return [actions for actions in scopes if actions and actions[0].scope is not Scope.LOGS] + alone


def _read(app: TocsinApp) -> int | None:
    """The bucket whose values are read, in the view of charts."""
    return app.screen._place if isinstance(app.screen, ChartsView) else None


async def _go_home(app: TocsinApp, pilot: Pilot[int], client: FakeClient) -> None:
    """Back to how a console starts."""
    while isinstance(app.screen, Modal):
        app.pop_screen()
    app.clear_notifications()
    client.paused_workflows.clear()
    client.is_broken = True
    client.made.clear()
    client.retried.clear()
    client.all_alerts = make_alerts(client._say, client.clock.now())
    app.memory.toggles.clear()
    app.memory.orders.clear()
    app.copy_to_clipboard("")
    app.screen.minimize()
    app.open_view("dashboard")
    app.live, app.time_range, app.theme = True, DEFAULT_RANGE, OWN_THEMES[0].name
    app.screen.query_one(HealthPane).focus()
    if app.view is not None:
        app.view.reload()
    await settle(pilot)
    client.calls.clear()


@pytest.mark.parametrize("actions", _together(), ids=lambda actions: actions[0].id)
async def test_actions_do_what_they_say(actions: tuple[Action, ...], tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (app, pilot):
        for action in actions:
            way, after, worked = CASES[action.id]
            await _go_home(app, pilot, client)
            await press(pilot, *way)
            assert not worked(app, client), action.id
            await press(pilot, action.key.split(",")[0], *after)
            assert worked(app, client), (action.id, frame(app))


async def test_quit_leaves_with_code_zero(tmp_path: Path) -> None:
    client = FakeClient()
    client.is_live = False
    client.all_alerts = []
    async with console(client, tmp_path) as (app, pilot):
        await pilot.press("q")
        assert app.return_code == 0
        assert app.return_value == 0


@pytest.mark.parametrize(
    ("live", "alerts", "says"), [(True, False, "6 workflows"), (False, True, "2 alerts are")]
)
async def test_quit_asks_once_while_it_matters(live: bool, alerts: bool, says: str, tmp_path: Path) -> None:
    client = FakeClient()
    client.is_live = live
    client.all_alerts = client.all_alerts if alerts else []
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "q")
        assert showing(app) == "ConfirmModal"
        assert says in frame(app)
        await press(pilot, "escape")
        assert app.return_code is None
        await pilot.press("q", "q")
        assert app.return_code == 0


async def test_palette_runs_an_action_without_a_key(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (_app, pilot):
        await press(pilot, "ctrl+p", *"all checks")
        await press(pilot, "enter", "enter")
        await settle(pilot)
        assert ("set_paused", True) in client.calls
        client.announce(Topic.ENGINE)
        await settle(pilot)
        await press(pilot, "ctrl+p", *"all checks")
        await press(pilot, "enter")
        await settle(pilot)
        assert ("set_paused", False) in client.calls


async def test_a_paused_workflow_looks_paused_and_nothing_else_changes(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path, (80, 24)) as (app, pilot):
        await press(pilot, "2", "p")
        assert "Pause this workflow?" in frame(app)
        await press(pilot, "n")
        assert not client.paused_workflows
        await press(pilot, "p", "p")
        assert client.paused_workflows == {"user-login"}
        line, toast = [line for line in frame(app).splitlines() if "User login" in line]
        assert "‖ paused" in line
        assert "User login is paused" in toast
        assert "Workflows · 6 · 1 paused" in frame(app)
        await press(pilot, "enter")
        assert "every 30s · ‖ paused" in frame(app)
        assert "p Resume check" in frame(app)
        await press(pilot, "1")
        (line,) = [line for line in frame(app).splitlines() if "‖ User login" in line]
        assert "paused" in line
        client.paused = True
        client.announce(Topic.ENGINE)
        await settle(pilot)
        await press(pilot, "p")
        assert "all checks are paused" in frame(app)


async def test_a_workflow_that_maintenance_stops_is_not_said_to_wait(tmp_path: Path) -> None:
    client = FakeClient()
    client.stopped_workflows = {"checkout"}
    async with console(client, tmp_path, (120, 40)) as (app, pilot):
        for view in "12":
            await press(pilot, view)
            (line,) = [line for line in frame(app).splitlines() if "✗ Checkout" in line]
            assert ("stopped" in line) is (view == "2")
        await press(pilot, "j", "enter")
        assert "‖ stopped by maintenance" in frame(app)


async def test_a_breaker_is_told_in_full_and_reset_after_a_question(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path, (120, 30)) as (app, pilot):
        await press(pilot, "2", "j", "enter")
        assert "○ open for 20 s · 5 failures · trial in 40 s  http://127.0.0.1:8778" in frame(app)
        assert "12 of 70 tried again: 9 rescued, 3 given up, 31.0 s waited" in frame(app)
        assert "rescued 8 by attempt 2, 1 by attempt 3" in frame(app)
        await press(pilot, "b")
        assert "The next run calls the target again" in frame(app)
        await press(pilot, "escape")
        assert ("reset_breaker", "http://127.0.0.1:8778") not in client.calls
        await press(pilot, "b", "enter")
        assert ("reset_breaker", "http://127.0.0.1:8778") in client.calls
        assert "● closed  http://127.0.0.1:8778" in frame(app)
        assert "Reset breaker" not in frame(app)
        await press(pilot, "b")
        assert "no circuit breaker of this workflow is open" in frame(app)


async def test_acknowledging_carries_the_note_and_shows_it(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "3", "a", *"mine", "enter")
        assert ("acknowledge", (1, "mine")) in client.calls
        assert client.all_alerts[0].state is AlertState.ACKNOWLEDGED
        assert "“mine”" in frame(app)


async def test_a_refused_command_is_told_and_harms_nothing(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "3", "a", "enter", "a", "enter")
        assert "is acknowledged already" in frame(app)


async def test_drill_down_and_back(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, "j", "enter")
        assert showing(app) == "WorkflowView"
        await press(pilot, "enter")
        assert showing(app) == "ExecutionView"
        await press(pilot, "escape")
        assert showing(app) == "WorkflowView"
        await press(pilot, "escape", "escape")
        assert showing(app) == "DashboardView"
