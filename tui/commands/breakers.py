"""`tocsin breakers`: which targets are left alone, and closing their circuit breakers by hand."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from engine.errors import TocsinError
from engine.lines import moment, seconds, table
from engine.model import BreakerState
from engine.text import plain
from tui.cli import add_db, add_json
from tui.commands.session import ask, colour, note_idle, print_json

if TYPE_CHECKING:
    from engine.attached import FileClient
    from engine.model import BreakerStatus


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("action", nargs="?", choices=("list", "reset"), default="list")
    add("target", nargs="?", metavar="TARGET", help="the target whose breakers are to be closed")
    add_db(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print the breakers, those that let least through first, or close those of one target.

    Raises:
        TocsinError: there is no such target, or no engine runs.
    """
    if options.action == "reset":
        return _reset(options)
    if options.target is not None:
        raise TocsinError("list takes no TARGET", f"tocsin breakers reset {plain(options.target, 80)}")
    found, is_live = ask(options, _listed)
    if options.json:
        print_json({"type": "breaker", **asdict(one)} for one in found)
    elif found:
        print("\n".join(_table(found, time.time())))
    else:
        print("There are no circuit breakers yet." if is_live else "No circuit breaker was left open.")
    note_idle(is_live)
    return 0


async def _listed(client: FileClient) -> tuple[tuple[BreakerStatus, ...], bool]:
    return await client.breakers(), (await client.info()).live


def _reset(options: argparse.Namespace) -> int:
    target = options.target
    if target is None:
        raise TocsinError("reset needs a TARGET", "tocsin breakers lists them")
    ask(options, lambda client: client.reset_breaker(target))
    if options.json:
        print_json([{"type": "breaker", "target": target, "done": "reset"}])
    else:
        print(f"Closed the circuit breaker of {plain(target, 200)}.")
    return 0


def _table(found: tuple[BreakerStatus, ...], now: float) -> list[str]:
    rows = [
        (
            one.state.lower().replace("_", "-"),
            one.failures,
            moment(one.since) if one.since is not None else None,
            _trial(one, now),
            one.target,
        )
        for one in found
    ]
    return table(("STATE", "FAILURES", "SINCE", "NEXT TRIAL", "TARGET"), rows, colour=colour())


def _trial(one: BreakerStatus, now: float) -> str | None:
    if one.state is BreakerState.CLOSED:
        return None
    if one.state is BreakerState.HALF_OPEN:
        return "under way"
    wait = 0.0 if one.trial_at is None else one.trial_at - now
    return f"in {seconds(wait)}" if wait > 0 else "with the next run"
