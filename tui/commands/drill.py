"""`tocsin drill`: proves the whole way from a check to the channels, by a failure that is none."""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import asdict

from engine.text import plain
from tui.cli import add_env, add_json
from tui.commands.console import config_path
from tui.commands.session import print_json

FAILED = 1


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--channel", action="append", default=[], metavar="NAME", help="tell this one (may be repeated)")
    add("--rule", metavar="ID", help="stand in for this rule: its severity, tags and channels")
    add_env(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print the receipt of each hop; 1 when one was not made. Raises TocsinError."""
    return asyncio.run(_drill(options))


async def _drill(options: argparse.Namespace) -> int:
    from engine.config.loader import load_config
    from engine.drill import drill
    from engine.notify.trial import print_notice

    loaded = load_config(config_path(options.config), options.env)
    done = True
    async for hop in drill(loaded, options.channel, options.rule, notice=print_notice):
        done = done and hop.done
        if options.json:
            print_json([{"type": "hop", **asdict(hop)}])
        else:
            print(plain(f"{'ok' if hop.done else 'FAILED':<7} {hop.name:<8} {hop.words}", 600), flush=True)
    return 0 if done else FAILED
