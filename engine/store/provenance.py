"""Which configuration was in force when, and what it said."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import partial

import aiosqlite

from engine.errors import NotFoundError
from engine.store.connection import transaction
from engine.store.pool import ReadPool
from engine.store.writer import Writer

MAX_RUNS = 1_000
"""As many runs of the engine are remembered; a configuration stays as long as a run that used it."""

_FORGET = (
    "DELETE FROM runs WHERE id <= (SELECT max(id) FROM runs) - ?",
    "DELETE FROM configurations WHERE digest NOT IN (SELECT digest FROM runs)",
)
_RUN = "id, started_at, version, digest, environment, path, first_execution"


@dataclass(frozen=True, slots=True)
class Run:
    """One run of an engine on this database, under one configuration, from `first_execution` on."""

    id: int
    started_at: float
    version: str
    digest: str
    environment: str
    path: str
    first_execution: int


async def is_kept(pool: ReadPool, digest: str) -> bool:
    """Whether the file has what this configuration says, from a run before."""
    return bool(await pool.fetch("SELECT 1 FROM configurations WHERE digest = ? LIMIT 1", (digest,)))


async def note(writer: Writer, run: Run, text: str | None) -> None:
    """Keep, durably, that `run` begins, and what its configuration says; `run.id` is given by the file.

    Args:
        text: None when `is_kept()` says that the file has it.
    """
    await writer.run(partial(_note, run, None if text is None else zlib.compress(text.encode())))


async def runs(pool: ReadPool) -> tuple[Run, ...]:
    """All that are remembered, newest first."""
    found = await pool.fetch(f"SELECT {_RUN} FROM runs ORDER BY id DESC LIMIT {MAX_RUNS}")  # noqa: S608
    return tuple(Run(*row) for row in found)


async def text_of(pool: ReadPool, digest: str) -> str:
    """What a configuration said, secrets left out; a unique beginning of its digest will do.

    Raises:
        NotFoundError: none of the file's configurations begins so, or several do.
    """
    found = await pool.fetch(
        "SELECT digest, text FROM configurations WHERE substr(digest, 1, length(?1)) = ?1 LIMIT 2", (digest,)
    )
    if len(found) != 1:
        which = "several configurations begin" if found else "no configuration begins"
        raise NotFoundError(f"{which} with {digest}", "tocsin config history lists them")
    return zlib.decompress(found[0][1]).decode()


async def _note(run: Run, text: bytes | None, connection: aiosqlite.Connection) -> None:
    async with transaction(connection):
        if text is not None:
            await connection.execute_fetchall(
                "INSERT OR IGNORE INTO configurations VALUES (?, ?)", (run.digest, text)
            )
        await connection.execute_fetchall(
            "INSERT INTO runs (started_at, version, digest, environment, path, first_execution)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (run.started_at, run.version, run.digest, run.environment, run.path, run.first_execution),
        )
        await connection.execute_fetchall(_FORGET[0], (MAX_RUNS,))
        await connection.execute_fetchall(_FORGET[1])
