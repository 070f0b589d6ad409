from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.workflows.assertions import extract, parse_expectation
from engine.workflows.fieldpath import parse_path

FIELDS: dict[str, Any] = {
    "status": 503,
    "duration": 1.2345,
    "size": 12,
    "body": "hello ]x[ \x1b[31m",
    "json": {
        "token": None,
        "items": [{"name": "x"}, {"name": "y"}],
        "flag": True,
        "n": 5,
        "s": "5",
        "odd key": 1,
    },
    "headers": {"content-type": "application/json", "content-length": "12"},
}


@pytest.mark.parametrize(
    ("text", "passed", "shown"),
    [
        ("status == 200", False, "status (503) == 200"),
        ("status in [200, 204]", False, "status (503) in [200, 204]"),
        ("status not in [200, 204]", True, "status (503) not in [200, 204]"),
        ("not status == 200", True, "not status (503) == 200"),
        ("duration < 800ms", False, "duration (1.234 s) < 800 ms"),
        ("duration <= 2s", True, "duration (1.234 s) <= 2 s"),
        ("json.token == null", True, "json.token (null) == null"),
        ("json.token != null", False, "json.token (null) != null"),
        ("json.items[0].name == 'x'", True, "json.items[0].name (x) == 'x'"),
        ("json.items[-1].name == y", True, "json.items[-1].name (y) == y"),
        ("json['odd key'] == 1", True, "json['odd key'] (1) == 1"),
        ("len(json.items) > 0", True, "len(json.items) (2) > 0"),
        ("len(json.items) > 2", False, "len(json.items) (2) > 2"),
        ("len(status) > 0", False, "len(status) (missing) > 0"),
        ("json.flag == true", True, "json.flag (true) == true"),
        ("json.flag == 1", False, "json.flag (true) == 1"),
        ("json.s == 5", False, "json.s (5) == 5"),
        ("headers.content-length == 12", True, "headers.content-length (12) == 12"),
        ("headers.content-type contains json", True, "headers.content-type (application/json) contains json"),
        ("json contains 'token'", True, "json (object of 6) contains 'token'"),
        ("json.items contains z", False, "json.items (list of 2) contains z"),
        ("size < 10kb", True, "size (12) < 10kb"),
        ("size < 1.5", False, "size (12) < 1.5"),
        ("body > 3", False, "body (hello ]x[ ) > 3"),
        (r'body matches "^h\w+o"', True, r'body (hello ]x[ ) matches "^h\w+o"'),
        ("status matches '^5'", True, "status (503) matches '^5'"),
    ],
)
def test_an_expectation_shows_the_actual_value_in_place(text: str, passed: bool, shown: str) -> None:
    assertion = parse_expectation(text).check(FIELDS)
    assert (assertion.text, assertion.passed, assertion.shown) == (text, passed, shown)


@pytest.mark.parametrize(
    ("text", "field", "value", "shown"),
    [
        ("duration < 1ms", "duration", 0.00104, "duration (1.04 ms) < 1 ms"),
        ("duration < 1ms", "duration", 0.0014, "duration (1.4 ms) < 1 ms"),
        ("duration < 800ms", "duration", 0.8123456, "duration (812 ms) < 800 ms"),
        ("duration < 20s", "duration", 20.0004, "duration (20.0004 s) < 20 s"),
        ("duration >= 1ms", "duration", 0.00096, "duration (0.96 ms) >= 1 ms"),
        ("duration == 1ms", "duration", 0.00104, "duration (1.04 ms) == 1 ms"),
        ("not duration > 1ms", "duration", 0.00104, "duration (1.04 ms) > 1 ms"),
        ("expires_in >= 2d", "expires_in", 172_799.7, "expires_in (1 d 23 h 59 m 59.7 s) >= 2 d"),
        ("expires_in > 3d", "expires_in", 172_799.7, "expires_in (2 d) > 3 d"),
    ],
)
def test_what_is_shown_of_a_failure_fails_too(text: str, field: str, value: float, shown: str) -> None:
    assertion = parse_expectation(text).check({field: value})
    assert not assertion.passed
    assert assertion.shown.removeprefix("not ") == shown


