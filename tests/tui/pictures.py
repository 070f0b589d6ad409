"""`python -m tests.tui.pictures DIRECTORY`: every view in both themes as SVG, to be looked at by people."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("TEXTUAL_FPS", "1000")
os.environ["COLORTERM"] = "truecolor"

from tests.tui.fakes import FakeClient
from tests.tui.harness import console, key_of, press
from tui.bridge import Loader
from tui.themes import OWN_THEMES
from tui.views import VIEWS


def main() -> int:
    """Prints the path of each picture."""
    parser = argparse.ArgumentParser(prog="python -m tests.tui.pictures", description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--size", default="120x40", help="columns x lines (default: %(default)s)")
    arguments = parser.parse_args()
    width, height = (int(part) for part in arguments.size.split("x"))
    arguments.directory.mkdir(parents=True, exist_ok=True)
    Loader.PACE = Loader.SLOWEST = 0.0
    for path in asyncio.run(draw(arguments.directory, (width, height))):
        print(path)
    return 0


async def draw(directory: Path, size: tuple[int, int]) -> list[Path]:
    """Write `view-theme.svg` for each; returns the files."""
    with tempfile.TemporaryDirectory() as place:
        async with console(FakeClient(), Path(place), size) as (app, pilot):
            written = []
            for theme in OWN_THEMES:
                app.theme = theme.name
                for entry in VIEWS:
                    await press(pilot, key_of(entry.name))
                    path = directory / f"{entry.name}-{theme.name}.svg"
                    path.write_text(_legible(app.export_screenshot()), encoding="utf-8")
                    written.append(path)
    return written


def _legible(svg: str) -> str:
    """With letters that every machine has, as wide as they are drawn."""
    for old, new in _fixes():
        svg = svg.replace(old, new)
    return svg


def _fixes() -> Iterator[tuple[str, str]]:
    yield "Fira Code", "DejaVu Sans Mono"
    yield "font-size: 20px", "font-size: 20.27px"
    yield "<svg ", '<svg xml:space="preserve" '
    yield "&#160;", " "


if __name__ == "__main__":
    sys.exit(main())
