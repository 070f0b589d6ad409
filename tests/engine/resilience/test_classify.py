import errno
import socket
import sqlite3
import ssl
import subprocess
import sys

import pytest

from engine.model import ErrorCategory, ErrorType, Failure
from engine.resilience.classify import classify, classify_status


class TransportError(Exception):
    """Named as a client library's class is."""


class _AnsweredError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__("refused")
        self.response = type("Response", (), {"status_code": status})()


@pytest.mark.parametrize(
    ("error", "kind", "category"),
    [
        (TimeoutError(), ErrorType.TIMEOUT, ErrorCategory.NETWORK),
        (ConnectionResetError(), ErrorType.NETWORK, ErrorCategory.NETWORK),
        (socket.gaierror(-2, "unknown"), ErrorType.NETWORK, ErrorCategory.NETWORK),
        (OSError(errno.EHOSTUNREACH, "no route"), ErrorType.NETWORK, ErrorCategory.NETWORK),
        (ssl.SSLCertVerificationError("bad"), ErrorType.PERMANENT, ErrorCategory.NETWORK),
        (PermissionError(), ErrorType.PERMANENT, ErrorCategory.AUTHENTICATION),
        (FileNotFoundError(), ErrorType.PERMANENT, ErrorCategory.NOT_FOUND),
        (sqlite3.OperationalError("database is locked"), ErrorType.TRANSIENT, ErrorCategory.DATABASE),
        (sqlite3.OperationalError("no such table: t"), ErrorType.PERMANENT, ErrorCategory.DATABASE),
        (sqlite3.IntegrityError("unique"), ErrorType.PERMANENT, ErrorCategory.DATABASE),
        (ValueError("no"), ErrorType.PERMANENT, ErrorCategory.VALIDATION),
        (KeyError("no"), ErrorType.PERMANENT, ErrorCategory.VALIDATION),
        (TransportError("broken"), ErrorType.NETWORK, ErrorCategory.NETWORK),
        (_AnsweredError(429), ErrorType.RATE_LIMIT, ErrorCategory.RATE_LIMIT),
        (_AnsweredError(503), ErrorType.TRANSIENT, ErrorCategory.UNKNOWN),
        (RuntimeError("Too Many Requests"), ErrorType.RATE_LIMIT, ErrorCategory.RATE_LIMIT),
        (RuntimeError("request timed out"), ErrorType.TIMEOUT, ErrorCategory.NETWORK),
        (RuntimeError("service unavailable"), ErrorType.TRANSIENT, ErrorCategory.UNKNOWN),
        (RuntimeError("what?"), ErrorType.UNKNOWN, ErrorCategory.UNKNOWN),
        (ExceptionGroup("two", [TimeoutError(), ValueError()]), ErrorType.TIMEOUT, ErrorCategory.NETWORK),
    ],
)
def test_an_exception_has_a_type_and_a_category(
    error: Exception, kind: ErrorType, category: ErrorCategory
) -> None:
    failure = classify(error)
    assert (failure.type, failure.category) == (kind, category)
    assert failure.message


def test_an_exception_that_carries_a_failure_keeps_it() -> None:
    error = RuntimeError("x")
    error.failure = Failure("own", ErrorType.RATE_LIMIT, retry_after=3.0)  # type: ignore[attr-defined]
    assert classify(error) == Failure("own", ErrorType.RATE_LIMIT, retry_after=3.0)


def test_hostile_messages_are_cleaned() -> None:
    assert "\x1b" not in classify(RuntimeError("\x1b]52;c;eA==\x07 x")).message


@pytest.mark.parametrize(
    ("status", "kind", "category"),
    [
        (400, ErrorType.PERMANENT, ErrorCategory.VALIDATION),
        (401, ErrorType.PERMANENT, ErrorCategory.AUTHENTICATION),
        (403, ErrorType.PERMANENT, ErrorCategory.AUTHENTICATION),
        (404, ErrorType.PERMANENT, ErrorCategory.NOT_FOUND),
        (408, ErrorType.TRANSIENT, ErrorCategory.UNKNOWN),
        (418, ErrorType.PERMANENT, ErrorCategory.UNKNOWN),
        (425, ErrorType.TRANSIENT, ErrorCategory.UNKNOWN),
        (429, ErrorType.RATE_LIMIT, ErrorCategory.RATE_LIMIT),
        (500, ErrorType.TRANSIENT, ErrorCategory.UNKNOWN),
        (599, ErrorType.TRANSIENT, ErrorCategory.UNKNOWN),
    ],
)
def test_an_http_status_has_a_type_and_a_category(
    status: int, kind: ErrorType, category: ErrorCategory
) -> None:
    assert classify_status(status) == (kind, category)


def test_the_room_loads_no_client_library() -> None:
    code = (
        "import engine.resilience.retry, engine.resilience.breaker, sys;"
        "print({'httpx', 'aiodns', 'h11'} & set(sys.modules))"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert output.stdout.strip() == "set()"
