"""What is left behind when the console breaks: a traceback without local variables, and one sentence."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

from engine.paths import private_dir
from engine.text import clean, own_words
from engine.version import __version__

_LIMIT = 100_000
# Who waits for a reader of a pipe in its place leaves nobody with a sentence.
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK


def write_crash_log(path: Path, error: BaseException) -> str:
    """Write the traceback of `error` to `path` (mode 0600, replaced each time).

    Returns:
        The sentence to leave the person with; it names the file, or says why there is none.
    """
    what = f"an unexpected fault: {type(error).__name__}: {own_words(error, 200)}"
    lines = traceback.TracebackException.from_exception(error, capture_locals=False).format()
    text = clean(f"tocsin {__version__}\n{''.join(lines)}", _LIMIT, multiline=True)
    try:
        private_dir(path.parent)
        with os.fdopen(os.open(path, _FLAGS, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as failure:
        return f"{what} (its traceback could not be written to {path}: {own_words(failure, 200)})"
    return f"{what} (traceback: {path})"
