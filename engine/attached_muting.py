"""Silences, maintenance and what they mute: asked of the engine that holds a database, or done on file."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from engine.alerts.maintenance import Windows, ended, status
from engine.alerts.silences import Silences, expired
from engine.attached_past import AttachedPast
from engine.control import unpack_each, unpack_maintenance, unpack_silence
from engine.model import Alert, Maintenance, MaintenanceStatus, MaintenanceWish, Notification, Silence
from engine.store import silences as stored
from engine.store.lock import InstanceLock
from engine.store.store import Store

Act = Callable[[Store, float], Awaitable[Alert | Notification | Silence | MaintenanceStatus]]
"""Changes an open file."""


class AttachedMuting(AttachedPast):
    """The part of a `FileClient` that is about who is not told of what."""

    _path: Path

    async def _command(self, command: str, **arguments: Any) -> dict[str, Any]:
        raise NotImplementedError

    async def _change(self, command: str, told: dict[str, Any], act: Act) -> dict[str, Any]:
        raise NotImplementedError

    async def silences(self, at: float | None = None) -> tuple[Silence, ...]:
        """As the engine knows them; without one those of the file."""
        if at is not None:
            return await self._past.silences(at)
        if InstanceLock.holder(self._path) is not None:
            return unpack_each(await self._command("silences"), "silences", unpack_silence)
        return await stored.silences(self._reader.pool, since=self._clock.now())

    async def silence(
        self,
        matchers: Sequence[str],
        author: str,
        reason: str,
        ends_at: float | None = None,
        starts_at: float | None = None,
        lasting: float | None = None,
    ) -> Silence:
        """Durable when it returns; raises EngineUnavailableError and StoreError as well."""

        def act(silences: Silences, now: float) -> Silence:
            return silences.draft(matchers, author, reason, starts_at, ends_at, now, lasting)

        told = {"matchers": list(matchers), "author": author, "reason": reason}
        times = {"ends_at": ends_at, "starts_at": starts_at, "lasting": lasting}
        return unpack_silence(await self._change("silence", told | times, partial(_silence, act)))

    async def expire_silence(self, silence_id: int, author: str) -> Silence:
        """Durable when it returns; raises EngineUnavailableError and StoreError as well."""

        def act(silences: Silences, now: float) -> Silence:
            return expired(silences.find(silence_id), author, now)

        told = {"silence_id": silence_id, "author": author}
        return unpack_silence(await self._change("expire_silence", told, partial(_silence, act)))

    async def maintenance(self, at: float | None = None) -> tuple[MaintenanceStatus, ...]:
        """As the engine knows them; without one those of the file."""
        if at is not None:
            return await self._past.maintenance(at)
        if InstanceLock.holder(self._path) is not None:
            return unpack_each(await self._command("maintenance"), "maintenance", unpack_maintenance)
        now, windows = self._clock.now(), Windows()
        windows.restore(await stored.maintenance(self._reader.pool, since=now), 1)
        return windows.statuses(now)

    async def maintain(self, wish: MaintenanceWish) -> MaintenanceStatus:
        """Durable when it returns; raises EngineUnavailableError and StoreError as well."""

        def act(windows: Windows, now: float) -> Maintenance:
            return windows.draft(wish, now)

        told = {"wish": asdict(wish)}
        return unpack_maintenance(await self._change("maintain", told, partial(_maintenance, act)))

    async def end_maintenance(self, number: int, author: str) -> MaintenanceStatus:
        """Durable when it returns; raises EngineUnavailableError and StoreError as well."""

        def act(windows: Windows, now: float) -> Maintenance:
            return ended(windows.find(number), author, now)

        told = {"number": number, "author": author}
        return unpack_maintenance(await self._change("end_maintenance", told, partial(_maintenance, act)))

    async def muted(self) -> Mapping[int, str]:
        """As the engine knows; nothing without one."""
        if InstanceLock.holder(self._path) is None:
            return {}
        answer = await self._command("muted")
        return {int(number): str(words) for number, words in answer.get("muted", {}).items()}


async def _silence(act: Callable[[Silences, float], Silence], store: Store, now: float) -> Silence:
    known, silences = await stored.muted(store.reader.pool, now), Silences()
    silences.restore(known.silences, known.next_silence)
    silence = act(silences, now)
    await store.writer.must(silence)
    return silence


async def _maintenance(
    act: Callable[[Windows, float], Maintenance], store: Store, now: float
) -> MaintenanceStatus:
    known, windows = await stored.muted(store.reader.pool, now), Windows()
    windows.restore(known.maintenance, known.next_maintenance)
    window = act(windows, now)
    await store.writer.must(window)
    return status(window, now)
