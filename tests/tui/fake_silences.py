"""Silences and maintenance as a console's stand-in for the engine knows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from engine.alerts.maintenance import Windows, ended, status
from engine.alerts.silences import end_of
from engine.clock import VirtualClock
from engine.errors import NotFoundError
from engine.model import MaintenanceStatus, MaintenanceWish, Silence


class FakeSilences:
    """The silences of one client, in memory."""

    clock: VirtualClock

    def __init__(self) -> None:
        super().__init__()
        self.made: dict[int, Silence] = {}
        self.windows = Windows()
        self.mutes: dict[int, str] = {}

    async def silences(self, at: float | None = None) -> tuple[Silence, ...]:
        now = self.clock.now() if at is None else at
        return tuple(one for one in self.made.values() if one.end > now)

    async def silence(
        self,
        matchers: Sequence[str],
        author: str,
        reason: str,
        ends_at: float | None = None,
        starts_at: float | None = None,
        lasting: float | None = None,
    ) -> Silence:
        now, number = self.clock.now(), len(self.made) + 1
        starts_at = now if starts_at is None else starts_at
        end = end_of(ends_at, lasting, starts_at)
        self.made[number] = Silence(number, tuple(matchers), author, reason, now, starts_at, end)
        return self.made[number]

    async def expire_silence(self, silence_id: int, author: str) -> Silence:
        if silence_id not in self.made:
            raise NotFoundError(f"there is no open silence {silence_id}")
        ended = replace(self.made[silence_id], expired_at=self.clock.now(), expired_by=author)
        self.made[silence_id] = ended
        return ended

    async def maintenance(self, at: float | None = None) -> tuple[MaintenanceStatus, ...]:
        return self.windows.statuses(self.clock.now() if at is None else at)

    async def maintain(self, wish: MaintenanceWish) -> MaintenanceStatus:
        made = self.windows.draft(wish, self.clock.now())
        self.windows.put(made)
        return status(made, self.clock.now())

    async def end_maintenance(self, number: int, author: str) -> MaintenanceStatus:
        over = ended(self.windows.find(number), author, self.clock.now())
        self.windows.put(over)
        return status(over, self.clock.now())

    async def muted(self) -> Mapping[int, str]:
        return self.mutes
