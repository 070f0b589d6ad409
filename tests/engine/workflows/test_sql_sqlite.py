import asyncio
import os
import sqlite3
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from engine.clock import SystemClock
from engine.model import ErrorCategory, ErrorType, Scalar
from engine.workflows.steps import sql
from engine.workflows.steps.base import CheckError, Reply, StepError
from engine.workflows.steps.sql import SQL_FIELDS, SqlSpec, SqlStep
from engine.workflows.steps.sql_common import parse_place, with_markers
from engine.workflows.templates import render_spec
from tests.engine.workflows.children import context, nothing_left
from tests.engine.workflows.examples import example_of

ENDLESS = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"


@pytest.fixture
async def step() -> AsyncIterator[SqlStep]:
    made = SqlStep(SystemClock())
    yield made
    await made.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "shop's orders?.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("create table orders (id integer primary key, state text, price real, note blob)")
        rows = [("waiting", 9.5, b"\xff\x00"), ("waiting", 1.25, None), ("sent", 3.0, None)]
        connection.executemany("insert into orders (state, price, note) values (?, ?, ?)", rows)
    return path


async def ask(step: SqlStep, file: Path, query: str, timeout: float = 5.0, **spec: Any) -> Reply:
    made = SqlSpec.model_validate({"url": f"sqlite:{file}", "query": query, **spec})
    return await step.run(made, context(timeout))


async def refusal(step: SqlStep, file: Path, query: str, timeout: float = 5.0, **spec: Any) -> StepError:
    with nothing_left(), pytest.raises(StepError) as caught:
        await ask(step, file, query, timeout, **spec)
    return caught.value


def everything_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_example_is_a_step() -> None:
    assert example_of(sql).kind == "sql"


async def test_rows_are_a_reply(step: SqlStep, file: Path) -> None:
    query = "select id, price, note from orders where state = :state order by id"
    with nothing_left():
        reply = await ask(step, file, query, params={"state": "waiting"})
    assert reply.fields.keys() <= SQL_FIELDS
    assert reply.fields["rows"] == [
        {"id": 1, "price": 9.5, "note": "ff00"},
        {"id": 2, "price": 1.25, "note": None},
    ]
    assert (reply.fields["row"]["id"], reply.fields["value"], reply.fields["row_count"]) == (1, 1, 2)
    assert reply.attributes["db.response.returned_rows"] == 2
    assert reply.phases.transfer is not None


async def test_nothing_found_is_an_answer(step: SqlStep, file: Path) -> None:
    reply = await ask(step, file, "select * from orders where id = 99")
    assert (reply.fields["rows"], reply.fields["row"], reply.fields["value"]) == ([], None, None)


async def test_values_of_placeholders_are_parameters(step: SqlStep, file: Path) -> None:
    spec = SqlSpec.model_validate(
        {
            "url": "sqlite:{{ env.file }}",
            "query": "select count(*) from orders where id > :least and state != :state",
            "params": {"least": "{{ env.least }}", "state": "{{ env.evil }}"},
        }
    )
    scope: dict[str, dict[str, Scalar]] = {
        "env": {"file": str(file), "least": 1, "evil": "' or 1=1; drop table orders --"}
    }
    reply = await step.run(render_spec(spec, scope), context())
    assert reply.fields["value"] == 2


@pytest.mark.parametrize(
    "query",
    [
        "delete from orders",
        "insert into orders (id) values (9)",
        "create table t (x)",
        "drop table orders",
        "attach 'file:other.db?mode=rwc' as other",
        "vacuum into 'copy.db'",
        "pragma query_only = 0",
        "pragma journal_mode = delete",
        "begin immediate",
    ],
)
async def test_a_query_reads_and_nothing_else(step: SqlStep, file: Path, query: str) -> None:
    before = everything_in(file.parent)
    error = await refusal(step, file, query)
    assert isinstance(error, CheckError)
    assert error.failure.message == "the query would do more than read, which a sql step never does"
    assert everything_in(file.parent) == before


