"""Whatever is typed into a search is answered or explained."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import QueryError
from engine.store.highlight import hits
from engine.store.search import LogQuery, parse
from tests.engine.store.samples import START

STRINGS = int(os.environ.get("TOCSIN_FUZZ_STRINGS", "4000"))
"""How many searches are made up by the grammar; 100,000 take about 10 s."""

NAMES = ("level", "workflow", "trace", "span", "execution", "source", "since", "until", "col", "LEVEL")
VALUES = (
    "error", "warning+", "loud", "user-login", "1h", "1h30m", "today", "yesterday", "03:00", "2026-11-21",
    "2026-02-30", "42", "#42", "abcdef01", "ab" * 16, "0" * 16, "9" * 30, "²", "", '"', '"a b"', "9999-12-31",
)  # fmt: skip
PIECES = (
    '"', "*", "-", "/", "\\/", "(", ")", "{", "}", "^", "+", ":", "'", "NOT", "AND", "NEAR(", " ", "  ", "\t",
    "\n", "\0", "\ud800", "\x02", "é", "ß", "日本", "🚨", "\u0301", "\ue000", "a", "b*", '"a b"', "10.0.0.1",
    "/a+/", "/(a/", "/a/i", "/a{1001}/", r"/\pN/", r"/\C/", "-/b/", "o'brien", "%", "_", ";", "--",
)  # fmt: skip
LINES = ("a b", "10.0.0.1 refused", "日本 é ß 🚨 \ue000", "o'brien aab")


@pytest.fixture(scope="module")
def index() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE logs (id INTEGER PRIMARY KEY, message TEXT, workflow_id TEXT)")
        connection.execute(
            "CREATE VIRTUAL TABLE logs_fts USING fts5 (message, workflow_id, content = 'logs',"
            " content_rowid = 'id', columnsize = 0, tokenize = 'unicode61 remove_diacritics 2')"
        )
        connection.executemany("INSERT INTO logs (message, workflow_id) VALUES (?, 'user-login')", zip(LINES))
        connection.execute("INSERT INTO logs_fts (logs_fts) VALUES ('rebuild')")
        yield connection


def check(index: sqlite3.Connection, query: str) -> LogQuery | None:
    """Parsed and asked, or refused with a hint; anything else raises."""
    refusal: QueryError | None = None
    try:
        asked = parse(query, START)
    except QueryError as error:
        refusal = error
    if refusal is not None:
        assert refusal.hint.strip()
        return None
    for expression in (asked.match, asked.exclude, " OR ".join(asked.phrases)):
        if expression:
            index.execute("SELECT rowid FROM logs_fts WHERE logs_fts MATCH ?", (expression,)).fetchall()
    asked.accepts(LINES[1])
    return asked


def made_up(rng: random.Random) -> str:
    """A search that looks like one, more or less."""
    parts = []
    for _ in range(rng.randrange(1, 9)):
        kind = rng.random()
        if kind < 0.3:
            parts.append(f"{rng.choice(('', '', '-'))}{rng.choice(NAMES)}:{rng.choice(VALUES)}")
        elif kind < 0.9:
            parts.append(rng.choice(PIECES))
        else:
            parts.append(
                "".join(chr(rng.choice((rng.randrange(128), rng.randrange(0x11000)))) for _ in range(5))
            )
    return rng.choice(("", " ")).join(parts)


def test_made_up_searches(index: sqlite3.Connection) -> None:
    rng = random.Random(7)
    asked = [check(index, made_up(rng)) for _ in range(STRINGS)]
    # Neither all answered nor all refused: the grammar goes both ways.
    assert 0.2 < sum(query is not None for query in asked) / STRINGS < 0.8


@settings(
    max_examples=min(STRINGS // 10, 10_000),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(query=st.text(max_size=80))
def test_any_text(index: sqlite3.Connection, query: str) -> None:
    asked = check(index, query)
    if asked is not None:
        hits(query, asked)
