"""What lines of other programs are taken for."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model import LogLevel
from engine.sources.lines import AGE_LIMIT, read_json, read_text

NOW = datetime(2026, 11, 21, 3, 0, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("2026-11-21T02:59:59Z ERROR could not connect", LogLevel.ERROR),
        ("[warn] upstream is slow", LogLevel.WARNING),
        ("2026/11/21 03:00:00 [crit] 7#7: no space left", LogLevel.FATAL),
        ("level=debug msg=hello", LogLevel.DEBUG),
        ('{"level": "info"}', LogLevel.INFO),
        ("warning: unused variable", LogLevel.WARNING),
        ("E_OK no errors, an error was mentioned", LogLevel.INFO),
        ("GET /error 200", LogLevel.INFO),
        ("Traceback", LogLevel.INFO),
        ("SEVERE: out of memory", LogLevel.ERROR),
        ("<34>1 2026-11-21T02:59:59Z shop su - ID47 - failed", LogLevel.FATAL),
        ("<30>Nov 21 02:59:59 shop cron[1]: ERROR is a word here", LogLevel.INFO),
        ("<3>kernel: lost an interrupt", LogLevel.ERROR),
        ("<15>debugging", LogLevel.DEBUG),
        ("<999>[warn] no priority", LogLevel.WARNING),
        (f"{'x' * 300} ERROR", LogLevel.INFO),
    ],
)
def test_levels_are_seen_where_they_are_plain(line: str, level: LogLevel) -> None:
    record = read_text(line, NOW, "app")
    assert (record.level, record.message, record.source) == (level, line, "app")


@pytest.mark.parametrize(
    ("line", "ago"),
    [
        ("2026-11-21T02:59:58Z hello", 2.0),
        ("2026-11-21 02:59:58.250+00:00 hello", 1.75),
        ("[2026-11-21T04:59:58,500 +0200] hello", 1.5),
        ("2026-11-21T02:59:58.123456789Z hello", 1.876544),
        ('127.0.0.1 - - [21/Nov/2026:02:59:58 +0000] "GET / HTTP/1.1" 200', 2.0),
        ("<34>1 2026-11-21T02:59:58.003Z shop su - ID47 - failed", 1.997),
        ("<34>1 2026-11-21T04:59:58+02:00 shop su - ID47 - failed", 2.0),
        ("<34>2026-11-21T02:59:58Z shop su: failed", 2.0),
        ("<34>1 - shop su - ID47 - no time", 0.0),
        ("Novx 21 02:59:58 hello", 0.0),
        ("hello", 0.0),
        ("hello 2026-11-21T02:59:58Z", 0.0),
        ("2026-13-41T02:59:58Z hello", 0.0),
    ],
)
def test_times_are_read_where_they_are_plain(line: str, ago: float) -> None:
    assert read_text(line, NOW, "app").at == pytest.approx(NOW - ago, abs=1e-5)


@pytest.mark.parametrize("own", ["2026-11-20T03:00:00Z", "2026-11-21T03:00:01Z", "1971-01-01T00:00:00Z"])
def test_a_time_far_from_its_reading_is_a_field(own: str) -> None:
    record = read_text(f"{own} hello", NOW, "app")
    assert record.at == NOW
    assert record.fields == {"time": datetime.fromisoformat(own).timestamp()}


def test_a_json_line_is_taken_apart() -> None:
    said = {
        "msg": "slow \x1b[31mquery", "level": 50, "time": (NOW - 2) * 1e3, "trace_id": "AB" * 16,
        "span_id": "nothing", "took": 1.5, "ok": False, "user": {"id": 7}, "none": None,
    }  # fmt: skip
    record = read_json(json.dumps(said), NOW, "app", {})
    assert (record.message, record.level) == ("slow query", LogLevel.ERROR)
    assert record.at == pytest.approx(NOW - 2)
    assert (record.trace_id, record.span_id) == ("ab" * 16, None)
    assert record.fields == {"took": 1.5, "ok": False, "user": '{"id": 7}', "none": None}


def test_json_names_can_be_said() -> None:
    names = {"message": "what", "level": "how", "time": "when"}
    line = json.dumps({"what": "hello", "how": "warn", "when": NOW - 1, "msg": "another"})
    record = read_json(line, NOW, "app", names)
    assert (record.message, record.level, record.at) == ("hello", LogLevel.WARNING, NOW - 1)
    assert record.fields == {"msg": "another"}


@pytest.mark.parametrize(
    "line", ["no json", "[1]", "7", '{"a":', "[" * 100_000, '{"a": ' * 5_000, "1" * 5_000]
)
def test_what_is_no_object_is_text(line: str) -> None:
    assert read_json(line, NOW, "app", {}).message[:20] == line[:20]


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.dictionaries(
        st.sampled_from(["msg", "level", "time", "ts", "trace_id", "a", "b\x00"]), _values, max_size=6
    )
)
def test_any_object_becomes_a_record(said: dict[str, object]) -> None:
    record = read_json(json.dumps(said), NOW, "app", {})
    assert NOW - 600 <= record.at <= NOW
    assert len(record.fields) <= 33


@given(
    st.text(max_size=80) | st.from_regex(r"\[?[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.,]{8,12}[Z+0-9:]{0,6} .*")
)
def test_any_text_becomes_a_record(line: str) -> None:
    assert NOW - 600 <= read_text(line, NOW, "app").at <= NOW


@pytest.fixture
def in_sydney(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine's time zone is another than UTC."""
    monkeypatch.setenv("TZ", "Australia/Sydney")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("in_sydney")
@pytest.mark.parametrize("priority", ["", "<34>"])
@pytest.mark.parametrize(
    ("now", "written", "own"),
    [
        ("2026-11-21T14:00:00+11:00", "Nov 21 13:59:58", "2026-11-21T13:59:58+11:00"),
        ("2026-11-01T14:00:00+11:00", "Nov  1 13:59:58", "2026-11-01T13:59:58+11:00"),
        ("2027-01-01T00:00:05+11:00", "Dec 31 23:59:58", "2026-12-31T23:59:58+11:00"),
        ("2026-12-31T23:59:59+11:00", "Jan  1 00:00:01", "2027-01-01T00:00:01+11:00"),
        ("2028-02-29T10:00:00+11:00", "Feb 29 09:59:59", "2028-02-29T09:59:59+11:00"),
        ("2027-03-01T10:00:00+11:00", "Feb 29 09:59:59", "2024-02-29T09:59:59+11:00"),
    ],
)
def test_syslog_says_neither_year_nor_time_zone(now: str, written: str, own: str, priority: str) -> None:
    read_at, expected = (datetime.fromisoformat(text).timestamp() for text in (now, own))
    record = read_text(f"{priority}{written} shop sshd[1]: hello", read_at, "app")
    assert record.fields.get("time", record.at) == expected
    assert record.at == (expected if 0 <= read_at - expected <= AGE_LIMIT else read_at)
