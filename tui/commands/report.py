"""`tocsin report`: service levels, trends and recommendations of a period."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tui.cli import add_db
from tui.commands.metrics import PERIODS
from tui.commands.session import ask, colour

FORMS = ("text", "md", "html", "csv")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE",
                        help="must not exist yet; default: standard output")  # fmt: skip
    parser.add_argument("--period", choices=tuple(PERIODS), default="7d", help="ending now (default 7d)")
    parser.add_argument("--format", choices=FORMS, help="default: by the name of FILE, else text")
    add_db(parser)


def run(options: argparse.Namespace) -> int:
    """Print the report, or write it to a file. Raises TocsinError."""
    from engine.reporting.forms import Form, form_of, render, save
    from engine.reporting.making import gather, make

    file: Path | None = options.file
    form = Form(options.format) if options.format else form_of(file)
    now = time.time()
    material = ask(options, lambda client: gather(client, now - PERIODS[options.period], now))
    text = render(make(material, now), form, colour=file is None and colour())
    if file is None:
        sys.stdout.write(text)
    else:
        save(text, file)
        print(f"{file}: {options.period} until now, as {form.words}")
    return 0
