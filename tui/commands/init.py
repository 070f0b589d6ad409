"""`tocsin init`: a commented configuration to start from."""

from __future__ import annotations

import argparse
from pathlib import Path

from engine.errors import TocsinError
from engine.text import plain


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", nargs="?", type=Path, default=Path("rules.yaml"), metavar="FILE", help="default: rules.yaml"
    )


def run(options: argparse.Namespace) -> int:
    """Write the file; one that exists is never touched. Raises TocsinError."""
    from engine.config.starter import STARTER

    path: Path = options.file
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(STARTER)
    except FileExistsError:
        raise TocsinError(f"{path} exists already and was left as it is", "name another file") from None
    except OSError as error:
        raise TocsinError(f"cannot write {path}: {error.strerror}") from error
    print(
        plain(
            f"Wrote {path}. Put in your own addresses, then: tocsin check {path}, and: tocsin --config {path}"
        )
    )
    return 0