async def test_what_tells_about_the_file_may_be_asked(step: SqlStep, file: Path) -> None:
    reply = await ask(step, file, "pragma integrity_check")
    assert reply.fields["value"] == "ok"


@pytest.mark.parametrize(
    ("query", "params", "words"),
    [
        (
            "select 1; select 2",
            {},
            "the query cannot be asked: You can only execute one statement at a time.",
        ),
        ("select :a", {}, "the query cannot be asked: You did not supply a value for binding"),
        ("select :a", {"a": 2**70}, "the query cannot be asked: "),
        ("select 1\0", {}, "the query cannot be asked: "),
    ],
)
async def test_a_query_that_cannot_be_asked_is_the_checks_own_fault(
    step: SqlStep, file: Path, query: str, params: dict[str, Any], words: str
) -> None:
    error = await refusal(step, file, query, params=params)
    assert isinstance(error, CheckError)
    assert error.failure.message.startswith(words)


async def test_a_query_that_fails_is_told_with_the_file(step: SqlStep, file: Path, tmp_path: Path) -> None:
    table = await refusal(step, file, "select * from nosuch")
    assert table.failure.message == f"{file}: no such table: nosuch"
    assert (table.failure.type, table.failure.category) == (ErrorType.PERMANENT, ErrorCategory.DATABASE)
    missing = await refusal(step, tmp_path / "none.db", "select 1")
    assert missing.failure.message == f"{tmp_path}/none.db: there is no such file"
    assert not (tmp_path / "none.db").exists()
    text = tmp_path / "text.db"
    text.write_text("no database at all, but long enough to be looked at" * 50)
    assert (await refusal(step, text, "select * from t")).failure.message == f"{text}: file is not a database"
    folder = await refusal(step, tmp_path, "select 1")
    assert folder.failure.message == f"{tmp_path}: this is a directory, not a file"
    os.mkfifo(tmp_path / "pipe")
    pipe = await refusal(step, tmp_path / "pipe", "select 1")
    assert pipe.failure.message == f"{tmp_path}/pipe: this is a pipe, not a file"
    assert (await refusal(step, Path(os.devnull), "select 1")).failure.message.endswith(
        "this is a device, not a file"
    )


async def test_rows_and_bytes_have_a_bound(step: SqlStep, file: Path) -> None:
    million = ENDLESS.replace("count(*) from n", "i from n")
    rows = await refusal(step, file, million, max_rows=50)
    assert rows.failure.message == "the query gives over 50 rows"
    assert (await ask(step, file, f"{million} limit 50", max_rows=50)).fields["row_count"] == 50
    cell = await refusal(step, file, "select zeroblob(300000000)")
    assert cell.failure.message == f"{file}: string or blob too big"
    many = await refusal(step, file, f"{million.replace('select i', 'select zeroblob(500000)')} limit 10")
    assert many.failure.message == "the query gives over 1048576 bytes of values"


async def test_a_slow_query_is_stopped(step: SqlStep, file: Path) -> None:
    began = time.monotonic()
    error = await refusal(step, file, ENDLESS, 0.2)
    assert error.failure.message == f"no answer from {file} within 200 ms (query)"
    assert error.failure.type is ErrorType.TIMEOUT
    assert time.monotonic() - began < 10


async def test_a_locked_file_is_worth_another_try(step: SqlStep, file: Path) -> None:
    # SQLite keeps a file open as long as a lock in the same process is.
    with nothing_left(), closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("begin exclusive")
        with pytest.raises(StepError) as caught:
            await ask(step, file, "select * from orders", 1.0)
        other.execute("rollback")
    error = caught.value
    assert error.failure.message == f"{file}: database is locked"
    assert error.failure.type is ErrorType.TRANSIENT


async def test_a_writer_ahead_in_its_log_is_read_beside(step: SqlStep, file: Path) -> None:
    with closing(sqlite3.connect(file)) as other:
        other.execute("pragma journal_mode = wal")
        other.execute("delete from orders")
        assert (await ask(step, file, "select count(*) from orders")).fields["value"] == 3
        other.commit()
        assert (await ask(step, file, "select count(*) from orders")).fields["value"] == 0


