"""View 6: the newest log lines, followed as they come, and search."""

from __future__ import annotations

import math
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.content import Content
from textual.widgets import Input, Static

from engine.errors import QueryError, TocsinError
from engine.model import LogPage, LogRecord, Topic
from engine.text import counted, plain
from tui.actions import Scope, bindings
from tui.bridge import Loader
from tui.modals.base import PageModal
from tui.present import foreign
from tui.screens.base import LOADING, View
from tui.screens.details import log_text
from tui.screens.log_moves import LogMoves
from tui.screens.rows import LogTable, log_row
from tui.widgets.field import SearchField
from tui.widgets.row_table import Row, RowTable

_PAGE = 500
_MOST = 5_000
_SEARCH_HINT = 'words, "a phrase", prefix*, -not, /pattern/, level:error+, workflow:id, since:1h'


class LogsView(LogMoves):
    """Newest at the bottom; the tail sticks while the cursor is on the last line."""

    CSS_PATH = "logs.tcss"
    AUTO_FOCUS = "#lines"
    SCOPE = Scope.LOGS
    SEARCHES = True
    BINDINGS: ClassVar[list[BindingType]] = bindings(Scope.LOGS)

    def __init__(self) -> None:
        super().__init__()
        self._held: list[LogRecord] = []
        self._unseen = 0
        self._more = False
        self._newest: int | None = None
        self._oldest: int | None = None
        self._news: Loader[LogPage] = Loader(
            self, "news", self._fetch_news, self._show_news, self._failed, apart=self.drawing_took
        )
        self._older: Loader[LogPage] = Loader(
            self, "older", self._fetch_older, self._show_older, self._failed
        )

    def compose_body(self) -> ComposeResult:
        yield SearchField(placeholder=_SEARCH_HINT, id="search", max_length=500)
        yield Static(id="search-error")
        table = LogTable(empty=LOADING, follow=True, id="lines")
        with Container(id="log-panes"):
            yield self.facet_list()
            yield table

    def action_search(self) -> None:
        """Put the cursor into the search field."""
        field = self.query_one("#search", Input)
        field.add_class("-shown")
        self.set_focus(field)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Who types a search means a stroke by a stroke; without a search nothing matches."""
        if action == "search" and isinstance(self.focused, Input):
            return False
        if action in ("next_match", "previous_match") and not self._query:
            return False
        return super().check_action(action, parameters)

    def search(self, query: str) -> None:
        """Search for this, with the field open and the cursor in the lines."""
        field = self.query_one("#search", Input)
        field.add_class("-shown")
        field.value = query

    def record(self, table: RowTable, key: str) -> object:
        found = (one for one in self._records if table is self.table and str(one.id) == key)
        return next(found, None) or super().record(table, key)

    def back(self) -> bool:
        field = self.query_one("#search", Input)
        if not field.has_class("-shown"):
            return self.go_to_now()
        is_typed = bool(field.value) and field.has_focus
        field.value = ""
        if not is_typed:
            field.remove_class("-shown")
            self.table.focus()
        return True

    def topics_changed(self, topics: frozenset[Topic]) -> None:
        """New lines are fetched even while paused: they are counted, and shown later."""
        is_now = self._anchor is None and self.console.past is None
        if self._awake and topics & self.TOPICS and is_now:
            self._news.request()

    async def fetch(self) -> LogPage:
        return await self.client.logs(
            self.question(),
            since=self.since(),
            until=self.console.past,
            limit=self._as_many_as_needed(),
        )

    def show(self, data: LogPage) -> None:
        if self.turned_back(not data.records):
            return
        stick = self._go_to_tail or self.table.at_end
        self._go_to_tail = False
        until = self.console.moment()
        records = [record for record, _ in data.in_time()]
        self._records = [record for record in records if record.at <= until]
        self._held = [record for record in records if record.at > until]
        self._unseen, self._more = 0, data.more
        self._newest, self._oldest = data.newest, data.oldest
        self.table.set_empty(self._why_empty())
        self.table.set_rows(self._rows(data, until))
        if stick:
            self.call_after_refresh(self._follow)
        self._say_where()
        self.facets_wanted()

    def _follow(self) -> None:
        """Go to the newest line, where the tail sticks."""
        if self._records:
            self.table.move_to(str(self._records[-1].id))
        self._unseen = 0
        self._say_where()

    def action_next_match(self) -> None:
        """Go to the next older match."""
        self._step(-1)

    def action_previous_match(self) -> None:
        """Go to the next newer match."""
        self._step(1)

    def _as_many_as_needed(self) -> int:
        """Lines to fetch so that the one under a person's cursor is still among them."""
        return _PAGE if self._go_to_tail or self.table.at_end else _MOST

    def _rows(self, page: LogPage, until: float = math.inf) -> list[Row]:
        now = self.console.moment()
        return [log_row(record, hits, now) for record, hits in page.in_time() if record.at <= until]

    def _why_empty(self) -> Content:
        if self._query:
            where = f"in {self.console.range_words}" if self._anchor is None else "up to then"
            return self.hint(f"nothing {where} matches", "global.back", "clears the search")
        if self._anchor is not None:
            return self.hint("nothing older was logged", "global.back", "goes back to now")
        return self.hint(
            f"nothing was logged in {self.console.range_words}", "global.range", "chooses a longer range"
        )

    async def _fetch_news(self) -> LogPage:
        return await self.client.logs(self.question(), since=self.since(), after_id=self._newest, limit=_PAGE)

    def _show_news(self, page: LogPage) -> None:
        if page.more and self.console.live:
            # More came than one page holds: the tail starts afresh from the newest.
            self.reload()
            return
        self._newest = page.newest or self._newest
        new = [record for record, _ in page.in_time()]
        if not self.console.live:
            self._held = (self._held + new)[-_MOST:]
        elif new:
            was_at_end = self.table.at_end
            self._records = (self._records + new)[-_MOST:]
            with self.app.batch_update():
                self.table.append_rows(self._rows(page))
            self._unseen = 0 if was_at_end else self._unseen + len(new)
            self.facets_wanted()
        self._say_where()

    async def _fetch_older(self) -> LogPage:
        return await self.client.logs(
            self.question(),
            since=self.since(),
            until=self.console.past,
            before_id=self._oldest,
            limit=_PAGE,
        )

    def _show_older(self, page: LogPage) -> None:
        old = [record for record, _ in page.in_time()]
        self._more, self._oldest = page.more, page.oldest or self._oldest
        self._records = old + self._records
        self.table.prepend_rows(self._rows(page))
        self._say_where()

    def _failed(self, error: TocsinError | None) -> None:
        wrong = self.query_one("#search-error", Static)
        wrong.display = isinstance(error, QueryError)
        if isinstance(error, QueryError):
            wrong.update(foreign(error, 300))
        super()._failed(None if isinstance(error, QueryError) else error)

    def _say_where(self) -> None:
        waiting = self._unseen + len(self._held)
        label = () if self._anchor is not None else (self.console.time_range.label,)
        self.set_title(self.table, " · ".join(("Logs", *label, *self.where_words())), *self._searched())
        if waiting:
            lines = counted(waiting, "new line")
            way = "end goes to them" if self.console.live else f"{self.key_of('global.live')} goes on"
            subtitle = Content.styled(f"{lines} · {way}", "bold $text-warning")
        elif self._anchor is not None:
            first = "clears the search, then " if self._query else ""
            subtitle = Content(f"not following · {self.key_of('global.back')} {first}goes back to now")
        elif self.console.past is not None:
            subtitle = Content(f"the past · {self.key_of('global.live')} goes back to now")
        elif not self.console.live:
            subtitle = Content(f"paused · {self.key_of('global.live')} goes on")
        else:
            subtitle = Content("following" if self.table.at_end else "end follows the newest")
        if self.table.border_subtitle != subtitle.markup:
            self.table.border_subtitle = subtitle

    def _searched(self) -> tuple[Content, ...]:
        return (foreign(self._query, 60, "$text-accent"),) if self._query else ()

    def _step(self, step: int) -> None:
        keys = [str(record.id) for record in self._records]
        key = self.table.cursor_key
        if key in keys and 0 <= keys.index(key) + step < len(keys):
            self.table.move_to(keys[keys.index(key) + step])

    @on(Input.Changed, "#search")
    def _typed(self, event: Input.Changed) -> None:
        query = plain(event.value.strip(), 500)
        if not query.strip("/"):
            query = ""  # who presses / in the open field means to search, or begins a pattern
        if query != self._query:
            self._query = query
            self.refresh_bindings()
            self._go_to_tail = True
            self._older.stop()
            self._news.stop()
            self.reload()

    @on(Input.Submitted, "#search")
    def _submitted(self) -> None:
        self.table.focus()

    @on(RowTable.Highlighted, "#lines")
    def _moved(self) -> None:
        if self.table.at_end and self.console.live:
            self._unseen = 0
        self._say_where()

    @on(RowTable.TopReached, "#lines")
    def _at_top(self) -> None:
        if self._more and len(self._records) < _MOST:
            self._older.request()

    @on(RowTable.Selected, "#lines")
    def _opened(self, event: RowTable.Selected) -> None:
        record = next((record for record in self._records if str(record.id) == event.key), None)
        if record is None:
            return
        if record.execution_id is not None:
            self.console.open_execution(record.execution_id)
            if record.span_id is not None and isinstance(self.app.screen, View):
                self.app.screen.point_at("trace", record.span_id)
        else:
            self.app.push_screen(PageModal(Content("Log line"), log_text(record, self.console.moment())))
