"""`tocsin check`: everything that is wrong with a configuration, at once."""

from __future__ import annotations

import argparse
from pathlib import Path

from engine.errors import ConfigError
from engine.text import plain
from tui.cli import USAGE_ERROR
from tui.commands.console import config_path


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="default: ./rules.yaml")


def run(options: argparse.Namespace) -> int:
    """Print each problem as `file:line:column: message (hint)` and return 2, else a summary and 0."""
    from engine.config.loader import load_config

    path = config_path(options.file or options.config)
    try:
        config = load_config(path, options.env).config
    except ConfigError as error:
        for problem in error.problems:
            print(plain(problem, 2_000))
        return USAGE_ERROR
    parts = (
        _count(len(config.workflows), "workflow"),
        _count(len(config.rules), "rule"),
        _count(len(config.channels), "channel"),
    )
    print(plain(f"{path}: {', '.join(parts)}: valid"))
    return 0


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
