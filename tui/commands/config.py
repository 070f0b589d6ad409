"""`tocsin config`: which configurations ran when, and what changed between them."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import TocsinError
from engine.lines import moment, table
from engine.text import plain
from tui.cli import add_db, add_json
from tui.commands.session import colour, print_json, read

if TYPE_CHECKING:
    from engine.store.provenance import Run

_COLOURS = {"+": "32", "-": "31", "@": "36"}


def arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    def command(name: str, summary: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        add_db(made)
        return made

    add_json(command("history", "list the runs of the engine and the configuration of each"))
    show = command("show", "print a configuration as it was, without its secrets")
    show.add_argument("version", metavar="DIGEST", help="as history lists it; its beginning will do")
    diff = command("diff", "show what changed between two configurations")
    diff.add_argument("before", metavar="A", help="a digest as history lists it, or a file")
    diff.add_argument("after", nargs="?", metavar="B", help="likewise; default: the newest one that ran")


def run(options: argparse.Namespace) -> int:
    """Print what was asked for; `diff` exits with 1 when there are differences. Raises TocsinError."""
    if options.action == "history":
        return _history(options)
    if options.action == "show":
        print(_clean(_text(options, options.version)), end="")
        return 0
    after = options.after or _newest(options).digest
    lines = list(_diff(options.before, after, _text(options, options.before), _text(options, after)))
    print("\n".join(lines) if lines else "They are the same.")
    return int(bool(lines))


def _history(options: argparse.Namespace) -> int:
    found = read(options, lambda reader: reader.runs())
    if options.json:
        print_json({"type": "run", **asdict(run)} for run in found)
    elif found:
        rows = [(run.digest, moment(run.started_at), run.environment, run.version, run.path) for run in found]
        header = ("CONFIGURATION", "FROM", "ENVIRONMENT", "TOCSIN", "FILE")
        print("\n".join(table(header, rows, colour=colour())))
    else:
        print("No engine has run on this database yet.")
    return 0


def _newest(options: argparse.Namespace) -> Run:
    found = read(options, lambda reader: reader.runs())
    if not found:
        raise TocsinError("no engine has run on this database yet", "name two files to compare")
    return found[0]


def _text(options: argparse.Namespace, version: str) -> str:
    """A file that exists goes before a digest."""
    path = Path(version)
    if path.is_file():
        try:
            return path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise TocsinError(f"cannot read {path}: {error.strerror}") from error
    return read(options, lambda reader: reader.configuration(version))


def _diff(before: str, after: str, old: str, new: str) -> Iterable[str]:
    painted = colour()
    for line in difflib.unified_diff(old.splitlines(), new.splitlines(), before, after, lineterm=""):
        shown = plain(line, 10_000)
        code = _COLOURS.get(line[:1]) if painted else None
        yield f"\x1b[{code}m{shown}\x1b[0m" if code else shown


def _clean(text: str) -> str:
    return "".join(plain(line, 10_000) + "\n" for line in text.splitlines())
