import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from engine.clock import SystemClock
from engine.model import ErrorCategory, ErrorType
from engine.workflows.steps.base import CheckError, Reply, StepError
from engine.workflows.steps.sql import SqlSpec, SqlStep
from tests.engine.workflows.children import context, nothing_left
from tests.engine.workflows.pki import certify
from tests.engine.workflows.postgres import PASSWORD, binaries, running
from tests.engine.workflows.servers import serving


@pytest.fixture
async def step() -> AsyncIterator[SqlStep]:
    made = SqlStep(SystemClock())
    yield made
    await made.close()


async def ask(
    step: SqlStep, url: str, query: str = "select 1", *, timeout: float = 5.0, **spec: Any
) -> Reply:
    made = SqlSpec.model_validate({"url": url, "query": query, **spec})
    return await step.run(made, context(timeout))


async def refusal(
    step: SqlStep, url: str, query: str = "select 1", *, timeout: float = 5.0, **spec: Any
) -> StepError:
    with pytest.raises(StepError) as caught:
        await ask(step, url, query, timeout=timeout, **spec)
    return caught.value


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_nobody_listens(step: SqlStep) -> None:
    port = free_port()
    with nothing_left():
        error = await refusal(step, f"postgresql://u@127.0.0.1:{port}/shop")
    assert error.failure.message == f"127.0.0.1:{port}: connection refused (connect)"
    assert (error.failure.type, error.failure.category) == (ErrorType.NETWORK, ErrorCategory.DATABASE)


