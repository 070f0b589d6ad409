"""Lines of other programs as log records: what level they have, when they are from, what they say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from engine.model import LogLevel, LogRecord, Scalar
from engine.text import clean

AGE_LIMIT = 600.0
"""Seconds that a line may be older than its reading to be kept under its own time: searches rely on it that
lines are in the order of their times, but for a quarter of an hour."""
MESSAGE_KEYS = ("message", "msg", "event", "text")
LEVEL_KEYS = ("level", "lvl", "severity", "levelname", "log.level")
TIME_KEYS = ("time", "timestamp", "ts", "@timestamp", "at")
_FIELDS = 32
_FIELD_LIMIT = 512
_LOOKED_AT = 256  # characters of a line in which its level and time are

_LEVELS = {
    LogLevel.DEBUG: ("trace", "debug", "verbose", "fine"),
    LogLevel.INFO: ("info", "information", "notice"),
    LogLevel.WARNING: ("warn", "warning"),
    LogLevel.ERROR: ("err", "error", "severe"),
    LogLevel.FATAL: ("crit", "critical", "fatal", "alert", "emerg", "emergency", "panic"),
}
_BY_NAME = {name: level for level, names in _LEVELS.items() for name in names}
_NAMES = "|".join(sorted(_BY_NAME, key=len, reverse=True))
# Upper case anywhere, or any case where only a level stands: [error], level=error, <err>, at the beginning.
_LEVEL = re.compile(
    rf"\b(?P<loud>{_NAMES.upper()})\b"
    rf"|(?i:(?:^|[\[<|(]\s?|\blevel[=:]\s?\"?)(?P<set>{_NAMES})(?:[\]>|):\"\s]|$))"
)
_ISO = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z|[+-]\d\d:?\d\d))?"
_BSD = r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d"
# What a line may begin with: RFC 5424 has a version between the priority and the time, RFC 3164 has not.
_TIME = re.compile(
    rf"^(?:<\d{{1,3}}>(?:1 )?)?\W{{0,3}}(?:(?P<iso>{_ISO})|(?P<bsd>{_BSD})(?!\S))"
    r"|\[(?P<clf>\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\]"
)
_PRIORITY = re.compile(r"<(\d{1,3})>(?=\S)")
_HIGHEST_PRIORITY = 191
# The severities 0 (emergency) to 7 (debug) of RFC 5424, section 6.2.1.
_SEVERITIES = (
    *(LogLevel.FATAL,) * 3,
    LogLevel.ERROR,
    LogLevel.WARNING,
    LogLevel.INFO,
    LogLevel.INFO,
    LogLevel.DEBUG,
)
_DAY = 86_400.0
_HEXADECIMAL = {32: re.compile(r"[0-9a-f]{32}"), 16: re.compile(r"[0-9a-f]{16}")}


def read_text(line: str, now: float, source: str) -> LogRecord:
    """A line of text, kept whole, as of `now` (seconds since the epoch) or of the time it begins with.

    That is a time of ISO 8601, of syslog (RFC 3164 and 5424, with or without a priority), or of web servers.
    """
    head = line[:_LOOKED_AT]
    at, fields = _moment(_time_in(head, now), now)
    return LogRecord(at, _level_in(head), clean(line), fields=fields, source=source)


def read_json(line: str, now: float, source: str, names: Mapping[str, str]) -> LogRecord:
    """A JSON object; `names` says what its `message`, `level`, `time`, `trace` and `span` are called.

    Without a name the usual ones are tried. Other values become fields. What is no object is taken as text.
    """
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return read_text(line, now, source)
    if not isinstance(found, dict):
        return read_text(line, now, source)
    message = _take(found, names, "message", MESSAGE_KEYS)
    level = _level(_take(found, names, "level", LEVEL_KEYS))
    at, fields = _moment(_when(_take(found, names, "time", TIME_KEYS)), now)
    trace = _identifier(_take(found, names, "trace", ("trace_id", "traceId")), 32)
    span = _identifier(_take(found, names, "span", ("span_id", "spanId")), 16)
    said = clean(line) if message is None else clean(message if isinstance(message, str) else _shown(message))
    rest = dict(_scalars(found))
    return LogRecord(at, level, said, trace_id=trace, span_id=span, fields={**rest, **fields}, source=source)


def _take(found: dict[str, Any], names: Mapping[str, str], name: str, usual: tuple[str, ...]) -> Any:
    """The value under the name said for it, or the first usual one; it is no field then."""
    for key in (names[name],) if name in names else usual:
        if found.get(key) is not None:
            return found.pop(key)
    return None


def _scalars(found: Mapping[str, Any]) -> Iterator[tuple[str, Scalar]]:
    for key, value in list(found.items())[:_FIELDS]:
        if isinstance(value, str):
            yield clean(key, 64), clean(value, _FIELD_LIMIT)
        elif value is None or isinstance(value, (bool, int, float)):
            yield clean(key, 64), value
        else:
            yield clean(key, 64), clean(_shown(value), _FIELD_LIMIT)


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _identifier(value: object, digits: int) -> str | None:
    text = value.lower() if isinstance(value, str) else ""
    return text if _HEXADECIMAL[digits].fullmatch(text) else None


def _level_in(head: str) -> LogLevel:
    """Of the priority that syslog puts first, or of a word."""
    priority = _PRIORITY.match(head)
    if priority is not None and int(priority[1]) <= _HIGHEST_PRIORITY:
        return _SEVERITIES[int(priority[1]) % 8]
    found = _LEVEL.search(head)
    return _BY_NAME[(found["loud"] or found["set"]).lower()] if found else LogLevel.INFO


def _level(value: object) -> LogLevel:
    """Of a name, or of a number as bunyan and pino have them (10 trace … 60 fatal)."""
    if isinstance(value, str):
        return _BY_NAME.get(value.strip().lower(), LogLevel.INFO)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        steps = ((60, LogLevel.FATAL), (50, LogLevel.ERROR), (40, LogLevel.WARNING), (30, LogLevel.INFO))
        return next((level for least, level in steps if value >= least), LogLevel.DEBUG)
    return LogLevel.INFO


def _time_in(head: str, now: float) -> float | None:
    found = _TIME.search(head)
    if found is None:
        return None
    try:
        if found["clf"]:
            return datetime.strptime(found["clf"], "%d/%b/%Y:%H:%M:%S %z").timestamp()
        return _bsd(found["bsd"], now) if found["bsd"] else _iso(found["iso"])
    except (ValueError, OverflowError, OSError):
        return None


def _when(value: object) -> float | None:
    """Of ISO 8601, or of a number of seconds, milli-, micro- or nanoseconds since the epoch."""
    if isinstance(value, str):
        try:
            return _iso(value)
        except (ValueError, OverflowError, OSError):
            return None
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    at = next((value / unit for unit in (1, 1e3, 1e6, 1e9) if 0 <= value / unit < 1e11), None)
    return None if at is None else float(at)


def _iso(text: str) -> float:
    """Without an offset it is of the machine's time zone."""
    text = re.sub(r"[.,](\d{1,6})\d*", lambda found: f".{found[1].ljust(6, '0')}", text.strip(), count=1)
    return datetime.fromisoformat(text.replace(" +", "+").replace(" -", "-").replace(" Z", "Z")).timestamp()


def _bsd(text: str, now: float) -> float | None:
    """Without a year and an offset: the last such moment of the machine's time zone, up to a day ahead."""
    this_year = datetime.fromtimestamp(now, UTC).year
    for year in range(this_year + 1, this_year - 5, -1):  # 29 February comes every fourth year
        try:
            at = datetime.strptime(f"{year} {text}", "%Y %b %d %H:%M:%S").astimezone().timestamp()
        except ValueError:
            continue
        if at <= now + _DAY:
            return at
    return None


def _moment(own: float | None, now: float) -> tuple[float, dict[str, Scalar]]:
    """The time to keep a line under, and its own as a field when that is another."""
    if own is None:
        return now, {}
    if now - AGE_LIMIT <= own <= now:
        return own, {}
    return now, {"time": own}
