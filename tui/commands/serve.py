"""`tocsin serve`: the console in a browser, beside one engine that all its tabs share."""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import LockedError, TocsinError
from engine.paths import default_db
from tui.cli import add_db
from tui.commands.console import QUIT_GRACE, config_path

if TYPE_CHECKING:
    from engine.local import LocalClient

PORT = 8800
_PORTS = range(65_536)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Where to listen, and which database."""
    parser.add_argument(
        "--port", type=_port, default=PORT, metavar="N",
        help=f"the port of 127.0.0.1 to listen on; 0: any that is free (default: {PORT})",
    )  # fmt: skip
    add_db(parser)


def run(options: argparse.Namespace) -> int:
    """Start the engine unless one runs on the database, and serve until SIGINT or SIGTERM."""
    if options.no_ui or options.once or options.json:
        raise TocsinError("--no-ui, --once and --json have no meaning for tocsin serve", "leave them out")
    if importlib.util.find_spec("textual_serve") is None:
        raise TocsinError("the console in a browser is an extra", "pip install 'tocsin[serve]'")
    db: Path = options.db or default_db()
    client = _start_engine(options, db)
    try:
        reload = None if client is None else client.request_reload
        may = "see what you can, and change nothing" if options.read_only else "do all that you can"
        asyncio.run(_serve(_tab(db, looks_only=options.read_only), options.port, reload, may))
    finally:
        if client is not None:
            client.close(QUIT_GRACE)
    return 0


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) in _PORTS):
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to {_PORTS[-1]}")
    return int(text)


def _start_engine(options: argparse.Namespace, db: Path) -> LocalClient | None:
    """The engine that this process runs; None when another runs one on the database already."""
    from engine.store.lock import InstanceLock

    if InstanceLock.holder(db) is not None:
        if options.config is not None:
            raise LockedError(f"an engine runs on {db} already, with a configuration of its own",
                              "leave out --config to show that one, or choose another --db")  # fmt: skip
        return None
    from engine.collector import settle_collector
    from engine.config.loader import load_config
    from engine.local import LocalClient

    client = LocalClient.start(load_config(config_path(options.config), options.env, os.environ), db)
    settle_collector()
    return client


def _tab(db: Path, *, looks_only: bool) -> list[str]:
    """What runs for each tab. `-P`: what lies in this directory is not imported."""
    manner = ["--read-only"] if looks_only else []
    return [sys.executable, "-P", "-m", "tui.cli", *manner, "--db", str(db.absolute()), "attach"]


async def _serve(argv: list[str], port: int, reload: Callable[[], None] | None, may: str) -> None:
    from tui.serving.server import ConsoleServer

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, reload or stop.set)
    server = ConsoleServer(argv, port)
    address = await server.start()
    try:
        print(address)
        print(f"The console is there until ctrl+c. Whoever has this address can {may}.", flush=True)
        await stop.wait()
    finally:
        await server.close()
