"""What a way out is given, and how it says that a message was not taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from engine.errors import TocsinError
from engine.model import Notification

if TYPE_CHECKING:
    from engine.config.routing import Channel


class DeliveryError(TocsinError):
    """The message was not taken, or nobody can say that it was.

    Args:
        permanent: trying again cannot help: what is configured is wrong, or the destination refuses for good.
        retry_after: seconds the destination asks to be left alone, None when it does not say.
        refused: certainly not taken: the destination said no, or was not reached. What is permanent is.
    """

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        permanent: bool = False,
        retry_after: float | None = None,
        refused: bool = False,
    ) -> None:
        super().__init__(message, hint)
        self.permanent = permanent
        self.retry_after = retry_after
        self.refused = refused or permanent


@dataclass(frozen=True, slots=True)
class Message:
    """One message: its words, and the rows it stands for, oldest first.

    `key` names it and is the same each time it is tried; of a message about one row it is that row's key.
    """

    key: str
    title: str
    body: str
    rows: tuple[Notification, ...]

    @classmethod
    def of(cls, row: Notification) -> Message:
        """The message that tells of one row alone."""
        return cls(row.key, row.title, row.body, (row,))


class Sender(Protocol):
    """The way out."""

    async def send(self, channel: str, destination: Channel, message: Message) -> None:
        """Return when the destination took the message. Raises DeliveryError."""
        ...
