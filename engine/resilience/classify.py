"""What kind of error it was: decides whether trying again makes sense.

`classify()` knows the built-in table. A `Classifier` is that table with entries of one's own before it:

    errors = Classifier()
    errors.add(TenantSuspended, ErrorType.PERMANENT)
    errors.add(r"ORA-0?3113", ErrorType.NETWORK)
    await with_retry(operation, classifier=errors)
"""

from __future__ import annotations

import errno
import re
import socket
import sqlite3
import ssl
from dataclasses import replace

from engine.model import ErrorCategory, ErrorType, Failure
from engine.text import own_words

RETRYABLE = frozenset(
    {ErrorType.TRANSIENT, ErrorType.RATE_LIMIT, ErrorType.TIMEOUT, ErrorType.NETWORK, ErrorType.UNKNOWN}
)

Kind = tuple[ErrorType, ErrorCategory]

_TIMEOUT: Kind = (ErrorType.TIMEOUT, ErrorCategory.NETWORK)
_NETWORK: Kind = (ErrorType.NETWORK, ErrorCategory.NETWORK)
_INVALID: Kind = (ErrorType.PERMANENT, ErrorCategory.VALIDATION)
_DATABASE: Kind = (ErrorType.PERMANENT, ErrorCategory.DATABASE)
_DATABASE_BUSY: Kind = (ErrorType.TRANSIENT, ErrorCategory.DATABASE)
_RATE_LIMIT: Kind = (ErrorType.RATE_LIMIT, ErrorCategory.RATE_LIMIT)
_FORBIDDEN: Kind = (ErrorType.PERMANENT, ErrorCategory.AUTHENTICATION)
_MISSING: Kind = (ErrorType.PERMANENT, ErrorCategory.NOT_FOUND)
_PASSING: Kind = (ErrorType.TRANSIENT, ErrorCategory.UNKNOWN)
_UNKNOWN: Kind = (ErrorType.UNKNOWN, ErrorCategory.UNKNOWN)

_BY_TYPE: tuple[tuple[type[BaseException], Kind], ...] = (
    (TimeoutError, _TIMEOUT),
    (ssl.SSLCertVerificationError, (ErrorType.PERMANENT, ErrorCategory.NETWORK)),
    (ConnectionError, _NETWORK),
    (socket.gaierror, _NETWORK),
    (ssl.SSLError, _NETWORK),
    (PermissionError, _FORBIDDEN),
    (FileNotFoundError, _MISSING),
    (sqlite3.OperationalError, _DATABASE_BUSY),
    (sqlite3.Error, _DATABASE),
    (ValueError, _INVALID),
    (TypeError, _INVALID),
    (LookupError, _INVALID),
    (NotImplementedError, _INVALID),
)
# Libraries that are not imported here are known by the names of their classes, most specific first.
_BY_NAME: dict[str, Kind] = {
    "TimeoutException": _TIMEOUT,
    "UnsupportedProtocol": _INVALID,
    "InvalidURL": _INVALID,
    "TooManyRedirects": _INVALID,
    "TransportError": _NETWORK,
    "DNSError": _NETWORK,
    "OperationalError": _DATABASE_BUSY,
    "InterfaceError": _DATABASE_BUSY,
    "DatabaseError": _DATABASE,
}
_UNREACHABLE = frozenset(
    {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL, errno.EPIPE}
)
_BY_WORDS: tuple[tuple[re.Pattern[str], Kind], ...] = (
    (re.compile(r"rate.?limit|too many requests|\b429\b", re.IGNORECASE), _RATE_LIMIT),
    (re.compile(r"time[d]?.?out|deadline exceeded", re.IGNORECASE), _TIMEOUT),
    (re.compile(r"connection (refused|reset|aborted|closed)|unreachable", re.IGNORECASE), _NETWORK),
    (re.compile(r"unauthori[sz]ed|forbidden|authentication", re.IGNORECASE), _FORBIDDEN),
    (re.compile(r"temporar|unavailable|try again|overloaded", re.IGNORECASE), _PASSING),
)


def classify(error: BaseException) -> Failure:
    """The failure that an exception means.

    An exception that carries its own `failure` keeps it. `asyncio.CancelledError` is not an error and must
    not be passed.
    """
    own = getattr(error, "failure", None)
    if isinstance(own, Failure):
        return own
    if isinstance(error, BaseExceptionGroup):
        return classify(error.exceptions[0])
    kind, category = _kind(error)
    return Failure(own_words(error), kind, category)


class Classifier:
    """The built-in table, made longer: called with an exception, it says what failure that means.

    Entries added later go before those added earlier; all go before what an exception says of itself.
    """

    def __init__(self) -> None:
        self._entries: list[tuple[type[BaseException] | re.Pattern[str], Kind]] = []

    def add(
        self,
        what: type[BaseException] | str,
        type: ErrorType,
        category: ErrorCategory = ErrorCategory.UNKNOWN,
    ) -> None:
        """Say what an error means.

        Args:
            what: a class of exceptions, or a pattern that is searched in the first 1,000 characters of the
                error's text, whatever the case. It is the program's own, never a user's: it runs in `re`.

        Raises:
            re.error: the pattern cannot be read.
        """
        known = re.compile(what, re.IGNORECASE) if isinstance(what, str) else what
        self._entries.insert(0, (known, (type, category)))

    def __call__(self, error: BaseException) -> Failure:
        failure = classify(error)
        words = str(error)[:1000]
        for known, (kind, category) in self._entries:
            if known.search(words) if isinstance(known, re.Pattern) else isinstance(error, known):
                return replace(failure, type=kind, category=category)
        return failure


def classify_status(status: int) -> Kind:
    """Type and category of an HTTP status of 400 or above."""
    if status == 429:
        return _RATE_LIMIT
    if status >= 500 or status in (408, 425):
        return _PASSING
    if status in (401, 403, 407):
        return _FORBIDDEN
    if status in (404, 410):
        return _MISSING
    return (
        _INVALID if status in (400, 409, 413, 414, 415, 422) else (ErrorType.PERMANENT, ErrorCategory.UNKNOWN)
    )


def _kind(error: BaseException) -> Kind:
    status = getattr(getattr(error, "response", error), "status_code", None)
    if isinstance(status, int) and status >= 400:
        return classify_status(status)
    for known in type(error).__mro__:
        if kind := _BY_NAME.get(known.__name__):
            return _busy(error) if known is sqlite3.OperationalError else kind
    if isinstance(error, OSError) and error.errno in _UNREACHABLE:
        return _NETWORK
    for known, kind in _BY_TYPE:
        if isinstance(error, known):
            return kind
    words = str(error)[:1000]
    return next((kind for pattern, kind in _BY_WORDS if pattern.search(words)), _UNKNOWN)


def _busy(error: BaseException) -> Kind:
    """SQLite says `OperationalError` for a lock and for a missing table; only the lock passes."""
    words = str(error)
    return _DATABASE_BUSY if "locked" in words or "busy" in words else _DATABASE
