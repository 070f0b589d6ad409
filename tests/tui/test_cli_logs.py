"""`tocsin logs`: what is found, how much of it, and what comes next."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from engine.clock import VirtualClock
from engine.model import LogLevel, LogPage, LogRecord
from engine.store.store import Store
from tui.commands import logs

START = 1_700_000_000.0


def line(message: str, at: float, **more: Any) -> LogRecord:
    return LogRecord(at, more.pop("level", LogLevel.INFO), message, **more)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START)


@pytest.fixture
def db(tmp_path: Path) -> Path:
    path = tmp_path / "state" / "some.db"

    async def fill() -> None:
        now = time.time()
        store = await Store.open(path, VirtualClock(now))
        await store.writer.must(
            line("réfused by peer", now - 90, level=LogLevel.ERROR, workflow_id="login"),
            line("GET / refused", now - 60, source="nginx"),
            line("all well", now - 30, source="nginx"),
        )
        await store.close()

    asyncio.run(fill())
    return path


class Asked:
    """Counts what is asked of a store."""

    def __init__(self, store: Store) -> None:
        self._reader = store.reader
        self.asked = 0

    async def logs(self, *what: Any, **more: Any) -> LogPage:
        self.asked += 1
        return await self._reader.logs(*what, **more)


def run(capsys: pytest.CaptureFixture[str], db: Path, *argv: str) -> tuple[str, str]:
    parser = argparse.ArgumentParser()
    parser.set_defaults(json=False)
    logs.arguments(parser)
    assert logs.run(parser.parse_args([*argv, "--db", str(db)])) == 0
    out, err = capsys.readouterr()
    return out, err


def test_hits_are_marked_on_a_terminal_alone(
    db: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "\x1b" not in run(capsys, db, "refused")[0]
    monkeypatch.setattr(logs, "colour", lambda: True)
    first, second = run(capsys, db, "refused")[0].splitlines()
    assert first.endswith("login  \x1b[7mréfused\x1b[0m by peer")
    assert second.endswith("nginx  GET / \x1b[7mrefused\x1b[0m")


def test_json_says_where_a_line_comes_from(db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run(capsys, db, "source:nginx", "well", "--format", "json")
    assert (json.loads(out)["source"], json.loads(out)["message"]) == ("nginx", "all well")


def test_count(db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, db, "refused", "--count")[0] == "2\n"
    counted = json.loads(run(capsys, db, "--count", "--format", "json")[0])
    assert counted == {"type": "log_count", "lines": 3, "exact": True}


def test_facets(db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [row.split()[:4] for row in run(capsys, db, "--facets")[0].splitlines()]
    assert ["level", "error", "1", "33.3"] in rows
    assert ["workflow", "login", "1", "33.3"] in rows
    assert ["source", "nginx", "2", "66.7"] in rows
    assert rows[-1][:3] == ["all", "–", "3"]
    found = [json.loads(text) for text in run(capsys, db, "--facets", "--json")[0].splitlines()]
    assert {each["kind"]: sum(each["buckets"]) for each in found if each["kind"] != "level"} == {
        "all": 3, "workflow": 1, "source": 2,
    }  # fmt: skip


def test_a_page_of_patterns_that_did_not_reach_the_end_says_so(
    db: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.store.log_search.PATTERN_CANDIDATES", 2)
    monkeypatch.setattr("engine.store.log_search._CHUNK", 2)
    out, err = run(capsys, db, "/by peer$/")
    assert (out, err) == ("", "None of the newest lines matches; add a word or since: to look at others.\n")


async def test_following_shows_each_line_once_in_order(tmp_path: Path, clock: VirtualClock) -> None:
    store = await Store.open(tmp_path / "state" / "other.db", clock)
    shown: list[str] = []

    def show(page: LogPage) -> None:
        shown.extend(record.message for record in reversed(page.records))

    await store.writer.must(*(line(f"word {n}", START) for n in range(3)))
    client = Asked(store)
    task = asyncio.create_task(logs.follow(client, "word", clock, show, limit=2))  # type: ignore[arg-type]
    try:
        async with asyncio.timeout(20):
            while len(shown) < 2:
                await store.reader.log_count()
        for first, last in ((3, 5), (5, 5), (5, 3_005)):
            words = (line(f"word {n}", START) for n in range(first, last))
            await store.writer.must(line("other", START), *words)
            asked = client.asked
            async with asyncio.timeout(20):
                while len(shown) < last - 1 or client.asked < asked + 3:
                    await clock.advance(logs.FOLLOW_INTERVAL)
                    await store.reader.log_count()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await store.close()
    assert shown == [f"word {n}" for n in range(1, 3_005)]


def test_lines_are_told_by_their_times() -> None:
    numbered = [line("late", START + 1, id=1), line("early", START, id=2), line("as early", START, id=3)]
    page = LogPage(tuple(reversed(numbered)), hits=(((0, 2),), ((0, 5),), ((0, 4),)))
    assert [(record.message, hits) for record, hits in page.in_time()] == [
        ("early", ((0, 5),)),
        ("as early", ((0, 2),)),
        ("late", ((0, 4),)),
    ]
    assert (page.oldest, page.newest) == (1, 3)
