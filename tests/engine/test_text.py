"""Foreign text cannot move the cursor, write the clipboard or make columns lie."""

import timeit
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.text import DETAIL_LIMIT, LINE_LIMIT, clean, nearest, own_words, plain

JOINER = "\u200d"
# Format characters that have a glyph of their own.
VISIBLE_FORMATS = {
    *map(chr, range(0x600, 0x606)), "\u06dd", "\u070f", "\u0890", "\u0891", "\u08e2",
    "\U000110bd", "\U000110cd",
}  # fmt: skip
HOSTILE = st.text(
    alphabet=st.one_of(
        st.sampled_from(
            "\x1b\x9b\x9d\x9c\x07\r\n\t\\[]P;?0mab\u202e\u200b\u200d\u0301\u0e47\x00\x85\u2028\ufe0f"
        ),
        st.characters(),
        st.characters(categories=("Cc", "Cf", "Cs", "Zl", "Zp", "Mn")),
    ),
    max_size=120,
)


def is_forbidden(character: str) -> bool:
    category = unicodedata.category(character)
    if category == "Cf":
        return character != JOINER and character not in VISIBLE_FORMATS
    return category in ("Cc", "Cs", "Zl", "Zp")


@given(HOSTILE)
def test_nothing_forbidden_comes_through(text: str) -> None:
    assert [c for c in clean(text) if is_forbidden(c)] == []
    assert [c for c in clean(text, multiline=True) if is_forbidden(c) and c not in "\n\t"] == []


@given(HOSTILE, st.booleans())
def test_cleaning_twice_changes_nothing(text: str, multiline: bool) -> None:
    once = clean(text, multiline=multiline)
    assert clean(once, multiline=multiline) == once


@given(st.binary(max_size=200))
def test_bytes_never_raise_and_are_stored(data: bytes) -> None:
    clean(data).encode("utf-8")


def test_every_character_of_unicode() -> None:
    text = "".join(map(chr, range(0x110000)))
    left = {c for c in clean(text, len(text)) if is_forbidden(c)}
    assert left == set()


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain text", "plain text"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x9b31mred", "red"),
        ("\x1b[38;2;1;2;3mx", "x"),
        ("\x1b]0;title\x07x", "x"),
        ("\x1b]8;;http://e.vil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;QUFB\x07x", "x"),
        ("\x9d52;c;QUFB\x9cx", "x"),
        ("\x1bPq#0\x1b\\x", "x"),
        ("\x1b_apc\x1b\\\x1b^pm\x1b\\\x1bXsos\x1b\\x", "x"),
        ("\x1bc\x1b(0\x1b7x", "x"),
        ("\x1b\x1b[31mx", "x"),
        ("\x1b[\x1b[31m31mx", "31mx"),
        ("\x1b[3", ""),
        ("\x1b", ""),
        ("\x1b]52;c;never closed, yet readable", "52;c;never closed, yet readable"),
        ("\x9dnever closed", "\ufffdnever closed"),
        ("\x1b]0;a\nnext line", "0;a⏎next line"),
        ("a\x00b\x07c\x7f", "a␀b␇c␡"),
        ("a\rb", "a␍b"),
        ("a\r\nb\tc", "a⏎b c"),
        ("a\u2028b\u2029c\x85d", "a⏎b⏎c⏎d"),
        ("user\u202egnp.exe", "user\ufffdgnp.exe"),
        ("ad\u200bmin\ufeff\u00ad", "admin"),
        ("x\U000e0041\U000e007fy", "xy"),
        ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
        ("❤\ufe0f", "❤"),
        ("e\u0301", "e\u0301"),
        ("e" + "\u0301" * 50 + "x", "e\u0301\u0301\u0301x"),
        ("ก" + "\u0e47" * 50, "ก\u0e47\u0e47\u0e47"),
        ("\ud800\udfff", "\ufffd\ufffd"),
        ("[/foo][@click=app.quit]", "[/foo][@click=app.quit]"),
        ("日本語 naïve", "日本語 naïve"),
    ],
)
def test_one_line(raw: str, shown: str) -> None:
    assert clean(raw) == shown


def test_several_lines_keep_their_ends() -> None:
    assert clean("a\r\nb\tc\u2028d\re", multiline=True) == "a\nb\tc\nd␍e"


@pytest.mark.parametrize(
    ("value", "limit", "shown"),
    [
        ("x" * 10, 10, "x" * 10),
        ("x" * 11, 10, "x" * 10 + "…(+1 chars)"),
        ("x" * 5000, 10, "x" * 10 + "…(+4990 chars)"),
        (b"x" * 5000, 10, "x" * 10 + "…(+4990 chars)"),
        ("é".encode() * 5000, 10, "é" * 10 + "…(+4990 chars)"),
        ("👩".encode() * 11, 10, "👩" * 10 + "…(+1 chars)"),
        (b"\xff" * 12, 10, "\ufffd" * 10 + "…(+2 chars)"),
    ],
)
def test_what_is_cut_is_counted_in_characters(value: str | bytes, limit: int, shown: str) -> None:
    assert clean(value, limit) == shown


def test_a_sequence_cut_in_two_does_not_come_through() -> None:
    assert clean("abc\x1b[31mred", 5) == "abc…(+6 chars)"


@pytest.mark.parametrize(
    "unit",
    [
        "\x9d",
        "\x1b]",
        "\x1bP\x1b",
        "\x1b[",
        "\x9b;",
        "\x1b ",
        "\u0301",
        "\u200d",
        "\x9d\x9b",
        "\r",
        "\x1b]\n",
    ],
)
def test_hostile_text_costs_its_length(unit: str) -> None:
    text = unit * (DETAIL_LIMIT // len(unit))
    # Work that grew with the square of the length would take minutes.
    assert timeit.timeit(lambda: clean(text, DETAIL_LIMIT), number=1) < 2


def test_plain_is_one_short_line_of_anything() -> None:
    assert plain(None) == "None"
    assert plain(b"\xffa\nb") == "\ufffda⏎b"
    assert plain("x" * 600) == "x" * 512 + "…(+88 chars)"
    assert len(clean("x" * 5000)) == LINE_LIMIT + len("…(+904 chars)")


def test_own_words() -> None:
    assert own_words(ValueError("bad\x1b[31m\nthing")) == "bad⏎thing"
    assert own_words(TimeoutError()) == "TimeoutError"


@pytest.mark.parametrize(
    ("word", "known", "near"),
    [
        ("evry", ["every", "cron"], "every"),
        ("warning", ["WARNING", "ERROR"], "WARNING"),
        ("x", ["every"], None),
        ("", ["a"], None),
        ("y" * 100_000, ["every"], None),
    ],
)
def test_nearest(word: str, known: list[str], near: str | None) -> None:
    assert nearest(word, known) == near
