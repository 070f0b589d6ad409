"""Databases that are locked, slow, endless, broken, or lie in the middle of an answer."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sqlite3
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from engine.model import ErrorCategory, ErrorType, Outcome
from tests.engine.workflows.mysql_server import Answer, Hold, refusing, serving_mysql, table
from tests.engine.workflows.talking import Talker, silent
from tests.faults.steps.carrying import AMPLE, BRIEF, Case, Given, Peer
from tests.faults.steps.peers import GARBAGE, behind, closing, endless

NETWORK, PERMANENT, TIMEOUT = ErrorType.NETWORK, ErrorType.PERMANENT, ErrorType.TIMEOUT
DATABASE, VALIDATION, NOT_FOUND = ErrorCategory.DATABASE, ErrorCategory.VALIDATION, ErrorCategory.NOT_FOUND
COUNT = "with recursive n(i) as (select 1 union all select i + 1 from n) select {} from n"
MANY = "the query gives over 100 rows"
TOO_MUCH = "the query gives over 16777216 bytes"
READS = "the query would do more than read, which a sql step never does"


def sql_cases() -> Iterator[Case]:
    """All of them."""
    yield from _sqlite()
    yield from _mysql()
    yield from _postgres()


def _sqlite() -> Iterator[Case]:
    def ask(
        fault: str,
        words: str,
        kind: ErrorType = PERMANENT,
        category: ErrorCategory = DATABASE,
        *,
        query: str = "select * from orders",
        prepare: Callable[[Path], contextlib.AbstractContextManager[object]] | None = None,
        outcome: Outcome = Outcome.FAILED,
        timeout: float = AMPLE,
    ) -> Case:
        peer = _file(query, prepare or contextlib.nullcontext)
        return Case("sql", f"SQLite: {fault}", (60,), peer, words, kind, category, outcome, timeout=timeout)

    locked = "/.+/shop.db: database is locked"
    yield ask("another's lock", locked, ErrorType.TRANSIENT, prepare=_locked, timeout=0.3)
    slow = "no answer from /.+/shop.db within 200 ms .query."
    yield ask("a slow query", slow, TIMEOUT, query=COUNT.format("count(*)"), timeout=BRIEF)
    yield ask("rows without end", MANY, PERMANENT, VALIDATION, query=COUNT.format("i"))
    large = "the query gives over 1048576 bytes of values|/.+: string or blob too big"
    yield ask("a value of a gigabyte", large, query="select zeroblob(1000000000)")
    yield ask("a file that is none", "/.+/shop.db: file is not a database", prepare=_scribbled)
    yield ask("a file that is torn", "/.+/shop.db: .+", prepare=_torn)
    missing = "/.+/shop.db: there is no such file"
    yield ask("no file", missing, PERMANENT, NOT_FOUND, prepare=_removed)
    wrong, ours = VALIDATION, Outcome.ERROR
    yield ask("a query that writes", READS, PERMANENT, wrong, query="delete from orders", outcome=ours)
    attach = "attach '/tmp/other.db' as other"
    yield ask("a query that opens another", READS, PERMANENT, wrong, query=attach, outcome=ours)


def _file(query: str, prepare: Callable[[Path], contextlib.AbstractContextManager[object]]) -> Peer:
    @contextlib.asynccontextmanager
    async def peer(place: Path) -> AsyncIterator[Given]:
        file = place / "shop.db"
        with contextlib.closing(sqlite3.connect(file)) as made, made:
            made.execute("create table orders (id integer, note text)")
            made.executemany("insert into orders values (?, ?)", [(n, "x" * 500) for n in range(50)])
        with prepare(file):
            yield Given({"url": f"sqlite:{file}", "query": query})

    return peer


_LOCK = """
import sqlite3, sys
other = sqlite3.connect(sys.argv[1], isolation_level=None)
other.execute("begin exclusive")
print("locked", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    """By another process: within one, SQLite keeps files open that another connection has locked."""
    command = [sys.executable, "-c", _LOCK, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        other.stdout.readline()
        yield
        other.stdin.close()


@contextlib.contextmanager
def _scribbled(file: Path) -> Iterator[None]:
    file.write_bytes(GARBAGE * 100)
    yield


@contextlib.contextmanager
def _torn(file: Path) -> Iterator[None]:
    data = bytearray(file.read_bytes())
    data[4096:] = GARBAGE[:100] * (len(data[4096:]) // 100)
    file.write_bytes(data)
    yield


@contextlib.contextmanager
def _removed(file: Path) -> Iterator[None]:
    file.unlink()
    yield


def _mysql() -> Iterator[Case]:
    def ask(
        fault: str,
        answer: Answer,
        words: str,
        kind: ErrorType = NETWORK,
        category: ErrorCategory = DATABASE,
    ) -> Case:
        timeout = BRIEF * 2 if kind is TIMEOUT else AMPLE
        peer = _serving(answer)
        return Case("sql", f"MySQL: {fault}", (60,), peer, words, kind, category, timeout=timeout)

    def numbers() -> Iterator[tuple[str]]:
        return ((str(n),) for n in itertools.count())

    def hold(query: str) -> Iterator[bytes]:
        yield from itertools.islice(table({"n": 3}, numbers()), 5)
        raise Hold

    late = "no answer from PEER within 400 ms .query."
    yield ask("silence in the middle of the rows", hold, late, TIMEOUT)
    yield ask("rows without end", lambda _: table({"n": 3}, numbers()), MANY, PERMANENT, VALIDATION)
    huge = itertools.repeat(b"x" * 0xFFFFFF)
    yield ask("a row without end", lambda _: itertools.chain([b"\1"], huge), TOO_MUCH, PERMANENT, VALIDATION)

    def leave(query: str) -> Iterator[bytes]:
        yield from itertools.islice(table({"n": 3}, numbers()), 5)
        raise ConnectionError

    yield ask("an end in the middle", leave, "PEER: the server closed the connection")
    words = "PEER does not speak MySQL as it should: .+"
    local = [b"\xfb/etc/passwd"]
    yield ask("it asks for a file", lambda _: iter(local), "PEER asks for a file of this machine .query.")
    yield ask("a table that makes no sense", lambda _: iter([b"\2", b"\xfe\xff", b"x"]), words)
    lost = refusing(1205, "Lock wait timeout exceeded")
    words = r"PEER: Lock wait timeout exceeded \(1205\)"
    yield ask("another's lock", lambda _: iter([lost]), words, ErrorType.TRANSIENT)


def _serving(answer: Answer) -> Peer:
    @contextlib.asynccontextmanager
    async def peer(place: Path) -> AsyncIterator[Given]:
        async with serving_mysql(answer) as served:
            yield Given({"url": f"mysql://u@127.0.0.1:{served.port}/d", "query": "select 1"})

    return peer


def _postgres() -> Iterator[Case]:
    def ask(
        fault: str,
        then: Talker,
        words: str,
        kind: ErrorType = NETWORK,
        category: ErrorCategory = DATABASE,
    ) -> Case:
        timeout = BRIEF * 2 if kind is TIMEOUT else AMPLE
        peer = behind(_ready(then), lambda at: {"url": f"postgresql://u@{at}/d", "query": "select 1"})
        return Case("sql", f"PostgreSQL: {fault}", (60,), peer, words, kind, category, timeout=timeout)

    late = "no answer from PEER within 400 ms .query."
    yield ask("silence after the login", silent, late, TIMEOUT)
    closed = "PEER: server closed the connection unexpectedly"
    yield ask("an end after the login", closing, closed)
    huge = b"D" + struct.pack("!i", 0x3FFFFFFF)
    row = _after(huge, endless(b"x" * 65_536))
    yield ask("a row without end", row, TOO_MUCH, PERMANENT, VALIDATION)
    strange = "PEER does not speak PostgreSQL as it should: .+ .query."
    yield ask("garbage after the login", _after(GARBAGE, silent), strange)
    shutting = b"SFATAL\0C57P01\0Mterminating connection\0\0"
    error = b"E" + struct.pack("!i", len(shutting) + 4) + shutting
    words = r"PEER: terminating connection \(57P01\)"
    yield ask("it shuts down", _after(error, closing), words, ErrorType.TRANSIENT)


def _ready(then: Talker) -> Talker:
    """Lets everybody in, then goes on as said."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = struct.unpack("!i", await reader.readexactly(4))[0]
        await reader.readexactly(size - 4)
        writer.write(b"R" + struct.pack("!ii", 8, 0) + b"Z" + struct.pack("!ic", 5, b"I"))
        await then(reader, writer)

    return talk


def _after(data: bytes, then: Talker) -> Talker:
    """Says this to the first query, then goes on."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        writer.write(data)
        await then(reader, writer)

    return talk
