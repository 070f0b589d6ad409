"""View 9: how a period went against its objectives, and what to do about it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content

from engine.reporting.document import facts
from engine.reporting.forms import Form, render, save
from engine.reporting.making import gather, make
from engine.reporting.model import Report
from engine.text import counted
from tui import present
from tui.actions import Scope, bindings
from tui.modals.base import PageModal
from tui.screens.base import LOADING, View
from tui.screens.details import advice_text, fact
from tui.screens.levels import ADVICE_COLUMNS, LEVEL_COLUMNS, LEVEL_SORTS, LevelTable, advice_row
from tui.widgets.row_table import RowTable
from tui.widgets.writing import Page, write


class ReportsView(View[Report]):
    """A report as of when it was opened: `enter` on a workflow opens it, on a recommendation says more."""

    CSS_PATH = "reports.tcss"
    AUTO_FOCUS = "#levels"
    SCOPE = Scope.REPORTS
    BINDINGS: ClassVar[list[BindingType]] = bindings(Scope.REPORTS)

    def __init__(self) -> None:
        super().__init__()
        self._report: Report | None = None

    def compose_body(self) -> ComposeResult:
        summary = VerticalScroll(Page(id="summary-text"), id="summary", classes="pane")
        levels = LevelTable(LEVEL_COLUMNS, empty=LOADING, sorts=LEVEL_SORTS, id="levels")
        advice = RowTable(ADVICE_COLUMNS, empty=LOADING, id="advice")
        because = VerticalScroll(Page(), id="because", classes="pane")
        self.set_title(summary, "Report")
        self.set_title(levels, "Service levels")
        self.set_title(advice, "Recommendations")
        self.set_title(because, "Recommendation")
        yield summary
        with Container(id="findings"):
            levels.add_class("pane")
            yield levels
            with Container(id="advised"):
                yield advice.add_class("pane")
                yield because

    async def fetch(self) -> Report:
        until = self.console.moment()
        return make(await gather(self.client, self.console.time_range.since(until), until), until)

    def show(self, data: Report) -> None:
        self._report = data
        label = self.console.time_range.label
        write(self.query_one("#summary-text", Page), _summary(data))
        zone = present.zone_text()
        self.set_title(
            self.query_one("#summary"), f"Report · {label} until {present.clock_text(data.made_at)} {zone}"
        )
        levels, advice = self.query_one("#levels", LevelTable), self.query_one("#advice", RowTable)
        levels.set_empty(
            self.hint(f"no workflow ran in the last {label}", "global.range", "chooses a longer range")
        )
        levels.show(data.levels)
        missed = len(data.missed)
        met = any(level.met for level in data.levels)
        state = f"{missed} missed" if missed else "all met" if met else ""
        self.set_title(levels, " · ".join(filter(None, ("Service levels", state))))
        advice.set_empty(Content("nothing in the figures of this period asks for anything"))
        advice.set_rows([advice_row(place, one) for place, one in enumerate(data.advice)])
        self.set_title(advice, f"Recommendations · {len(data.advice)}")
        self._show_advice()

    def _show_advice(self) -> None:
        """Say in full what the cursor is on."""
        advised = self._report.advice if self._report is not None else ()
        key = self.query_one("#advice", RowTable).cursor_key
        known = key is not None and int(key) < len(advised)
        nothing = Content.styled("nothing is recommended", present.MUTED)
        text = advice_text(advised[int(key or 0)]) if known else nothing
        write(self.query_one("#because", VerticalScroll).query_one(Page), text)

    def action_export_report(self) -> None:
        """Write the report to a file."""
        from tui.modals.save_report import SaveReportModal

        report = self._report
        if report is None:
            self.console.say("there is no report yet", "warning")
            return

        def finish(chosen: tuple[Form, Path] | None) -> None:
            if chosen is None:
                return
            form, path = chosen

            async def write() -> None:
                await asyncio.to_thread(lambda: save(render(report, form), path))

            self.command(write, f"written to {path}", changes=False)

        self.app.push_screen(SaveReportModal(report.made_at), finish)

    @on(RowTable.Selected, "#levels")
    def _workflow_opened(self, event: RowTable.Selected) -> None:
        self.console.open_workflow(event.key)

    @on(RowTable.Highlighted, "#advice")
    def _pointed_at(self) -> None:
        self._show_advice()

    @on(RowTable.Selected, "#advice")
    def _advice_opened(self, event: RowTable.Selected) -> None:
        if self._report is not None:
            advice = self._report.advice[int(event.key)]
            self.app.push_screen(PageModal(present.foreign(advice.subject, 80), advice_text(advice)))


def _summary(report: Report) -> Content:
    lines = [fact(name, present.foreign(value, 300)) for name, value in facts(report)]
    for place, sentence in enumerate(report.trends):
        lines.append(fact("" if place else "Trends", present.foreign(sentence, 300)))
    if report.channels:
        told, dead = sum(one.sent for one in report.channels), sum(one.dead for one in report.channels)
        lines.append(
            fact(
                "Messages",
                Content(f"{told} sent, {dead} given up, by {counted(len(report.channels), 'channel')}"),
            )
        )
    if report.partial:
        lines.append(fact("Note", Content.styled(report.partial, "$text-warning")))
    return Content("\n").join(lines)
