"""`tocsin reload`: a running engine reads its configuration again."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from engine.text import plain
from tui.cli import USAGE_ERROR, add_db, add_json
from tui.commands.session import ask, print_json


def arguments(parser: argparse.ArgumentParser) -> None:
    add_db(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print what has changed, or every problem for which nothing has; exit 2 then. Raises TocsinError."""
    report = ask(options, lambda client: client.reload())
    if options.json:
        print_json([{"type": "reload", **asdict(report)}])
    else:
        head = "Configuration reloaded" if report.succeeded else "The configuration stays as it was"
        print("\n".join([f"{head}: {plain(report.summary)}", *map(plain, report.problems + report.changes)]))
    return 0 if report.succeeded else USAGE_ERROR
