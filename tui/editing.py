"""A file in the person's own editor, while the console stands aside."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

if TYPE_CHECKING:
    from tui.app import TocsinApp

FALLBACKS = ("nano", "vim", "vi")
_TAKES_LINE = frozenset({"vi", "vim", "nvim", "nano", "emacs", "emacsclient", "micro", "kak", "joe", "ne"})
_TAKES_COLON = frozenset({"hx", "subl", "zed"})


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
        before = path.read_bytes()
        with app.suspend():
            code = subprocess.run(command, check=False).returncode  # noqa: S603 - the person's own editor
        after = path.read_bytes()
    except SuspendNotSupported:
        app.say("the console cannot step aside for an editor here", "error")
        return False
    except OSError as error:
        app.say(f"{error.filename or file}: {error.strerror}", "error")
        return False
    if code:
        app.say(f"the editor ended with code {code}", "warning")
    elif before == after:
        app.say("the file is as it was")
    return before != after


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
