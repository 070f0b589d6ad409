"""Files that other programs write to, followed into the store: real files, a real store."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import threading
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from engine.clock import VirtualClock, settle
from engine.config.sources import SourceSpec
from engine.errors import StoreError
from engine.model import LogRecord
from engine.sources import tailing
from engine.sources.growing import GrowingFile
from engine.sources.tailing import LEAVING, Tailer
from engine.store.store import Store

START = 1_700_000_000.0


class Stand:
    """A store and one source over files in a directory."""

    def __init__(self, store: Store, clock: VirtualClock, place: Path) -> None:
        self.store = store
        self.clock = clock
        self.place = place
        self.warnings: list[str] = []
        self.tailer: Tailer | None = None

    async def start(self, **spec: Any) -> Tailer:
        """A source as after a start of the engine."""
        if self.tailer is not None:
            self.tailer.close()
        said = SourceSpec.model_validate({"id": "app", "files": "*.log", **spec})
        known = await self.store.reader.source_files()
        self.tailer = Tailer(said, self.place, self.clock, known, self.store.writer.must, self._log)
        await self.tailer.look()
        return self.tailer

    async def look(self, seconds: float = 1.0) -> None:
        assert self.tailer is not None
        await self.clock.advance(seconds)
        await self.tailer.look()

    async def lines(self) -> list[str]:
        """What is stored, oldest first."""
        page = await self.store.reader.logs("source:app", limit=10_000)
        return [record.message for record in reversed(page.records)]

    def write(self, name: str, text: str | bytes) -> None:
        with (self.place / name).open("ab") as file:
            file.write(text if isinstance(text, bytes) else text.encode())

    def _log(self, record: LogRecord) -> None:
        self.warnings.append(record.message)


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    clock = VirtualClock(START)
    store = await Store.open(tmp_path / "state" / "tocsin.db", clock)
    place = tmp_path / "logs"
    place.mkdir()
    stand = Stand(store, clock, place)
    yield stand
    if stand.tailer is not None:
        stand.tailer.close()
    await store.close()


async def test_lines_come_as_they_are_completed(stand: Stand) -> None:
    stand.write("a.log", "before\n")
    await stand.start()
    stand.write("a.log", "one\n\ntwo\nhal")
    await stand.look()
    assert await stand.lines() == ["one", "two"]
    stand.write("a.log", "f\r\n")
    await stand.look()
    stand.write("b.log", "of a new file\n")
    await stand.look()
    assert await stand.lines() == ["one", "two", "half", "of a new file"]


async def test_a_source_may_begin_at_the_start(stand: Stand) -> None:
    stand.write("a.log", "before\n")
    await stand.start(begin="start")
    assert await stand.lines() == ["before"]


async def test_nothing_is_lost_or_told_twice_over_a_restart_and_a_rotation(stand: Stand) -> None:
    stand.write("a.log", "")
    await stand.start()
    stand.write("a.log", "1\n2\nthr")
    await stand.look()
    stand.write("a.log", "ee\n")
    # While nobody looks the file gets another name, which the pattern does not have, and a successor.
    (stand.place / "a.log").rename(stand.place / "a.log.1")
    stand.write("a.log", "4\n")
    await stand.start()
    assert sorted(await stand.lines()) == ["1", "2", "4", "three"]
    await stand.start()
    assert len(await stand.lines()) == 4


async def test_a_renamed_file_is_read_to_its_end(stand: Stand) -> None:
    stand.write("a.log", "")
    await stand.start()
    stand.write("a.log", "1\n")
    (stand.place / "a.log").rename(stand.place / "a.log.1")
    stand.write("a.log", "2\n")
    await stand.look()
    stand.write("a.log.1", "late\nwithout an end")
    await stand.look()
    assert sorted(await stand.lines()) == ["1", "2", "late"]
    await stand.look(LEAVING)
    assert sorted(await stand.lines()) == ["1", "2", "late", "without an end"]
    assert len(os.listdir("/proc/self/fd")) < 100


async def test_a_renamed_file_that_still_fits_is_the_same(stand: Stand) -> None:
    stand.write("a.log", "")
    await stand.start(files=["*.log*"])
    stand.write("a.log", "1\n")
    await stand.look()
    (stand.place / "a.log").rename(stand.place / "a.log.1")
    stand.write("a.log", "2\n")
    await stand.look()
    await stand.look(2 * LEAVING)
    stand.write("a.log.1", "3\n")
    await stand.look()
    assert await stand.lines() == ["1", "2", "3"]


async def test_a_file_that_was_cut_short_is_read_anew(stand: Stand) -> None:
    stand.write("a.log", "")
    await stand.start()
    stand.write("a.log", "a long first line\n")
    await stand.look()
    os.truncate(stand.place / "a.log", 0)
    stand.write("a.log", "new\n")
    await stand.look()
    assert await stand.lines() == ["a long first line", "new"]
    assert stand.warnings == [f"source app: {stand.place}/a.log was cut short and is read anew"]


async def test_hostile_bytes_are_stored_tame(stand: Stand) -> None:
    await stand.start()
    stand.write("a.log", b"\xff\xfe \0 \x1b]52;c;x\x07 \xed\xa0\x80 end\n")
    stand.write("b.log", b"fine\n")
    await stand.look()
    hostile, fine = await stand.lines()
    assert hostile.endswith(" end")
    assert "␀" in hostile
    assert not {"\0", "\x1b"} & set(hostile)
    assert fine == "fine"
    assert (await stand.store.reader.logs("source:app end")).records


async def test_a_line_of_ten_megabytes_is_cut_and_its_length_told(stand: Stand) -> None:
    await stand.start()
    for _ in range(10):
        stand.write("a.log", b"x" * 1_000_000)
        await stand.look()
    assert await stand.lines() == []
    stand.write("a.log", b"\nnext\n")
    await stand.look()
    page = await stand.store.reader.logs("source:app")
    following, long = page.records
    assert following.message == "next"
    assert len(long.message) < 5_000
    assert long.fields["bytes"] == 10_000_000


def test_a_line_without_an_end_takes_no_room(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"x" * 20_000_000)
    file = GrowingFile(path)
    tracemalloc.start()
    try:
        assert list(file.lines(10)) == []
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
        file.close()


async def test_more_than_is_allowed_waits_and_the_oldest_are_left_out(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tailing, "MOST_WAITING", 4_000)
    tailer = await stand.start(max_rate=10)
    await stand.look(10.0)
    stand.write("a.log", "".join(f"line {n:04}\n" for n in range(100)))
    await stand.look()
    assert await stand.lines() == [f"line {n:04}" for n in range(20)]
    await stand.look()
    assert len(await stand.lines()) == 30
    stand.write("a.log", "".join(f"line {n:04}\n" for n in range(100, 1_000)))
    await stand.look()
    seen = await stand.lines()
    left_out = 1_000 - 200 - len(seen)
    assert seen == [f"line {n:04}" for n in range(40)]
    assert tailer.dropped == left_out
    await stand.look()
    assert (await stand.lines())[-10:] == [f"line {n:04}" for n in range(800, 810)]
    assert stand.warnings[-1].startswith(f"source app: {left_out} lines of")


async def test_what_cannot_be_stored_is_read_again(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    tailer = await stand.start()

    async def refuse(*_: object) -> None:
        raise StoreError("the disk is full")

    stand.write("a.log", "kept\n")
    monkeypatch.setattr(tailer, "_store", refuse)
    await stand.look()
    monkeypatch.setattr(tailer, "_store", stand.store.writer.must)
    await stand.look()
    assert await stand.lines() == ["kept"]


async def test_a_file_that_fails_is_read_on_when_it_works_again(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stand.start()
    stand.write("a.log", "one\n")
    await stand.look()
    stand.write("a.log", "two\n")
    stand.write("b.log", "another\n")

    def fail(file: int, count: int, offset: int) -> bytes:
        if offset:
            raise OSError(errno.EIO, "Input/output error")
        return pread(file, count, offset)

    pread = os.pread
    with monkeypatch.context() as broken:
        broken.setattr(os, "pread", fail)
        await stand.look()
        await stand.look()
    assert await stand.lines() == ["one"]
    assert len([each for each in stand.warnings if "Input/output error" in each]) == 2
    await stand.look()
    assert sorted(await stand.lines()) == ["another", "one", "two"]


async def test_json_lines_and_places_that_are_no_files(stand: Stand) -> None:
    os.mkfifo(stand.place / "pipe.log")
    (stand.place / "directory.log").mkdir()
    await stand.start(format="json", fields={"message": "what"})
    stand.write("a.log", json.dumps({"what": "hello", "n": 1}) + "\n")
    await stand.look()
    (record,) = (await stand.store.reader.logs("hello")).records
    assert (record.message, record.fields, record.source) == ("hello", {"n": 1}, "app")


async def test_what_cannot_be_read_is_said_once(stand: Stand) -> None:
    await stand.start(files=["nothing.log"])
    await stand.look()
    assert stand.warnings == ["source app: no file is called nothing.log yet"]


async def test_a_noisy_file_does_not_starve_another(stand: Stand) -> None:
    await stand.start(max_rate=10)
    stand.write("a.log", "noise\n" * 1_000)
    stand.write("b.log", "word\n")
    for _ in range(3):
        await stand.look()
    assert "word" in await stand.lines()


async def test_a_file_that_is_opened_after_the_source_has_ended_is_closed(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, let, closed = threading.Event(), threading.Event(), threading.Event()

    class Slow(GrowingFile):
        def __init__(self, *args: Any) -> None:
            begun.set()
            assert let.wait(30)
            super().__init__(*args)

        def close(self) -> None:
            super().close()
            closed.set()

    await stand.start()
    stand.write("a.log", "")
    monkeypatch.setattr(tailing, "GrowingFile", Slow)
    assert stand.tailer is not None
    looking = asyncio.create_task(stand.tailer.look())
    while not begun.is_set():
        await settle(1)
    looking.cancel()
    await asyncio.wait({looking})
    stand.tailer.close()
    let.set()
    assert await asyncio.to_thread(closed.wait, 30)


async def test_a_name_that_goes_to_another_file_while_it_is_opened_tells_nothing_twice(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Replaced(GrowingFile):
        def __init__(self, path: Path, offset: int = 0) -> None:
            monkeypatch.undo()
            path.rename(stand.place / "c.log")
            (stand.place / "b.log").rename(path)
            super().__init__(path, offset)

    stand.write("b.log", "first\n")
    await stand.start(begin="start")
    stand.write("a.log", "second\n")
    monkeypatch.setattr(tailing, "GrowingFile", Replaced)
    await stand.look()
    await stand.look()
    assert await stand.lines() == ["first", "second"]
