"""The faults a YAML parser finds, in plain words and at the place that helps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.text import plain

if TYPE_CHECKING:
    from yaml import MarkedYAMLError

_INDENT = "lines of one mapping or list start in the same column"
# Part of the parser's problem, our message, our hint; the first that fits is taken.
_WORDS = (
    (
        "mapping values are not allowed",
        "a `:` is not expected here",
        "quote a text that holds `: `, or mind the indent",
    ),
    ("could not find expected ':'", "a `:` is missing after this key", "write `key: value`"),
    ("did not find expected key", "a key is expected here", _INDENT),
    ("did not find expected '-' indicator", "a list entry is expected here", _INDENT),
    (
        "block sequence entries are not allowed",
        "a list entry is not expected here",
        "put `-` on a line of its own",
    ),
    ("did not find expected ',' or ']'", "a `,` or `]` is missing", "every `[` has its `]`"),
    ("did not find expected ',' or '}'", "a `,` or `}` is missing", "every `{` has its `}`"),
    ("unexpected end of stream", "a quote is never closed", ""),
    ("unexpected document indicator", "a quote is never closed", ""),
    ("unknown escape character", "an unknown `\\` escape", "text with backslashes goes in single quotes"),
    ("did not find expected node content", "a value is missing here", ""),
    ("expected <block end>", "this line does not fit the lines above", _INDENT),
    ("duplicate", "set twice", ""),
)
_FROM_START = ("unexpected end of stream", "unexpected document indicator", "could not find expected ':'")


def explain(error: MarkedYAMLError, text: str) -> tuple[int, int, str, str]:
    """Line and column (from 1), message and hint of a parser's error in `text`."""
    problem = error.problem or error.context or "this is not YAML"
    mark = error.problem_mark or error.context_mark
    if error.context_mark is not None and any(part in problem for part in _FROM_START):
        mark = error.context_mark
    line, column = (mark.line, mark.column) if mark is not None else (0, 0)
    message, hint = _words(problem, _character(text, line, column))
    return line + 1, column + 1, message, hint


def _words(problem: str, character: str) -> tuple[str, str]:
    if "cannot start any token" in problem:
        if character == "\t":
            return "a tab; YAML is indented with spaces", "replace the tab by spaces"
        return f"`{plain(character)}` cannot start a value", "put the value in quotes"
    for part, message, hint in _WORDS:
        if part in problem:
            return message, hint
    return f"this is not YAML: {plain(problem, 120)}", ""


def _character(text: str, line: int, column: int) -> str:
    lines = text.splitlines()
    return lines[line][column : column + 1] if line < len(lines) else ""
