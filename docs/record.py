"""Records the demo in a real tmux and writes the picture of the README.

Usage: `python docs/record.py` (needs tmux and rsvg-convert). Starts the demo with an empty database in a
temporary directory, waits for an alert, acknowledges it with `a`, waits until it has resolved, and prints the
screen at each of these moments. The picture is the screen right after the acknowledgement.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
WIDTH, HEIGHT = 160, 45
SESSION = "tocsin-record"
# Rich draws for Fira Code, whose letters are 12.2 px wide at 20 px; DejaVu's are at 20.27 px.
_FONT_FIXES = {
    "Fira Code": "DejaVu Sans Mono",
    "font-size: 20px": "font-size: 20.27px",
    "<svg ": '<svg xml:space="preserve" ',
    "&#160;": " ",
}


def tmux(*arguments: str) -> str:
    """Run one tmux command on a server of our own; returns what it prints."""
    command = ["tmux", "-L", SESSION, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def screen(*, colour: bool = False) -> str:
    return tmux("capture-pane", "-p", "-t", SESSION, *(["-e"] if colour else []))


def press(*keys: str) -> None:
    tmux("send-keys", "-t", SESSION, *keys)


def wait_for(pattern: str, seconds: float) -> float:
    """Wait until the screen matches; returns the seconds it took. Raises TimeoutError with the screen."""
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        if re.search(pattern, screen()):
            return time.monotonic() - started
        time.sleep(0.1)
    raise TimeoutError(f"{pattern!r} was not seen within {seconds} s on\n{screen()}")


@contextmanager
def demo() -> Iterator[None]:
    with tempfile.TemporaryDirectory() as home:
        environment = [f"XDG_STATE_HOME={home}", f"XDG_RUNTIME_DIR={home}", "COLORTERM=truecolor"]
        program = Path(sys.executable).with_name("tocsin")
        command = ["env", *environment, str(program), "demo"]
        tmux(
            "-f",
            os.devnull,
            "new-session",
            "-d",
            "-s",
            SESSION,
            "-c",
            home,
            "-x",
            str(WIDTH),
            "-y",
            str(HEIGHT),
            *command,
        )
        tmux("set-option", "-ga", "terminal-overrides", ",*:Tc")
        try:
            yield
        finally:
            tmux("kill-server")


def picture(ansi: str, target: Path) -> None:
    """Draw a captured screen as PNG."""
    from rich.ansi import AnsiDecoder
    from rich.console import Console
    from rich.terminal_theme import MONOKAI

    console = Console(
        width=WIDTH, record=True, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    decoder = AnsiDecoder()  # a line begins in the colours in which the one before it ended
    for line in ansi.splitlines():
        console.print(decoder.decode_line(line), overflow="crop", no_wrap=True)
    svg = console.export_svg(title="tocsin demo", theme=MONOKAI)
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    for old, new in _FONT_FIXES.items():
        svg = svg.replace(old, new)
    subprocess.run(["rsvg-convert", "-o", str(target)], input=svg.encode(), check=True)


def main() -> None:
    with demo():
        print(f"all panes: {wait_for('Health', 20):.1f} s")
        print(f"an alert fired: {wait_for('CRITICAL', 125):.1f} s")
        press("3")
        wait_for("Raised by", 10)
        print(screen())
        press("a")
        wait_for("Acknowledge alert", 10)
        press("on it", "Enter")
        wait_for("Acked  ", 10)
        print(screen())
        press("1")
        wait_for("Health", 10)
        time.sleep(1)  # the charts are drawn by a thread of their own
        picture(screen(colour=True), HERE / "console.png")
        press("3")
        print(f"resolved: {wait_for('✓ resolved +checkout', 180):.1f} s")
        print(screen())
        press("q")


if __name__ == "__main__":
    main()
