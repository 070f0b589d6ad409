"""Health at a glance: the score, the engine's components, and one line a workflow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Self

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Digits, Static

from engine.client import WorkflowStatus
from engine.model import BreakerState, Health, HealthStatus, Outcome
from engine.text import counted
from tui import present
from tui.present import (
    MUTED,
    breaker,
    due_text,
    duration_text,
    foreign,
    health_score,
    health_status,
    lasting_text,
    outcome_glyph,
    paused,
    sign,
    success,
    uptime_bar,
)
from tui.widgets.columns import Cells, Column, Row
from tui.widgets.row_table import RowTable
from tui.widgets.writing import write

_COLUMNS = (
    Column("glyph", "", 1),
    Column("name", "Workflow", 12, flex=3),
    Column("uptime", "Recent", 8, flex=2),
    Column("success", "Success", 7, align="right"),
    Column("p95", "p95", 8, align="right", min_terminal=44),
    Column("next", "Next", 8, align="right", min_terminal=72),
)
_UPTIME, _NEXT = 2, 5
_SHORT_BELOW = 12
_NOBODY = "nothing tells of it now"
NO_WORKFLOWS = Content("no workflows: the configuration has none")
_NO_NEWS = frozenset({Outcome.SKIPPED, Outcome.INTERRUPTED})
_WORST = (
    Outcome.FAILED,
    Outcome.ERROR,
    Outcome.DEGRADED,
    Outcome.OK,
    Outcome.SKIPPED,
    Outcome.INTERRUPTED,
)
_COLOURS = {
    status: present.status_style(status).removeprefix("$")
    for status in (HealthStatus.HEALTHY, HealthStatus.DEGRADED, HealthStatus.UNHEALTHY)
}
_RANK = (HealthStatus.UNHEALTHY, HealthStatus.DEGRADED, HealthStatus.UNKNOWN, HealthStatus.HEALTHY)


class WorkflowList(RowTable):
    """One line a workflow; the uptime bar is as long as its column. Titles stand above where all fits."""

    def __init__(self) -> None:
        super().__init__(_COLUMNS, empty=NO_WORKFLOWS, show_header=False)
        self._statuses: dict[str, WorkflowStatus] = {}
        self._now = 0.0

    def show(self, workflows: Sequence[WorkflowStatus], now: float) -> None:
        self._now = now
        self._statuses = {status.id: status for status in workflows}
        self._head()
        self.set_rows([Row(status.id, partial(_workflow_cells, status, now)) for status in workflows])

    def count_from(self, now: float) -> None:
        """It is `now`: draw the lines in view anew that say something else at this time."""
        self._now = now
        self.redraw_changed()

    def record(self, key: str) -> WorkflowStatus | None:
        return self._statuses.get(key)

    def on_resize(self) -> None:
        self._head()

    def _head(self) -> None:
        """Have a header while no workflow goes out of view for it."""
        self.set_header(self.size.height > len(self._statuses))

    def drawn_besides(self, row: Row) -> object:
        status = self._statuses[row.key]
        return status.recent, _next(status, self._now)

    def cell(self, row: Row, place: int, width: int) -> Content:
        if place == _UPTIME:
            return uptime_bar(self._statuses[row.key].recent, width)
        if place == _NEXT:
            return Content.styled(_next(self._statuses[row.key], self._now), MUTED)
        return row.cells[place]


class HealthPane(Vertical):
    """Score, components and workflows; the list of workflows takes the focus."""

    DEFAULT_CSS = """
    HealthPane > Horizontal { height: auto; }
    HealthPane Digits { width: auto; margin-right: 2; }
    HealthPane Digits.success { color: $success; }
    HealthPane Digits.warning { color: $warning; }
    HealthPane Digits.error { color: $error; }
    HealthPane Static { width: 1fr; height: auto; max-height: 3; text-wrap: nowrap; text-overflow: ellipsis; }
    HealthPane WorkflowList { height: 1fr; }
    HealthPane.-short Digits { display: none; }
    HealthPane.-short Static { max-height: 1; }
    """

    class Highlighted(Message):
        """The cursor is on another workflow, or on none."""

        def __init__(self, pane: HealthPane, workflow_id: str | None) -> None:
            super().__init__()
            self.pane = pane
            self.workflow_id = workflow_id

        @property
        def control(self) -> HealthPane:
            return self.pane

    class Selected(Message):
        """Enter, or a click on the cursor's workflow."""

        def __init__(self, pane: HealthPane, workflow_id: str) -> None:
            super().__init__()
            self.pane = pane
            self.workflow_id = workflow_id

        @property
        def control(self) -> HealthPane:
            return self.pane

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._digits = Digits("")
        self._facts = Static(Content(""))
        self._list = WorkflowList()
        self._shown: tuple[Health | None, tuple[WorkflowStatus, ...], float] | None = None
        self._told = Content("")

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield self._digits
            yield self._facts
        yield self._list

    def set_empty(self, empty: Content) -> None:
        """Change what is shown where there is no workflow."""
        self._list.set_empty(empty)

    def show(self, health: Health | None, workflows: Sequence[WorkflowStatus], now: float) -> None:
        """Show these; ages are counted from `now`. None: the health is not known."""
        listed = self._shown[1] if self._shown is not None else None
        self._shown = (health, tuple(workflows), now)
        if listed is not None and listed is workflows:
            self._list.count_from(now)
        else:
            self._list.show(workflows, now)
            self._told = _tally(workflows)
        self._show_head()

    @property
    def cursor_workflow(self) -> str | None:
        """The id of the workflow under the cursor."""
        return self._list.cursor_key

    @property
    def taken(self) -> bool:
        """A person has put the cursor where it is."""
        return self._list.taken

    def release(self) -> None:
        """Forget that a person took the cursor: back to the first workflow."""
        self._list.release()

    def move_to(self, workflow_id: str) -> bool:
        """Put the cursor on this workflow; False when it is not listed."""
        return self._list.move_to(workflow_id)

    def focus(self, scroll_visible: bool = True) -> Self:
        self._list.focus(scroll_visible)
        return self

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.height < _SHORT_BELOW or not present.UNICODE, "-short")
        self._show_head()

    def _show_head(self) -> None:
        if self._shown is None:
            return
        health, _, now = self._shown
        # Digits have no question mark.
        status = HealthStatus.UNKNOWN if health is None else health.status
        score = "-" if health is None or status is HealthStatus.UNKNOWN else f"{health.score:.0f}"
        if score != self._digits.value:
            self._digits.update(score)
        self._digits.set_classes(_COLOURS.get(status, ""))
        is_short = self.has_class("-short")
        write(self._facts, _short_facts(health) if is_short else _facts(health, self._told, now))

    @on(RowTable.Highlighted)
    def _tell_highlighted(self, event: RowTable.Highlighted) -> None:
        event.stop()
        self.post_message(self.Highlighted(self, event.key))

    @on(RowTable.Selected)
    def _tell_selected(self, event: RowTable.Selected) -> None:
        event.stop()
        self.post_message(self.Selected(self, event.key))


