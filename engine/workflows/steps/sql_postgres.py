"""Asking a PostgreSQL server, within a read-only transaction."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import re
import socket
import ssl
import sys
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from engine.model import ErrorCategory, ErrorType, Failure
from engine.text import own_words, plain
from engine.workflows.steps.base import StepError
from engine.workflows.steps.dial import conversation, wrong
from engine.workflows.steps.probe import Probe
from engine.workflows.steps.sql_common import (
    FORBIDDEN,
    GONE,
    INVALID,
    LATE,
    MISSING,
    PASSING,
    WIRE_LIMIT,
    Kind,
    Place,
    Question,
    Table,
    broken_off,
    endless,
    fault,
    with_markers,
)

if TYPE_CHECKING:
    import psycopg

    from engine.workflows.steps.sql import SqlSpec

LET_GO = 0.12
"""Seconds that a cancelled query has to tell the server; then its connection is closed on the spot."""

# By the longest beginning of the SQLSTATE.
_STATES: dict[str, Kind] = {
    "08": GONE,
    "22": INVALID,
    "25006": INVALID,
    "28": FORBIDDEN,
    "3D": MISSING,
    "40": PASSING,
    "42": INVALID,
    "42501": FORBIDDEN,
    "42P01": MISSING,
    "53": PASSING,
    "55P03": PASSING,
    "57": PASSING,
    "57014": LATE,
    "58": PASSING,
}
_READ_ONLY = "25006"
_TCP_INFO_SIZE = 136
_BYTES_RECEIVED = slice(128, 136)
"""Where the kernel's `tcp_info` has the bytes that came (linux/tcp.h, `tcpi_bytes_received`)."""

_DISTRUST = re.compile(r"certificate verify failed|does not match host name")
_NO_POSTGRES = re.compile(
    r"expected authentication request|received invalid|synchroni[sz]ation|unexpected", re.I
)
# What libpq tells of a connection it could not make has words only.
_BY_WORDS: tuple[tuple[re.Pattern[str], Kind], ...] = (
    (re.compile(r"password|pg_hba|authentication|role .* does not exist", re.I), FORBIDDEN),
    (re.compile(r"certificate|host name", re.I), (ErrorType.PERMANENT, ErrorCategory.NETWORK)),
    (re.compile(r"does not exist", re.I), MISSING),
    (re.compile(r"too many|remaining connection|starting up|shutting down|recovery", re.I), PASSING),
)


async def ask_postgres(
    place: Place,
    question: Question,
    spec: SqlSpec,
    addresses: Sequence[str],
    probe: Probe,
    timeout: float,
) -> Table:
    """The answer of a server; when this is cancelled, the server is told to stop.

    Args:
        timeout: after which the server itself ends the query, seconds.

    Raises:
        StepError: it cannot be reached, refuses, or gives too much.
        CheckError: the query would write, or the driver is not installed.
    """
    try:
        import psycopg
    except ImportError:
        raise wrong("PostgreSQL needs a driver, which `pip install tocsin[postgres]` brings") from None
    # What it warns of is told by the step's own outcome.
    logging.getLogger("psycopg").setLevel(logging.CRITICAL)
    work = asyncio.create_task(_ask(psycopg, place, question, spec, addresses, probe, timeout))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        # The driver takes seconds to cancel politely with a peer that is silent; told again, it hangs up.
        for _ in range(3):
            work.cancel()
            if (await asyncio.wait([work], timeout=LET_GO))[0]:
                break
        if work.done() and not work.cancelled():
            work.exception()
        raise


async def _ask(
    psycopg: Any,
    place: Place,
    question: Question,
    spec: SqlSpec,
    addresses: Sequence[str],
    probe: Probe,
    timeout: float,
) -> Table:
    probe.begin("connect")
    options = _options(place, spec, addresses)
    try:
        connection: psycopg.AsyncConnection[Any] = await _bounded(psycopg).connect(**options)
    except psycopg.Error as error:
        refused = _no_connection(place, error, probe)
        if spec.tls and spec.verify and _DISTRUST.search(refused.message):
            await _look_at_certificate(place, spec, addresses, timeout)
        raise refused from None
    probe.end()
    probe.begin("transfer")
    try:
        await connection.set_read_only(True)
        await connection.execute(f"set local statement_timeout = {math.ceil(timeout * 1000)}")
        table = await _rows(connection, place, question)
    except psycopg.Error as error:
        raise _refused(place, error, probe) from None
    finally:
        connection.pgconn.finish()
        await connection.close()
    probe.end()
    return table


def _bounded(psycopg: Any) -> Any:
    """The driver's connection, with an end to what it receives: its library takes answers of gigabytes.

    It is looked at whenever the library has nothing more to read, so a fast server may send some more.
    """

    class Bounded(psycopg.AsyncConnection):  # type: ignore[misc]
        async def wait(self, gen: Any, *args: Any, **named: Any) -> Any:
            return await super().wait(_counted(gen, self.pgconn.socket), *args, **named)

    return Bounded


