"""`tocsin logs`: search the logs."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from engine.lines import moment, pad, paint
from engine.reports import log_record
from engine.text import LINE_LIMIT, plain
from tui.cli import add_db, add_json
from tui.commands.session import ask, colour, print_json, since

if TYPE_CHECKING:
    from engine.model import LogRecord


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "query",
        nargs="*",
        metavar="QUERY",
        help='words, a "phrase", level:error, workflow:NAME; nothing: all',
    )
    add("--since", metavar="DURATION", help="only the last 30m, 1h, 7d …")
    add("--limit", type=int, default=100, metavar="N", help="at most the newest N lines (default 100)")
    add_db(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print matches, the newest last; whether there are older ones is told on standard error."""
    limit = min(max(options.limit, 1), 100_000)
    start = since(options.since)
    page = ask(options, lambda client: client.logs(" ".join(options.query), since=start, limit=limit))
    records = page.records[::-1]
    if options.json:
        print_json(log_record(record) for record in records)
    else:
        painted = colour()
        for record in records:
            print(_line(record, painted))
    if page.more:
        print(f"There are older matches; these are the newest {len(records)}: --limit N.", file=sys.stderr)
    elif not records:
        print("No log line matches.", file=sys.stderr)
    return 0


def _line(record: LogRecord, painted: bool) -> str:
    level = pad(record.level.label, 7)
    shown = paint(record.level.label, level) if painted else level
    source = plain(record.workflow_id or "engine")
    return f"{moment(record.at)}  {shown}  {source}  {plain(record.message, LINE_LIMIT)}"
