"""Where a search hits a line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.store.highlight import hits, hits_in
from engine.store.search import parse

LINE = "Connection refused: réfused by 10.0.0.1:5432, größe 7"


def marked(query: str, message: str = LINE) -> list[str]:
    return [message[first:last] for first, last in hits(message, parse(query, 0.0))]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", []),
        ("level:error", []),
        ("connection", ["Connection"]),
        ("refused", ["refused", "réfused"]),
        ("REF*", ["refused", "réfused"]),
        ("ref", []),
        ('"connection refused"', ["Connection refused"]),
        ('"refused connection"', []),
        ("10.0.0.1", ["10.0.0.1"]),
        ("GRÖßE", ["größe"]),
        ("grosse", []),
        # Words that the line lacks take nothing from those it has.
        ("nothing refused -by", ["refused", "réfused"]),
        ("/re?fused/ 7", ["refused", "7"]),
        ("/n re/ refused", ["n refused", "réfused"]),
        ("/r.f/i", ["ref", "réf"]),
        ("/x*/", []),
    ],
)
def test_hits(query: str, expected: list[str]) -> None:
    assert marked(query) == expected


def test_the_marks_of_the_index_in_a_line_are_no_hits() -> None:
    assert marked("b", "\x02a\x03 b \x02 \ud800 b") == ["b", "b"]


def test_lines_keep_their_hits_apart() -> None:
    assert hits_in(("a b", "c", "b"), parse("b", 0.0)) == (((2, 3),), (), ((0, 1),))


@given(message=st.text(max_size=60), query=st.sampled_from(["a", "a*", '"a b"', "/a+/", "é -b", "/./ 1"]))
def test_hits_lie_in_the_line_in_order_and_apart(message: str, query: str) -> None:
    spans = hits(message, parse(query, 0.0))
    ends = [0, *(place for span in spans for place in span), len(message)]
    assert ends == sorted(ends)
    assert all(first < last for first, last in spans)
