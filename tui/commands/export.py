"""`tocsin export`: executions, logs, traces, metrics and alerts for other programs, and whole incidents."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from engine.errors import TocsinError
from engine.files import private_file
from tui.cli import add_db
from tui.commands.session import database, read, since

KINDS = ("executions", "logs", "traces", "metrics", "alerts")
INCIDENT = "incident"
FORMATS = ("csv", "json", "ndjson", "otlp")
SILENT_FOR = 1.0


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("kind", choices=(*KINDS, INCIDENT))
    add(
        "rest",
        nargs="*",
        metavar="FILE",
        help="must not exist yet; default: standard output; incident: ID FILE",
    )
    add(
        "--format",
        choices=FORMATS,
        default="ndjson",
        help="default ndjson; otlp for traces, logs and metrics",
    )
    add("--since", metavar="DURATION", help="only the last 30m, 1h, 7d …")
    add("--until", metavar="DURATION", help="only what is older than 30m, 1h, 7d …")
    add("--workflow", metavar="ID", help="only of this workflow")
    add_db(parser)


def run(options: argparse.Namespace) -> int:
    """Write the rows, newest first. Raises TocsinError."""
    if options.kind == INCIDENT:
        return _incident(options)
    if len(options.rest) > 1:
        raise TocsinError(f"export {options.kind} writes one file", "name one, or none")
    path = Path(options.rest[0]) if options.rest else None
    from engine.exporting import Format, Kind, Wanted, export

    wanted = Wanted(
        Kind(options.kind),
        Format(options.format),
        since(options.since),
        since(options.until, "--until"),
        options.workflow,
    )
    with _output(path) as out:
        count = read(options, lambda reader: export(reader, wanted, out, _Told()))
    if path is not None:
        print(f"{path}: {count:,} {options.kind}")
    elif not count:
        print(f"There are no {options.kind} then.", file=sys.stderr)
    return 0


def _incident(options: argparse.Namespace) -> int:
    from engine.store.incident import extract

    match options.rest:
        case [number, file] if number.isascii() and number.isdigit():
            path = Path(file)
            count = extract(database(options), int(number), path, time.time())
        case _:
            raise TocsinError(
                "an incident needs the ID of an alert and a file", "tocsin export incident 7 seven.db"
            )
    print(f"{path}: alert {number} with {count:,} executions; look at it with: tocsin --db {path}")
    return 0


@contextmanager
def _output(path: Path | None) -> Iterator[IO[str]]:
    """Standard output, or a private file that appears when it is complete."""
    if path is None:
        yield sys.stdout
    else:
        with private_file(path) as out:
            yield out


class _Told:
    """Says on a terminal how far it is, once it takes long."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self, count: int) -> None:
        if time.monotonic() - self._began > SILENT_FOR and sys.stderr.isatty():
            print(f"\r{count:,} rows \x1b[K", end="", file=sys.stderr)
