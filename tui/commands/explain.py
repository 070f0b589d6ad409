"""`tocsin explain`: why an alert fired or a rule did not, and why somebody was told or nobody was."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from engine.lines import emphasis
from engine.model import LineKind
from engine.text import is_utf8_terminal
from tui.cli import add_db, add_json
from tui.commands.session import ask, colour, print_json

if TYPE_CHECKING:
    from engine.model import ExplanationLine

_SIGNS = {
    LineKind.PASSED: "✓+",
    LineKind.STOPPED: "✗x",
    LineKind.EVIDENCE: "·.",
    LineKind.TOLD: "→>",
    LineKind.UNTOLD: "✗x",
}
"""Each with its stand-in where a terminal has no such glyph."""


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("about", metavar="ALERT|RULE", help="the number of an alert, or the id of a rule")
    add("subject", nargs="?", default="", metavar="SUBJECT", help="what a rule is asked about (default: all)")
    add_db(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print the explanation. Raises TocsinError."""
    about, subject = options.about, options.subject
    if about.isascii() and about.isdecimal() and not subject:
        lines = ask(options, lambda client: client.explain(int(about)))
    else:
        lines = ask(options, lambda client: client.explain_rule(about, subject))
    if options.json:
        print_json({"type": "explanation", "kind": line.kind, "text": line.text} for line in lines)
    else:
        print("\n".join(page(lines, colour=colour())))
    return 0


def page(lines: Sequence[ExplanationLine], *, colour: bool = False) -> Iterator[str]:
    """The explanation as lines of plain text."""
    column = 0 if is_utf8_terminal() else 1
    for place, line in enumerate(lines):
        if line.kind in (LineKind.TITLE, LineKind.HEADING):
            if place:
                yield ""
            yield emphasis(line.text) if colour else line.text
        else:
            sign = _SIGNS.get(line.kind, "  ")[column]
            yield f"  {sign} {line.text}"
