"""A file in the person's own editor, while the console stands aside."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from engine.files import read_regular

if TYPE_CHECKING:
    from tui.app import TocsinApp

FALLBACKS = ("nano", "vim", "vi")
_TAKES_LINE = frozenset({"vi", "vim", "nvim", "nano", "emacs", "emacsclient", "micro", "kak", "joe", "ne"})
_TAKES_COLON = frozenset({"hx", "subl", "zed"})
_TYPED = (signal.SIGINT, signal.SIGQUIT)
_COMPARED = 2 * 1024 * 1024
"""Bytes of the file that are compared: more than a configuration may have."""


def edited(app: TocsinApp, file: str, line: int) -> bool:
    """Whether the file was changed; what keeps it from being edited is said.

    `$VISUAL` or `$EDITOR` is run, else the first of nano, vim and vi that is there.
    """
    path = Path(file)
    command = editor_command(path, line)
    if not command:
        app.say("no editor was found: set EDITOR to one", "error")
        return False
    try:
        before = read_regular(path, _COMPARED)
        with app.suspend():
            # What is raised in here would leave the console aside for good.
            ended = _ended(command)
        if isinstance(ended, OSError):
            app.say(f"the editor {command[0]} cannot be run: {ended.strerror}", "error")
            return False
        after = read_regular(path, _COMPARED)
    except SuspendNotSupported:
        app.say("the console cannot step aside for an editor here", "error")
        return False
    except OSError as error:
        app.say(f"{error.filename or file}: {error.strerror}", "error")
        return False
    if ended < 0:
        app.say(f"the editor was ended by signal {-ended}", "warning")
    elif ended:
        app.say(f"the editor ended with code {ended}", "warning")
    elif before == after:
        app.say("the file is as it was")
    return before != after


def _ended(command: Sequence[str]) -> int | OSError:
    """The code with which the command ended, or why it did not begin.

    The keys by which a person ends it are heard by every process of the terminal; the engine goes on.
    """
    before = {number: signal.signal(number, _stay) for number in _TYPED}
    try:
        return subprocess.run(command, check=False).returncode  # noqa: S603 - the person's own editor
    except OSError as error:
        return error
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stay(_number: int, _frame: FrameType | None) -> None:
    """A handler, for what is ignored would be ignored by the editor as well."""


def editor_command(path: Path, line: int) -> list[str]:
    """What opens `path` at `line`, as far as the editor is known to take one; empty without an editor."""
    wanted = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ""
    try:
        parts = shlex.split(wanted)
    except ValueError:
        parts = []
    if not parts:
        parts = [name for name in FALLBACKS if shutil.which(name)][:1]
    if not parts:
        return []
    name = Path(parts[0]).name
    if name in _TAKES_LINE:
        return [*parts, f"+{line}", str(path)]
    if name in _TAKES_COLON:
        return [*parts, f"{path}:{line}"]
    return [*parts, "--goto", f"{path}:{line}"] if name in ("code", "codium") else [*parts, str(path)]
