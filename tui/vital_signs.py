"""What the header of every view needs, read piece by piece: what cannot be read is not known."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from engine.client import EngineClient
from engine.errors import TocsinError
from engine.model import Alert, Health
from tui.state import Vitals


async def read_vitals(
    client: EngineClient, at: float | None, open_alerts: Callable[[], Awaitable[tuple[Alert, ...]]]
) -> tuple[Vitals, TocsinError | None]:
    """The vitals of `at`, of now with None, and why a piece of them is missing, if one is.

    The health of an engine that is gone is not told: what it was a moment ago says nothing of now.

    Raises:
        TocsinError: the engine does not answer at all.
    """
    info = await client.info(at)
    health: Health | None = None
    alerts: tuple[Alert, ...] | None = None
    fault: TocsinError | None = None
    if info.live or at is not None:
        try:
            health = await client.health(at)
        except TocsinError as error:
            fault = error
    try:
        alerts = await open_alerts()
    except TocsinError as error:
        fault = error
    return Vitals(info, health, alerts or (), alerts_known=alerts is not None), fault
