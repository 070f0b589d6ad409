"""The dead-man's switch: a sign of life to somebody outside, whose absence is the alarm.

It is given only while the scheduler turns, the writer commits and the outbox looks for work. What a part says
of itself is believed for `SIGN_LIMIT` seconds, so that the signs end within two minutes of its end when they
are given every minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol

from engine.clock import Clock
from engine.errors import StoreError
from engine.model import LogLevel, LogRecord
from engine.notify.delivery import DeliveryError, Message, Sender
from engine.text import own_words

if TYPE_CHECKING:
    from engine.config.routing import Channel, DeadmanSpec
    from engine.notify.kinds.posting import Poster

SIGN_LIMIT = 50.0
"""Seconds; scheduler and outbox look at the clock every 15 s when well."""
COMMIT_LIMIT = 10.0
PING_DEADLINE = 10.0
IDLE = 15.0
"""Seconds between two looks at the clock."""
START = 1.0
"""Seconds between two looks at parts that have not begun yet, which they may take `SIGN_LIMIT` to do."""

Ping = Callable[[], Awaitable[None]]


class Turning(Protocol):
    """The part of the scheduler that is asked."""

    @property
    def beat_age(self) -> float | None: ...


class Looking(Protocol):
    """The part of the outbox that is asked."""

    @property
    def looked_at(self) -> float | None: ...


class Committing(Protocol):
    """The part of the writer that is asked."""

    async def flush(self) -> None: ...


class DeadMansSwitch:
    """Gives signs of life once it was told how: `adopt()`.

    Args:
        log: where it is said that signs are held back, or do not arrive, and that this is over.
    """

    def __init__(
        self,
        *,
        scheduler: Turning,
        writer: Committing,
        outbox: Looking,
        clock: Clock,
        log: Callable[[LogRecord], None],
    ) -> None:
        self._scheduler = scheduler
        self._writer = writer
        self._outbox = outbox
        self._clock = clock
        self._log = log
        self._ping: Ping | None = None
        self._every = IDLE
        self._trouble = ""

    def adopt(self, spec: DeadmanSpec | None, channels: Mapping[str, Channel], sender: Sender) -> None:
        """Give signs as a configuration wants it from now on; None: no more."""
        self._ping = pinger(spec, channels, sender, self._clock) if spec is not None else None
        self._every = spec.every if spec is not None else IDLE

    async def run(self) -> None:
        """Give signs, as long as all is well, until cancelled."""
        due_at = started_at = self._clock.monotonic()
        while True:
            now = self._clock.monotonic()
            is_early = now - started_at < SIGN_LIMIT and not self._has_begun()
            if self._ping is not None and now >= due_at and not is_early:
                await self.look()
                due_at = now + self._every
            left = due_at - self._clock.monotonic()
            await self._clock.sleep(min(left, IDLE) if left > 0 else START if is_early else IDLE)

    def _has_begun(self) -> bool:
        return self._scheduler.beat_age is not None and self._outbox.looked_at is not None

    async def look(self) -> None:
        """Give a sign if all is well. Never raises but when cancelled."""
        stuck = await self.stuck()
        lost = "" if stuck else await self._give()
        trouble = "stuck" if stuck else "lost" if lost else ""
        if trouble and trouble != self._trouble:
            self._say(LogLevel.WARNING, f"no sign of life was given: {stuck}" if stuck else lost)
        elif self._trouble and not trouble:
            self._say(LogLevel.INFO, "signs of life are given again")
        self._trouble = trouble

    async def stuck(self) -> str:
        """Which part makes no progress, in words; empty when all do."""
        now = self._clock.monotonic()
        if late := _late("the scheduler", self._scheduler.beat_age):
            return late
        looked_at = self._outbox.looked_at
        if late := _late("the outbox", None if looked_at is None else now - looked_at):
            return late
        return await self._commit()

    async def _commit(self) -> str:
        """Whether everything offered can be committed."""
        flush = asyncio.ensure_future(self._writer.flush())
        limit = asyncio.ensure_future(self._clock.sleep(COMMIT_LIMIT))
        try:
            await asyncio.wait({flush, limit}, return_when=asyncio.FIRST_COMPLETED)
            if not flush.done():
                return f"the writer has not committed for {COMMIT_LIMIT:g} s"
            flush.result()
        except StoreError as error:
            return f"the writer cannot commit: {error.message}"
        finally:
            for task in (flush, limit):
                task.cancel()
            await asyncio.gather(flush, limit, return_exceptions=True)
        return ""

    async def _give(self) -> str:
        if self._ping is None:
            return ""
        try:
            await self._ping()
        except DeliveryError as error:
            return f"a sign of life did not arrive: {own_words(error)}"
        return ""

    def _say(self, level: LogLevel, message: str) -> None:
        self._log(LogRecord(at=self._clock.now(), level=level, message=f"dead-man's switch: {message}"))


def pinger(spec: DeadmanSpec, channels: Mapping[str, Channel], sender: Sender, clock: Clock) -> Ping:
    """How a configuration wants its signs to be given."""
    if spec.url is not None:
        return _Asking(spec.url, spec.method, clock)

    async def tell() -> None:
        name, at = spec.channel or "", clock.now()
        message = Message(f"deadman:{at:.0f}", "[ALIVE] Tocsin", "Checks, records and messages go on.", ())
        if name not in channels:
            raise DeliveryError(f"there is no channel {name}", permanent=True)
        await sender.send(name, channels[name], message)

    return tell


class _Asking:
    """Asks a web address; what it takes for that is imported with the first sign."""

    def __init__(self, url: str, method: Literal["GET", "POST"], clock: Clock) -> None:
        self._url = url
        self._method = method
        self._clock = clock
        self._poster: Poster | None = None

    def __call__(self) -> Coroutine[Any, Any, None]:
        return self._ask()

    async def _ask(self) -> None:
        if self._poster is None:
            from engine.notify.kinds.posting import Poster

            self._poster = Poster(self._clock)
        await self._poster.call(self._url, self._method, PING_DEADLINE)


def _late(part: str, age: float | None) -> str:
    if age is None:
        return f"{part} has not begun"
    return f"{part} has stood still for {age:.0f} s" if age > SIGN_LIMIT else ""
