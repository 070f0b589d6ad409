"""From one version to the next and back again: nothing is lost on the way, and the way back is open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.attached import FileClient
from engine.clock import VirtualClock
from engine.errors import StoreError
from engine.store import migrations
from engine.store.backup import restore
from engine.store.migrations import MIGRATIONS, VERSION, prepare
from engine.store.opening import make_ready
from tests.engine.store.samples import START, log, recording, trace_of
from tests.faults.store.files import assert_sound, older_file, opened, query, set_aside


@contextmanager
def program_of(version: int) -> Iterator[None]:
    """The program whose newest schema is `version`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrations, "VERSION", version)
        patch.setattr(migrations, "MIGRATIONS", MIGRATIONS[:version])
        patch.setattr(migrations.migrate, "__defaults__", (MIGRATIONS[:version], None))
        yield


@pytest.mark.parametrize("version", range(1, VERSION))
async def test_an_upgrade_keeps_all_and_leaves_the_way_back(tmp_path: Path, version: int) -> None:
    db = tmp_path / "tocsin.db"
    older_file(db, version)
    old = query(db, "SELECT id, started_at, outcome, error FROM executions")
    async with opened(db, VirtualClock(START)) as store:
        await store.writer.must(recording(9), log("new"))
        assert await store.reader.trace(trace_of(2))
        assert (await store.reader.execution(4)).attempts
    assert query(db, "SELECT id, started_at, outcome, error FROM executions WHERE id < 9") == old
    assert_sound(db)

    kept = tmp_path / f"tocsin.db.v{version}.bak"
    upgraded = db.read_bytes()
    with program_of(version):
        with pytest.raises(StoreError, match="written by a newer Tocsin") as refusal:
            make_ready(db, START)
        assert refusal.value.hint
        assert db.read_bytes() == upgraded
        with pytest.raises(StoreError, match="written by a newer Tocsin"):
            await FileClient.open(db)
        # What its sentence and the manual say: put the copy back.
        assert restore(db, kept, START) is not None
        assert make_ready(db, START).notice == ""
        assert query(db, "PRAGMA user_version") == [(version,)]
        assert query(db, "SELECT id, started_at, outcome, error FROM executions") == old
        assert_sound(db)
    (aside,) = set_aside(db, "replaced")
    assert (aside / db.name).read_bytes() == upgraded

    # And forward again.
    prepare(db, START)
    assert query(db, "PRAGMA user_version") == [(VERSION,)]
    assert_sound(db)
