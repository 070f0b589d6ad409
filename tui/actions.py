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
    RULES = "Rules"
    NOTIFICATIONS = "Notifications"
    REPORTS = "Reports"


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
        priority: what is typed after it waits until it is done; a key that is a letter of a text is not taken
            from who types one.
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
_R, _N = Scope.RULES, Scope.NOTIFICATIONS
_LISTS = Scope.LISTS


def _views() -> tuple[Action, ...]:
    return tuple(
        Action(f"view.{entry.name}", str(number), entry.name.capitalize(), entry.help, Scope.GLOBAL,
               f"app.view('{entry.name}')", footer=True, group="views", priority=True)
        for number, entry in enumerate(VIEWS, 1)
    )  # fmt: skip


def _alert_actions(scope: Scope) -> tuple[Action, ...]:
    prefix = scope.name.lower()
    return (
        Action(f"{prefix}.acknowledge", "a", "Ack", "Tell others you take care of the selected alert.", scope,
               "screen.acknowledge", mutates=True, footer=True),
        Action(f"{prefix}.resolve", "r", "Resolve", "Close the selected alert by hand.", scope,
               "screen.resolve", mutates=True, footer=True),
        Action(f"{prefix}.silence", "s", "Silence", "Tell nobody of the selected alert for a time.", scope,
               "screen.silence", mutates=True, footer=True),
        Action(f"{prefix}.note", "n", "Note", "Write something down about the selected alert.", scope,
               "screen.write_note", mutates=True),
        Action(f"{prefix}.silences", "S", "Silences", "List silences and maintenance, and end one.", scope,
               "screen.silences"),
        Action(f"{prefix}.explain", "e", "Explain",
               "Say why the selected alert fired or not, and who was told or why nobody was.", scope,
               "screen.explain", footer=True),
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


def _span_actions(scope: Scope) -> tuple[Action, ...]:
    prefix = scope.name.lower()
    return (
        Action(f"{prefix}.fold", "h,left", "Fold", "Hide what is below the span, or below its parent.",
               scope, "screen.fold(True)"),
        Action(f"{prefix}.unfold", "l,right", "Unfold", "Show what is below the span again.",
               scope, "screen.fold(False)"),
        Action(f"{prefix}.logs", "L", "Its log", "Go to the log, to the lines of the span or its execution.",
               scope, "screen.span_logs", footer=True),
    )  # fmt: skip


def _time_steps() -> tuple[Action, ...]:
    """Steps through the log, by the time of its lines."""
    spans = (("minute", 60, "h,left", "l,right"), ("hour", 3600, "H,shift+left", "L,shift+right"),
             ("day", 86_400, "ctrl+left", "ctrl+right"))  # fmt: skip
    return tuple(
        Action(f"logs.{way}_{name}", keys, f"{name.capitalize()} {way}",
               f"Go to what was logged a{'n' * (name == 'hour')} {name} {way}.", Scope.LOGS,
               f"screen.step_time({seconds if way == 'later' else -seconds})")
        for name, seconds, *both in spans
        for way, keys in zip(("earlier", "later"), both, strict=True)
    )  # fmt: skip


ACTIONS: tuple[Action, ...] = (
    *_alert_actions(_D),
    *_alert_actions(_A),
    *_workflow_actions(_D, footer=False),
    Action("dashboard.open", "enter", "Open", "Open the full view of the focused pane.", _D,
           "screen.open_pane"),
    Action("dashboard.grow", "plus", "More room", "Give the focused pane more room.", _D, "screen.grow(1)"),
    Action("dashboard.shrink", "minus", "Less room", "Give the focused pane less room.", _D,
           "screen.grow(-1)"),
    Action("dashboard.even", "equals_sign", "Usual room", "Put all panes back as they usually are.", _D,
           "screen.even"),
    Action("dashboard.border_left", "shift+left", "Border left",
           "Move the border between the panes to the left.", _D, "screen.move_border(-1, 0)"),
    Action("dashboard.border_right", "shift+right", "Border right",
           "Move the border between the panes to the right.", _D, "screen.move_border(1, 0)"),
    Action("dashboard.border_up", "shift+up", "Border up", "Move the border between the panes up.", _D,
           "screen.move_border(0, -1)"),
    Action("dashboard.border_down", "shift+down", "Border down", "Move the border between the panes down.",
           _D, "screen.move_border(0, 1)"),
    *_workflow_actions(_W),
    Action("workflows.failures", "f", "Failures", "Show only failed executions, or all of them again.", _W,
           "screen.toggle_failures", footer=True),
    Action("workflows.steps", "v", "Steps", "Show the steps of a run in place of the charts, or not.",
           _W, "screen.toggle_steps", footer=True),
    Action("alerts.all", "f", "Open only", "Show only open alerts, or resolved ones as well.", _A,
           "screen.toggle_resolved", footer=True),
    Action("alerts.mark", "m", "Mark", "Mark the selected alert: ack, resolve, silence go to all marked.", _A,
           "screen.mark", footer=True),
    Action("alerts.mark_all", "M", "Mark all", "Mark every open alert that the list shows, or none of them.",
           _A, "screen.mark_all"),
    Action("rules.backtest", "b", "Backtest", "Try the rule, and other values for it, on what happened.", _R,
           "screen.backtest", footer=True),
    Action("rules.edit", "E", "Edit", "Open the rule in your editor, then put the file in force.", _R,
           "screen.edit_rule", mutates=True, footer=True),
    Action("rules.try", "n", "Test channels", "Send a test message to the rule's channels; asks first.", _R,
           "screen.try_channels", mutates=True, footer=True),
    Action("rules.pressing", "f", "Pressing", "Show only rules that fire, wait or failed, or all again.", _R,
           "screen.toggle_pressing", footer=True),
    Action("notifications.retry", "R", "Retry", "Try once more what was given up.", _N,
           "screen.retry", mutates=True, footer=True),
    Action("notifications.alert", "A", "Its alert", "Go to the alert that the message is about.", _N,
           "screen.open_alert", footer=True),
    Action("notifications.dead", "f", "Given up", "Show only what was given up, or everything again.", _N,
           "screen.toggle_dead", footer=True),
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
    *_span_actions(_T),
    *_span_actions(_E),
    Action("execution.run", "R", "Run now", "Start the same workflow again.", _E,
           "screen.run_now", mutates=True, footer=True),
    Action("logs.next", "n", "Next match", "Go to the next older line that matches the search.", _L,
           "screen.next_match", footer=True),
    Action("logs.previous", "N", "Previous match", "Go to the next newer line that matches the search.", _L,
           "screen.previous_match"),
    Action("logs.facets", "f", "Facets", "Count the lines of each kind over time; enter picks one.", _L,
           "screen.toggle_facets", footer=True),
    *_time_steps(),
    Action("reports.export", "x", "Export", "Write the report to a file: Markdown, HTML, CSV or text.",
           Scope.REPORTS, "screen.export_report", footer=True, instead_of="global.export"),
    Action("logs.search", "slash", "Search", "Search the logs; esc shows all of them again.", _L,
           "screen.search", footer=True, priority=True, instead_of="global.filter"),
    Action("global.jump", "colon", "Jump", "Go to any view, workflow, alert or trace; do anything by name.",
           _G, "app.jump", footer=True, priority=True),
    Action("global.filter", "slash", "Filter",
           "Show only some rows of a list: words, /pattern/, !not; esc shows all.", _G,
           "app.filter", footer=True, priority=True),
    Action("global.sort", "o", "Sort", "Sort the list by its next column; after the last one as usual.",
           _G, "app.sort"),
    Action("global.turn_order", "O", "Turn order", "Turn the order of a sorted list round.", _G,
           "app.turn_order"),
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
    Action("global.suspend", "ctrl+z", "Put aside",
           "Give the terminal back to the shell until fg; not while the engine runs in this console.", _G,
           "app.suspend_process"),
    Action("global.zoom", "z", "Zoom", "Give the focused pane the whole screen, or put it back.", _G,
           "app.zoom", footer=True),
    Action("global.earlier", "left_square_bracket", "Back in time",
           "Show everything as it was a step earlier.", _G, "app.step_moment(-1)", footer=True, group="time"),
    Action("global.later", "right_square_bracket", "On in time", "Show everything as it was a step later.",
           _G, "app.step_moment(1)", footer=True, group="time"),
    Action("global.previous_mark", "less_than_sign", "Alert before",
           "Go back in time to the last alert or change of the configuration.", _G, "app.landmark(False)"),
    Action("global.next_mark", "greater_than_sign", "Alert after",
           "Go on in time to the next alert or change of the configuration.", _G, "app.landmark(True)"),
    Action("global.moment", "at", "Go to moment", "Show all as of a moment, or an alert, that you type.",
           _G, "app.go_to"),
    Action("global.play", "P", "Play", "Let the past go by: at its pace, 10 and 60 times as fast, then stop.",
           _G, "app.play"),
    *_views(),
    Action("global.back", "escape", "Back", "Leave the zoom, the search or the detail.", _G,
           "app.step_back"),
    Action("global.earlier_place", "left_curly_bracket,alt+left", "History back",
           "Go to where you were before.", _G, "app.history(-1)"),
    Action("global.later_place", "right_curly_bracket,alt+right", "History forward",
           "Go to where you were before going back.", _G, "app.history(1)"),
    Action("global.panes", "ctrl+o", "Jump to pane", "Show a letter on every pane; pressing it goes there.",
           _G, "app.panes"),
    Action("global.copy", "y", "Copy", "Copy what the cursor is on: an alert, a trace id, a log line.", _G,
           "app.copy"),
    Action("global.export", "x", "Export", "Write the rows of the list to a file: CSV, JSON or NDJSON.", _G,
           "app.export"),
    Action("global.screenshot", "X", "Screenshot", "Write what is on the screen to a file, as SVG.", _G,
           "app.picture"),
    Action("global.theme", "T", "Theme", "Switch to the next theme.", _G, "app.next_theme"),
    Action("global.palette", "ctrl+p", "Palette", "Find any action by name.", _G,
           "app.command_palette", priority=True),
    Action("global.checks", "", "Pause all checks", "Start no workflow any more, until Resume all checks.",
           _G, "app.pause_checks", mutates=True),
    Action("global.unpause", "", "Resume all checks", "Let workflows start again.",
           _G, "app.resume_checks", mutates=True),
    Action("global.reload", "ctrl+r", "Reload",
           "Read the configuration again; with a problem in it, nothing changes.", _G,
           "app.reload_configuration", mutates=True),
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

MUTATING = frozenset(action.id for action in ACTIONS if action.mutates)
"""The ids of the actions that change what the engine does or stores."""
MUTATING_COMMANDS = frozenset(action.command.partition(".")[2] for action in ACTIONS if action.mutates)
"""The same, by what they run."""

_GROUPS = {
    group: Binding.Group(group.capitalize(), compact=True)
    for group in {action.group for action in ACTIONS if action.group}
}
_KEY_SIGNS = {
    "question_mark": "?", "slash": "/", "escape": "esc", "space": "space", "up": "↑", "down": "↓",
    "left": "←", "right": "→", "colon": ":", "left_square_bracket": "[",
    "right_square_bracket": "]", "less_than_sign": "<", "greater_than_sign": ">", "at": "@",
    "left_curly_bracket": "{", "right_curly_bracket": "}", "plus": "+", "minus": "-", "equals_sign": "=",
}  # fmt: skip


def in_scope(scope: Scope) -> tuple[Action, ...]:
    """The actions of one scope, most important first."""
    return tuple(action for action in ACTIONS if action.scope is scope)


def bindings(scope: Scope) -> list[BindingType]:
    """Textual's bindings for the actions of `scope` that have a key and a command."""
    return [
        Binding(
            key,
            action.command,
            action.label,
            show=action.footer,
            key_display=_sign(key) if action.footer else None,
            priority=action.priority,
            tooltip=action.help,
            id=action.id,
            group=_GROUPS.get(action.group),
        )
        for action in in_scope(scope)
        for key in action.key.split(",")
        if key and action.command
    ]


def key_sign(action: Action) -> str:
    """The usual keys of an action as people write them: `?  f1`, `j  ↓`; empty without a key."""
    return sign_of(action.key)


def sign_of(keys: str) -> str:
    """Textual's names of keys, comma separated, as people write them."""
    return "  ".join(_sign(key) for key in keys.split(",") if key)


def _sign(key: str) -> str:
    modifiers, _, name = key.rpartition("+")
    prefix = f"{modifiers}+".replace("ctrl+", "^") if modifiers else ""
    return prefix + _KEY_SIGNS.get(name, name)
