"""`tocsin demo`: the shipped configuration on the demo shop, with a database of its own."""

from __future__ import annotations

import argparse
import os

from engine.demo.server import DemoServer
from engine.paths import default_db, shipped_rules
from tui.cli import add_db, add_json
from tui.commands.console import check_usage, launch


def arguments(parser: argparse.ArgumentParser) -> None:
    """The same ways to run as without a command."""
    parser.add_argument(
        "--no-ui", action="store_true", default=argparse.SUPPRESS, help="run without the console"
    )
    parser.add_argument(
        "--once", action="store_true", default=argparse.SUPPRESS, help="run every workflow once"
    )
    add_db(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Start the shop, run against it, stop it."""
    check_usage(options)
    with DemoServer() as shop:
        # Takes longer than the shop needs to start.
        import engine.config.loader  # noqa: F401

        return launch(
            options,
            options.config or shipped_rules(),
            options.db or default_db("demo"),
            shop.environment(os.environ),
        )
