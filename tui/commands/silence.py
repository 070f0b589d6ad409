"""`tocsin silence`: tell nobody of certain alerts for a while."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from engine.errors import TocsinError
from engine.lines import moment, table
from engine.text import plain
from tui.cli import add_db, add_json
from tui.commands.session import ask, author, colour, duration, moment_in, print_json, reason

if TYPE_CHECKING:
    from engine.model import Silence

_EXAMPLE = 'tocsin silence add rule=slow-* tag=batch --for 2h --reason "known, see 4711"'


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("action", nargs="?", choices=("list", "add", "expire"), default="list")
    add(
        "words",
        nargs="*",
        metavar="MATCHER|ID",
        help="what is silenced, such as rule=slow-* or severity!=CRITICAL or tag=~db|cache, all of which"
        " have to be met; or the silence to expire",
    )
    add("--for", dest="length", metavar="DURATION", help="how long, such as 2h; at most 30d")
    add("--until", metavar="MOMENT", help="until when, such as 2026-12-01T06:00+01:00")
    add("--reason", default="", metavar="TEXT", help="why; everybody can read it")
    add("--author", default="", metavar="NAME", help="who; the user that runs this unless given")
    add_db(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print the silences as they end, or make or end one and print it. Raises TocsinError."""
    if options.action == "list":
        if options.words:
            raise TocsinError("list takes no matchers", _EXAMPLE)
        found = ask(options, lambda client: client.silences())
    else:
        found = (_add(options) if options.action == "add" else _expire(options),)
    if options.json:
        print_json({"type": "silence", **asdict(one)} for one in found)
    elif found:
        print("\n".join(_table(found)))
    else:
        print("There are no silences.")
    return 0


def _add(options: argparse.Namespace) -> Silence:
    if not options.words:
        raise TocsinError("add needs at least one matcher", _EXAMPLE)
    if (options.length is None) == (options.until is None):
        raise TocsinError("add needs either --for or --until", _EXAMPLE)
    lasting = duration(options.length) if options.length is not None else None
    ends_at = moment_in(options.until, "--until") if options.until is not None else None
    said = (tuple(options.words), author(options), reason(options, _EXAMPLE), ends_at)
    return ask(options, lambda client: client.silence(*said, lasting=lasting))


def _expire(options: argparse.Namespace) -> Silence:
    word = options.words[0] if len(options.words) == 1 else ""
    if not word.removeprefix("-").isdecimal():
        raise TocsinError("expire needs the ID of one silence", "tocsin silence lists them")
    if word.startswith("-"):
        raise TocsinError(f"silence {plain(word, 20)} stands in the configuration", "take it out there")
    return ask(options, lambda client: client.expire_silence(int(word), author(options)))


def _table(found: tuple[Silence, ...]) -> list[str]:
    rows = [
        (
            one.id,
            moment(one.end),
            moment(one.starts_at) if one.starts_at > one.created_at else None,
            one.author,
            plain(" ".join(one.matchers), 200),
            plain(one.reason, 200),
        )
        for one in found
    ]
    return table(("ID", "UNTIL", "FROM", "AUTHOR", "MATCHERS", "REASON"), rows, colour=colour())
