"""`tocsin workflows`: how they stand; pause, resume and run them."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

from engine.errors import TocsinError
from engine.lines import percent, seconds, table
from engine.reports import workflow_record, workflow_state
from engine.text import plain
from tui.cli import add_db, add_json
from tui.commands.session import ask, colour, note_idle, print_json

if TYPE_CHECKING:
    from engine.attached import FileClient
    from engine.client import WorkflowStatus

PERIOD = 86_400.0
"""Seconds that the figures are of."""
_DONE = {"pause": "paused", "resume": "resumed", "run": "started"}


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("action", nargs="?", choices=("list", *_DONE), default="list")
    add("id", nargs="?", metavar="ID", help="the workflow to pause, resume or run")
    add("--all", action="store_true", help="with pause and resume: everything")
    add_db(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print every workflow, or change one and say so. Raises TocsinError."""
    if options.action != "list":
        _change(options)
        return 0
    if options.id is not None:
        raise TocsinError("list takes no ID", f"tocsin workflows run {plain(options.id, 80)}")
    now = time.time()
    found, info = ask(options, lambda client: _listed(client, now))
    if options.json:
        print_json(workflow_record(status) for status in found)
    elif found:
        print("\n".join(_table(found, now)))
    else:
        print("No workflow has run yet.")
    note_idle(info)
    return 0


async def _listed(client: FileClient, now: float) -> tuple[tuple[WorkflowStatus, ...], bool]:
    return await client.workflows(now - PERIOD, now), (await client.info()).live


def _change(options: argparse.Namespace) -> None:
    action, workflow_id = options.action, options.id
    if action == "run" and options.all:
        raise TocsinError("--all goes with pause and resume", "run one at a time: tocsin workflows run ID")
    if (workflow_id is None) is not options.all:
        hint = "tocsin workflows lists them" + ("" if action == "run" else "; --all means everything")
        raise TocsinError(f"{action} needs the ID of one workflow", hint)
    if action == "run":
        ask(options, lambda client: client.run_now(workflow_id))
    else:
        ask(options, lambda client: client.set_paused(action == "pause", workflow_id))
    what = "everything" if workflow_id is None else plain(workflow_id, 200)
    if options.json:
        print_json([{"type": "workflow", "workflow": workflow_id, "done": _DONE[action]}])
    else:
        print(f"{_DONE[action].capitalize()} {what}.", file=sys.stdout)


def _table(found: tuple[WorkflowStatus, ...], now: float) -> list[str]:
    rows = [
        (
            one.id,
            workflow_state(one),
            one.last.outcome if one.last is not None else None,
            seconds(max(now - one.last.started_at, 0.0)) if one.last is not None else None,
            one.executions,
            percent(one.success_rate),
            seconds(one.p95),
            seconds(max(one.next_at - now, 0.0)) if one.next_at is not None else None,
            one.schedule or None,
        )
        for one in found
    ]
    header = ("WORKFLOW", "STATE", "LAST", "AGE", "IN 24H", "SUCCESS", "P95", "NEXT IN", "SCHEDULE")
    return table(header, rows, colour=colour())
