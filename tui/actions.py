"""Every action of the console, defined once: bindings, footer, palette and help are all read from here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from textual.binding import Binding, BindingType

from tui.views import VIEWS


class Scope(StrEnum):
    """Where an action is valid; the value is its heading in the help."""

    GLOBAL = "Everywhere"
    LISTS = "In lists and trees"
    DASHBOARD = "Dashboard"
    WORKFLOWS = "Workflows"
    ALERTS = "Alerts"
    CHARTS = "Charts"
    TRACES = "Traces"
    EXECUTION = "One execution"
    LOGS = "Logs"


@dataclass(frozen=True, slots=True)
class Action:
    """Something a person can do.

    Args:
        id: unique name, `scope.verb`; keymaps and tests speak of it.
        key: Textual key names, comma separated; empty: reached through the palette only.
        label: one or two words, for footer and palette.
        help: one sentence, for help and palette.
        scope: where it is valid.
        command: the Textual action it runs; empty when the list itself handles the key.
        mutates: it changes what the engine does or stores.
        footer: shown in the footer.
        group: actions of one group share one label in the footer.
        priority: works even while text is being typed.
        instead_of: the id of the action that has the same key and is valid when this one is not.
        while_live: valid only while the display is live, or only while it is paused; None: always.
    """

    id: str
    key: str
    label: str
    help: str
    scope: Scope = Scope.GLOBAL
    command: str = ""
    mutates: bool = False
    footer: bool = False
    group: str = ""
    priority: bool = False
    while_live: bool | None = None
    instead_of: str = ""


_D, _W, _A, _T, _L = Scope.DASHBOARD, Scope.WORKFLOWS, Scope.ALERTS, Scope.TRACES, Scope.LOGS
_E, _G = Scope.EXECUTION, Scope.GLOBAL
_LISTS = Scope.LISTS


def _views() -> tuple[Action, ...]:
    return tuple(
        Action(f"view.{entry.name}", str(number), entry.name.capitalize(), entry.help, Scope.GLOBAL,
               f"app.view('{entry.name}')", footer=True, group="views")
        for number, entry in enumerate(VIEWS, 1)
    )  # fmt: skip


def _alert_actions(scope: Scope) -> tuple[Action, ...]:
    prefix = scope.name.lower()
    return (
        Action(f"{prefix}.acknowledge", "a", "Ack", "Tell others you take care of the selected alert.", scope,
               "screen.acknowledge", mutates=True, footer=True),
        Action(f"{prefix}.resolve", "r", "Resolve", "Close the selected alert by hand.", scope,
               "screen.resolve", mutates=True, footer=True),
    )  # fmt: skip


def _workflow_actions(scope: Scope, *, footer: bool = True) -> tuple[Action, ...]:
    prefix = scope.name.lower()
    return (
        Action(f"{prefix}.run", "R", "Run now", "Start the selected workflow at once, beside its schedule.",
               scope, "screen.run_now", mutates=True, footer=footer),
        Action(f"{prefix}.pause", "p", "Pause check", "Start the selected workflow no more; asks first.",
               scope, "screen.pause_workflow", mutates=True, footer=footer),
        Action(f"{prefix}.resume", "p", "Resume check", "Let the selected workflow, now paused, run again.",
               scope, "screen.resume_workflow", mutates=True, footer=footer, instead_of=f"{prefix}.pause"),
        Action(f"{prefix}.breaker", "b", "Reset breaker",
               "Close the open circuit breakers of the selected workflow's targets; asks first.",
               scope, "screen.reset_breaker", mutates=True, footer=footer),
    )  # fmt: skip


ACTIONS: tuple[Action, ...] = (
    *_alert_actions(_D),
    *_alert_actions(_A),
    *_workflow_actions(_D, footer=False),
    Action("dashboard.open", "enter", "Open", "Open the full view of the focused pane.", _D,
           "screen.open_pane"),
    *_workflow_actions(_W),
    Action("workflows.failures", "f", "Failures", "Show only failed executions, or all of them again.", _W,
           "screen.toggle_failures", footer=True),
    Action("alerts.all", "f", "Open only", "Show only open alerts, or resolved ones as well.", _A,
           "screen.toggle_resolved", footer=True),
    Action("charts.measure", "m", "Measure", "Draw percentiles, mean and extremes, or how many points.",
           Scope.CHARTS, "screen.measure", footer=True),
    Action("charts.compare", "c", "Compare", "Draw the period before as well, or no longer.",
           Scope.CHARTS, "screen.compare", footer=True),
    Action("charts.left", "h,left", "Earlier", "Read the values of an earlier moment.",
           Scope.CHARTS, "screen.cursor(-1)", footer=True),
    Action("charts.right", "l,right", "Later", "Read the values of a later moment.",
           Scope.CHARTS, "screen.cursor(1)", footer=True),
    Action("traces.failures", "f", "Failures", "Show only failed executions, or all of them again.", _T,
           "screen.toggle_failures", footer=True),
    Action("execution.run", "R", "Run now", "Start the same workflow again.", _E,
           "screen.run_now", mutates=True, footer=True),
    Action("logs.next", "n", "Next match", "Go to the next older line that matches the search.", _L,
           "screen.next_match", footer=True),
    Action("logs.previous", "N", "Previous match", "Go to the next newer line that matches the search.", _L,
           "screen.previous_match"),
    Action("global.search", "slash", "Search", "Search the logs.", _G, "app.search", footer=True),
    Action("global.range", "t", "Range", "Choose the time range; it holds across all views.", _G,
           "app.choose_range", footer=True),
    Action("global.pause", "space", "Pause", "Hold the display still; checks keep running.",
           _G, "app.pause", footer=True, while_live=True),
    Action("global.live", "space", "Live", "Show what happens again, after a pause.",
           _G, "app.go_live", footer=True, while_live=False),
    Action("global.help", "question_mark,f1", "Help", "Show all keys.", _G, "app.help", footer=True),
    Action("global.quit", "q", "Quit", "Leave the console; asks first while an engine stops with it.", _G,
           "app.quit",
           footer=True),
    Action("global.zoom", "z", "Zoom", "Give the focused pane the whole screen, or put it back.", _G,
           "app.zoom", footer=True),
    *_views(),
    Action("global.back", "escape", "Back", "Leave the zoom, the search or the detail.", _G,
           "app.step_back"),
    Action("global.theme", "T", "Theme", "Switch to the next theme.", _G, "app.next_theme"),
    Action("global.palette", "ctrl+p", "Palette", "Find any action by name.", _G,
           "app.command_palette", priority=True),
    Action("global.checks", "", "Pause all checks", "Start no workflow any more, until Resume all checks.",
           _G, "app.pause_checks", mutates=True),
    Action("global.unpause", "", "Resume all checks", "Let workflows start again.",
           _G, "app.resume_checks", mutates=True),
    Action("global.focus", "tab", "Next pane", "Move to the next pane; shift+tab goes back.", _G,
           "app.focus_next"),
    Action("lists.down", "j,down", "Down", "Move down; k and ↑ move up.", _LISTS),
    Action("lists.up", "k,up", "Up", "Move up.", _LISTS),
    Action("lists.top", "g,home", "Top", "Go to the first line.", _LISTS),
    Action("lists.bottom", "G,end", "Bottom", "Go to the last line.", _LISTS),
    Action("lists.half_down", "ctrl+d", "Half page down", "Move down by half a page.", _LISTS),
    Action("lists.half_up", "ctrl+u", "Half page up", "Move up by half a page.", _LISTS),
    Action("lists.open", "enter", "Open", "Open what the cursor is on.", _LISTS),
)  # fmt: skip

_GROUPS = {
    group: Binding.Group(group.capitalize(), compact=True)
    for group in {action.group for action in ACTIONS if action.group}
}
_KEY_SIGNS = {
    "question_mark": "?", "slash": "/", "escape": "esc", "space": "space", "up": "↑", "down": "↓",
    "left": "←", "right": "→",
}  # fmt: skip


def in_scope(scope: Scope) -> tuple[Action, ...]:
    """The actions of one scope, most important first."""
    return tuple(action for action in ACTIONS if action.scope is scope)


def bindings(scope: Scope) -> list[BindingType]:
    """Textual's bindings for the actions of `scope` that have a key and a command."""
    return [
        Binding(
            action.key,
            action.command,
            action.label,
            show=action.footer,
            key_display=key_sign(action).split(" ")[0] if action.footer else None,
            priority=action.priority,
            tooltip=action.help,
            id=action.id,
            group=_GROUPS.get(action.group),
        )
        for action in in_scope(scope)
        if action.key and action.command
    ]


def key_sign(action: Action) -> str:
    """The keys of an action as people write them: `?  f1`, `j  ↓`; empty without a key."""
    return "  ".join(_KEY_SIGNS.get(key, key.replace("ctrl+", "^")) for key in action.key.split(",") if key)
