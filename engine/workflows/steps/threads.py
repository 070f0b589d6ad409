"""Calls that block, in threads of their own: one that never returns costs a thread and not the engine."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

AT_ONCE = 64
"""Calls at the same time; others wait for one to end."""
STOP_GRACE = 0.3
"""Seconds that a call has to return after it was told to stop."""


class Threads:
    """Runs blocking calls; the default pool has few threads, which a dead disk or peer would hold."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._free = asyncio.Semaphore(at_once)

    async def run(self, work: Callable[[], T], stop: Callable[[], None]) -> T:
        """The result of `work()`, or what it raised.

        Args:
            stop: makes `work` return soon, and is called when this is cancelled; a call that does not return
                within `STOP_GRACE` is left to itself and keeps its place until it does.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        await self._free.acquire()

        def finish(result: T | None, error: Exception | None) -> None:
            self._free.release()
            if done.cancelled():
                return
            if error is not None:
                done.set_exception(error)
            else:
                done.set_result(result)  # type: ignore[arg-type]

        def carry_out() -> None:
            result, error = None, None
            try:
                result = work()
            except Exception as raised:  # noqa: BLE001 - border: it is raised again where it is waited for
                error = raised
            # The engine may have stopped in the meantime.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(finish, result, error)

        threading.Thread(target=carry_out, name="blocking step", daemon=True).start()
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            stop()
            await asyncio.wait([done], timeout=STOP_GRACE)
            if done.done() and not done.cancelled():
                done.exception()
            else:
                done.cancel()
            raise
