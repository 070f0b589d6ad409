"""What one caller handed to the writer."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from engine.errors import StoreError
from engine.store.encode import Row
from engine.store.losses import Losses
from engine.store.thrift import tally


@dataclass(eq=False, slots=True)
class Entry:
    """Rows that are stored whole or not at all.

    `reply` is for callers who wait; `account` is what the rows say of earlier losses.
    """

    rows: tuple[Row, ...]
    weight: int
    reply: asyncio.Future[None] | None = None
    account: Counter[str] = field(default_factory=Counter)

    def stored(self) -> None:
        """Tell whoever waits."""
        if self.reply and not self.reply.done():
            self.reply.set_result(None)

    def failed(self, error: StoreError, losses: Losses) -> None:
        """Tell whoever waits; count the rows as lost when nobody does."""
        if self.account:
            losses.take_back(self.account)
        elif self.reply is None:
            losses.add(tally(self.rows), error.message)
        elif not self.reply.done():
            self.reply.set_exception(error)
