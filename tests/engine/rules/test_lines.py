"""Searches of rules: which lines they fit, what they refuse, and that they find what the log view finds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model import LogLevel, LogRecord
from engine.rules.lines import MAX_COUNT, LineBook, parse_search
from tests.engine.rules.build import START


def line(message: str, level: LogLevel = LogLevel.ERROR, source: str | None = None) -> LogRecord:
    return LogRecord(START, level, message, workflow_id="login", source=source)


@pytest.mark.parametrize(
    ("search", "message", "expected"),
    [
        ("timeout", "Timeout after 3 s", True),
        ("timeout", "timeouts", False),
        ("timeout*", "timeouts", True),
        ("refused timeout", "timeout: connection refused", True),
        ("refused timeout", "timeout", False),
        ('"connection refused"', "Connection: refused", True),
        ('"connection refused"', "connection was refused", False),
        ("cafe", "Café", True),
        ("timeout -retry", "timeout", True),
        ("timeout -retry", "timeout, will retry", False),
        ("/tim.*t$/", "a timeout", True),
        ("/TIM/i", "a timeout", True),
        ("/TIM/", "a timeout", False),
        ("a -/b{2}/", "a bbb", False),
        ("level:error", "x", True),
        ("level:warning", "x", False),
        ("level:warning+ x", "x", True),
        ("source:nginx", "x", False),
        ("a.b", "a b", True),
        ("x", "y " * 5000 + "x", False),
    ],
)
def test_fits(search: str, message: str, expected: bool) -> None:
    assert parse_search(search).fits(line(message)) is expected


@pytest.mark.parametrize(
    ("search", "says"),
    [
        ("-a", "only exclude"),
        ("level:eror", "did you mean error?"),
        ("since:1h x", "`since:1h` cannot be part"),
        ("-level:error x", "cannot be part"),
        ("...", "no letters or digits"),
        ("/(?=a)/", "RE2"),
        ("a " * 17, "1 to 16 parts"),
        ("", "1 to 16 parts"),
    ],
)
def test_refused_with_a_sentence(search: str, says: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]{10,300}$") as raised:
        parse_search(search)
    assert says in str(raised.value)


@given(search=st.text(max_size=60), message=st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_is_taken_or_refused(search: str, message: str) -> None:
    try:
        parsed = parse_search(search)
    except ValueError:
        return
    assert parsed.fits(line(message)) in (True, False)


def test_what_is_kept_is_bounded() -> None:
    book = LineBook(["x"])
    for _ in range(3):
        book.add([line("x")] * MAX_COUNT)
    assert book.count("x", "login", START) == MAX_COUNT
    assert book.count("x", "login", START + 1) == 0
    assert book.count("x", "shop", START) == 0
    assert book.newest("x", "login") == (START, "x")


@given(times=st.lists(st.floats(0, 50), max_size=40), since=st.floats(-10, 60))
def test_lines_are_counted_in_whatever_order_they_come(times: list[float], since: float) -> None:
    book = LineBook(["x"])
    book.add(replace(line("x"), at=START + at) for at in times)
    assert book.count("x", "login", START + since) == sum(START + at >= START + since for at in times)
    assert book.newest("x", "login") == ((START + times[-1], "x") if times else None)
