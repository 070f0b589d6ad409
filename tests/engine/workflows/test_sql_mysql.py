import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from engine.clock import SystemClock
from engine.model import ErrorCategory, ErrorType
from engine.workflows.steps.base import CheckError, Reply, StepError
from engine.workflows.steps.sql import SqlSpec, SqlStep
from tests.engine.workflows.children import context, nothing_left
from tests.engine.workflows.mysql_server import Answer, Hold, refusing, serving_mysql, table, welcome

LONG, TEXT, DECIMAL = 3, 253, 246


@pytest.fixture
async def step() -> AsyncIterator[SqlStep]:
    made = SqlStep(SystemClock())
    yield made
    await made.close()


async def ask(
    step: SqlStep, port: int, query: str = "select 1", *, timeout: float = 3.0, **spec: Any
) -> Reply:
    url = f"mysql://monitor:p%C3%A4ss@127.0.0.1:{port}/shop"
    return await step.run(SqlSpec.model_validate({"url": url, "query": query, **spec}), context(timeout))


async def refusal(
    step: SqlStep, answer: Answer, *, login: bytes = welcome(), **spec: Any
) -> tuple[str, StepError]:
    """The error, and its sentence without the port."""
    async with serving_mysql(answer, login) as served:
        with pytest.raises(StepError) as caught:
            await ask(step, served.port, **spec)
    return caught.value.failure.message.replace(f"127.0.0.1:{served.port}", "PEER"), caught.value


def saying(*packets: bytes) -> Answer:
    return lambda query: iter(packets)


async def test_rows_are_a_reply(step: SqlStep) -> None:
    columns = {"id": LONG, "state": TEXT, "price": DECIMAL}

    def answer(query: str) -> Iterator[bytes]:
        return table(columns, iter([("7", "waiting", "9.50"), ("8", None, "3.00")]))

    async with serving_mysql(answer) as served:
        query = "select * from orders where state = :state and id % 2 = :rest"
        reply = await ask(step, served.port, query, params={"state": "o'clock", "rest": 1})
    assert reply.fields["rows"] == [
        {"id": 7, "state": "waiting", "price": 9.5},
        {"id": 8, "state": None, "price": 3},
    ]
    assert b"monitor\0" in served.logins[0]
    assert served.queries[-1] == "select * from orders where state = 'o\\'clock' and id % 2 = 1"
    assert "START TRANSACTION READ ONLY" in served.queries
    assert "SET SESSION max_execution_time = 3000" in served.queries
    assert reply.phases.connect is not None
    assert reply.attributes["db.system.name"] == "mysql"


async def test_nothing_is_left(step: SqlStep) -> None:
    def one(query: str) -> Iterator[bytes]:
        return table({"n": LONG}, iter([("1",)]))

    with nothing_left():
        async with serving_mysql(one, version="11.4.2-MariaDB") as served:
            for _ in range(5):
                assert (await ask(step, served.port)).fields["value"] == 1
    assert "SET SESSION max_statement_time = 3.000" in served.queries


@pytest.mark.parametrize(
    ("code", "words", "kind", "category"),
    [
        (1064, "You have an error in your SQL syntax", ErrorType.PERMANENT, ErrorCategory.VALIDATION),
        (1146, "Table 'shop.x' doesn't exist", ErrorType.PERMANENT, ErrorCategory.NOT_FOUND),
        (1142, "SELECT command denied", ErrorType.PERMANENT, ErrorCategory.AUTHENTICATION),
        (1205, "Lock wait timeout exceeded", ErrorType.TRANSIENT, ErrorCategory.DATABASE),
        (3024, "Query execution was interrupted", ErrorType.TIMEOUT, ErrorCategory.DATABASE),
    ],
)
async def test_a_refused_query_is_a_failure_in_words(
    step: SqlStep, code: int, words: str, kind: ErrorType, category: ErrorCategory
) -> None:
    message, error = await refusal(step, saying(refusing(code, words)))
    assert message == f"PEER: {words} ({code})"
    assert (error.failure.type, error.failure.category) == (kind, category)
    assert not isinstance(error, CheckError)


async def test_what_writes_or_gives_no_table_is_the_checks_own_fault(step: SqlStep) -> None:
    message, error = await refusal(step, saying(refusing(1792, "Cannot execute statement in a READ ONLY")))
    assert message == "the query would do more than read, which a sql step never does"
    assert isinstance(error, CheckError)
    message, error = await refusal(step, saying(welcome()))
    assert message == "the query cannot be asked: it gives no table"
    assert isinstance(error, CheckError)


async def test_who_may_not_enter(step: SqlStep) -> None:
    message, error = await refusal(step, saying(), login=refusing(1045, "Access denied for user 'monitor'"))
    assert message == "PEER: Access denied for user 'monitor' (1045) (connect)"
    assert error.failure.category is ErrorCategory.AUTHENTICATION
    message, error = await refusal(step, saying(), tls=True)
    assert message == "PEER: SSL is required but the server doesn't support it (2026) (connect)"


async def test_rows_without_end_have_a_bound(step: SqlStep) -> None:
    def endless(query: str) -> Iterator[bytes]:
        return table({"n": LONG}, ((str(n),) for n in itertools.count()))

    message, _ = await refusal(step, endless)
    assert message == "the query gives over 100 rows"


async def test_a_server_that_goes_silent_is_not_waited_for(step: SqlStep) -> None:
    def hold(query: str) -> Iterator[bytes]:
        raise Hold

    began = time.monotonic()
    message, error = await refusal(step, hold, timeout=0.3)
    assert message == "no answer from PEER within 300 ms (query)"
    assert error.failure.type is ErrorType.TIMEOUT
    assert time.monotonic() - began < 10


async def test_a_server_that_is_none(step: SqlStep) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(StepError) as caught:
        await ask(step, port)
    assert caught.value.failure.type is ErrorType.NETWORK
    server.close()
    await server.wait_closed()
    with pytest.raises(StepError) as caught:
        await ask(step, port)
    assert caught.value.failure.message == f"127.0.0.1:{port}: connection refused (connect)"
