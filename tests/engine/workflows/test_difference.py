"""A failed comparison of something long says where it parts."""

import pytest

from engine.workflows.assertions import parse_expectation
from engine.workflows.difference import text_difference

LONG = "line one\nline two is here\n" + "x" * 100


@pytest.mark.parametrize(
    ("found", "wanted", "shown"),
    [
        (LONG, LONG.replace("two", "2"), "line 2, column 6: «line two is here» where «line 2 is here»"),
        ("a" * 90 + "b", "a" * 90, "character 91: «aaaaaaaaaaaab» where the end was expected"),
        ("a" * 70, "a" * 71, "70 characters, character 71: the end where «aaaaaaaaaaaaa» was expected"),
        ("\x1b[31mred" + "a" * 80, "b", "character 1: «red"),
    ],
)
def test_texts(found: str, wanted: str, shown: str) -> None:
    text = text_difference(found, wanted)
    assert shown in text
    assert text.isprintable()
    assert len(text) < 150


def test_a_million_characters_take_no_time() -> None:
    assert "character 1000001" in text_difference("a" * 1_000_000 + "b", "a" * 1_000_000 + "c")


@pytest.mark.parametrize(
    ("expectation", "fields", "shown"),
    [
        ("body == 'up'", {"body": "down"}, "body (down) == 'up'"),
        ("body == 'up'", {"body": "d" * 70}, "body (70 characters, character 1: «"),
        ("json.a == [1, 2]", {"json": {"a": [1, 3]}}, "json.a (list of 2, item 1 is 3 where 2 was expected)"),
        ("json.a == [1]", {"json": {"a": [1, 3]}}, "json.a (list of 2 where one of 1 was expected)"),
        ("json.token == 'x'", {"json": {"token": "y" * 90}}, "json.token (90 characters) == 'x'"),
        (
            "headers.x-api-key == 1",
            {"headers": {"x-api-key": "abc"}},
            "headers.x-api-key (3 characters) == 1",
        ),
        ("len(body) == 3", {"body": "d" * 70}, "len(body) (70) == 3"),
    ],
)
def test_in_place(expectation: str, fields: dict[str, object], shown: str) -> None:
    seen = parse_expectation(expectation).check(fields)
    assert not seen.passed
    assert shown in seen.shown
