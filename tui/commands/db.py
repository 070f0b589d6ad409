"""`tocsin db`: copy, restore, check, shrink and measure the database."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import TocsinError
from engine.lines import moment, size, table
from engine.paths import default_db
from engine.store.lock import InstanceLock
from tui.cli import add_db, add_json
from tui.commands.progress import Progress
from tui.commands.session import colour, database, print_json


def arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    def command(name: str, summary: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        add_db(made)
        return made

    backup = command("backup", "copy the database to FILE, also while an engine runs")
    backup.add_argument("file", type=Path, metavar="FILE", help="must not exist yet")
    restore = command("restore", "put a backup in the place of the database, which is kept beside it")
    restore.add_argument(
        "file", type=Path, nargs="?", metavar="FILE", help="default: the newest automatic one"
    )
    check = command("check", "look for damage; exit 1 when there is any")
    check.add_argument("--thorough", action="store_true", help="compare the indexes with their tables, too")
    command("vacuum", "rewrite the database as small as it can be; no engine may run")
    add_json(command("stats", "say what takes how much of the file"))


def run(options: argparse.Namespace) -> int:
    """Carry out one action. Raises TocsinError."""
    db = options.db or default_db() if options.action == "restore" else database(options)
    actions: dict[str, Callable[[argparse.Namespace, Path], int]] = {
        "backup": _backup,
        "restore": _restore,
        "check": _check,
        "vacuum": _vacuum,
        "stats": _stats,
    }
    return actions[options.action](options, db)


def _backup(options: argparse.Namespace, db: Path) -> int:
    from engine.store.backup import copy

    bar = Progress("copying")
    try:
        copy(db, options.file, bar)
    finally:
        bar.close()
    print(f"{options.file}: {size(options.file.stat().st_size)}, checked")
    return 0


def _restore(options: argparse.Namespace, db: Path) -> int:
    from engine.store.backup import backups, place_of_backups, restore

    source: Path | None = options.file or next(iter(backups(db)), None)
    if source is None:
        raise TocsinError(f"there is no backup in {place_of_backups(db)}", "name a file")
    with _locked(db):
        kept = restore(db, source, time.time())
    print(f"{db} is now {source}")
    if kept is not None:
        print(f"what it was is kept in {kept}")
    return 0


def _check(options: argparse.Namespace, db: Path) -> int:
    from engine.store.integrity import damage
    from engine.store.migrations import inspect

    inspect(db)
    verdict = damage(db, thorough=options.thorough)
    if verdict:
        print(f"{db} is damaged: {verdict}")
        return 1
    print(f"{db} is sound")
    return 0


def _vacuum(options: argparse.Namespace, db: Path) -> int:
    from engine.store.upkeep import vacuum

    with _locked(db):
        before, after = vacuum(db)
    print(f"{db}: {size(before)} before, {size(after)} now")
    return 0


def _stats(options: argparse.Namespace, db: Path) -> int:
    from engine.store.backup import backups
    from engine.store.upkeep import measure

    found = measure(db)
    if options.json:
        print_json(
            {"type": "table", "name": use.name, "rows": use.rows, "bytes": use.size} for use in found.tables
        )
        return 0
    rows = [(use.name, use.rows, size(use.size)) for use in found.tables]
    print("\n".join(table(("TABLE", "ROWS", "SIZE WITH INDEXES"), rows, colour=colour())))
    newest = next(iter(backups(db)), None)
    print(f"\nfile {size(found.file)}, of it free {size(found.free)}; write-ahead log {size(found.wal)}")
    print(f"newest backup: {moment(newest.stat().st_mtime) if newest else 'none'}")
    return 0


@contextmanager
def _locked(db: Path) -> Iterator[None]:
    """No engine runs on `db` meanwhile. Raises LockedError."""
    lock = InstanceLock(db)
    lock.acquire()
    try:
        yield
    finally:
        lock.release()
