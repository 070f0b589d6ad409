"""The sql step against a real MariaDB, where one is installed; elsewhere nothing of this is collected."""

import resource
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest

from engine.clock import SystemClock
from engine.model import ErrorCategory, ErrorType
from engine.workflows.steps.base import CheckError, Reply, StepError
from engine.workflows.steps.sql import SqlSpec, SqlStep
from tests.engine.workflows.children import context, nothing_left
from tests.engine.workflows.mariadb import PASSWORD, binaries, running
from tests.engine.workflows.pki import certify
from tests.engine.workflows.talking import free_port

Place = tuple[int, Path]
"""The port, and the authority that signed the server's certificate."""

if binaries() is not None:

    @pytest.fixture(scope="module")
    def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
        port, authority = free_port(), certify("authority", is_authority=True)
        ca = tmp_path_factory.mktemp("authority") / "ca.pem"
        ca.write_bytes(authority.pem)
        with running(port, certify("db", authority, hosts=["127.0.0.1"])):
            yield port, ca

    @pytest.fixture
    async def step() -> AsyncIterator[SqlStep]:
        made = SqlStep(SystemClock())
        yield made
        await made.close()

    async def ask(
        step: SqlStep,
        server: Place,
        query: str = "select 1",
        *,
        user: str = "monitor",
        timeout: float = 5.0,
        **spec: Any,
    ) -> Reply:
        url = f"mariadb://127.0.0.1:{server[0]}/shop"
        given = {"url": url, "user": user, "password": PASSWORD, "query": query, **spec}
        return await step.run(SqlSpec.model_validate(given), context(timeout))

    async def refusal(step: SqlStep, server: Place, query: str = "select 1", **spec: Any) -> StepError:
        with nothing_left(), pytest.raises(StepError) as caught:
            await ask(step, server, query, **spec)
        return caught.value

    async def count(step: SqlStep, server: Place) -> Any:
        return (await ask(step, server, "select count(*) from orders")).fields["value"]

    async def test_rows_are_a_reply(step: SqlStep, server: Place) -> None:
        with nothing_left():
            query = "select *, 5 % 3 as rest, ':state' as s from orders where state = :state order by id"
            reply = await ask(step, server, query, params={"state": "waiting"})
        assert reply.fields["rows"][0] == {
            "id": 1,
            "state": "waiting",
            "price": 9.5,
            "note": "ff00",
            "at": "2026-02-03T04:05:06",
            "rest": 2,
            "s": ":state",
        }
        assert reply.fields["row_count"] == 2
        assert reply.attributes["db.system.name"] == "mysql"

    @pytest.mark.parametrize(
        "evil", ["x'; drop table orders; --", 'x\\"; drop table orders; #', "\\'", "ä%s"]
    )
    async def test_parameters_are_bound(step: SqlStep, server: Place, evil: str) -> None:
        reply = await ask(step, server, "select :evil as e", params={"evil": evil}, user="writer")
        assert reply.fields["value"] == evil
        assert await count(step, server) == 3

    @pytest.mark.parametrize(
        "query",
        [
            "delete from orders",
            "insert into orders (id) values (9)",
            "create table t (x int)",
            "select 1; delete from orders",
            "commit; delete from orders",
            "set transaction read write",
            "select 1 into outfile '/tmp/tocsin-never'",
            "lock tables orders write",
        ],
    )
    async def test_a_query_reads_and_nothing_else(step: SqlStep, server: Place, query: str) -> None:
        error = await refusal(step, server, query, user="writer")
        assert error.failure.type is ErrorType.PERMANENT
        assert await count(step, server) == 3

    async def test_what_would_write_is_the_checks_own_fault(step: SqlStep, server: Place) -> None:
        error = await refusal(step, server, "delete from orders", user="writer")
        assert isinstance(error, CheckError)
        assert error.failure.message == "the query would do more than read, which a sql step never does"

    @pytest.mark.parametrize(
        ("user", "words", "category"),
        [
            ("monitor", "", None),
            ("modern", "", None),
            (
                "stranger",
                "Access denied for user 'stranger'@'127.0.0.1' (1698)",
                "authentication",
            ),
            ("nobody", "Access denied for user 'nobody'@'%' to database 'shop' (1044)", "authentication"),
            ("alone", "Access denied for user 'alone'@'127.0.0.1' (1698)", "authentication"),
            (
                "strict",
                "Access denied for user 'strict'@'127.0.0.1' (using password: YES) (1045)",
                "authentication",
            ),
        ],
    )
    async def test_who_may_enter(
        step: SqlStep, server: Place, user: str, words: str, category: str | None
    ) -> None:
        if category is None:
            assert (await ask(step, server, user=user)).fields["value"] == 1
            return
        error = await refusal(step, server, user=user)
        assert error.failure.message == f"127.0.0.1:{server[0]}: {words} (connect)"
        assert error.failure.category is ErrorCategory(category)

    async def test_over_tls(step: SqlStep, server: Place) -> None:
        query = (
            "select variable_value from information_schema.session_status where variable_name = 'ssl_version'"
        )
        verified = await ask(step, server, query, user="strict", tls=True, ca=str(server[1]))
        trusting = await ask(step, server, query, tls=True, verify=False)
        without = await ask(step, server, query)
        assert [reply.fields["value"] for reply in (verified, trusting, without)] == [
            "TLSv1.3",
            "TLSv1.3",
            "",
        ]
        unknown = await refusal(step, server, tls=True)
        words = "TLS certificate of 127.0.0.1 is signed by an authority that is not known (connect)"
        assert unknown.failure.message == words

    async def test_rows_and_bytes_have_a_bound(step: SqlStep, server: Place) -> None:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        error = await refusal(step, server, "select seq from seq_1_to_100000000")
        assert error.failure.message == "the query gives over 100 rows"
        large = await refusal(step, server, "select repeat('x', 300000) from seq_1_to_10")
        assert large.failure.message == "the query gives over 1048576 bytes of values"
        row = " , ".join(["repeat('x', 15000000)"] * 20)
        huge = await refusal(step, server, f"select {row}", timeout=60)
        assert huge.failure.message == "the query gives over 16777216 bytes"
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000

    async def test_a_slow_query_is_stopped_on_the_server(step: SqlStep, server: Place) -> None:
        began = time.monotonic()
        error = await refusal(step, server, "select sleep(30), 'slow one'", timeout=0.5)
        assert error.failure.message.endswith("within 500 ms (query)")
        assert time.monotonic() - began < 10
        running = "select count(*) from information_schema.processlist where info like '%slow one%'"
        with _beside(server, "monitor") as other:
            ends = time.monotonic() + 5
            while _value(other, f"{running} and id <> connection_id()"):
                assert time.monotonic() < ends

    async def test_a_lock_is_not_waited_for_longer_than_the_step(step: SqlStep, server: Place) -> None:
        with _beside(server, "writer") as other:
            _value(other, "lock tables shop.orders write")
            error = await refusal(step, server, "select * from orders", timeout=0.5)
            _value(other, "unlock tables")
        assert error.failure.type is ErrorType.TIMEOUT

    @pytest.mark.parametrize(
        ("query", "words", "kind", "category"),
        [
            ("selec 1", "(1064)", "PERMANENT", "validation"),
            ("select * from nosuch", "Table 'shop.nosuch' doesn't exist (1146)", "PERMANENT", "not_found"),
            ("select nosuch from orders", "(1054)", "PERMANENT", "validation"),
        ],
    )
    async def test_a_refused_query_is_a_failure_in_words(
        step: SqlStep, server: Place, query: str, words: str, kind: str, category: str
    ) -> None:
        error = await refusal(step, server, query)
        assert error.failure.message.endswith(words)
        assert (error.failure.type, error.failure.category) == (ErrorType(kind), ErrorCategory(category))

    def _beside(server: Place, user: str) -> Any:
        return pymysql.connect(host="127.0.0.1", port=server[0], user=user, password=PASSWORD.encode())

    def _value(connection: Any, query: str) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(query)
            found = cursor.fetchone()
            return found[0] if found else None
