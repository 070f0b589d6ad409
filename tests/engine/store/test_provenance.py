"""What a run says of itself is kept once for each configuration."""

from __future__ import annotations

from pathlib import Path

from engine.clock import VirtualClock
from engine.store.provenance import Run, is_kept, note, runs, text_of
from engine.store.store import Store


async def test_a_configuration_that_is_kept_is_not_handed_over_again(db: Path, clock: VirtualClock) -> None:
    store = await Store.open(db, clock)
    try:
        pool = store.reader.pool
        first = Run(0, 1.0, "1.0", "0123456789ab", "prod", "rules.yaml", 1)
        assert not await is_kept(pool, first.digest)
        await note(store.writer, first, "version: 1\n")
        assert await is_kept(pool, first.digest)
        await note(store.writer, Run(0, 2.0, "1.0", first.digest, "prod", "rules.yaml", 5), None)
        assert [each.first_execution for each in await runs(pool)] == [5, 1]
        assert await text_of(pool, first.digest) == "version: 1\n"
    finally:
        await store.close()
