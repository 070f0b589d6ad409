"""Files that a bad disk or a person spoiled: noticed or harmless, moved aside once, never for no reason."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from engine.clock import VirtualClock
from engine.errors import StoreError
from engine.store.backup import back_up, backups, restore
from engine.store.integrity import damage
from engine.store.opening import make_ready
from engine.store.reader import Reader
from tests.engine.store.samples import (
    START,
    alert,
    cursor,
    decision,
    event,
    health_check,
    log,
    notification,
    recording,
    trace_of,
)
from tests.faults.store.files import PAGE, opened, query, set_aside

# More rounds find rarer places: TOCSIN_DAMAGE_ROUNDS=100.
ROUNDS = int(os.environ.get("TOCSIN_DAMAGE_ROUNDS", "24"))
HEAD = 100
NEWER = "a line that the backup does not have"


def garbage(db: Path, choose: random.Random) -> None:
    """A page came back as noise."""
    pages = os.path.getsize(db) // PAGE
    with db.open("r+b") as file:
        file.seek(choose.randrange(pages) * PAGE)
        file.write(choose.randbytes(PAGE))


def flip(db: Path, choose: random.Random) -> None:
    """One bit changed."""
    place = choose.randrange(os.path.getsize(db))
    with db.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ (1 << choose.randrange(8))]))


def flip_head(db: Path, choose: random.Random) -> None:
    """One bit changed in what SQLite says of the file itself."""
    place = choose.randrange(16, HEAD)
    with db.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ (1 << choose.randrange(8))]))


@dataclass(slots=True)
class Tally:
    """How starts on spoiled files went."""

    refused: list[StoreError] = field(default_factory=list)
    replaced: int = 0
    harmless: int = 0


@pytest.fixture
async def beginning(tmp_path: Path) -> Path:
    """A directory with a database as a killed engine leaves it, and a backup that is one line behind."""
    place = tmp_path / "beginning"
    db = place / "tocsin.db"
    async with opened(db, VirtualClock(START)) as store:
        for number in range(1, 41):
            kept = recording(number), alert(number), event(number), decision(number), notification(number)
            await store.writer.must(*kept, health_check(), cursor())
        back_up(db, START)
        await store.writer.must(log(NEWER))
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute("UPDATE meta SET value = 0 WHERE key = 'clean'")
    return place


async def read_everything(db: Path) -> None:
    """All that a console asks for."""
    reader = await Reader.open(db)
    try:
        for question in (
            reader.executions(),
            reader.execution(7),
            reader.trace(trace_of(7)),
            reader.logs(),
            reader.logs("execution"),
            reader.alerts(),
            reader.alert(7),
            reader.open_alerts(),
            reader.cursors(),
            reader.next_ids(),
            reader.health_hours(START - 10),
            reader.summary(START, START + 100),
            reader.points("metric.1", START, START + 100, 10),
        ):
            await question
    finally:
        await reader.close()


async def start_on(db: Path, tally: Tally) -> None:
    """Start twice, as somebody would, and read what came in the place of a damaged file."""
    try:
        notice = make_ready(db, START + 60).notice
    except StoreError as refusal:
        tally.refused.append(refusal)
        assert not set_aside(db)
        return
    if notice:
        assert "goes on from the backup" in notice, notice
        assert query(db, f"SELECT count(*) FROM logs WHERE message = '{NEWER}'") == [(0,)]
        assert damage(db) == ""
        tally.replaced += 1
        await read_everything(db)
    else:
        tally.harmless += 1
    assert len(set_aside(db)) == bool(notice)
    assert make_ready(db, START + 120).notice == ""
    assert len(set_aside(db)) == bool(notice)


@pytest.mark.parametrize("spoil", [garbage, flip, flip_head])
async def test_damage_is_noticed_or_harmless_and_leads_to_one_exchange(
    beginning: Path, tmp_path: Path, spoil: Callable[[Path, random.Random], None]
) -> None:
    choose = random.Random(7)
    tally = Tally()
    for number in range(ROUNDS):
        place = tmp_path / f"round-{number}"
        shutil.copytree(beginning, place)
        spoil(place / "tocsin.db", choose)
        try:
            await start_on(place / "tocsin.db", tally)
        except BaseException as error:
            error.add_note(f"round {number}: {place}")
            raise
        shutil.rmtree(place)
    assert len(tally.refused) + tally.replaced + tally.harmless == ROUNDS
    assert all(refusal.hint for refusal in tally.refused)
    # A changed bit in the text of a row is what no check sees.
    assert spoil is flip or (tally.replaced and not (spoil is garbage and tally.harmless))


@pytest.mark.parametrize(("place", "byte"), [(16, 0xFF), (47, 0xFF), (103, 0xFF)])
def test_a_head_that_makes_no_sense_leads_to_the_backup(beginning: Path, place: int, byte: int) -> None:
    """The size of a page, the format of the schema, the number of cells in the first page."""
    db = beginning / "tocsin.db"
    with db.open("r+b") as file:
        file.seek(place)
        file.write(bytes([byte]))
    assert "goes on from the backup" in make_ready(db, START).notice
    assert make_ready(db, START).notice == ""
    assert len(set_aside(db)) == 1


@pytest.mark.parametrize("content", [b"", b"no database\n" * 900, bytes(8 * PAGE)])
def test_what_is_no_database_is_refused_until_somebody_restores(beginning: Path, content: bytes) -> None:
    db = beginning / "tocsin.db"
    (backup,) = backups(db)
    db.write_bytes(content)
    for _ in range(2):
        with pytest.raises(StoreError) as refusal:
            make_ready(db, START)
        assert refusal.value.hint
        assert db.read_bytes() == content
        assert not set_aside(db)
    kept = restore(db, backup, START)
    assert kept is not None
    assert (kept / db.name).read_bytes() == content
    assert make_ready(db, START).notice == ""
    assert query(db, "SELECT count(*) FROM executions") == [(40,)]
