"""Asking a MySQL or MariaDB server, within a read-only transaction.

The driver blocks; it runs in a thread of its own on a connection made here, which is cut when time is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import socket
import ssl
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from engine.model import ErrorCategory, ErrorType, Failure
from engine.text import own_words, plain
from engine.workflows.steps.base import StepError
from engine.workflows.steps.dial import wrong
from engine.workflows.steps.probe import Probe
from engine.workflows.steps.route import context_with
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
from engine.workflows.steps.threads import Threads
from engine.workflows.steps.wire import network_fault

if TYPE_CHECKING:
    from engine.workflows.steps.sql import SqlSpec

_CODES: dict[int, Kind] = {
    **dict.fromkeys((1044, 1045, 1142, 1143, 1227, 1698), FORBIDDEN),
    **dict.fromkeys((1049, 1146), MISSING),
    **dict.fromkeys((1054, 1064, 1305, 1568), INVALID),
    **dict.fromkeys((1040, 1053, 1203, 1205, 1213, 1226), PASSING),
    **dict.fromkeys((2002, 2003, 2006, 2013, 2055), GONE),
    **dict.fromkeys((1317, 1969, 3024), LATE),
    2026: (ErrorType.PERMANENT, ErrorCategory.NETWORK),
}
_CLOSED = 2013
_READ_ONLY = 1792
_UNKNOWN_VARIABLE = 1193


async def ask_mysql(
    place: Place,
    question: Question,
    spec: SqlSpec,
    addresses: Sequence[str],
    probe: Probe,
    timeout: float,
    threads: Threads,
) -> Table:
    """The answer of a server; when this is cancelled, its connection is cut.

    Args:
        timeout: after which the server itself ends the query, seconds.

    Raises:
        StepError: it cannot be reached, refuses, or gives too much.
        CheckError: the query would write, or the driver is not installed.
    """
    try:
        import pymysql
    except ImportError:
        raise wrong("MySQL needs a driver, which `pip install tocsin[mysql]` brings") from None
    tls = context_with(spec.verify, (), spec.certificate, spec.key, spec.ca) if spec.tls else None
    probe.begin("connect")
    connected = await _dial(place, addresses, probe)
    # The driver closes its own, and wraps it for TLS; this one stays at hand to cut the connection with.
    handle = connected.dup()

    def cut() -> None:
        with contextlib.suppress(OSError):
            handle.shutdown(socket.SHUT_RDWR)

    try:
        return await threads.run(lambda: _ask(pymysql, place, question, connected, tls, probe, timeout), cut)
    finally:
        cut()
        handle.close()


async def _dial(place: Place, addresses: Sequence[str], probe: Probe) -> socket.socket:
    loop = asyncio.get_running_loop()
    refused: OSError | None = None
    for address in addresses:
        is_six = ipaddress.ip_address(address).version == 6
        made = socket.socket(socket.AF_INET6 if is_six else socket.AF_INET)
        try:
            made.setblocking(False)
            await loop.sock_connect(made, (address, place.port))
        except OSError as error:
            made.close()
            refused = error
        except BaseException:
            made.close()
            raise
        else:
            made.setblocking(True)
            return made
    reason = "there is no address"
    if refused is not None:
        reason = os.strerror(refused.errno).lower() if refused.errno else own_words(refused, 200)
    raise StepError(Failure(f"{place.name}: {reason} (connect)", *GONE), probe.phases)


def _ask(
    pymysql: Any,
    place: Place,
    question: Question,
    connected: socket.socket,
    tls: ssl.SSLContext | None,
    probe: Probe,
    timeout: float,
) -> Table:
    connection = _bounded(pymysql)(
        host=place.host,
        port=place.port,
        user=place.user,
        password=place.password.encode(),
        database=place.database or None,
        charset="utf8mb4",
        ssl=tls,
        ssl_disabled=tls is None,
        program_name="tocsin",
        defer_connect=True,
        autocommit=None,
    )
    try:
        with contextlib.closing(connected):
            connection.connect(connected)
            probe.end()
            probe.begin("transfer")
            _only_read(pymysql, connection, timeout)
            table = _rows(pymysql, connection, place, question)
            probe.end()
            return table
    except pymysql.err.Error as error:
        raise _refused(pymysql, place, error, probe) from None
    except RuntimeError as error:
        if "package" in str(error):
            raise wrong(
                "this user's login needs more than is installed; `pip install tocsin[mysql]`"
            ) from None
        # How the driver refuses what a server may answer to any query.
        failure = broken_off(place, "asks for a file of this machine", _doing(probe))
        raise StepError(failure, probe.phases) from error
    except (LookupError, ValueError, AssertionError, TypeError, struct.error) as error:
        # The driver believes what it reads, and stumbles over what is no MySQL.
        said = f"does not speak MySQL as it should: {own_words(error, 120)}"
        raise StepError(broken_off(place, said, _doing(probe)), probe.phases) from error
    finally:
        if connection.open:
            connection.close()


def _bounded(pymysql: Any) -> Any:
    """The driver's connection, with an end to what it receives: a packet may go on for ever."""

    class Bounded(pymysql.connections.Connection):  # type: ignore[misc]
        received = 0

        def _read_bytes(self, count: int) -> Any:
            self.received += count
            if self.received > WIRE_LIMIT:
                raise endless()
            return super()._read_bytes(count)

    return Bounded


