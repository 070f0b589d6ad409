"""`tocsin check`: everything wrong with a configuration, at once; and what it would have found before."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import ConfigError, TocsinError
from engine.text import counted, plain
from tui.cli import USAGE_ERROR, add_db, add_env, add_json
from tui.commands.console import config_path

if TYPE_CHECKING:
    from engine.config.loader import LoadedConfig
    from engine.workflows.replay import StepReplay

FAILED = 1
_LAST = re.compile(r"last:([0-9]{1,4})")


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("file", nargs="?", type=Path, metavar="FILE", help="default: ./rules.yaml")
    add(
        "--replay",
        metavar="WHAT",
        help="try the expectations on stored responses: of one execution (its ID), or the newest (last:500)",
    )
    add_env(parser)
    add_db(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print each problem as `file:line:column: message (hint)` and return 2, else a summary and 0.

    With `--replay`: what the expectations make of stored responses; 1 when one that succeeded would fail now.
    """
    from engine.config.destinations import check_destinations
    from engine.config.loader import load_config

    path = config_path(options.file or options.config)
    try:
        loaded = load_config(path, options.env)
        problems = check_destinations(loaded)
    except ConfigError as error:
        problems = error.problems
    for problem in problems:
        print(plain(problem, 2_000))
    if problems:
        return USAGE_ERROR
    if options.replay is not None:
        return _replay(loaded, options)
    config = loaded.config
    parts = (
        counted(len(config.workflows), "workflow"),
        counted(len(config.rules), "rule"),
        counted(len(config.channels), "channel"),
    )
    print(plain(f"{path}: {', '.join(parts)}: valid"))
    return 0


def _replay(loaded: LoadedConfig, options: argparse.Namespace) -> int:
    import asyncio

    from engine.paths import default_db
    from engine.workflows.replay import obstacle

    last = _LAST.fullmatch(options.replay)
    if last is None and not options.replay.isdecimal():
        raise TocsinError(f"--replay {plain(options.replay, 40)}: that is no execution", "an ID, or last:500")
    execution_id = None if last else int(options.replay)
    found = asyncio.run(
        _replayed(loaded, options.db or default_db(), execution_id, int(last[1]) if last else 1)
    )
    for sentence in filter(None, map(obstacle, loaded.config.workflows)):
        print(plain(sentence), file=sys.stderr)
    if not found:
        what = f"execution {execution_id}" if execution_id is not None else "these workflows"
        hint = "settings.responses says how many are kept; without an answer there is none"
        raise TocsinError(f"no response of {what} is stored", hint)
    if options.json:
        from dataclasses import asdict

        from tui.commands.session import print_json

        print_json(asdict(one) for one in found)
    else:
        for one in found:
            _print(one)
    return FAILED if any(one.newly_failed for one in found) else 0


async def _replayed(loaded: LoadedConfig, db: Path, execution_id: int | None, limit: int) -> list[StepReplay]:
    from engine.store.reader import Reader
    from engine.workflows.replay import replay

    reader = await Reader.open(db)
    try:
        found: list[StepReplay] = []
        for workflow in loaded.config.workflows:
            responses = await reader.responses(
                workflow_id=workflow.id, execution_id=execution_id, limit=max(limit, 1)
            )
            found += replay(workflow, responses, loaded.variables, loaded.config.workflows)
        return found
    finally:
        await reader.close()


def _print(one: StepReplay) -> None:
    notes = [f"{one.newly_failed} of them succeeded then"] if one.newly_failed else []
    notes += [f"{one.newly_passed} that failed then would pass"] if one.newly_passed else []
    notes += [f"{one.unknown} cannot be told"] if one.unknown else []
    tail = f" ({'; '.join(notes)})" if notes else ""
    print(plain(f"{one.workflow_id}/{one.step_id}: {one.failed} of {one.total} would have failed{tail}"))
    for execution_id, message in one.examples:
        print(plain(f"  execution {execution_id}: {message}", 400))