def _counted(work: Generator[Any, Any, Any], descriptor: int) -> Generator[Any, Any, Any]:
    """The driver's work as it is, broken off when too much has come."""
    try:
        wanted = next(work)
        while True:
            ready = yield wanted
            if _received(descriptor) > WIRE_LIMIT:
                raise endless()
            wanted = work.send(ready)
    except StopIteration as done:
        return done.value


def _received(descriptor: int) -> int:
    """The bytes that have come on a connection since it was made."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=os.dup(descriptor)) as watched:
        info = watched.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_SIZE)
    return int.from_bytes(info[_BYTES_RECEIVED], sys.byteorder)


async def _look_at_certificate(place: Place, spec: SqlSpec, addresses: Sequence[str], timeout: float) -> None:
    """Shake hands once more without libpq, which does not say what is wrong with a certificate.

    Raises:
        StepError: with the reason, unless the handshake goes well now.
    """
    import certifi

    from engine.workflows.steps.resolver import Resolver
    from engine.workflows.steps.route import context_with
    from engine.workflows.steps.starttls import upgrade

    context = context_with(True, (), spec.certificate, spec.key, spec.ca or certifi.where())
    for address in addresses:
        probe = Probe()
        upgrading = upgrade("postgres", probe)
        try:
            async with conversation(
                Resolver(),
                address,
                place.port,
                context,
                probe,
                timeout,
                prepare=upgrading,
                server_name=place.host,
            ):
                return
        except StepError as error:
            if isinstance(error.__cause__, ssl.SSLError):
                raise


async def _rows(connection: psycopg.AsyncConnection[Any], place: Place, question: Question) -> Table:
    text = with_markers(question.text, question.params, place.kind)
    table = Table((), question)
    async with connection.cursor() as cursor:
        # Row by row, and in the protocol that takes one statement only.
        rows = cursor.stream(text, dict(question.params) or None)
        try:
            async for row in rows:
                table.add(row)
        except StepError:
            # Hanging up ends the query, too, and nothing that is still to come has to be read.
            connection.pgconn.finish()
            raise
        finally:
            await rows.aclose()  # type: ignore[attr-defined]
        table.columns = tuple(column.name for column in cursor.description or ())
    return table


def _options(place: Place, spec: SqlSpec, addresses: Sequence[str]) -> dict[str, Any]:
    """Addresses are given, so that nobody asks the system's resolver again; its name is what TLS checks."""
    options: dict[str, Any] = {
        "host": ",".join([place.host] * len(addresses)),
        "hostaddr": ",".join(addresses),
        "port": place.port,
        "user": place.user or None,
        "password": place.password or None,
        "dbname": place.database or None,
        "application_name": "tocsin",
        "client_encoding": "utf-8",
        # One that is there and no file would be told to the terminal.
        "passfile": "/dev/null/none",
        "gssencmode": "disable",
        "sslmode": "disable",
    }
    if spec.tls:
        import certifi

        options["sslmode"] = "verify-full" if spec.verify else "require"
        # Without verification libpq would still verify if it were told of authorities.
        options["sslrootcert"] = (spec.ca or certifi.where()) if spec.verify else "/dev/null/none"
        options["sslcert"], options["sslkey"] = spec.certificate, spec.key or spec.certificate
    return {name: value for name, value in options.items() if value is not None}


def _no_connection(place: Place, error: psycopg.Error, probe: Probe) -> StepError:
    words = str(error).partition("\n")[0].rpartition("failed: ")[2].removeprefix("FATAL:").strip()
    message = plain(words, 300) or own_words(error, 300)
    if not message[1:2].isupper():
        message = message[:1].lower() + message[1:]
    if _NO_POSTGRES.search(message) and "unexpectedly" not in message:
        said = f"does not speak PostgreSQL as it should: {message}"
        return StepError(broken_off(place, said, "connect"), probe.phases)
    kind = next((kind for pattern, kind in _BY_WORDS if pattern.search(message)), GONE)
    return StepError(Failure(f"{place.name}: {message} (connect)", *kind), probe.phases)


def _refused(place: Place, error: psycopg.Error, probe: Probe) -> StepError:
    state = error.sqlstate or ""
    if type(error).__name__ == "ProgrammingError" and not state:
        words = own_words(error, 200)
        reason = "it gives no table" if "produce a result" in words else words
        return wrong(f"the query cannot be asked: {reason}")
    if state == _READ_ONLY:
        return wrong("the query would do more than read, which a sql step never does")
    words = error.diag.message_primary or str(error).partition("\n")[0]
    message = plain(words.removeprefix("consuming input failed: "), 300)
    if not state and type(error).__name__ == "InternalError":
        said = f"does not speak PostgreSQL as it should: {message}"
        return StepError(broken_off(place, said, "query"), probe.phases)
    found = (_STATES[state[:length]] for length in (5, 2) if state[:length] in _STATES)
    default = (ErrorType.UNKNOWN, ErrorCategory.DATABASE) if state else GONE
    failure = fault(place, f"{message} ({state})" if state else message, *next(found, default)).failure
    return StepError(failure, probe.phases)
