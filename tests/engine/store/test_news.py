"""What is heard of a database by looking at it from outside."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.model import Topic
from engine.store import news as news_module
from engine.store.lock import InstanceLock
from engine.store.news import FileNews
from engine.store.store import Store
from tests.engine.store import samples

DEADLINE = 10.0
ALL = frozenset(Topic)


@pytest.fixture(autouse=True)
def run_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))


@pytest.fixture
def news(store: Store, db: Path) -> Iterator[FileNews]:
    news = FileNews(db, lambda topics: None)
    news.look()
    yield news
    news.close()


async def test_what_nobody_wrote_is_no_news(news: FileNews) -> None:
    assert news.look() == frozenset()


@pytest.mark.parametrize(
    ("rows", "topics"),
    [
        ([samples.recording(1)], {Topic.EXECUTIONS, Topic.LOGS}),
        ([samples.log("one")], {Topic.LOGS}),
        ([samples.alert(1)], {Topic.ALERTS}),
        ([samples.notification(1)], {Topic.NOTIFICATIONS}),
        ([samples.health_check()], {Topic.HEALTH}),
        ([samples.cursor()], {Topic.ENGINE}),
    ],
)
async def test_what_was_written_is_told_once(
    store: Store, news: FileNews, rows: list[Any], topics: set[Topic]
) -> None:
    await store.writer.must(*rows)
    assert news.look() == topics
    assert news.look() == frozenset()


async def test_rows_that_change_are_told(store: Store, news: FileNews) -> None:
    firing = samples.alert(1)
    await store.writer.must(firing)
    news.look()
    await store.writer.must(replace(firing, last_true_at=firing.last_true_at + 30))
    assert news.look() == {Topic.ALERTS}


async def test_an_engine_that_begins_and_ends_is_news_of_everything(news: FileNews, db: Path) -> None:
    lock = InstanceLock(db)
    lock.acquire()
    assert news.look() == ALL
    assert news.look() == frozenset()
    lock.release()
    assert news.look() == ALL


async def test_a_file_that_is_replaced_removed_and_back_is_followed(
    store: Store, news: FileNews, db: Path
) -> None:
    await store.writer.must(samples.recording(1))
    news.look()
    aside = db.with_name("aside.db")
    with (
        contextlib.closing(sqlite3.connect(db)) as source,
        contextlib.closing(sqlite3.connect(aside)) as copy,
    ):
        source.backup(copy)
    await store.close()
    os.unlink(db)
    assert news.look() == ALL
    assert news.look() == frozenset(), "that it is not there was told"
    os.rename(aside, db)
    assert news.look() == ALL
    assert news.look() == frozenset()


async def test_it_looks_by_itself_until_closed(
    store: Store, db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news_module, "INTERVAL", 0.01)
    heard: list[frozenset[Topic]] = []
    told = threading.Event()

    def tell(topics: frozenset[Topic]) -> None:
        heard.append(topics)
        told.set()

    news = FileNews(db, tell)
    news.start()
    await store.writer.must(samples.log("one"))
    assert told.wait(DEADLINE)
    news.close()
    news.close()
    assert heard == [{Topic.LOGS}]
    assert "tocsin-news" not in {thread.name for thread in threading.enumerate()}
