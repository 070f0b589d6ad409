"""What a database file tells of earlier moments, as a client is told it."""

from __future__ import annotations

from engine.client import AlertDetail
from engine.clock import Clock
from engine.model import Alert, AlertState, Health, InForce, Landmark, Notification
from engine.past import Past
from engine.store.reader import Reader


class AttachedPast:
    """The part of `FileClient` whose answers are of now, or of an earlier moment."""

    _reader: Reader
    _clock: Clock

    @property
    def _past(self) -> Past:
        return Past(self._reader)

    async def health(self, at: float | None = None) -> Health:
        """Health by the checks stored in the last hour; what was not checked for two minutes is unknown."""
        return await self._past.health(self._clock.now() if at is None else at)

    async def alerts(
        self,
        *,
        states: frozenset[AlertState] | None = None,
        since: float | None = None,
        at: float | None = None,
        limit: int = 200,
    ) -> tuple[Alert, ...]:
        """Active ones first, then newest first; `since` bounds resolved ones only."""
        if at is None:
            return await self._reader.alerts(states=states, since=since, limit=limit)
        return await self._past.alerts(at, states=states, since=since, limit=limit)

    async def alert(self, alert_id: int, at: float | None = None) -> AlertDetail:
        """Raises NotFoundError, also when it had not begun."""
        return await (self._reader.alert(alert_id) if at is None else self._past.alert(alert_id, at))

    async def notifications(
        self, *, until: float | None = None, limit: int = 200
    ) -> tuple[Notification, ...]:
        """Newest first."""
        if until is None:
            return await self._reader.notifications(limit=limit)
        return await self._past.notifications(until, limit)

    async def configuration(self, at: float | None = None) -> InForce:
        """The one in force, or that was last, with its text. Raises NotFoundError."""
        return await self._past.configuration(self._clock.now() if at is None else at)

    async def configurations(self, since: float, until: float) -> tuple[InForce, ...]:
        """Those that came into force in [since, until], oldest first, after the one that was before."""
        return await self._past.configurations(since, until)

    async def landmark(self, at: float, *, later: bool) -> Landmark | None:
        """The nearest one after, or before, a moment."""
        return await self._past.landmark(at, later=later)
