"""All sources of a configuration."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from engine.clock import Clock
from engine.config.sources import SourceSpec
from engine.model import LogRecord, SourceFile
from engine.sources.tailing import LOOK_INTERVAL, Store, Tailer
from engine.supervisor import Supervisor


class Sources:
    """Follows each source in a task of its own; the arguments are those of `Tailer`."""

    def __init__(
        self,
        specs: Sequence[SourceSpec],
        base: Path,
        clock: Clock,
        known: Iterable[SourceFile],
        store: Store,
        log: Callable[[LogRecord], None],
    ) -> None:
        files = tuple(known)
        self._make: Callable[[SourceSpec, tuple[SourceFile, ...]], Tailer]
        self._make = lambda spec, files: Tailer(spec, base, clock, files, store, log)
        self._specs = {spec.id: spec for spec in specs}
        self._tailers = {spec.id: self._make(spec, files) for spec in specs}

    def spawn(self, supervisor: Supervisor) -> None:
        """Look at each once a second."""
        for name, tailer in self._tailers.items():
            supervisor.every(_task(name), LOOK_INTERVAL, tailer.look)

    async def adopt(
        self,
        specs: Sequence[SourceSpec],
        supervisor: Supervisor,
        known: Callable[[], Awaitable[Iterable[SourceFile]]],
    ) -> None:
        """Follow these from now on; one that is as it was goes on, a changed one begins where it was.

        Args:
            known: reads how far files were read; asked once the sources that change have stopped.
        """
        before, self._specs = self._specs, {spec.id: spec for spec in specs}
        for name, spec in before.items():
            if self._specs.get(name) != spec:
                await supervisor.end(_task(name))
                if tailer := self._tailers.pop(name, None):
                    tailer.close()
        for name, spec in self._specs.items():
            if before.get(name) != spec:
                supervisor.every(_task(name), LOOK_INTERVAL, partial(self._look, spec, known))

    async def _look(self, spec: SourceSpec, known: Callable[[], Awaitable[Iterable[SourceFile]]]) -> None:
        tailer = self._tailers.get(spec.id)
        if tailer is None:
            tailer = self._tailers[spec.id] = self._make(spec, tuple(await known()))
        await tailer.look()

    def close(self) -> None:
        """Close the files, when nobody looks any more."""
        for tailer in self._tailers.values():
            tailer.close()


def _task(name: str) -> str:
    return f"source {name}"
