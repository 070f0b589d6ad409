"""Reads the configuration again: asked to, or when its files have changed; one reload at a time.

A file with a fault changes nothing. Whoever asks while a reload goes on gets one more, together with all who
ask until that begins: a hundred signals a second are a reload a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from engine.clock import Clock
from engine.errors import ConfigError, TocsinError
from engine.model import LogLevel, LogRecord, ReloadReport
from engine.text import counted, own_words

if TYPE_CHECKING:
    from engine.config.changes import Changes
    from engine.config.loader import LoadedConfig

WATCH_INTERVAL = 1.0
"""Seconds between two looks at the files; one that changed is read once two looks found it the same."""
UNREST = 10.0
"""Seconds after which files are read that never come to rest."""
PAUSE = 1.0
"""Seconds between the end of a reload and the beginning of the next."""
READ_DEADLINE = 30.0
MAX_LINES = 100
"""Differences, and problems, that are told of one reload."""
UNCHANGED = "nothing has changed"

T = TypeVar("T")
Adopt = Callable[["LoadedConfig"], Awaitable[None]]
Prints = dict[Path, tuple[int, int, int] | None]


class Reloader:
    """Knows what the files said last.

    Args:
        loaded: what is in force.
        adopt: puts another configuration in force, whole or, raising a TocsinError, not at all.
        redact: takes secrets out of what is told.
        log: takes a line for each difference, or about what is wrong.
        told: given every report but those that nothing has changed.
    """

    def __init__(
        self,
        loaded: LoadedConfig,
        clock: Clock,
        adopt: Adopt,
        redact: Callable[[str], str],
        log: Callable[[LogRecord], None],
        told: Callable[[ReloadReport], None],
    ) -> None:
        self._loaded = loaded
        self._clock = clock
        self._adopt = adopt
        self._redact = redact
        self._log = log
        self._told = told
        self._lock = asyncio.Lock()
        self._next: asyncio.Task[ReloadReport] | None = None
        self._tasks: set[asyncio.Task[ReloadReport]] = set()
        self._ended_at = float("-inf")
        self._read = self._seen = _prints(loaded.files)
        self._unrest_since: float | None = None
        self.fault = ""
        """Why the files as they are now are not in force; empty when they are."""

    async def reload(self) -> ReloadReport:
        """Put in force what the files say now; cancelling the wait ends nothing."""
        return await asyncio.shield(self.request())

    def request(self) -> asyncio.Task[ReloadReport]:
        """As `reload()`, for who does not wait."""
        if self._next is None:
            self._next = asyncio.create_task(self._turn(), name="reload")
            self._tasks.add(self._next)
            self._next.add_done_callback(self._tasks.discard)
        return self._next

    async def look(self) -> None:
        """Reload once changed files have come to rest."""
        prints = await _in_thread(partial(_prints, self._loaded.files))
        now, before, self._seen = self._clock.monotonic(), self._seen, prints
        if prints == self._read:
            self._unrest_since = None
            return
        if self._unrest_since is None:
            self._unrest_since = now
        if prints == before or now - self._unrest_since >= UNREST:
            await self.reload()

    async def close(self) -> None:
        """Give up what goes on."""
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _turn(self) -> ReloadReport:
        async with self._lock:
            try:
                rest = self._ended_at + PAUSE - self._clock.monotonic()
                if rest > 0:
                    await self._clock.sleep(rest)
                self._next = None
                return await self._reload()
            finally:
                self._ended_at = self._clock.monotonic()

    async def _reload(self) -> ReloadReport:
        from engine.config.changes import compare

        before, self._unrest_since = _prints(self._loaded.files), None
        self._read = before
        try:
            async with asyncio.timeout(READ_DEADLINE):
                loaded = await _in_thread(self._loaded.again)
            changes = compare(self._loaded, loaded)
            if changes or loaded.digest != self._loaded.digest:
                await self._adopt(loaded)
        except ConfigError as error:
            return self._refused([str(problem) for problem in error.problems])
        except TocsinError as error:
            return self._refused([str(error)])
        except TimeoutError:
            return self._refused([f"it cannot be read within {READ_DEADLINE:.0f} s"])
        except Exception as error:  # noqa: BLE001 - border: a fault in a reload must not end the engine
            return self._refused([own_words(error)])
        same = not changes and loaded.digest == self._loaded.digest and not self.fault
        self._loaded = loaded
        # What was written while it was read is yet to be read.
        self._read = self._seen = _prints(loaded.files) | {p: before[p] for p in before.keys() & loaded.files}
        return ReloadReport(self._clock.now(), UNCHANGED) if same else self._accepted(changes)

    def _accepted(self, changes: Changes) -> ReloadReport:
        self.fault = ""
        lines = _shortened(map(self._redact, changes.lines))
        report = ReloadReport(self._clock.now(), changes.summary or UNCHANGED, lines)
        self._say(LogLevel.INFO, f"configuration reloaded: {report.summary}")
        for line in lines:
            self._say(LogLevel.INFO, f"configuration: {line}")
        self._told(report)
        return report

    def _refused(self, problems: list[str]) -> ReloadReport:
        self.fault = self._redact(problems[0])
        if len(problems) > 1:
            self.fault += f" (and {counted(len(problems) - 1, 'more problem')})"
        told = _shortened(map(self._redact, problems))
        report = ReloadReport(self._clock.now(), counted(len(problems), "problem"), (), told)
        self._say(LogLevel.ERROR, f"the configuration stays as it was: {self.fault}")
        self._told(report)
        return report

    def _say(self, level: LogLevel, message: str) -> None:
        self._log(LogRecord(at=self._clock.now(), level=level, message=message))


def _shortened(lines: Iterable[str]) -> tuple[str, ...]:
    told = tuple(lines)
    more = (f"and {len(told) - MAX_LINES} more",) if len(told) > MAX_LINES else ()
    return told[:MAX_LINES] + more


def _prints(files: Iterable[Path]) -> Prints:
    """What tells versions of files apart; None for one that is not there."""
    return {path: _print(path) for path in files}


def _print(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


async def _in_thread(work: Callable[[], T]) -> T:
    """In a thread of its own: what never ends takes nobody's place and does not hold up the exit."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as fault:  # noqa: BLE001 - border: told to whoever waits
            error = fault
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody waits any more
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="tocsin-configuration", daemon=True).start()
    return await done