@pytest.mark.parametrize(
    ("text", "passed"),
    [
        ("json.gone == null", True),
        ("not json.gone != null", True),
        ("json.gone != null", False),
        ("not json.gone == 'x'", False),
        ("json.gone not contains x", False),
        ("json.items[9].name == null", True),
        ("json.gone < 5", False),
        ("nothing == 1", False),
    ],
)
def test_what_is_missing_equals_null_and_passes_nothing_else(text: str, passed: bool) -> None:
    assertion = parse_expectation(text).check(FIELDS)
    assert assertion.passed is passed
    assert "(missing)" in assertion.shown


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a path"),
        ("status", "is expected"),
        ("status = 200", "is expected"),
        ("status ==", "a value is expected"),
        ("status == 'x", "in quotes"),
        ("status == two words", "in quotes"),
        ("len(json == 3", "no closing )"),
        ("status in 200", "takes a list"),
        ("status < [1]", "does not take a list"),
        ("status in [1 2]", "comma"),
        ("status in [1", "no closing ]"),
        ("body matches '(a'", "pattern"),
        ("body matches '(?=a)'", "pattern"),
        ("body matches 3", "pattern"),
        ("status == 1" + " " * 3000 + "2", "2000 characters"),
        ("a" + ".b" * 60 + " == 1", "50 parts"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_sentence(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("(", r"\(").replace(")", r"\)")):
        parse_expectation(text)


def test_shown_values_are_short_and_plain() -> None:
    fields = {"body": "\x1b]52;c;eA==\x07[/red]\u202e" + "y" * 100_000}
    shown = parse_expectation("body == 'z'").check(fields).shown
    assert len(shown) < 120
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_a_hostile_pattern_is_linear() -> None:
    expectation = parse_expectation("body matches '(a+)+$'")
    assert expectation.check({"body": "a" * 100_000 + "!"}).passed is False


_PIECES = st.sampled_from(
    [
        "status",
        "json",
        ".",
        "[",
        "]",
        "0",
        "'",
        '"',
        "==",
        "!=",
        "in",
        "not",
        "contains",
        "matches",
        "len(",
        ")",
        "null",
        "true",
        "800ms",
        "10kb",
        "x",
        ",",
        "-",
        "(a",
        "\\",
    ]
)


@given(
    st.one_of(
        st.text(max_size=80), st.lists(_PIECES, max_size=12).map(" ".join), st.lists(_PIECES).map("".join)
    )
)
def test_any_text_is_an_expectation_or_a_value_error(text: str) -> None:
    try:
        expectation = parse_expectation(text)
    except ValueError:
        return
    expectation.check(FIELDS)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


@given(
    value=_JSON,
    comparison=st.sampled_from(
        [
            "== 1",
            "!= 'a'",
            "< 3",
            ">= 'a'",
            "in [1, 'a', null]",
            "contains 'a'",
            "matches 'a+'",
            "not contains 1",
        ]
    ),
    length=st.booleans(),
)
def test_any_document_can_be_checked(value: Any, comparison: str, length: bool) -> None:
    left = "len(json)" if length else "json"
    assertion = parse_expectation(f"{left} {comparison}").check({"json": value})
    assert isinstance(assertion.passed, bool)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("status", 503),
        ("json.items[1].name", "y"),
        ("json.token", None),
        ("headers.content-type", "application/json"),
    ],
)
def test_extraction_finds_values(path: str, value: object) -> None:
    assert extract(path, FIELDS) == value


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("json.gone", "json.gone is missing"),
        ("json.items", "json.items is a list, not one value"),
        ("json", "json is an object, not one value"),
        ("json.items ==", "is not a path"),
    ],
)
def test_extraction_says_what_is_wrong(path: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        extract(path, FIELDS)


def test_extraction_is_bounded() -> None:
    with pytest.raises(ValueError, match="the limit is 65536"):
        extract("body", {"body": "x" * 100_000})


@given(st.text(max_size=60))
def test_any_text_is_a_path_or_a_value_error(text: str) -> None:
    try:
        path = parse_path(text)
    except ValueError:
        return
    path.find(FIELDS)
