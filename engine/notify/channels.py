"""Carries one message to a channel of whatever kind, within a deadline, or says in words why it could not."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from engine.clock import Clock
from engine.errors import TocsinError
from engine.model import LogRecord
from engine.notify.delivery import DeliveryError, Message
from engine.notify.kinds.console import NoticeBoard
from engine.notify.kinds.destination import SEND_DEADLINE, AppriseSender
from engine.text import own_words

if TYPE_CHECKING:
    from engine.config.routing import Channel


class Kind(Protocol):
    """One kind of channel; an instance serves all channels of its kind."""

    async def send(self, channel: str, spec: Any, message: Message) -> None:
        """Return when the message was taken, within the deadline of `spec`. Raises DeliveryError."""
        ...


class Deliverer:
    """The `Sender` of the product: hands each message to the kind of its channel.

    Args:
        log: where channels of the kind `log` write.
        board: where those of the kind `console` pin their messages.
        deadline: seconds a destination known by its URL has to take a message.
    """

    def __init__(
        self,
        clock: Clock,
        log: Callable[[LogRecord], None],
        board: NoticeBoard | None = None,
        deadline: float = SEND_DEADLINE,
    ) -> None:
        self._clock = clock
        self._log = log
        self._board = board or NoticeBoard()
        self._kinds: dict[str, Kind] = {"url": AppriseSender(deadline)}

    async def send(self, channel: str, destination: Channel, message: Message) -> None:
        kind = self._kinds.get(destination.kind) or self._opened(destination.kind)
        try:
            await kind.send(channel, destination.spec, message)
        except DeliveryError:
            raise
        except TocsinError as error:
            raise DeliveryError(own_words(error)) from error

    def _opened(self, name: str) -> Kind:
        """The kind `name`; what it needs is imported when its first message is sent."""
        module = import_module(f"engine.notify.kinds.{name}")
        kind: Kind = module.kind(self._clock, self._log, self._board)
        self._kinds[name] = kind
        return kind
