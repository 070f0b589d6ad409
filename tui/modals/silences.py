"""The silences that have not ended, to be ended from here."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content

from engine.errors import TocsinError
from engine.model import Silence
from tui import present
from tui.modals.base import Modal
from tui.modals.confirm import ConfirmModal
from tui.widgets.row_table import Column, Row, RowTable
from tui.widgets.status_bar import hint

if TYPE_CHECKING:
    from tui.app import TocsinApp

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
        self._silences: dict[str, Silence] = {}

    @property
    def console(self) -> TocsinApp:
        return cast("TocsinApp", self.app)

    def compose(self) -> ComposeResult:
        with self.box(Content("Silences"), "x end it now · esc back"):
            yield RowTable(_COLUMNS, empty=Content("loading …"), id="silences")

    def on_mount(self) -> None:
        self.query_one(RowTable).focus()
        self._reload()

    def action_expire(self) -> None:
        """End the silence under the cursor."""
        silence = self._silences.get(self.query_one(RowTable).cursor_key or "")
        if silence is None:
            return
        if silence.id < 0:
            self.console.say("this silence stands in the configuration: take it out there", "warning")
            return

        def finish(agreed: bool | None) -> None:
            if agreed:
                self.run_worker(self._expire(silence), group="command")

        lines = [
            present.foreign(" ".join(silence.matchers), 300, "bold"),
            Content("What still fires is announced then."),
        ]
        self.app.push_screen(ConfirmModal("End this silence now?", lines, "end it"), finish)

    async def _expire(self, silence: Silence) -> None:
        try:
            await self.console.client.expire_silence(silence.id, self.console.author)
        except TocsinError as error:
            self.console.say(str(error), "error")
        else:
            self.console.say(f"silence {silence.id} has ended")
        self._reload()

    def _reload(self) -> None:
        self.run_worker(self._load(), group="load", exclusive=True)

    async def _load(self) -> None:
        table = self.query_one(RowTable)
        try:
            found = await self.console.client.silences(self.console.at)
        except TocsinError as error:
            table.set_empty(present.foreign(error, 300, "$text-error"))
            found = ()
        else:
            table.set_empty(hint("nothing is silenced", "s", "on an alert silences it"))
        now = self.console.moment()
        self._silences = {str(one.id): one for one in found}
        table.set_rows([_row(one, now) for one in found])


def _row(silence: Silence, now: float) -> Row:
    is_active = silence.is_active(now)
    starts = f"from {present.age_text(silence.starts_at, now)}"
    return Row(
        str(silence.id),
        (
            Content.styled("active", "$text-success")
            if is_active
            else Content.styled("waiting", present.MUTED),
            Content(present.age_text(silence.end, now)),
            present.foreign(" ".join(silence.matchers), 300),
            present.foreign(silence.author, 60),
            present.foreign(
                silence.reason if is_active else f"{starts}: {silence.reason}", 300, present.MUTED
            ),
        ),
    )
