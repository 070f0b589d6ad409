"""No command: the console on a configuration, or with `--no-ui` and `--once` the engine alone."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import TocsinError
from engine.paths import default_db

if TYPE_CHECKING:
    from engine.config.loader import LoadedConfig

DEFAULT_CONFIG = Path("rules.yaml")
# Seconds in which the engine stops; half of them are for executions that run. A person is waiting.
QUIT_GRACE = 4.0
# Seconds after which Python lets another thread run. An execution is a dozen short turns of the engine; with
# the usual 5 ms for each, a console that draws without pause would make checks miss their slots.
SWITCH_INTERVAL = 0.001
# Seconds for which the first executions and the first look at all rules wait: what is overdue, and what its
# steps import, would make the first frame late.
FIRST_FRAME = 0.5


def arguments(parser: argparse.ArgumentParser) -> None:
    """It has none of its own."""


def run(options: argparse.Namespace) -> int:
    """Run `--config`, else `./rules.yaml`; an incident file is only shown."""
    if options.db is not None and not (options.no_ui or options.once) and _is_incident(options.db):
        check_usage(options)
        return show_file(options.db, looks_only=options.read_only)
    return launch(options, config_path(options.config), options.db or default_db(), os.environ)


def config_path(given: Path | None) -> Path:
    """The configuration to use. Raises TocsinError when none was named and there is none here."""
    if given is None and not DEFAULT_CONFIG.exists():
        raise TocsinError(
            f"there is no {DEFAULT_CONFIG} here", "write one: tocsin init; or look around: tocsin demo"
        )
    return given or DEFAULT_CONFIG


def check_usage(options: argparse.Namespace) -> None:
    """Refuse combinations of options, and terminals, that cannot work. Raises TocsinError."""
    if options.junit is not None and not options.once:
        raise TocsinError("--junit writes the results of --once", "add --once")
    if options.no_ui or options.once:
        return
    if options.json:
        raise TocsinError("--json has no meaning in the console", "add --no-ui or --once")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise TocsinError("the console needs a terminal, and this is none", "run without it: --no-ui")
    if os.environ.get("TERM", "dumb") == "dumb":
        raise TocsinError("the console cannot draw on a terminal with TERM=dumb", "run without it: --no-ui")


def launch(options: argparse.Namespace, config: Path, db: Path, env: Mapping[str, str]) -> int:
    """Run `config` against `db` in the manner that `options` ask for; returns the exit code."""
    check_usage(options)
    from engine.collector import collector_paused

    # To look for garbage would be an eighth of what the console takes to its first frame.
    with collector_paused():
        from engine.config.loader import load_config

        loaded = load_config(config, options.env, env)
        if not (options.once or options.no_ui):
            return _show(loaded, db, looks_only=options.read_only)
    if options.once:
        from engine.headless import run_once

        return run_once(loaded, db, as_json=options.json, junit=options.junit)
    from engine.headless import run_headless

    return run_headless(loaded, db, as_json=options.json or None)


def _is_incident(db: Path) -> bool:
    from engine.store.incident import is_record

    return is_record(db)


def show_file(db: Path, *, looks_only: bool = False) -> int:
    """The console on a file that another process runs an engine on, or nobody; an incident's at its time."""
    import asyncio

    from engine.attached import FileClient
    from engine.store.incident import fired_at
    from tui.running import run_console

    client = asyncio.run(FileClient.open(db))
    try:
        return run_console(client, looks_only=looks_only, opened_at=fired_at(db))
    finally:
        client.close(QUIT_GRACE)


def _show(loaded: LoadedConfig, db: Path, *, looks_only: bool) -> int:
    from engine.collector import settle_collector
    from engine.local import LocalClient

    sys.setswitchinterval(SWITCH_INTERVAL)
    client = LocalClient.launch(loaded, db, after=FIRST_FRAME)
    try:
        # Takes a third of a second, in which the engine starts.
        from tui.running import run_console

        client.wait_ready()
        settle_collector()
        return run_console(client, client.request_reload, looks_only=looks_only)
    finally:
        client.close(QUIT_GRACE)
