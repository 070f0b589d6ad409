"""What every view knows of its lists: which one is meant, its filter, and where the cursor shall be."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input

from engine.text import plain
from tui.filtering import LONGEST, PatternError, compile_filter
from tui.keymap import BACK
from tui.sized import Sized
from tui.touched import TouchedCompositor
from tui.widgets.filter_line import FilterLine
from tui.widgets.key_bar import KeyBar
from tui.widgets.ordering import Order
from tui.widgets.row_table import RowTable
from tui.widgets.status_bar import hint

if TYPE_CHECKING:
    from tui.actions import Scope
    from tui.app import TocsinApp


class Listing(Sized, Screen[None]):
    """A screen with lists in it; their filters, orders and what was toggled are remembered by name."""

    SCOPE: ClassVar[Scope]
    # What stands on top of a view is about one thing only: its filters end with it.
    KEEPS_FILTERS: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self._compositor = TouchedCompositor()
        self._filters: dict[RowTable, str] = {}
        self._filtering: RowTable | None = None
        self._wanted: tuple[str, str] | None = None

    @property
    def console(self) -> TocsinApp:
        return cast("TocsinApp", self.app)

    def list_in_use(self) -> RowTable | None:
        """The list that has the focus, else the first one there is."""
        if isinstance(self.focused, RowTable):
            return self.focused
        return self._filtering if self._is_typing() else next(iter(self.query(RowTable)), None)

    def record(self, table: RowTable, key: str) -> object:
        """What stands behind a row; None when only its text is known."""
        return table.record(key)

    # Where the cursor shall be.

    def point_at(self, table: str, row: str) -> None:
        """Put the focus and the cursor there, now or once that row is listed."""
        self._wanted = (table, row) if table else None
        self.point()

    def point(self) -> None:
        """Rows have been listed: point at the one that is wanted."""
        if self._wanted is None or not self.is_mounted:
            return
        name, row = self._wanted
        for table in self.query(RowTable):
            if _name(table) == name:
                table.focus()
                if table.move_to(row):
                    self._wanted = None

    def pointed(self) -> tuple[str, str]:
        """The name of the list in use and the key of the row under its cursor; empty without."""
        table = self.list_in_use()
        return (_name(table), table.cursor_key or "") if table is not None else ("", "")

    # What was toggled.

    def is_on(self, name: str) -> bool:
        """Whether a toggle of this view is on; all are off at first."""
        return self.console.memory.toggles.get(f"{self.SCOPE.name.lower()}.{name}", False)

    def toggle(self, name: str) -> None:
        """Turn a toggle round, for this run and the next ones."""
        self.console.memory.toggles[f"{self.SCOPE.name.lower()}.{name}"] = not self.is_on(name)

    # Orders.

    def sort_list(self, *, turn: bool) -> None:
        """Put the list in use in the order of its next column, or turn its order round; it is remembered."""
        table = self.list_in_use()
        if table is None or not table.sorts:
            self.console.say("there is no list here that can be sorted", "warning")
            return
        if turn and table.order is None:
            self.console.say("the list is in its usual order: sort it by a column first")
            return
        order = table.order.turned() if turn and table.order is not None else table.next_order()
        table.set_order(order)
        kept = self.console.memory.orders
        kept.pop(self._key(table), None)
        if order is not None:
            kept[self._key(table)] = str(order)

    def _restore_order(self, table: RowTable) -> None:
        order = Order.parse(self.console.memory.orders.get(self._key(table), ""))
        if order is not None and order.column in table.sorts:
            table.set_order(order)

    # Filters.

    def on_mount(self) -> None:
        for table in self.query(RowTable):
            self._restore_order(table)
            text = self.console.memory.filters.get(self._key(table)) if self.KEEPS_FILTERS else ""
            if text:
                self._apply(table, text)

    async def start_filter(self) -> None:
        """Open the line in which the list in use is filtered."""
        table = self.list_in_use()
        if table is None:
            self.console.say("there is no list here to filter", "warning")
        elif not self._is_typing():
            self._filtering = table
            line = FilterLine(self._filters.get(table, ""), LONGEST)
            await self.mount(line, before=self.query_one(KeyBar))
            self.set_focus(line.query_one(Input))

    def filter_by(self, text: str) -> None:
        """Filter the list in use."""
        if (table := self.list_in_use()) is not None:
            self._apply(table, text)

    def leave_filter(self) -> bool:
        """Show all rows of the list in use again; False when none are hidden and no filter is being typed."""
        table, is_typing = self.list_in_use(), self._is_typing()
        if table is None or not (is_typing or self._filters.get(table)):
            return False
        self._apply(table, "")
        self._close_line()
        return True

    def filter_within(self, pane: Widget) -> str:
        """The filter of the list that is, or is in, a pane, and how much passes it; empty without one."""
        found = (
            f"/ {plain(text, 60)} · {table.row_count:,} of {table.total_count:,}"
            for table, text in self._filters.items()
            if text and pane in (table, *table.ancestors)
        )
        return next(found, "")

    def retitle(self, pane: Widget) -> None:
        """The filter of a list in this pane has changed."""
        raise NotImplementedError

    def _is_typing(self) -> bool:
        return bool(self.query(FilterLine))

    def _apply(self, table: RowTable, text: str) -> str:
        """Filter a list; returns why that cannot be done, and then leaves it as it is."""
        try:
            key = self.console.settings.keys.first(BACK)
            table.set_filter(compile_filter(text), hint("nothing passes the filter", key, "shows all rows"))
        except PatternError as error:
            return str(error)
        self._filters[table] = text.strip()
        kept = self.console.memory.filters
        kept.pop(self._key(table), None)
        if text.strip() and self.KEEPS_FILTERS:
            kept[self._key(table)] = text.strip()
        self.retitle(_pane(table))
        return ""

    def _key(self, table: RowTable) -> str:
        return f"{self.SCOPE.name.lower()}.{_name(table)}"

    def _close_line(self) -> None:
        self.query(FilterLine).remove()
        if self._filtering is not None:
            self._filtering.focus()
        self._filtering = None

    @on(FilterLine.Changed)
    def _filter_typed(self, event: FilterLine.Changed) -> None:
        table = self._filtering
        if table is not None:
            fault = self._apply(table, event.text)
            found = f"{table.row_count} of {table.total_count}" if event.text.strip() else ""
            self.query_one(FilterLine).say(found, fault)

    @on(FilterLine.Kept)
    def _filter_kept(self) -> None:
        self._close_line()


def _pane(table: RowTable) -> Widget:
    """The pane that the list is, or is in."""
    around = (node for node in (table, *table.ancestors) if isinstance(node, Widget))
    return next((node for node in around if node.has_class("pane")), table)


def _name(table: RowTable) -> str:
    return table.id or _pane(table).id or ""
