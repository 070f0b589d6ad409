"""Where in a line a search hit: as the index itself sees it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing

from engine.patterns import compile_pattern, encodable
from engine.store.search import LogQuery

Spans = tuple[tuple[int, int], ...]

# Cleaned lines have neither sign; in others they separate words, as a space does.
_OPEN, _CLOSE = "\x02", "\x03"
_SPACES = str.maketrans({_OPEN: " ", _CLOSE: " "})
_NO_MARKS = str.maketrans({_OPEN: None, _CLOSE: None})

MARKED = f"highlight(logs_fts, 0, char({ord(_OPEN)}), char({ord(_CLOSE)}))"
"""A line with marks around what was hit, in a SELECT from the index of the log."""


def hits(message: str, query: LogQuery) -> Spans:
    """The parts of `message` that the search's words, phrases, prefixes and patterns hit.

    Returns:
        Offsets (from, to) in characters, ascending, neither empty nor overlapping.
    """
    return hits_in((message,), query)[0]


def hits_of_index(message: str, marked: str, query: LogQuery) -> Spans:
    """`hits` of a line that the index of the log has put its marks (`MARKED`) into."""
    if marked.translate(_NO_MARKS) != message:
        return hits(message, query)  # it has such signs of its own
    return tuple(_merged(list(_between(marked))))


def hits_in(messages: Sequence[str], query: LogQuery) -> tuple[Spans, ...]:
    """`hits` of many lines at once, at a fraction of the cost.

    An index in memory, with the tokenizer of the log's, does the looking: no second opinion on what a word
    is can creep in.
    """
    texts = [encodable(message).translate(_SPACES) for message in messages]
    found: list[list[tuple[int, int]]] = [[] for _ in texts]
    if texts and query.phrases:
        for number, marked in _marked(texts, " OR ".join(query.phrases)):
            found[number] += _between(marked)
    for pattern in query.patterns:
        for spans, text in zip(found, texts, strict=True):
            spans += (match.span() for match in compile_pattern(pattern).finditer(text))
    return tuple(tuple(_merged(spans)) for spans in found)


def _marked(texts: Sequence[str], expression: str) -> list[tuple[int, str]]:
    """The texts that match, by number, with marks around what did."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as index:
        index.execute(
            "CREATE VIRTUAL TABLE t"
            " USING fts5 (m, columnsize = 0, tokenize = 'unicode61 remove_diacritics 2')"
        )
        index.execute("BEGIN")
        index.executemany("INSERT INTO t (rowid, m) VALUES (?, ?)", enumerate(texts))
        return index.execute(
            "SELECT rowid, highlight(t, 0, ?, ?) FROM t WHERE t MATCH ?", (_OPEN, _CLOSE, expression)
        ).fetchall()


def _between(marked: str) -> Iterator[tuple[int, int]]:
    """The places of what stands between marks, in the text without them."""
    at = 0
    for number, piece in enumerate(marked.replace(_CLOSE, _OPEN).split(_OPEN)):
        if number % 2:
            yield at, at + len(piece)
        at += len(piece)


def _merged(spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    start, end = 0, 0
    for first, last in sorted(spans):
        if first > end:
            if end > start:
                yield start, end
            start, end = first, last
        else:
            end = max(end, last)
    if end > start:
        yield start, end
