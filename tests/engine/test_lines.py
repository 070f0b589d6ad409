"""Plain terminal output."""

from __future__ import annotations

import io
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config.types import parse_duration
from engine.lines import cells, lasted, pad, paint, percent, seconds, spelled, table, wants_colour


def test_columns_align_and_numbers_lean_right() -> None:
    lines = table(("NAME", "COUNT", "NOTE"), [("a", 5, "x"), ("longer", 1234, None)])
    assert lines == [
        "NAME    COUNT  NOTE",
        "a           5  x",
        "longer   1234  –",
    ]


def test_wide_characters_take_two_columns() -> None:
    assert (cells("ab"), cells("鐘"), cells("e\u0301")) == (2, 2, 1)
    assert pad("鐘", 4) == "鐘  "
    first, second = table(("N", "X"), [("鐘", "|"), ("ab", "|")])[1:]
    assert cells(first.partition("|")[0]) == cells(second.partition("|")[0])


def test_cells_are_made_safe() -> None:
    lines = table(("A", "B"), [("\x1b]52;c;ZXZpbA==\x07name", "line\nbreak\x9b31m")])
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", "".join(lines))
    assert "name" in lines[1]
    assert len(lines) == 2


def test_colour_paints_words_of_state_only() -> None:
    assert paint("failed") == "\x1b[31mfailed\x1b[0m"
    assert paint("checkout") == "checkout"
    plain_lines = table(("A", "B"), [("x", "failed")])
    coloured = table(("A", "B"), [("x", "failed")], colour=True)
    assert [re.sub(r"\x1b\[\d+m", "", line) for line in coloured] == plain_lines
    assert "\x1b[31m" in coloured[1]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("term", "no_color", "expected"),
    [("xterm", "", True), ("dumb", "", False), ("xterm", "1", False)],
)
def test_who_wants_colour(monkeypatch: pytest.MonkeyPatch, term: str, no_color: str, expected: bool) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("NO_COLOR", no_color)
    assert wants_colour(Terminal()) is expected
    assert wants_colour(io.StringIO()) is False


@pytest.mark.parametrize(
    ("duration", "shown"),
    [
        (None, None),
        (0, "0 ms"),
        (0.0123, "12 ms"),
        (0.9996, "1.00 s"),
        (3.4249, "3.42 s"),
        (250, "4 m 10 s"),
        (3_725, "1 h 02 m"),
        (90_061, "1 d 01 h"),
        (math.nan, None),
    ],
)
def test_durations(duration: float | None, shown: str | None) -> None:
    assert seconds(duration) == shown


@pytest.mark.parametrize(
    ("duration", "exactly", "cut"),
    [
        (0, "0 s", "0 s"),
        (0.0576, "57.6 ms", "58 ms"),
        (0.29, "290 ms", "290 ms"),
        (1.5, "1.5 s", "1.5 s"),
        (29.94, "29.94 s", "29.9 s"),
        (240.182, "4 m 00.182 s", "4 m"),
        (599.99, "9 m 59.99 s", "9 m 59 s"),
        (5_400, "1 h 30 m", "1 h 30 m"),
        (90_061, "1 d 01 h 01 m 01 s", "1 d 01 h"),
    ],
)
def test_durations_in_sentences(duration: float, exactly: str, cut: str) -> None:
    assert (spelled(duration), lasted(duration)) == (exactly, cut)


@given(st.floats(0, 1e7), st.floats(0, 1e7))
def test_what_lasted_less_never_reads_as_longer(less: float, more: float) -> None:
    def read(words: str) -> float:
        return parse_duration(words.replace(" ", ""))

    less, more = sorted((less, more))
    assert read(lasted(less)) <= read(lasted(more)) <= more * 1.005 + 0.000_5


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (None, None),
        (0, "0 %"),
        (0.000_01, "0.1 %"),
        (math.nan, None),
        (0.5, "50.0 %"),
        (0.99999, "99.9 %"),
        (1, "100 %"),
    ],
)
def test_shares_are_never_rounded_to_all_or_nothing(share: float | None, shown: str | None) -> None:
    assert percent(share) == shown
