"""Follows the files of a source and stores their lines, each once.

How far a file has been read is stored in one transaction with its lines, under its device and inode: after a
restart reading goes on there, also in a file that was renamed meanwhile. A file that was cut short is read
anew from its start; that is not noticed when it has grown beyond the old place by the next look, a second
later.
"""

from __future__ import annotations

import asyncio
import glob
import os
import stat
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from engine.clock import Clock
from engine.config.sources import SourceSpec
from engine.errors import StoreError
from engine.model import LogLevel, LogRecord, SourceFile
from engine.sources.growing import LINE_BYTES, GrowingFile, identity
from engine.sources.lines import read_json, read_text
from engine.text import plain
from engine.threads import opened

LOOK_INTERVAL = 1.0
MAX_FILES = 200
MOST_WAITING = 8 * 1024 * 1024
"""Bytes of a file that may wait to be read; then its oldest are left out."""
LEAVING = 60.0
"""Seconds that a file is still followed after it lost its name, for who goes on writing to it."""
_BATCH = 1_000

Store = Callable[..., Awaitable[None]]


class Tailer:
    """One source; `look()` reads what has come. Use from one loop.

    Args:
        spec: which files, and how they are read.
        base: what relative paths are relative to.
        clock: says when a line was read, and paces.
        known: how far its files were read before.
        store: stores rows together, or raises StoreError.
        log: takes warnings.
    """

    def __init__(
        self,
        spec: SourceSpec,
        base: Path,
        clock: Clock,
        known: Iterable[SourceFile],
        store: Store,
        log: Callable[[LogRecord], None],
    ) -> None:
        self.dropped = 0
        """Lines left out since the start."""
        self._spec = spec
        self._base = base
        self._clock = clock
        self._known = {file.file: file for file in known if file.source == spec.id}
        self._begin_at_end = spec.begin == "end" and not self._known
        self._store = store
        self._log = log
        self._files: dict[str, GrowingFile] = {}
        self._leaving: dict[str, float] = {}
        self._told: set[str] = set()
        self._allowed = float(spec.max_rate)
        self._refilled_at = clock.monotonic()

    def close(self) -> None:
        """Close the files; the next look opens them again, from their starts."""
        _close(self._files.values())
        self._files = {}

    async def look(self) -> None:
        """Find files that came or went, and store what has been written to them, as fast as is allowed."""
        new, problems = await opened(self._find, lambda found: _close(found[0]))
        self._files |= {file.identity: file for file in new}
        for problem in problems:
            self._warn(problem, once=True)
        now = self._clock.monotonic()
        self._allowed += (now - self._refilled_at) * self._spec.max_rate
        self._allowed, self._refilled_at = min(self._allowed, 2.0 * self._spec.max_rate), now
        try:
            if new:
                await self._store(*map(self._position, new))
            files = list(self._files.values())
            for file in files:
                try:
                    await self._read_on(file)
                except OSError as error:
                    self._warn(_complaint(file.path, error), once=True)
                    # Opened again by the next look, at the same place.
                    self._known[file.identity] = self._position(file)
                    self._drop(file)
            if files and (first := self._files.pop(files[0].identity, None)):
                # It is last the next time, so that none takes all that is allowed.
                self._files[first.identity] = first
        except StoreError:
            return  # the store says so itself; the lines wait in their files

    async def _read_on(self, file: GrowingFile) -> None:
        if await asyncio.to_thread(file.notice_truncation):
            self._warn(f"{file.path} was cut short and is read anew")
        while True:
            most = min(int(self._allowed), _BATCH)
            is_last = self._has_left(file)
            begin = file.offset
            try:
                records, lines = await asyncio.to_thread(self._take, file, most, is_last)
                if lines:
                    await self._store(*records, self._position(file))
            except BaseException:
                file.seek(begin)
                raise
            self._allowed -= lines
            if lines < most:
                break
            if most == 0:
                await self._leave_out(file)
                return
        if is_last:
            self._drop(file)

    def _drop(self, file: GrowingFile) -> None:
        file.close()
        self._files.pop(file.identity, None)
        self._leaving.pop(file.identity, None)

    async def _leave_out(self, file: GrowingFile) -> None:
        """What no rate allows to be read ever is passed over."""
        waiting = await asyncio.to_thread(lambda: file.size) - file.offset
        if waiting <= MOST_WAITING:
            return
        lines = await asyncio.to_thread(file.skip, waiting - MOST_WAITING // 2)
        self.dropped += lines
        self._warn(
            f"{lines:,} lines of {file.path} were left out: more come than {self._spec.max_rate:,} a second",
            dropped=lines,
        )
        await self._store(self._position(file))

    def _take(self, file: GrowingFile, most: int, is_last: bool) -> tuple[list[LogRecord], int]:
        """Up to `most` lines as records, without empty ones, and how many lines they are of."""
        now, lines = self._clock.now(), 0
        records: list[LogRecord] = []
        for line in file.lines(most, to_the_end=is_last):
            lines += 1
            text = line.head.decode("utf-8", "replace")
            if not text.strip():
                continue
            if self._spec.format == "json":
                names = {str(key): name for key, name in self._spec.fields.items()}
                record = read_json(text, now, self._spec.id, names)
            else:
                record = read_text(text, now, self._spec.id)
            if line.size > LINE_BYTES:
                record = _with_size(record, line.size)
            records.append(record)
        return records, lines

    def _find(self) -> tuple[list[GrowingFile], list[str]]:
        """Open what is new, note what has lost its name; what was opened, and what could not be."""
        new: dict[str, GrowingFile] = {}
        problems: list[str] = []
        seen: set[str] = set()
        paths = self._paths()
        if not paths:
            problems.append(f"no file is called {', '.join(self._spec.files)} yet")
        if len(paths) > MAX_FILES:
            problems.append(f"only {MAX_FILES} of its {len(paths)} files are read")
        for path in (*paths[:MAX_FILES], *self._renamed()):
            try:
                found = path.stat()
                if not stat.S_ISREG(found.st_mode):
                    continue
                seen.add(identity(found))
                if file := self._files.get(identity(found)) or new.get(identity(found)):
                    file.path = path
                    continue
                file = GrowingFile(path, self._place(identity(found), found.st_size))
            except FileNotFoundError:
                continue
            except OSError as error:
                problems.append(_complaint(path, error))
                continue
            if file.identity != identity(found):
                file.close()  # another file has got the name since: the next look finds both
                continue
            new[file.identity] = file
        self._begin_at_end, self._known = False, {}
        for key in self._files.keys() - seen:
            self._leaving.setdefault(key, self._clock.monotonic())
        for key in self._leaving.keys() & seen:
            del self._leaving[key]
        return list(new.values()), problems

    def _paths(self) -> list[Path]:
        patterns = (os.path.join(self._base, os.path.expanduser(pattern)) for pattern in self._spec.files)
        return sorted({Path(path) for pattern in patterns for path in glob.iglob(pattern, recursive=True)})

    def _renamed(self) -> Iterator[Path]:
        """Files that were read before and have other names now, beside their old ones."""
        for directory in {Path(file.path).parent for file in self._known.values()}:
            try:
                with os.scandir(directory) as entries:
                    for entry in entries:
                        if entry.is_file() and identity(entry.stat()) in self._known:
                            yield Path(entry.path)
            except OSError:
                continue  # gone with its files

    def _place(self, key: str, size: int) -> int:
        if key in self._known:
            return self._known[key].offset
        return size if self._begin_at_end else 0

    def _has_left(self, file: GrowingFile) -> bool:
        left_at = self._leaving.get(file.identity)
        return left_at is not None and self._clock.monotonic() - left_at >= LEAVING

    def _position(self, file: GrowingFile) -> SourceFile:
        return SourceFile(self._spec.id, file.identity, str(file.path), file.offset, self._clock.now())

    def _warn(self, message: str, *, once: bool = False, **fields: int) -> None:
        text = f"source {self._spec.id}: {plain(message)}"
        if once and text in self._told:
            return
        if len(self._told) >= MAX_FILES:
            self._told.clear()
        self._told.add(text)
        self._log(LogRecord(self._clock.now(), LogLevel.WARNING, text, fields=fields, source=self._spec.id))


def _close(files: Iterable[GrowingFile]) -> None:
    for file in files:
        file.close()


def _complaint(path: Path, error: OSError) -> str:
    return f"{path} cannot be read: {error.strerror or error}"


def _with_size(record: LogRecord, size: int) -> LogRecord:
    """Says of a line that was cut how long it is."""
    return replace(record, fields={**record.fields, "bytes": size})
