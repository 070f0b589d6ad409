"""The database of one engine: a writer and a reader on the same file."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

from engine.clock import Clock
from engine.store import retention
from engine.store.connection import explain
from engine.store.migrations import prepare
from engine.store.reader import Reader
from engine.store.writer import Writer


class Store:
    """Made by `open()`, by whoever holds the InstanceLock of the file."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self.writer = writer
        self.reader = reader

    @classmethod
    async def open(cls, path: Path, clock: Clock) -> Store:
        """Open the database: made private when new, migrated when older, checked after a crash.

        Notifications that were being sent when the last engine ended are queued again.

        Raises:
            StoreError: a sentence about a file that is not ours, is newer, damaged, or cannot be written.
        """
        await asyncio.to_thread(prepare, path, clock.now())
        try:
            writer = await Writer.open(path, clock)
        except sqlite3.Error as error:
            raise explain(error, path) from error
        try:
            return cls(writer, await Reader.open(path, clock))
        except BaseException:
            await writer.close()
            raise

    async def prune(self, before: float) -> int:
        """Remove rows older than `before` (seconds since the epoch) in short steps; returns how many went."""
        return await retention.prune(self.writer, before)

    async def close(self) -> None:
        """Commit what waits and leave the file clean; harmless twice."""
        try:
            await self.reader.close()
        finally:
            await self.writer.close()
