"""`tocsin alerts`: list, acknowledge and resolve alerts."""

from __future__ import annotations

import argparse
import getpass
from collections.abc import Mapping
from typing import TYPE_CHECKING

from engine.errors import TocsinError
from engine.lines import moment, table
from engine.reports import alert_record
from engine.text import clean, plain
from tui.cli import add_db, add_json
from tui.commands.session import ask, colour, duration, print_json

if TYPE_CHECKING:
    from engine.attached import FileClient
    from engine.model import Alert

LISTED = 50


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("action", nargs="?", choices=("list", "ack", "resolve"), default="list")
    add("id", nargs="?", type=int, metavar="ID", help="the alert to acknowledge or resolve")
    add("--for", dest="length", metavar="DURATION", help="ack: fire again after this, such as 2h")
    add("--note", default="", metavar="TEXT", help="what to remember with it")
    add_db(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print alerts, active ones first, or change one and print it. Raises TocsinError."""
    if options.action == "list":
        if options.id is not None:
            raise TocsinError("list takes no ID", f"tocsin alerts ack {options.id}")
        found, muted = ask(options, _listed)
    else:
        found, muted = (_change(options),), {}
    if options.json:
        print_json(alert_record(alert) for alert in found)
    elif found:
        print("\n".join(_table(found, muted)))
    else:
        print("There are no alerts.")
    return 0


async def _listed(client: FileClient) -> tuple[tuple[Alert, ...], Mapping[int, str]]:
    return await client.alerts(limit=LISTED), await client.muted()


def _change(options: argparse.Namespace) -> Alert:
    if options.id is None:
        raise TocsinError(f"{options.action} needs the ID of an alert", "tocsin alerts lists them")
    author, note = clean(getpass.getuser(), 64), clean(options.note)
    if options.action == "ack":
        lasting = None if options.length is None else duration(options.length)
        return ask(options, lambda client: client.acknowledge(options.id, author, note, lasting))
    if options.length is not None:
        raise TocsinError("--for belongs to ack")
    return ask(options, lambda client: client.resolve(options.id, author, note))


def _table(found: tuple[Alert, ...], muted: Mapping[int, str]) -> list[str]:
    rows = [
        (
            a.id,
            f"{a.state}, muted" if a.id in muted else str(a.state),
            str(a.severity),
            moment(a.started_at),
            a.subject,
            a.rule_name,
            plain(a.message, 200),
        )
        for a in found
    ]
    header = ("ID", "STATE", "SEVERITY", "SINCE", "SUBJECT", "RULE", "MESSAGE")
    return table(header, rows, colour=colour())
