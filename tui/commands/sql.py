"""`tocsin sql`: ask the database in SQL, read-only and bounded."""

from __future__ import annotations

import argparse
import csv
import sys
from typing import TYPE_CHECKING, Any

from engine.errors import TocsinError
from engine.lines import pad, table
from engine.text import plain
from tui.cli import add_db
from tui.commands.session import colour, database, print_json

if TYPE_CHECKING:
    from engine.store.questions import Answer

FORMATS = ("table", "csv", "json")


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("question", nargs="?", metavar="SELECT", help="one SELECT; - reads it from standard input")
    add("--views", action="store_true", help="list what can be asked about")
    add("--format", choices=FORMATS, default="table", help="default table; json prints one object a line")
    add("--limit", type=int, default=1_000, metavar="N", help="at most N rows (default 1000)")
    add("--timeout", type=float, default=10.0, metavar="SECONDS", help="give up then (default 10)")
    add_db(parser)


def run(options: argparse.Namespace) -> int:
    """Print the rows; that there are more is told on standard error. Raises TocsinError."""
    if options.views:
        return _views(options)
    if not options.question:
        raise TocsinError(
            "there is no question", "tocsin sql 'SELECT …'; --views lists what can be asked about"
        )
    from engine.store.questions import ask

    question = sys.stdin.read() if options.question == "-" else options.question
    answer = ask(database(options), question, limit=options.limit, deadline=options.timeout)
    _print(answer, options.format)
    if answer.more:
        print(f"There are more rows than {len(answer.rows):,}: --limit N.", file=sys.stderr)
    return 0


def _views(options: argparse.Namespace) -> int:
    from engine.store.questions import columns_of
    from engine.store.views import VIEWS

    columns = columns_of(database(options))
    width = max(len(view.name) for view in VIEWS)
    for view in VIEWS:
        print(f"{pad(view.name, width)}  {view.about}")
        print(f"{' ' * width}  {', '.join(columns[view.name])}")
    return 0


def _print(answer: Answer, form: str) -> None:
    if form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(answer.columns)
        writer.writerows([_text(cell) for cell in row] for row in answer.rows)
    elif form == "json":
        names = answer.columns
        print_json(dict(zip(names, (_text(cell) for cell in row), strict=True)) for row in answer.rows)
    else:
        rows = [[_short(cell) for cell in row] for row in answer.rows]
        print("\n".join(table([plain(name) for name in answer.columns], rows, colour=colour())))


def _short(cell: Any) -> Any:
    """For people: a millionth of a second is as fine as it gets."""
    return f"{cell:.6f}".rstrip("0").rstrip(".") if isinstance(cell, float) else _text(cell)


def _text(cell: Any) -> Any:
    return cell.hex() if isinstance(cell, bytes) else cell