async def test_a_silent_server_is_not_waited_for(step: SqlStep) -> None:
    async def hold(head: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    began = time.monotonic()
    async with serving(hold) as served:
        error = await refusal(step, f"postgresql://u@127.0.0.1:{served.port}/shop", timeout=0.3)
    assert error.failure.message == f"no answer from 127.0.0.1:{served.port} within 300 ms (connect)"
    assert error.failure.type is ErrorType.TIMEOUT
    assert time.monotonic() - began < 10


async def test_a_name_that_does_not_exist(step: SqlStep) -> None:
    error = await refusal(step, "postgresql://u@nosuch.invalid/shop", timeout=3)
    assert "nosuch.invalid" in error.failure.message


if binaries() is not None:

    async def test_over_tls(step: SqlStep, tmp_path_factory: pytest.TempPathFactory) -> None:
        folder, port = tmp_path_factory.mktemp("postgres-tls"), free_port()
        authority = certify("authority", is_authority=True)
        ca = folder / "ca.pem"
        ca.write_bytes(authority.pem)
        with running(port, certify("localhost", authority, hosts=["localhost"])):
            url = f"postgresql://monitor@localhost:{port}/postgres"
            query = "select ssl from pg_stat_ssl where pid = pg_backend_pid()"
            verified = await ask(step, url, query, password=PASSWORD, tls=True, ca=str(ca))
            trusting = await ask(step, url, query, password=PASSWORD, tls=True, verify=False)
            without = await ask(step, url, query, password=PASSWORD)
            unknown = await refusal(step, url, query, password=PASSWORD, tls=True)
            other = url.replace("localhost", "127.0.0.1")
            name = await refusal(step, other, query, password=PASSWORD, tls=True, ca=str(ca))
        assert [reply.fields["value"] for reply in (verified, trusting, without)] == [True, True, False]
        words = "TLS certificate of localhost is signed by an authority that is not known (tls)"
        assert unknown.failure.message == words
        assert name.failure.message == "TLS certificate of 127.0.0.1 is for another address (tls)"
        assert unknown.failure.type is name.failure.type is ErrorType.PERMANENT

    @pytest.fixture(scope="module")
    def server() -> Iterator[str]:
        port = free_port()
        with running(port):
            url = f"postgresql://monitor@127.0.0.1:{port}/postgres"
            with psycopg.connect(url, password=PASSWORD, autocommit=True) as connection:
                connection.execute("create table orders (id serial, state text, price numeric, note bytea)")
                connection.execute("create role reader login password 'reader-secret'")
                rows = [("waiting", 9.5, b"\xff\x00"), ("waiting", 7, None), ("sent", 3, None)]
                with connection.cursor() as cursor:
                    cursor.executemany("insert into orders (state, price, note) values (%s, %s, %s)", rows)
            yield url

    def beside(url: str) -> psycopg.Connection[Any]:
        return psycopg.connect(url, password=PASSWORD, autocommit=True)

    async def test_rows_are_a_reply(step: SqlStep, server: str) -> None:
        columns = "id, price, note, 5 % 3 as rest, ':state' as s"
        query = f"select {columns} from orders where state = :state order by id"
        await ask(step, server, password=PASSWORD)
        with nothing_left():
            reply = await ask(step, server, query, password=PASSWORD, params={"state": "waiting"})
        assert reply.fields["rows"] == [
            {"id": 1, "price": 9.5, "note": "ff00", "rest": 2, "s": ":state"},
            {"id": 2, "price": 7, "note": None, "rest": 2, "s": ":state"},
        ]
        assert reply.phases.connect is not None
        assert reply.attributes["db.system.name"] == "postgresql"

    async def test_values_of_all_types(step: SqlStep, server: str) -> None:
        query = (
            "select 10::int8 as i, 'NaN'::numeric::text as n, true as t, null as z, date '2026-02-03' as d,"
            " timestamptz '2026-02-03 04:05:06+00' as ts, interval '90 s' as iv, '{1,2}'::int[] as a,"
            " '{\"k\": [1.5]}'::jsonb as j, '10.0.0.1'::inet as ip, array['x'] as texts"
        )
        row = (await ask(step, server, query, password=PASSWORD)).fields["row"]
        assert (row["i"], row["n"], row["t"], row["z"], row["d"]) == (10, "NaN", True, None, "2026-02-03")
        assert row["ts"].startswith("2026-02-03T")
        assert (row["iv"], row["a"], row["j"]) == (90.0, [1, 2], {"k": [1.5]})
        assert (row["ip"], row["texts"]) == ("10.0.0.1", ["x"])

    async def test_parameters_are_bound(step: SqlStep, server: str) -> None:
        evil = "x'; drop table orders; --"
        reply = await ask(step, server, "select :evil::text as e", password=PASSWORD, params={"evil": evil})
        assert reply.fields["value"] == evil
        assert (await ask(step, server, "select count(*) from orders", password=PASSWORD)).fields[
            "value"
        ] == 3

    async def test_no_rows_and_no_table(step: SqlStep, server: str) -> None:
        reply = await ask(step, server, "select id from orders where id > 99", password=PASSWORD)
        assert (reply.fields["rows"], reply.fields["row_count"], reply.fields["value"]) == ([], 0, None)
        shown = await ask(step, server, "show server_version", password=PASSWORD)
        assert shown.fields["row"].keys() == {"server_version"}

    @pytest.mark.parametrize(
        ("query", "words"),
        [
            ("delete from orders", "the query would do more than read"),
            ("insert into orders (state) values ('x') returning id", "the query would do more than read"),
            ("create table t (x int)", "the query would do more than read"),
            ("select nextval('orders_id_seq')", "the query would do more than read"),
            ("select 1; delete from orders", "cannot insert multiple commands"),
            ("commit; delete from orders", "cannot insert multiple commands"),
            ("set transaction read write", "the query cannot be asked: it gives no table"),
            (
                "select set_config('transaction_read_only', 'off', true), nextval('orders_id_seq')",
                "transaction read-write mode",
            ),
        ],
    )
    async def test_a_query_reads_and_nothing_else(step: SqlStep, server: str, query: str, words: str) -> None:
        with pytest.raises(StepError) as caught:
            await ask(step, server, query, password=PASSWORD)
        assert words in caught.value.failure.message
        assert isinstance(caught.value, CheckError) is words.startswith("the query")
        assert (await ask(step, server, "select count(*) from orders", password=PASSWORD)).fields[
            "value"
        ] == 3

    @pytest.mark.parametrize(
        ("query", "words", "kind", "category"),
        [
            ("selec 1", 'syntax error at or near "selec" (42601)', "PERMANENT", "validation"),
            ("select * from nosuch", 'relation "nosuch" does not exist (42P01)', "PERMANENT", "not_found"),
            ("select 1/0", "division by zero (22012)", "PERMANENT", "validation"),
            (
                "select pg_terminate_backend(pg_backend_pid())",
                "terminating connection",
                "TRANSIENT",
                "database",
            ),
        ],
    )
    async def test_a_refused_query_is_a_failure_in_words(
        step: SqlStep, server: str, query: str, words: str, kind: str, category: str
    ) -> None:
        with nothing_left():
            error = await refusal(step, server, query, password=PASSWORD)
        assert words in error.failure.message
        assert (error.failure.type, error.failure.category) == (ErrorType(kind), ErrorCategory(category))

    async def test_who_may_not_enter(step: SqlStep, server: str) -> None:
        error = await refusal(step, server, password="wrong")
        assert error.failure.message.endswith('password authentication failed for user "monitor" (connect)')
        assert error.failure.category is ErrorCategory.AUTHENTICATION
        other = await refusal(step, server.replace("/postgres", "/nosuch"), password=PASSWORD)
        assert other.failure.message.endswith('database "nosuch" does not exist (connect)')
        assert other.failure.category is ErrorCategory.NOT_FOUND
        reader = server.replace("monitor@", "reader:reader-secret@")
        denied = await refusal(step, reader, "select * from orders")
        assert denied.failure.message.endswith("permission denied for table orders (42501)")
        assert denied.failure.category is ErrorCategory.AUTHENTICATION
        plain = await refusal(step, server, password=PASSWORD, tls=True)
        assert "server does not support SSL" in plain.failure.message

    async def test_rows_and_bytes_have_a_bound(step: SqlStep, server: str) -> None:
        began = time.monotonic()
        many = "select generate_series(1, 100000000)"
        with nothing_left():
            error = await refusal(step, server, many, password=PASSWORD)
            large = "select repeat('x', 300000) from generate_series(1, 10)"
            bytes_error = await refusal(step, server, large, password=PASSWORD)
            row = await refusal(step, server, "select repeat('x', 30000000)", password=PASSWORD)
        assert error.failure.message == "the query gives over 100 rows"
        assert bytes_error.failure.message == "the query gives over 1048576 bytes of values"
        # The driver's library reads on while there is something; it is stopped when it pauses.
        assert row.failure.message.startswith("the query gives over")
        assert time.monotonic() - began < 20

    async def test_a_slow_query_is_stopped_on_the_server(step: SqlStep, server: str) -> None:
        began = time.monotonic()
        with nothing_left():
            error = await refusal(
                step, server, "select pg_sleep(30), 'slow one'", password=PASSWORD, timeout=0.5
            )
        assert error.failure.message.endswith("within 500 ms (query)")
        assert time.monotonic() - began < 10
        with beside(server) as other:
            running = "select count(*) from pg_stat_activity where query like '%slow one%'"
            assert other.execute(f"{running} and pid <> pg_backend_pid()").fetchone() == (0,)

    async def test_a_lock_is_not_waited_for_longer_than_the_step(step: SqlStep, server: str) -> None:
        with beside(server) as other, other.transaction():
            other.execute("lock table orders")
            error = await refusal(step, server, "select * from orders", password=PASSWORD, timeout=0.5)
        assert error.failure.type is ErrorType.TIMEOUT

    async def test_a_connection_that_goes_silent_is_dropped(step: SqlStep, server: str) -> None:
        """The server's side of the wire dies in the middle of a query: cancelling gets no answer either."""
        upstream = int(server.rpartition(":")[2].partition("/")[0])
        tasks: set[asyncio.Task[None]] = set()
        silent = asyncio.Event()

        async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while data := await reader.read(65_536):
                    if b"pg_sleep" in data:
                        silent.set()
                    if not silent.is_set():
                        writer.write(data)
            finally:
                writer.close()

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            behind, to = await asyncio.open_connection("127.0.0.1", upstream)
            tasks.update({asyncio.create_task(pump(reader, to)), asyncio.create_task(pump(behind, writer))})

        relaying = await asyncio.start_server(relay, "127.0.0.1", 0)
        url = server.replace(str(upstream), str(relaying.sockets[0].getsockname()[1]))
        began = time.monotonic()
        error = await refusal(step, url, "select pg_sleep(30)", password=PASSWORD, timeout=0.5)
        assert silent.is_set()
        assert error.failure.type is ErrorType.TIMEOUT
        assert time.monotonic() - began < 0.5 + 0.5 + 2.0
        relaying.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def test_cancelling_lets_go(step: SqlStep, server: str) -> None:
        await ask(step, server, password=PASSWORD)
        with nothing_left():
            task = asyncio.ensure_future(ask(step, server, "select pg_sleep(30)", password=PASSWORD))
            await asyncio.wait([task], timeout=0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            del task


def test_the_folder_of_the_server_is_known(tmp_path: Path) -> None:
    found = binaries()
    assert found is None or (found / "pg_ctl").exists()
