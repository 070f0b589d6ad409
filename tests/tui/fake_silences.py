"""Silences as a console's stand-in for the engine knows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from engine.clock import VirtualClock
from engine.errors import NotFoundError
from engine.model import Silence


class FakeSilences:
    """The silences of one client, in memory."""

    clock: VirtualClock

    def __init__(self) -> None:
        super().__init__()
        self.made: dict[int, Silence] = {}
        self.mutes: dict[int, str] = {}

    async def silences(self, at: float | None = None) -> tuple[Silence, ...]:
        now = self.clock.now() if at is None else at
        return tuple(one for one in self.made.values() if one.end > now)

    async def silence(
        self,
        matchers: Sequence[str],
        author: str,
        reason: str,
        ends_at: float,
        starts_at: float | None = None,
    ) -> Silence:
        now, number = self.clock.now(), len(self.made) + 1
        starts_at = now if starts_at is None else starts_at
        self.made[number] = Silence(number, tuple(matchers), author, reason, now, starts_at, ends_at)
        return self.made[number]

    async def expire_silence(self, silence_id: int, author: str) -> Silence:
        if silence_id not in self.made:
            raise NotFoundError(f"there is no open silence {silence_id}")
        ended = replace(self.made[silence_id], expired_at=self.clock.now(), expired_by=author)
        self.made[silence_id] = ended
        return ended

    async def muted(self) -> Mapping[int, str]:
        return self.mutes
