"""Places that may only be read, for a user who is not root: whatever would write says so in a sentence."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.store.backup import copy
from tests.faults.store.files import filled, leave_unfinished, lines_in, set_aside

NOBODY = 65_534
ACT = f"""
import asyncio, json, os, sys
from pathlib import Path
from engine.attached import FileClient
from engine.errors import TocsinError
from engine.store.backup import back_up, begin_anew, copy, restore
from engine.store.incident import extract, is_record
from engine.store.opening import make_ready
from engine.store.upkeep import vacuum
from engine.store.lock import InstanceLock

place, elsewhere = Path(sys.argv[1]), Path(sys.argv[2])
db, backup, sealed = place / "tocsin.db", place / "copy.db", place / "sealed.db"

async def read():
    client = await FileClient.open(db)
    try:
        return len((await client.logs(limit=1_000)).records)
    finally:
        client.close()

acts = {{
    "start": lambda: make_ready(db, 1.0),
    "lock": lambda: InstanceLock(db).acquire(),
    "read": lambda: asyncio.run(read()),
    "back up": lambda: back_up(db, 1.0),
    "copy": lambda: copy(db, place / "another.db"),
    "copy elsewhere": lambda: copy(backup, elsewhere / "copy.db"),
    "copy of what is not ours to read": lambda: copy(sealed, elsewhere / "sealed.db"),
    "restore": lambda: restore(db, backup, 1.0),
    "begin anew": lambda: begin_anew(db, 1.0),
    "incident": lambda: extract(db, 7, place / "seven.db", 1.0),
    "vacuum": lambda: vacuum(db),
    "is it a record": lambda: is_record(sealed),
}}
# Loads what comes late: the library may lie where nobody cannot read it.
asyncio.run(asyncio.to_thread(int))
if os.getuid() == 0:
    os.setgid({NOBODY})
    os.setuid({NOBODY})
told = {{}}
for name, act in acts.items():
    try:
        told[name] = ["done", str(act())]
    except TocsinError as error:
        told[name] = [error.message, error.hint]
print(json.dumps(told))
"""
WRITES = ("start", "back up", "copy", "restore", "begin anew", "incident", "vacuum")


@pytest.fixture
def place() -> Iterator[Path]:
    # Not under tmp_path, whose parents only their owner may enter.
    place = Path(tempfile.mkdtemp(prefix="tocsin-"))
    filled(place / "tocsin.db", 20)
    copy(place / "tocsin.db", place / "copy.db")
    copy(place / "tocsin.db", place / "sealed.db")
    for name, mode in (("tocsin.db", 0o444), ("copy.db", 0o444), ("sealed.db", 0o000)):
        (place / name).chmod(mode)
    yield place
    place.chmod(0o755)
    shutil.rmtree(place)


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    elsewhere = Path(tempfile.mkdtemp(prefix="tocsin-"))
    elsewhere.chmod(0o777)
    yield elsewhere
    shutil.rmtree(elsewhere)


def act(place: Path, elsewhere: Path) -> dict[str, list[str]]:
    command = [sys.executable, "-c", ACT, str(place), str(elsewhere)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert result.stderr == ""
    told: dict[str, list[str]] = json.loads(result.stdout)
    return told


def assert_told(told: dict[str, list[str]], names: tuple[str, ...], place: Path) -> None:
    for name in names:
        message, hint = told[name]
        assert str(place) in message, (name, message)
        assert hint, (name, message)


@pytest.mark.parametrize("unfinished", [False, True])
def test_a_directory_that_may_only_be_read(place: Path, elsewhere: Path, unfinished: bool) -> None:
    if unfinished:
        leave_unfinished(place / "tocsin.db")
    before = sorted(os.listdir(place))
    place.chmod(0o555)
    told = act(place, elsewhere)
    assert_told(told, (*WRITES, "lock", "read", "copy of what is not ours to read"), place)
    assert told["copy elsewhere"][0] == told["is it a record"][0] == "done"
    assert os.listdir(elsewhere) == ["copy.db"]
    assert sorted(os.listdir(place)) == before


def test_a_file_that_may_only_be_read(place: Path, elsewhere: Path) -> None:
    place.chmod(0o777)
    told = act(place, elsewhere)
    # Linux lets nobody give the file of another a second name.
    assert_told(told, ("start", "read", "back up", "restore", "begin anew"), place)
    assert lines_in(place / "tocsin.db") == 20
    assert not set_aside(place / "tocsin.db")
