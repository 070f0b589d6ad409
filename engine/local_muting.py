"""Silences, maintenance and what they mute, asked of the engine in this process."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from engine.model import MaintenanceStatus, MaintenanceWish, Silence

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.past import Past

T = TypeVar("T")


class LocalMuting:
    """The part of a `LocalClient` that is about who is not told of what."""

    async def _ask(self, question: Callable[[Engine], Coroutine[Any, Any, T]]) -> T:
        raise NotImplementedError

    async def silences(self, at: float | None = None) -> tuple[Silence, ...]:
        if at is not None:
            return await self._ask(lambda engine: past_of(engine).silences(at))
        return await self._ask(lambda engine: at_once(engine.alerts.silences))

    async def silence(
        self,
        matchers: Sequence[str],
        author: str,
        reason: str,
        ends_at: float | None = None,
        starts_at: float | None = None,
        lasting: float | None = None,
    ) -> Silence:
        return await self._ask(
            lambda engine: engine.alerts.silence(matchers, author, reason, ends_at, starts_at, lasting)
        )

    async def expire_silence(self, silence_id: int, author: str) -> Silence:
        return await self._ask(lambda engine: engine.alerts.expire_silence(silence_id, author))

    async def maintenance(self, at: float | None = None) -> tuple[MaintenanceStatus, ...]:
        if at is not None:
            return await self._ask(lambda engine: past_of(engine).maintenance(at))
        return await self._ask(lambda engine: at_once(engine.alerts.maintenance))

    async def maintain(self, wish: MaintenanceWish) -> MaintenanceStatus:
        return await self._ask(lambda engine: engine.alerts.maintain(wish))

    async def end_maintenance(self, number: int, author: str) -> MaintenanceStatus:
        return await self._ask(lambda engine: engine.alerts.end_maintenance(number, author))

    async def muted(self) -> Mapping[int, str]:
        return await self._ask(lambda engine: at_once(engine.alerts.muted))


async def at_once(answer: Callable[[], T]) -> T:
    """What needs no waiting, asked in the engine's thread all the same."""
    return answer()


def past_of(engine: Engine) -> Past:
    """What its file tells of earlier moments."""
    from engine.past import Past

    return Past(engine.reader)
