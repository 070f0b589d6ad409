"""`tocsin attach`: the console beside an engine that another process runs."""

from __future__ import annotations

import argparse
import os

from tui.cli import add_db
from tui.commands.console import check_usage, show_file
from tui.commands.session import database


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which database."""
    add_db(parser)


def run(options: argparse.Namespace) -> int:
    """Show the database until the person leaves; the engine goes on."""
    if "TEXTUAL_DRIVER" not in os.environ:
        # Who names another driver, as `tocsin serve` does, draws elsewhere than on this terminal.
        check_usage(options)
    return show_file(database(options), looks_only=options.read_only)
