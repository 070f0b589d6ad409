"""`tocsin import`: a configuration of another tool, translated; what could not be is listed."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import TocsinError
from engine.text import clean, counted, plain

if TYPE_CHECKING:
    from engine.importers import Imported

SOURCES = ("gatus", "uptime-kuma", "blackbox", "curl", "openapi")


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("source", choices=SOURCES, metavar="SOURCE", help=", ".join(SOURCES))
    add(
        "file", metavar="FILE", help="the file to read, - for standard input; for curl the command, in quotes"
    )
    add("--target", action="append", default=[], metavar="ADDRESS",
        help="what to check, where the file does not say: for blackbox (repeatable), openapi")  # fmt: skip
    add("--output", type=Path, metavar="FILE", help="where to write it (default: standard output)")


def run(options: argparse.Namespace) -> int:
    """Write the configuration, and on standard error what is not in it. Raises TocsinError."""
    from engine.importers import translate

    imported = translate(options.source, _text(options), options.target)
    text = clean(imported.yaml(), len(imported.yaml()) + 1, multiline=True)
    if options.output is None:
        sys.stdout.write(text)
    else:
        _write(options.output, text)
    _tell(imported, options.output)
    return 0


def _text(options: argparse.Namespace) -> str:
    """What is to be translated, at most a character more than an importer takes; a pipe is read, too."""
    from engine.importers import MAX_CHARACTERS

    name: str = options.file
    if options.source == "curl" and name != "-" and not Path(name).is_file():
        return name
    try:
        if name == "-":
            return sys.stdin.read(MAX_CHARACTERS + 1)
        with open(name, encoding="utf-8-sig") as file:
            return file.read(MAX_CHARACTERS + 1)
    except UnicodeDecodeError:
        raise TocsinError(f"{name} is not UTF-8 text") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no name of a file"
        raise TocsinError(f"cannot read {name}: {reason}") from None


def _write(path: Path, text: str) -> None:
    try:
        # What is imported often has passwords in it.
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise TocsinError(f"{path} exists already and was left as it is", "name another file") from None
    except OSError as error:
        raise TocsinError(f"cannot write {path}: {error.strerror}") from error


def _tell(imported: Imported, path: Path | None) -> None:
    count = counted(imported.workflows, "workflow")
    where = f" in {path}; see what it says: tocsin check {path}" if path else ""
    print(plain(f"Imported {count} from {imported.source}{where}."), file=sys.stderr)
    if imported.left:
        print("Not translated:", file=sys.stderr)
    for line in imported.left:
        print(f"  {plain(line, 400)}", file=sys.stderr)
