"""The silences and the maintenance that have not ended, to be ended from here."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content

from engine.errors import TocsinError
from engine.model import MaintenanceStatus, Silence
from tui import present
from tui.modals.base import Modal
from tui.modals.confirm import ConfirmModal
from tui.widgets.row_table import Column, Row, RowTable
from tui.widgets.status_bar import hint

if TYPE_CHECKING:
    from tui.app import TocsinApp

Cells = tuple[Content, ...]
_COLUMNS = (
    Column("state", "State", 8),
    Column("left", "Ends", 8, align="right"),
    Column("matchers", "Whose alerts", 16, flex=3),
    Column("author", "By", 8, flex=1),
    Column("reason", "Why", 12, flex=3, min_terminal=56),
)


class SilencesModal(Modal[None]):
    """`x` ends the one under the cursor, once that was confirmed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x,delete", "expire", show=False),
        Binding("q", "leave", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._found: dict[str, Silence | MaintenanceStatus] = {}

    @property
    def console(self) -> TocsinApp:
        return cast("TocsinApp", self.app)

    def compose(self) -> ComposeResult:
        with self.box(Content("Silences and maintenance"), "x end it now"):
            yield RowTable(_COLUMNS, empty=Content("loading …"), id="silences")

    def on_mount(self) -> None:
        self.query_one(RowTable).focus()
        self._reload()

    def action_expire(self) -> None:
        """End what is under the cursor."""
        found = self._found.get(self.query_one(RowTable).cursor_key or "")
        if found is None:
            return
        what = "silence" if isinstance(found, Silence) else "maintenance"
        if _stands(found):
            self.console.say(f"this {what} stands in the configuration: take it out there", "warning")
            return

        def finish(agreed: bool | None) -> None:
            if agreed:
                self.run_worker(self._end(found), group="command")

        lines = [present.foreign(_whom(found), 300, "bold"), Content("What still fires is announced then.")]
        self.app.push_screen(ConfirmModal(f"End this {what} now?", lines, "end it"), finish)

    async def _end(self, found: Silence | MaintenanceStatus) -> None:
        client, author = self.console.client, self.console.author
        try:
            if isinstance(found, Silence):
                await client.expire_silence(found.id, author)
            else:
                await client.end_maintenance(int(found.id), author)
        except TocsinError as error:
            self.console.say(str(error), "error")
        else:
            what = "silence" if isinstance(found, Silence) else "maintenance"
            self.console.say(f"{what} {found.id} has ended")
        self._reload()

    def _reload(self) -> None:
        self.run_worker(self._load(), group="load", exclusive=True)

    async def _load(self) -> None:
        table, past = self.query_one(RowTable), self.console.past
        try:
            silences = await self.console.client.silences(past)
            windows = await self.console.client.maintenance(past)
        except TocsinError as error:
            table.set_empty(present.foreign(error, 300, "$text-error"))
            silences, windows = (), ()
        else:
            key = self.keymap.first("alerts.silence")
            table.set_empty(hint("nothing is silenced", key, "on an alert silences it"))
        now = self.console.now() if past is None else past
        rows = {f"silence {one.id}": _row(one, now) for one in silences}
        rows |= {f"maintenance {one.id}": _window_row(one, now) for one in windows}
        self._found = dict(zip(rows, (*silences, *windows), strict=True))
        table.set_rows([Row(key, cells) for key, cells in rows.items()])


def _stands(found: Silence | MaintenanceStatus) -> bool:
    return found.id < 0 if isinstance(found, Silence) else found.is_standing


def _whom(found: Silence | MaintenanceStatus) -> str:
    return " ".join(found.matchers) if isinstance(found, Silence) else found.whom


def _row(silence: Silence, now: float) -> Cells:
    is_active = silence.is_active(now)
    starts = f"from {present.age_text(silence.starts_at, now)}"
    return (
        _state(is_active),
        Content(present.age_text(silence.end, now)),
        present.foreign(_whom(silence), 300),
        present.foreign(silence.author, 60),
        present.foreign(silence.reason if is_active else f"{starts}: {silence.reason}", 300, present.MUTED),
    )


def _window_row(window: MaintenanceStatus, now: float) -> Cells:
    what = f"maintenance ({window.mode}) of {_whom(window)}"
    why = f"{window.when}: {window.reason}" if window.reason else window.when
    return (
        _state(window.state == "on"),
        Content("" if window.ends_at is None else present.age_text(window.ends_at, now)),
        present.foreign(what, 300),
        present.foreign(window.author or window.id, 60),
        present.foreign(why, 300, present.MUTED),
    )


def _state(is_active: bool) -> Content:
    word, style = ("active", "$text-success") if is_active else ("waiting", present.MUTED)
    return Content.styled(word, style)
