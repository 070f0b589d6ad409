"""Presentation: exact widths, safe text, words for every state."""

from __future__ import annotations

import math
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.content import Content

from engine.model import AlertState, BreakerState, HealthStatus, LogLevel, Outcome, Severity
from tui import present

_anything = st.text(st.characters(), max_size=60)
_HOSTILE = (
    "[/foo] [red]x[/red] [@click=app.quit]quit[/]",
    "\x1b]52;c;aGFja2Vk\x07\x1b[2J\x9b1mred",
    "a\u202egnirts\u2066b\u200b\u00ad",
    "line\nbreak\r\ttab\x00nul\x7f",
    "\ud800 lone surrogate",
)


def _is_control(character: str) -> bool:
    return (
        unicodedata.category(character) in ("Cc", "Cs") or character in "\u202a\u202b\u202d\u202e\u2066\u2067"
    )


@given(_anything, st.integers(0, 40), st.sampled_from(["left", "right"]))
def test_fit_has_exactly_the_width(text: str, width: int, align: str) -> None:
    fitted = present.fit(text, width, "right" if align == "right" else "left")
    assert Content(fitted.plain).cell_length == width == fitted.cell_length


def test_fit_cuts_with_an_ellipsis_and_keeps_wide_characters_whole() -> None:
    assert present.fit("checkout", 5).plain == "chec…"
    assert present.fit("日本語", 4).plain == "日 …"
    assert present.fit("ok", 5, "right").plain == "   ok"


def test_fit_keeps_styles_of_what_is_left() -> None:
    fitted = present.fit(Content.styled("checkout", "bold"), 5)
    assert [(span.start, span.end, span.style) for span in fitted.spans] == [(0, 4, "bold")]


@given(_anything)
def test_foreign_text_has_no_control_characters(text: str) -> None:
    assert not any(_is_control(character) for character in present.foreign(text).plain)


@pytest.mark.parametrize("text", _HOSTILE)
def test_foreign_text_is_never_markup(text: str) -> None:
    content = present.foreign(text)
    assert not content.spans
    assert not any(_is_control(character) for character in content.plain)


def test_foreign_text_says_how_much_was_cut() -> None:
    assert present.foreign("x" * 600, 10).plain == "xxxxxxxxxx…(+590 chars)"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "–"),
        (0.0, "0 ms"),
        (-1.0, "0 ms"),
        (0.0004, "0.4 ms"),
        (0.012, "12 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.00 s"),
        (1.24, "1.24 s"),
        (9.996, "10.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 m 00 s"),
        (125.0, "2 m 05 s"),
        (3599.7, "1 h 00 m"),
        (11_400.0, "3 h 10 m"),
        (86_399.9, "1 d 00 h"),
        (187_200.0, "2 d 04 h"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert present.duration_text(seconds) == text


@given(st.floats(0, 59.9), st.floats(0, 59.9))
def test_longer_durations_never_read_shorter(one: float, other: float) -> None:
    def read(text: str) -> float:
        number, unit = text.split()
        return float(number) * (0.001 if unit == "ms" else 1)

    low, high = sorted((one, other))
    assert read(present.duration_text(low)) <= read(present.duration_text(high))


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (None, "–"),
        (999.5, "now"),
        (988.0, "12 s"),
        (941.0, "59 s"),
        (700.0, "5 m"),
        (1000 - 10_801, "3 h"),
        (1000 - 172_801, "2 d"),
        (1012.0, "in 12 s"),
        (1000.5, "now"),
        (1060.0, "in 1 m"),
    ],
)
def test_ages(at: float | None, text: str) -> None:
    assert present.age_text(at, 1000.0) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (150.0, "in 2 m"), (59.0, "in 1 m"), (50.5, "in 1 m"), (50.0, "in 50 s"), (10.0, "in 10 s"),
        (8.2, "in 9 s"), (0.2, "in 1 s"), (0.0, "now"), (-9.0, "now"), (-12.0, "12 s"),
    ],
)  # fmt: skip
def test_what_is_due_soon_is_told_by_tens_of_seconds(seconds: float, text: str) -> None:
    assert present.due_text(1000.0 + seconds, 1000.0) == text
    assert present.due_text(None, 1000.0) == present.age_text(None, 1000.0)


