"""Ways through the log besides the cursor's: what the lines are, and steps in time."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import ClassVar

from textual import on
from textual.content import Content
from textual.widgets import Input

from engine.errors import QueryError, TocsinError
from engine.model import LogFacets, LogPage, LogRecord, Topic
from tui.bridge import Loader
from tui.present import moment_text
from tui.screens.base import LOADING, View
from tui.widgets.facet_list import BUCKETS, FacetList
from tui.widgets.row_table import RowTable

_FACET = re.compile(r"(?:^|\s)-?(level|workflow|source):(?:\"[^\"]*\"|\S+)")


class LogMoves(View[LogPage]):
    """The facets of a search in a pane of their own, and jumps by a minute, an hour or a day."""

    TOPICS: ClassVar[frozenset[Topic]] = frozenset({Topic.LOGS})

    def __init__(self) -> None:
        super().__init__()
        self._query = ""
        self._records: list[LogRecord] = []
        self._go_to_tail = True
        self._anchor: float | None = None
        self._last_anchor: float | None = None
        self._facets: Loader[LogFacets] = Loader(
            self, "facets", self._fetch_facets, self._show_facets, self._facets_failed
        )

    @property
    def table(self) -> RowTable:
        return self.query_one("#lines", RowTable)

    def facet_list(self) -> FacetList:
        """The pane of facets, hidden at first."""
        facets = FacetList(empty=LOADING, id="facets")
        facets.add_class("pane")
        self.set_title(facets, "Facets")
        return facets

    def search_for(self, query: str, until: float | None = None) -> None:
        """Search the log, as if it had been typed; up to `until` when that is given."""
        field = self.query_one("#search", Input)
        field.add_class("-shown")
        field.value, self._anchor = query, until
        self._go_to_tail = True
        self.table.focus()
        self.reload()

    # Where in time.

    def question(self) -> str:
        """What is searched for, up to where a person has stepped."""
        if self._anchor is None:
            return self._query
        until = datetime.fromtimestamp(self._anchor, UTC).strftime("until:%Y-%m-%dT%H:%M:%SZ")
        return f"{self._query} {until}".strip()

    def since(self) -> float | None:
        """Where the lines begin; a person who steps in time may leave the range."""
        return None if self._anchor is not None else self.console.time_range.since(self.console.moment())

    def where_words(self) -> tuple[str, ...]:
        """For the title: up to when lines are shown, if not up to now."""
        return () if self._anchor is None else (f"up to {moment_text(self._anchor, self.console.moment())}",)

    def go_to_now(self) -> bool:
        """Leave the past; False when the newest lines are shown."""
        if self._anchor is None:
            return False
        self._anchor, self._go_to_tail = None, True
        self.reload()
        return True

    def turned_back(self, is_empty: bool) -> bool:
        """Whether a step had left all lines behind: then it is taken back, and said."""
        if not is_empty:
            self._last_anchor = self._anchor
        elif self._anchor is not None and self._anchor != self._last_anchor:
            self._anchor, self._go_to_tail = self._last_anchor, False
            older = "nothing older matches" if self._query else "nothing older was logged"
            self.console.say(older, "warning")
            self.reload()
            return True
        return False

    def action_step_time(self, seconds: int) -> None:
        """Go to the line that was written so many seconds later, or earlier when below 0."""
        now = self.console.moment()
        target = self._time_here() + seconds
        records = self._records
        if records and records[0].at <= target <= records[-1].at:
            self._move_to_time(target, seconds)
        elif target >= now or (seconds > 0 and self._anchor is None):
            if not self.go_to_now() and records:
                self.table.move_to(str(records[-1].id))
        elif "until:" in self._query.lower():
            self.console.say("the search has an until: of its own", "warning")
        else:
            self._anchor, self._go_to_tail = float(int(target) + 1), True
            self.reload()

    def _time_here(self) -> float:
        key = self.table.cursor_key
        here = next((record.at for record in self._records if str(record.id) == key), None)
        return here or self._anchor or self.console.moment()

    def _move_to_time(self, target: float, seconds: int) -> None:
        if seconds < 0:
            found = next(record for record in reversed(self._records) if record.at <= target)
        else:
            found = next(record for record in self._records if record.at >= target)
        self.table.move_to(str(found.id))

    # What the lines are.

    def action_toggle_facets(self) -> None:
        """Show what the lines are, or only the lines."""
        self.toggle_class("-facets")
        if self.has_class("-facets"):
            self.query_one(FacetList).focus()
            self._facets.request(urgent=True)
        else:
            self.table.focus()

    def facets_wanted(self) -> None:
        """The lines have changed."""
        if self.has_class("-facets"):
            self._facets.request()

    async def _fetch_facets(self) -> LogFacets:
        return await self.client.log_facets(
            self.question(), since=self.since(), until=self.console.past, buckets=BUCKETS
        )

    def _show_facets(self, facets: LogFacets) -> None:
        pane = self.query_one(FacetList)
        pane.set_empty(Content("no lines to tell apart"))
        pane.show(facets)
        total = (
            f"{facets.total.lines:,} lines" if facets.exact else f"the newest {facets.total.lines:,} lines"
        )
        now = self.console.moment()
        span = f"{moment_text(facets.since, now)} to {moment_text(facets.until, now)}"
        self.set_title(pane, "Facets", f"{total} · {span}")

    def _facets_failed(self, error: TocsinError | None) -> None:
        # What cannot be asked is said once, above the lines.
        if not isinstance(error, QueryError):
            self.console.report_trouble(self._facets, error)

    @on(RowTable.Selected, "#facets")
    def _facet_chosen(self, event: RowTable.Selected) -> None:
        """Search for these lines only; once more takes the limit away."""
        field = self.query_one("#search", Input)
        kind, _, name = event.key.partition(":")
        word = f'{kind}:"{name}"' if re.search(r"[\s\"]", name) else event.key
        others = _FACET.sub(lambda found: "" if found[1] == kind else found[0], field.value).strip()
        field.add_class("-shown")
        field.value = others if word in field.value.split() else f"{others} {word}".strip()