def components_line(health: Health) -> Content:
    """The engine's own components, the worst first, with the detail of what is not healthy."""
    own = [part for part in health.components if not part.name.startswith("workflow:")]
    parts = []
    for part in sorted(own, key=lambda part: _RANK.index(part.status)):
        glyph = health_status(part.status)[:1]
        text = glyph + Content(" ") + foreign(part.name, 40)
        if part.status is not HealthStatus.HEALTHY and part.detail:
            text += Content(": ") + foreign(part.detail, 120)
        parts.append(text)
    return Content("  ").join(parts)


def _facts(health: Health | None, tally: Content, now: float) -> Content:
    if health is None:
        return Content("\n").join(
            [health_status(HealthStatus.UNKNOWN), Content.styled(_NOBODY, MUTED), tally]
        )
    since = Content.styled(f"  {lasting_text(health.since, now)}", MUTED)
    return Content("\n").join([health_status(health.status) + since, components_line(health), tally])


def _short_facts(health: Health | None) -> Content:
    if health is None:
        return health_status(HealthStatus.UNKNOWN) + Content.styled(f"  {_NOBODY}", MUTED)
    return Content("  ").join([health_score(health), components_line(health)])


def _tally(workflows: Sequence[WorkflowStatus]) -> Content:
    """How the workflows ended when last they ran, counted, the worst first."""
    ended = Counter(outcome for status in workflows if (outcome := newest_outcome(status)) is not None)
    parts = [
        outcome_glyph(outcome) + f" {ended[outcome]} {outcome.value}" for outcome in _WORST if ended[outcome]
    ]
    if not parts:
        return Content.styled(f"{counted(len(workflows), 'workflow')}, none has run yet", MUTED)
    return Content("  ").join([*parts, Content.styled(f"of {len(workflows)}", MUTED)])


def newest_outcome(status: WorkflowStatus) -> Outcome | None:
    """How it ended when last it really ran: what an open breaker skips is no news."""
    ran = (one for one in reversed(status.recent) if one not in _NO_NEWS)
    return next(ran, status.last.outcome if status.last is not None else None)


def _workflow_cells(status: WorkflowStatus, now: float) -> Cells:
    newest = newest_outcome(status)
    glyph = outcome_glyph(newest) if newest is not None else Content.styled(sign("·", "."), MUTED)
    name = foreign(status.name, 120)
    if status.paused:
        glyph = paused()[:1]
    states = {one.state for one in status.breakers}
    for state in (BreakerState.OPEN, BreakerState.HALF_OPEN):
        if state in states:
            name += Content(" ") + breaker(state)
            break
    return (
        glyph,
        name,
        Content(""),
        paused()[2:] if status.paused else success(status.success_rate),
        Content(duration_text(status.p95)),
        Content.styled(_next(status, now), MUTED),
    )


def _next(status: WorkflowStatus, now: float) -> str:
    if status.running:
        return "running"
    if status.paused or status.stopped:
        return "paused" if status.paused else "stopped"
    return due_text(status.next_at, now)