@pytest.mark.parametrize(
    ("since", "text"), [(999.5, "just now"), (1000.5, "just now"), (988.0, "for 12 s"), (0.0, "for 16 m")]
)
def test_how_long_something_lasts(since: float, text: str) -> None:
    assert present.lasting_text(since, 1000.0) == text


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (None, "–"),
        (math.nan, "–"),
        (0.0, "0 %"),
        (1.0, "100 %"),
        (0.987, "98.7 %"),
        (0.99999, "99.9 %"),
        (0.00001, "0.1 %"),
    ],
)
def test_percentages_never_round_to_all_or_nothing(rate: float | None, text: str) -> None:
    assert present.percent_text(rate) == text


def test_clock_is_local(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert present.clock_text(0.0) == "09:00:00"
        assert present.clock_text(0.0, seconds=False) == "09:00"
        assert present.zone_text() == "JST"
    finally:
        monkeypatch.undo()
        time.tzset()


@given(st.lists(st.sampled_from(list(Outcome)), max_size=80), st.integers(0, 60))
def test_uptime_bar_has_exactly_the_width(recent: list[Outcome], width: int) -> None:
    assert present.uptime_bar(recent, width).cell_length == width


def test_uptime_bar_is_right_aligned_and_shows_the_newest() -> None:
    assert present.uptime_bar([Outcome.OK, Outcome.FAILED], 4).plain == "··▌█"
    assert present.uptime_bar([Outcome.OK] * 9 + [Outcome.FAILED], 3).plain == "▌▌█"


@given(st.lists(st.floats(), max_size=80), st.integers(0, 60))
def test_sparkline_has_exactly_the_width(values: list[float], width: int) -> None:
    assert present.sparkline(values, width).cell_length == width


def test_sparkline_spans_least_to_greatest_and_leaves_gaps() -> None:
    assert present.sparkline([0, 1, math.nan, 7], 6).plain == "  ▁▂ █"
    assert present.sparkline([5, 5], 2).plain == "▁▁"
    assert present.sparkline([-1.7e308, 1.7e308], 2).plain == "▁█"


def test_highlight_marks_every_hit() -> None:
    content = present.highlight("Timeout: timeout at [b]", [(0, 7), (9, 16), (20, 23)])
    assert [(span.start, span.end) for span in content.spans] == [(0, 7), (9, 16), (20, 23)]
    assert content.plain == "Timeout: timeout at [b]"


def test_highlight_marks_nothing_wrong() -> None:
    assert not present.highlight("(a+)+", []).spans
    # Cleaning moves what comes after an escape sequence; what lies beyond the limit is not shown.
    assert not present.highlight("\x1b[31m word", [(6, 10)]).spans
    assert [(span.start, span.end) for span in present.highlight("a word", [(2, 6), (5, 6)], 4).spans] == [
        (2, 4)
    ]


@given(_anything, st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=3))
def test_highlight_never_changes_the_text(text: str, hits: list[tuple[int, int]]) -> None:
    assert present.highlight(text, hits).plain == present.foreign(text).plain


def _signs() -> dict[str, list[Content]]:
    return {
        "severity": [present.severity(one) for one in Severity],
        "state": [present.alert_state(one) for one in AlertState],
        "short state": [present.alert_state(one, short=True) for one in AlertState],
        "outcome": [present.outcome(one) for one in Outcome],
        "outcome glyph": [present.outcome_glyph(one) for one in Outcome],
        "status": [present.health_status(one) for one in HealthStatus],
        "breaker": [present.breaker(one) for one in BreakerState],
        "level": [present.log_level(one) for one in LogLevel],
        "uptime": [present.uptime_bar([one], 1) for one in Outcome],
    }


@pytest.mark.parametrize("unicode", [True, False])
def test_states_differ_without_colour(monkeypatch: pytest.MonkeyPatch, unicode: bool) -> None:
    monkeypatch.setattr(present, "UNICODE", unicode)
    for name, contents in _signs().items():
        texts = [content.plain for content in contents]
        assert len(set(texts)) == len(texts), name
        assert len({text[0] for text in texts}) == len(texts) or name == "level", name
        assert all(content.spans for content in contents), name
        assert unicode or all(text.isascii() for text in texts), name


def test_ascii_terminals_get_ascii_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(present, "UNICODE", False)
    texts = [
        present.fit("a long name", 5).plain,
        present.duration_text(None),
        present.age_text(None, 0),
        present.percent_text(None),
        present.sparkline([1, 2, 3], 5).plain,
        present.uptime_bar([], 3).plain,
    ]
    assert all(text.isascii() for text in texts)
