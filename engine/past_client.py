"""What a client can be asked by somebody who looks back; part of `engine.client`."""

from __future__ import annotations

from typing import Protocol

from engine.model import InForce, Landmark


class PastClient(Protocol):
    """Questions about which configuration was in force, and what to stop at."""

    async def configuration(self, at: float | None = None) -> InForce:
        """The one in force, with its text. Raises NotFoundError when none is remembered."""
        ...

    async def configurations(self, since: float, until: float) -> tuple[InForce, ...]:
        """Those that came into force in [since, until], oldest first, after the one that was before."""
        ...

    async def landmark(self, at: float, *, later: bool) -> Landmark | None:
        """The nearest one after, or before, a moment."""
        ...
