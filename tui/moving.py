"""How a person moves through the console, between views and back, and what they take along."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from textual.actions import ActionParseResult, parse
from textual.app import App
from textual.dom import DOMNode
from textual.notifications import SeverityLevel
from textual.reactive import reactive
from textual.widget import AwaitMount

from engine.client import EngineClient
from engine.errors import TocsinError
from engine.text import counted, plain
from tui.actions import MUTATING_COMMANDS
from tui.history import History, Place
from tui.memory import Memory
from tui.read_only import ReadOnlyError, read_only
from tui.screens.base import View
from tui.settings import Settings
from tui.state import Selection

_HAND = 0.25
"""Seconds after a key within which the next one is likely."""


class Moving(App[int]):
    """The part of the console that knows where a person is and has been.

    Args:
        client: the engine's door.
        memory: what is kept from run to run.
        settings: a person's own keys and colours.
        looks_only: refuse whatever would change something.
    """

    selection: reactive[Selection] = reactive(Selection(), init=False)

    def __init__(
        self, client: EngineClient, memory: Memory | None, settings: Settings | None, *, looks_only: bool
    ) -> None:
        super().__init__()
        self.client = read_only(client) if looks_only else client
        self.memory = memory or Memory()
        self.settings = settings or Settings()
        self.looks_only = looks_only
        self._history = History()
        self._acted_at = 0.0
        self._refused = "", -self.NOTIFICATION_TIMEOUT
        self._seen: set[str] = set()
        self._is_new = True
        self.set_keymap(self.settings.keys.applied())

    @property
    def view(self) -> View[object] | None:
        """The view in front, or behind a modal."""
        return next((screen for screen in reversed(self.screen_stack) if isinstance(screen, View)), None)

    @property
    def refusal(self) -> str:
        """Why nothing can be changed from here, or an empty string."""
        return str(ReadOnlyError()) if self.looks_only else ""

    def say(self, text: str, severity: SeverityLevel = "information") -> None:
        """A toast of one safe line; severity is `information`, `warning` or `error`.

        The same refusal again, as for a key that is held down, is not put on top of itself.
        """
        words, now = plain(text), time.monotonic()
        if severity != "information":
            before, at = self._refused
            if before == words and now - at < self.NOTIFICATION_TIMEOUT:
                return
            self._refused = words, now
        self.notify(words, severity=severity, markup=False)

    async def run_action(
        self,
        action: str | ActionParseResult,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """Run an action, or say why it is refused; what is greyed out knows itself what it waits for."""
        self._acted_at = time.monotonic()
        namespace, name, parameters = parse(action) if isinstance(action, str) else action
        if name in MUTATING_COMMANDS and (refusal := self.refusal):
            self.say(refusal, "warning")
            return True
        view = self.screen
        if namespace == "screen" and isinstance(view, View) and view.check_action(name, parameters) is None:
            getattr(view, f"action_{name}")(*parameters)
            return True
        return await super().run_action(action, default_namespace, namespaces)

    async def _check_bindings(self, key: str, priority: bool = False) -> bool:
        """Do what a key means to a view before the next key is looked at.

        Textual sends a key through the widgets first: a second one, typed at once, would overtake it and act
        on the view behind the question that the first one asks.
        """
        front, focused = self.screen, self.focused
        done = await super()._check_bindings(key, priority)
        is_text = focused is not None and focused.check_consume_key("a", "a")
        if priority and not done and isinstance(front, View) and not is_text:
            done = await super()._check_bindings(key)
        return done

    def rest(self) -> float:
        """Seconds for which what can wait leaves the processor to the keys."""
        return max(self._acted_at + _HAND - time.monotonic(), 0.0)

    def switch_mode(self, mode: str) -> AwaitMount:
        self._is_new = mode not in self._seen
        self._seen.add(mode)
        return super().switch_mode(mode)

    def delay_update(self, delay: float = 0.05) -> None:
        """Hold back frames for so many seconds; a view that has been drawn before is shown at once."""
        if self._is_new:
            super().delay_update(delay)

    # Where one is.

    def place(self) -> Place:
        """Where the person is now."""
        view = self.view
        return Place(self.current_mode, self._trail(), *(view.pointed() if view is not None else ("", "")))

    def open_view(self, name: str, selection: Selection | None = None) -> None:
        """Switch to a view's first page, pointing at `selection`."""
        if selection is not None:
            self.selection = selection
        self._go(Place(name))

    def open_workflow(self, workflow_id: str) -> None:
        """Show one workflow in full, in the workflows' mode."""
        self._go(Place("workflows", (("workflow", workflow_id),)))

    def open_execution(self, execution_id: int) -> None:
        """Show one execution in full, on top of the present view."""
        trail, mark = self._trail(), ("execution", str(execution_id))
        self._go(Place(self.current_mode, trail if mark in trail else (*trail, mark)))

    def clear_selection(self) -> None:
        """What was pointed at has been shown."""
        self.selection = Selection()

    def _marks(self) -> tuple[tuple[str, str] | None, ...]:
        """What stands on top of the view; None for what has no place to come back to."""
        above = self.screen_stack[1:]
        return tuple(screen.mark() if isinstance(screen, View) else None for screen in above)

    def _trail(self) -> tuple[tuple[str, str], ...]:
        return tuple(mark for mark in self._marks() if mark is not None)

    def _go(self, place: Place) -> None:
        """Show a place that a person chose; the present one is remembered."""
        present = self.place()
        if not place.is_beside(present):
            self._history.leave(present)
        self._show(place)

    def _show(self, place: Place) -> None:
        """Show a place; of what stands on top of its view, what is there already stays as it is."""
        self.switch_mode(place.view)
        while (marks := self._marks()) and marks != place.trail[: len(marks)]:
            self.pop_screen()
        for kind, identifier in place.trail[len(marks) :]:
            self.push_screen(_detail(kind, identifier))
        if (view := self.view) is not None:
            view.point_at(place.table, place.row)

    # Actions; their keys and words are in tui.actions.

    async def action_view(self, name: str) -> None:
        """Show a view as it was left, or its first page when it is in front."""
        if not isinstance(self.screen, View):
            return
        if name == self.current_mode:
            self.open_view(name)
            return
        self._history.leave(self.place())
        await self.switch_mode(name)

    def action_history(self, step: int) -> None:
        """Go back, or forward again."""
        if isinstance(self.screen, View):
            place = (self._history.back if step < 0 else self._history.forward)(self.place())
            if place is None:
                self.say("there is nothing before this" if step < 0 else "there is nothing after this")
            else:
                self._show(place)

    def action_zoom(self) -> None:
        screen = self.screen
        if screen.maximized is not None:
            screen.minimize()
        elif isinstance(screen, View):
            screen.zoom()

    def action_step_back(self) -> None:
        """Leave the filter, the zoom, what stands on top, the view: whichever is the innermost."""
        screen = self.screen
        screen.clear_selection()
        if isinstance(screen, View) and screen.leave_filter():
            return
        if screen.maximized is not None:
            screen.minimize()
        elif isinstance(screen, View) and screen.back():
            return
        elif len(self.screen_stack) > 1:
            self._history.leave(self.place())
            self.pop_screen()
        elif self.current_mode != "dashboard":
            self._history.leave(self.place())
            self.switch_mode("dashboard")

    async def action_filter(self) -> None:
        """Filter the list in use."""
        if isinstance(self.screen, View):
            await self.screen.start_filter()

    def action_sort(self) -> None:
        """Sort the list in use by its next column."""
        self._sort(turn=False)

    def action_turn_order(self) -> None:
        """Turn the order of the list in use round."""
        self._sort(turn=True)

    def _sort(self, *, turn: bool) -> None:
        view = self.view
        if view is not None and view is self.screen:
            view.sort_list(turn=turn)
            view.reload()

    def action_panes(self) -> None:
        """Have a letter lead to every pane."""
        from tui.modals.panes import PanesModal

        if not isinstance(self.screen, View):
            return
        panes = self.screen.focus_chain

        def finish(place: int | None) -> None:
            if place is not None and panes[place].is_attached:
                panes[place].focus()

        self.push_screen(PanesModal([pane.region for pane in panes]), finish)

    async def action_jump(self) -> None:
        """Go anywhere by name."""
        from tui.jumping import Jumps
        from tui.modals.jump import JumpModal

        view = self.view
        if view is None or view is not self.screen:
            return
        jumps = Jumps(view)

        def finish(entry: str | None) -> None:
            if entry is not None:
                self.memory.jumped(entry)
                jumps.go(entry)

        await self.push_screen(JumpModal(jumps.find, jumps.gather, self.memory.jumps), finish)

    def action_copy(self) -> None:
        """Put what the cursor is on, on the clipboard of the terminal."""
        from tui.records import to_copy

        view = self.view
        table = view.list_in_use() if view is not None else None
        row = next((row for row in table.shown_rows if row.key == table.cursor_key), None) if table else None
        if view is None or table is None or row is None:
            self.say("there is nothing under the cursor to copy", "warning")
            return
        copied = to_copy(view.record(table, row.key), row)
        self.copy_to_clipboard(copied.text)
        self.say(f"copied {copied.what}: {plain(copied.text, 120)}")

    def action_export(self) -> None:
        """Write the rows of the list in use to a file."""
        from tui.modals.export import ExportModal
        from tui.records import record_of, row_record

        view = self.view
        table = view.list_in_use() if view is not None else None
        if view is None or table is None or not table.row_count:
            self.say("there are no rows to export", "warning")
            return
        rows = table.shown_rows
        records = [record_of(view.record(table, row.key)) for row in rows]
        if None in records:
            records = [row_record(table.columns, row) for row in rows]
        found = [record for record in records if record is not None]

        def finish(path: Path | None) -> None:
            if path is not None:
                view.command(
                    lambda: _write_rows(found, path), f"{counted(len(found), 'row')} written to {path}"
                )

        self.push_screen(ExportModal(f"tocsin-{self.current_mode}-{_stamp()}.csv", len(found)), finish)

    def action_picture(self) -> None:
        """Write what is on the screen to a file."""
        from engine.files import named_file

        svg = self.export_screenshot()
        try:
            path = named_file(f"tocsin-{_stamp()}.svg")
        except TocsinError as error:
            self.say(str(error), "error")
            return
        if (view := self.view) is not None:
            view.command(lambda: _write_text(svg, path), f"the screen is in {path}")


def _detail(kind: str, identifier: str) -> View[object]:
    """What stands on top of a view."""
    from tui.screens.execution import ExecutionView
    from tui.screens.workflow import WorkflowView

    view = WorkflowView(identifier) if kind == "workflow" else ExecutionView(int(identifier))
    return cast("View[object]", view)


def _stamp() -> str:
    return time.strftime("%Y%m%d-%H%M%S")


async def _write_rows(records: Sequence[dict[str, object]], path: Path) -> None:
    """Raises TocsinError."""
    import asyncio

    from engine.exporting import Format, write_rows
    from engine.files import private_file

    def write() -> None:
        with private_file(path) as out:
            write_rows(records, Format(path.suffix[1:].lower()), out)

    await asyncio.to_thread(write)


async def _write_text(text: str, path: Path) -> None:
    """Raises TocsinError."""
    import asyncio

    from engine.files import private_file

    def write() -> None:
        with private_file(path) as out:
            out.write(text)

    await asyncio.to_thread(write)
