"""Terminals that show nothing beyond ASCII: every other character gets a stand-in of the same width.

Borders, separators and foreign text alike: Python would write `\\u2502` for each, and nothing would be
in its place.
"""

from __future__ import annotations

import codecs
from io import TextIOWrapper

from rich.cells import cell_len

_ERRORS = "tocsin-stand-in"
_KNOWN = dict(
    zip(
        "─━╌═▁▔–—│┃║·•›→‹←…~↑↓×“”‘’✓✗●○◉◐▲■",
        "----_---|||..>><<~~^vx\"\"''+x*o*a!#",
        strict=True,
    )
)
_LINES = range(0x2500, 0x2580)
_BLOCKS = range(0x2580, 0x25A0)


def stand_in(character: str) -> str:
    """What is written instead of a character, as wide as it is."""
    if character in _KNOWN:
        return _KNOWN[character]
    if ord(character) in _LINES:
        return "+"
    return "#" if ord(character) in _BLOCKS else "?" * cell_len(character)


def use_stand_ins(terminal: TextIOWrapper) -> None:
    """Have `terminal`, unless it takes every character, write stand-ins from now on."""
    if terminal.encoding.lower().replace("-", "") != "utf8":
        codecs.register_error(_ERRORS, _replace)
        terminal.reconfigure(errors=_ERRORS)


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(map(stand_in, missing)), error.end
