"""What a table tells whoever shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message
from textual.message_pump import MessagePump

if TYPE_CHECKING:
    from tui.widgets.row_table import RowTable


class Telling(MessagePump):
    """The messages of a table: where its cursor is, what was chosen, and that its ends were met."""

    class About(Message):
        """Base of what a table tells."""

        def __init__(self, table: RowTable) -> None:
            super().__init__()
            self.table = table

        @property
        def control(self) -> RowTable:
            return self.table

    class Highlighted(About):
        """The cursor is on another row, or on none."""

        def __init__(self, table: RowTable, key: str | None) -> None:
            super().__init__(table)
            self.key = key

    class Selected(About):
        """Enter, or a click on the cursor's row."""

        def __init__(self, table: RowTable, key: str) -> None:
            super().__init__(table)
            self.key = key

    class TopReached(About):
        """A person moved against the first row."""

    class BottomReached(About):
        """A person moved against the last row."""