async def test_cancelling_stops_the_query(step: SqlStep, file: Path) -> None:
    with nothing_left():
        task = asyncio.ensure_future(ask(step, file, ENDLESS))
        for _ in range(10):
            await asyncio.sleep(0)
        assert "blocking step" in [thread.name for thread in threading.enumerate()]
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        del task


async def test_many_at_once(step: SqlStep, file: Path) -> None:
    with nothing_left():
        replies = await asyncio.gather(*(ask(step, file, f"select {n}") for n in range(100)))
    assert [reply.fields["value"] for reply in replies] == list(range(100))


@pytest.mark.parametrize(
    ("url", "driver", "extra"),
    [
        ("postgresql://u@127.0.0.1:9/d", "psycopg", "tocsin[postgres]"),
        ("mysql://u@127.0.0.1:9/d", "pymysql", "tocsin[mysql]"),
    ],
)
async def test_a_driver_that_is_not_installed_is_named(
    step: SqlStep, monkeypatch: pytest.MonkeyPatch, url: str, driver: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, driver, None)
    with pytest.raises(CheckError) as caught:
        await step.run(SqlSpec.model_validate({"url": url, "query": "select 1"}), context())
    assert f"`pip install {extra}`" in caught.value.failure.message


def test_the_target_is_the_database(file: Path) -> None:
    async def check() -> None:
        step = SqlStep(SystemClock())
        spec = SqlSpec.model_validate({"url": "postgresql://u:p%40ss@db.example/shop", "query": "select 1"})
        assert step.target(spec) == "postgres://db.example:5432/shop"
        await step.close()

    asyncio.run(check())


@pytest.mark.parametrize(
    "spec",
    [
        {"url": "sqlite:"},
        {"url": "sqlite::memory:"},
        {"url": "oracle://h/d"},
        {"url": "postgresql:/db"},
        {"url": "postgresql://h/d?options=x"},
        {"url": "postgresql://h:99999/d"},
        {"query": "select {{ env.table }}"},
        {"query": ""},
        {"params": {"a": [1]}},
        {"params": {"a b": 1}},
        {"params": [1]},
        {"max_rows": 0},
        {"ca": "x.pem"},
        {"tls": True, "key": "x.pem"},
    ],
)
def test_what_a_step_may_not_say(spec: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SqlSpec.model_validate({"url": "sqlite:/x.db", "query": "select 1", **spec})


def test_places() -> None:
    place = parse_place("mysql://u%40x:p%2Fw@[::1]:3307/shop", password="other")
    assert (place.host, place.port, place.user, place.password) == ("::1", 3307, "u@x", "other")
    assert "other" not in repr(place)
    assert parse_place("sqlite:///var/x.db").database == "/var/x.db"
    assert parse_place("sqlite:x.db").database == "x.db"


@pytest.mark.parametrize(
    ("kind", "text", "written"),
    [
        ("postgres", "select :a, ':a', \":a\", 5 % 2", "select %(a)s, ':a', \":a\", 5 %% 2"),
        ("postgres", "select x::a, arr[1:b] -- :a\n/* :a */", "select x::a, arr[1:b] -- :a\n/* :a */"),
        (
            "postgres",
            "select $q$ :a % $q$, E'\\':a', '\\', :a",
            "select $q$ :a %% $q$, E'\\':a', '\\', %(a)s",
        ),
        ("mysql", "select '\\':a', `:a`, :a # :a", "select '\\':a', `:a`, %(a)s # :a"),
    ],
)
def test_parameters_are_marked_outside_of_texts(kind: str, text: str, written: str) -> None:
    assert with_markers(text, {"a": 1}, kind) == written
    assert with_markers(text, {}, kind) == text


@given(st.text("':\"$a%-/*\\E\n "), st.sampled_from(["postgres", "mysql"]))
def test_marking_changes_nothing_but_marks(text: str, kind: str) -> None:
    marked = with_markers(text, {"a": 1}, kind)
    assert marked.replace("%(a)s", ":a").replace("%%", "%") == text
