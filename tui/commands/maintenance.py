"""`tocsin maintenance`: let work be done without anybody being told, or anything being run."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from engine.errors import TocsinError
from engine.lines import table
from engine.text import clean, plain
from tui.cli import add_db, add_json
from tui.commands.session import ask, author, colour, duration, moment_in, print_json, reason

if TYPE_CHECKING:
    from engine.model import MaintenanceStatus, MaintenanceWish

_EXAMPLE = 'tocsin maintenance add workflow=db-* --for 2h --mode stop --reason "new disks"'


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("action", nargs="?", choices=("list", "add", "end"), default="list")
    add(
        "words",
        nargs="*",
        metavar="WHICH|ID",
        help="the workflows that are worked on, such as workflow=db-* or tag=web: one of those named, with"
        " one of the tags; all of them unless given. Or the window to end",
    )
    add("--for", dest="length", metavar="DURATION", help="how long, such as 2h; at most 30d")
    add("--from", dest="begins", metavar="MOMENT", help="since when, such as 2026-12-01T22:00+01:00; now")
    add("--to", dest="ends", metavar="MOMENT", help="until when")
    add("--mode", choices=("mute", "stop"), default="mute", help="stop: the workflows do not run either")
    add("--reason", default="", metavar="TEXT", help="what for; everybody can read it")
    add("--author", default="", metavar="NAME", help="who; the user that runs this unless given")
    add_db(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print the windows that have not ended, or make or end one and print it. Raises TocsinError."""
    if options.action == "list":
        if options.words:
            raise TocsinError("list takes no workflows", _EXAMPLE)
        found = ask(options, lambda client: client.maintenance())
    else:
        found = (_add(options) if options.action == "add" else _end(options),)
    if options.json:
        print_json({"type": "maintenance", **asdict(one)} for one in found)
    elif found:
        print("\n".join(_table(found)))
    else:
        print("There is no maintenance.")
    return 0


def _add(options: argparse.Namespace) -> MaintenanceStatus:
    if (options.length is None) == (options.ends is None):
        raise TocsinError("add needs either --for or --to", _EXAMPLE)
    wish = _wish(options)
    return ask(options, lambda client: client.maintain(wish))


def _wish(options: argparse.Namespace) -> MaintenanceWish:
    from engine.model import MaintenanceWish

    named: dict[str, list[str]] = {"workflow": [], "tag": []}
    for word in options.words:
        label, sign, pattern = word.partition("=")
        if label not in named or not sign or pattern.startswith("~"):
            raise TocsinError(
                f"maintenance is about workflow=… or tag=…, not {plain(word, 80)}",
                "a silence knows other matchers: tocsin silence add",
            )
        named[label].append(clean(pattern))
    return MaintenanceWish(
        workflows=tuple(named["workflow"]) or ("*",),
        tags=tuple(named["tag"]),
        mode=options.mode,
        author=author(options),
        reason=reason(options, _EXAMPLE),
        starts_at=moment_in(options.begins, "--from") if options.begins is not None else None,
        ends_at=moment_in(options.ends, "--to") if options.ends is not None else None,
        lasting=duration(options.length) if options.length is not None else None,
    )


def _end(options: argparse.Namespace) -> MaintenanceStatus:
    if len(options.words) != 1:
        raise TocsinError("end needs the ID of one window", "tocsin maintenance lists them")
    (word,) = options.words
    if not word.isdecimal():
        raise TocsinError(
            f"maintenance {plain(word, 80)} was not made by this command",
            "tocsin maintenance lists those with a number; others stand in the configuration",
        )
    return ask(options, lambda client: client.end_maintenance(int(word), author(options)))


def _table(found: tuple[MaintenanceStatus, ...]) -> list[str]:
    rows = [
        (
            one.id,
            one.state,
            one.mode,
            one.when,
            plain(one.whom, 200),
            one.author or None,
            plain(one.reason, 200) or None,
        )
        for one in found
    ]
    return table(("ID", "STATE", "MODE", "WHEN", "WHICH", "AUTHOR", "REASON"), rows, colour=colour())