def _only_read(pymysql: Any, connection: Any, timeout: float) -> None:
    is_maria = "mariadb" in connection.get_server_info().lower()
    limit = (
        f"max_statement_time = {timeout:.3f}" if is_maria else f"max_execution_time = {timeout * 1000:.0f}"
    )
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION READ ONLY")
        try:
            cursor.execute(f"SET SESSION {limit}")
        except pymysql.err.Error as error:
            # Old servers have no such limit; the connection is cut all the same.
            if error.args[0] != _UNKNOWN_VARIABLE:
                raise
        cursor.execute("START TRANSACTION READ ONLY")


def _rows(pymysql: Any, connection: Any, place: Place, question: Question) -> Table:
    cursor = connection.cursor(pymysql.cursors.SSCursor)
    try:
        text = with_markers(question.text, question.params, place.kind)
        cursor.execute(text, dict(question.params) or None)
        if cursor.description is None:
            raise wrong("the query cannot be asked: it gives no table")
        table = Table(tuple(column[0] for column in cursor.description), question)
        while (row := cursor.fetchone()) is not None:
            table.add(row)
        return table
    finally:
        # The driver would read all the rows that are still to come, which may be without end.
        if cursor._result is not None:
            cursor._result.unbuffered_active = False


def _refused(pymysql: Any, place: Place, error: Any, probe: Probe) -> StepError:
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    if code == _READ_ONLY:
        return wrong("the query would do more than read, which a sql step never does")
    where = "" if probe.phase == "transfer" else f" ({probe.phase})"
    words = plain(error.args[1], 300) if len(error.args) > 1 else own_words(error, 300)
    cause = getattr(error, "original_exception", None) or error.__context__
    if isinstance(cause, ssl.SSLError):
        return network_fault(cause, place.host, probe)
    if isinstance(error, pymysql.err.InternalError) and not code:
        said = f"does not speak MySQL as it should: {words[:1].lower()}{words[1:]}"
        return StepError(broken_off(place, said, _doing(probe)), probe.phases)
    if isinstance(cause, OSError):
        reason = os.strerror(cause.errno).lower() if cause.errno else own_words(cause, 200)
        return StepError(fault(place, f"the connection broke: {reason}{where}", *GONE).failure, probe.phases)
    if code == _CLOSED:
        message = f"the server closed the connection{where}"
        return StepError(fault(place, message, *GONE).failure, probe.phases)
    kind = _CODES.get(code, (ErrorType.UNKNOWN, ErrorCategory.DATABASE))
    failure = fault(place, f"{words} ({code}){where}" if code else f"{words}{where}", *kind).failure
    return StepError(failure, probe.phases)


def _doing(probe: Probe) -> str:
    return "query" if probe.phase == "transfer" else probe.phase
