"""All sources of a configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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
        self._tailers = {spec.id: Tailer(spec, base, clock, files, store, log) for spec in specs}

    def spawn(self, supervisor: Supervisor) -> None:
        """Look at each once a second."""
        for name, tailer in self._tailers.items():
            supervisor.every(f"source {name}", LOOK_INTERVAL, tailer.look)

    def close(self) -> None:
        """Close the files, when nobody looks any more."""
        for tailer in self._tailers.values():
            tailer.close()
