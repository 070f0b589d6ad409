"""Service levels and recommendations as rows of tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from textual.content import Content

from engine.reporting.advice import objective
from engine.reporting.document import budget
from engine.reporting.model import Advice, ServiceLevel
from tui import present
from tui.widgets.ordering import Sorts
from tui.widgets.row_table import Column, Row, RowTable

LEVEL_COLUMNS = (
    Column("met", "", 1),
    Column("workflow", "Workflow", 16, flex=3, most=32),
    Column("success", "Success", 8, align="right"),
    Column("objective", "Objective", 9, align="right", min_terminal=64),
    Column("failures", "Failed", 6, align="right"),
    Column("of", "Of", 7, align="right", min_terminal=54),
    Column("budget", "Budget", 8, flex=1, min_terminal=74, most=48),
    Column("left", "Left", 11, align="right"),
    Column("p95", "p95", 9, align="right", min_terminal=84),
    Column("before", "Before", 8, align="right", min_terminal=100),
    Column("alerts", "Alerts", 6, align="right", min_terminal=92),
)
_BUDGET = 6
LEVEL_SORTS: Sorts = {
    "workflow": lambda level: level.workflow_id,
    "success": lambda level: level.success_rate,
    "objective": lambda level: level.objective,
    "failures": lambda level: level.failures if level.executions else None,
    "of": lambda level: level.executions,
    "left": lambda level: level.left,
    "p95": lambda level: level.p95,
    "before": lambda level: level.previous,
    "alerts": lambda level: level.alerts,
}
ADVICE_COLUMNS = (
    Column("severity", "", 1),
    Column("subject", "About", 14, flex=1),
    Column("evidence", "Because", 24, flex=4),
)


class LevelTable(RowTable):
    """One line a workflow; the bar of its error budget is as long as its column."""

    _levels: Mapping[str, ServiceLevel] = MappingProxyType({})

    def show(self, levels: Sequence[ServiceLevel]) -> None:
        """Show these."""
        self._levels = {level.workflow_id: level for level in levels}
        self.set_rows([level_row(level) for level in levels])

    def drawn_besides(self, row: Row) -> object:
        return self._levels[row.key].left

    def cell(self, row: Row, place: int, width: int) -> Content:
        return budget_bar(self._levels[row.key].left, width) if place == _BUDGET else row.cells[place]


def level_row(level: ServiceLevel) -> Row:
    """One workflow against its objective."""
    count = f"{level.executions:,}"
    return Row(
        level.workflow_id,
        (
            _met(level.met),
            present.foreign(level.workflow_id, 64),
            Content.styled(present.percent_text(level.success_rate), "$error" if level.met is False else ""),
            Content.styled(objective(level.objective), present.MUTED),
            Content(f"{level.failures:,}" if level.executions else present.sign("–", "-")),
            Content.styled(count, present.MUTED),
            Content(""),
            Content.styled(budget(level) or present.sign("–", "-"), _left_style(level.left)),
            Content(present.duration_text(level.p95)),
            Content.styled(present.percent_text(level.previous), present.MUTED),
            Content(f"{level.alerts:,}" if level.alerts else present.sign("–", "-")),
        ),
        of=level,
    )


def budget_bar(left: float | None, width: int) -> Content:
    """What is left of an error budget as a bar of exactly `width` cells, empty when it is overspent."""
    if left is None or width <= 0:
        return Content(" " * max(width, 0))
    full = min(max(round(left * width), 0), width)
    return Content.assemble(
        (present.sign("━", "=") * full, _left_style(left)),
        (present.sign("─", "-") * (width - full), "$error 60%" if left < 0 else "$foreground 20%"),
    )


def advice_row(place: int, advice: Advice) -> Row:
    """One recommendation; its key is its place."""
    return Row(
        str(place),
        (
            present.severity_sign(advice.severity),
            present.foreign(advice.subject, 64),
            present.foreign(advice.evidence, 300, present.MUTED),
        ),
    )


def _met(met: bool | None) -> Content:
    if met is None:
        return Content.styled(present.sign("–", "-"), present.MUTED)
    glyph, style = (present.sign("✓", "+"), "$success") if met else (present.sign("✗", "x"), "$error")
    return Content.styled(glyph, style)


def _left_style(left: float | None) -> str:
    if left is None:
        return present.MUTED
    return "$error" if left < 0 else "$warning" if left < 0.25 else "$success"
