"""What a client can be asked, and told, about who is not told of what; part of `engine.client`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from engine.model import MaintenanceStatus, MaintenanceWish, Silence


class MutingClient(Protocol):
    """Silences, maintenance, and which open alerts something mutes."""

    async def silences(self, at: float | None = None) -> tuple[Silence, ...]:
        """Those that have not ended; with an engine also those of its configuration, ids below zero."""
        ...

    async def silence(
        self,
        matchers: Sequence[str],
        author: str,
        reason: str,
        ends_at: float | None = None,
        starts_at: float | None = None,
        lasting: float | None = None,
    ) -> Silence:
        """Tell nobody of alerts that meet all `matchers` (`engine.alerts.matchers`).

        Durable when it returns. Raises TocsinError for what cannot be meant, ConflictError for too many.

        Args:
            ends_at, lasting: until when, or for how many seconds; one of the two.
        """
        ...

    async def expire_silence(self, silence_id: int, author: str) -> Silence:
        """End a silence now; durable when it returns. Raises NotFoundError, ConflictError."""
        ...

    async def maintenance(self, at: float | None = None) -> tuple[MaintenanceStatus, ...]:
        """Windows that have not ended; with an engine also those of its configuration."""
        ...

    async def maintain(self, wish: MaintenanceWish) -> MaintenanceStatus:
        """Make a maintenance window; durable when it returns.

        Raises TocsinError for what cannot be meant, ConflictError for too many.
        """
        ...

    async def end_maintenance(self, number: int, author: str) -> MaintenanceStatus:
        """End a window that was made at run time; durable when it returns.

        Raises NotFoundError, ConflictError.
        """
        ...

    async def muted(self) -> Mapping[int, str]:
        """Why nobody is told of open alerts, by their numbers; only an engine knows."""
        ...
