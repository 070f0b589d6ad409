"""What databases of all kinds share: where they are, what they are asked, and the table they answer with."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from engine.model import ErrorCategory, ErrorType, Failure, Scalar
from engine.text import plain
from engine.workflows.steps.base import StepError

SIZE_LIMIT = 1_048_576
"""Bytes of text and binary values in one answer, together."""

WIRE_LIMIT = 16 * 1_048_576
"""Bytes that a server may send for one query, whatever they are; beyond them it is cut off."""

Kind = tuple[ErrorType, ErrorCategory]
"""What became of a question: whether to ask again, and whose fault it is."""

FORBIDDEN: Final[Kind] = (ErrorType.PERMANENT, ErrorCategory.AUTHENTICATION)
MISSING: Final[Kind] = (ErrorType.PERMANENT, ErrorCategory.NOT_FOUND)
INVALID: Final[Kind] = (ErrorType.PERMANENT, ErrorCategory.VALIDATION)
PASSING: Final[Kind] = (ErrorType.TRANSIENT, ErrorCategory.DATABASE)
GONE: Final[Kind] = (ErrorType.NETWORK, ErrorCategory.DATABASE)
LATE: Final[Kind] = (ErrorType.TIMEOUT, ErrorCategory.DATABASE)

SCHEMES = {"sqlite": "sqlite", "postgres": "postgres", "postgresql": "postgres", "mysql": "mysql",
           "mariadb": "mysql"}  # fmt: skip
_PORTS = {"postgres": 5432, "mysql": 3306}
_WRITTEN = "a database is written sqlite:/path/to/file.db, postgresql://user@host/database or mysql://user@host/database"
# Texts, comments and casts are passed over; of what is left, `:name` is a parameter.
_POSTGRES = re.compile(
    r"E'(?:[^'\\]|\\.|'')*'|'[^']*'|\"[^\"]*\"|--[^\n]*|/\*.*?\*/|\$(\w*)\$.*?\$\1\$|::|:(?P<name>[A-Za-z_]\w*)",
    re.DOTALL | re.IGNORECASE,
)
_MYSQL = re.compile(
    r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|`[^`]*`|--\s[^\n]*|#[^\n]*|/\*.*?\*/|(?P<colons>::)|:(?P<name>[A-Za-z_]\w*)",
    re.DOTALL,
)
PATTERNS = {"postgres": _POSTGRES, "mysql": _MYSQL}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a database is; `database` of SQLite is the path of its file."""

    kind: str
    database: str
    host: str = ""
    port: int = 0
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        """As it is called in sentences."""
        return plain(self.database if self.kind == "sqlite" else f"{self.host}:{self.port}", 255)


@dataclass(frozen=True, slots=True)
class Question:
    """A query in the database's own language, its parameters by name, and how many rows it may give."""

    text: str
    params: Mapping[str, Scalar]
    max_rows: int


@dataclass(slots=True)
class Table:
    """The rows of an answer as they come in."""

    columns: tuple[str, ...]
    question: Question
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    size: int = 0

    def add(self, row: Iterable[Any]) -> None:
        """Take one row.

        Raises:
            StepError: it is one too many, or the values are too large.
        """
        if len(self.rows) == self.question.max_rows:
            raise _too_much(f"over {self.question.max_rows} rows")
        values = tuple(map(as_json, row))
        self.size += sum(len(value) for value in values if isinstance(value, str))
        if self.size > SIZE_LIMIT:
            raise _too_much(f"over {SIZE_LIMIT} bytes of values")
        self.rows.append(values)


def parse_place(url: str, user: str | None = None, password: str | None = None) -> Place:
    """The place that a URL names; `user` and `password` as they are, instead of those in the URL.

    Raises:
        ValueError: with a sentence.
    """
    scheme, _, rest = url.partition(":")
    kind = SCHEMES.get(scheme)
    if kind is None:
        raise ValueError(_WRITTEN)
    if kind == "sqlite":
        path = rest.removeprefix("//") if rest.startswith("///") else rest
        if not path or path.startswith(("//", ":")):
            raise ValueError(_WRITTEN)
        return Place(kind, path)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or _PORTS[kind]
    except ValueError:
        raise ValueError(_WRITTEN) from None
    if not host or parts.query or parts.fragment or not rest.startswith("//"):
        raise ValueError(_WRITTEN)
    return Place(
        kind,
        unquote(parts.path.removeprefix("/")),
        host,
        port,
        user if user is not None else unquote(parts.username or ""),
        password if password is not None else unquote(parts.password or ""),
    )


def with_markers(text: str, params: Mapping[str, Scalar], kind: str) -> str:
    """`:name` as the drivers write it, `%(name)s`; only names that have a value, for a colon is much else.

    Without parameters nothing is changed.
    """
    if not params:
        return text

    def replace(match: re.Match[str]) -> str:
        name = match["name"]
        return f"%({name})s" if name in params else match[0].replace("%", "%%")

    pieces, end = [], 0
    for match in PATTERNS[kind].finditer(text):
        pieces += [text[end : match.start()].replace("%", "%%"), replace(match)]
        end = match.end()
    return "".join([*pieces, text[end:].replace("%", "%%")])


def as_json(value: Any) -> Any:
    """A value of a column as JSON would have it: times in ISO 8601, durations in seconds, bytes in hex."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Decimal():
            whole = value.is_finite() and value == value.to_integral_value() and abs(value) < 10**18
            return int(value) if whole else float(value)
        case bytes() | bytearray() | memoryview():
            return bytes(value).hex()
        case datetime.timedelta():
            return value.total_seconds()
        case datetime.date() | datetime.time():
            return value.isoformat()
        case Mapping():
            return {str(key): as_json(inner) for key, inner in value.items()}
        case list() | tuple():
            return [as_json(inner) for inner in value]
        case _:
            return plain(value, 4096)


def fields_of(table: Table) -> dict[str, Any]:
    """What expectations see of a table."""
    rows: Sequence[dict[str, Any]] = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    first = table.rows[0] if table.rows else ()
    return {
        "rows": rows,
        "row": rows[0] if rows else None,
        "value": first[0] if first else None,
        "row_count": len(rows),
    }


def fault(
    place: Place,
    message: str,
    type: ErrorType = ErrorType.PERMANENT,
    category: ErrorCategory = ErrorCategory.DATABASE,
) -> StepError:
    """The error to raise: `message` with whose it is."""
    return StepError(Failure(f"{place.name}: {message}", type, category))


def endless() -> StepError:
    """The error when more than `WIRE_LIMIT` comes."""
    return _too_much(f"over {WIRE_LIMIT} bytes")


def broken_off(place: Place, words: str, where: str) -> Failure:
    """The failure of a peer that speaks another language than its port says."""
    return Failure(f"{place.name} {words} ({where})", ErrorType.NETWORK, ErrorCategory.DATABASE)


def _too_much(message: str) -> StepError:
    return StepError(Failure(f"the query gives {message}", ErrorType.PERMANENT, ErrorCategory.VALIDATION))
