"""What the console remembers from one run to the next."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from engine.files import read_regular
from engine.paths import private_dir
from engine.text import own_words, plain

VERSION = 1
MOST_JUMPS = 30
_MOST_ENTRIES = 200
_LONGEST = 200
_LARGEST = 256 * 1024


@dataclass(slots=True)
class Memory:
    """How a person left the console.

    Args:
        theme, view, range: by their names; empty: the usual one.
        filters: the filter of a list, by view and list: `alerts.timeline`.
        orders: the column that a list is sorted by and which way: `p95 falling`, named as filters are.
        toggles: what was switched from how it usually is, by view and name: `alerts.open_only`.
        panes: where borders were moved to, in percent, by view and direction: `dashboard.rows`.
        jumps: what was gone to with `:`, the newest first.
        path: where it is kept; None: nowhere.
        note: one sentence on why nothing was remembered, or an empty string.
    """

    theme: str = ""
    view: str = ""
    range: str = ""
    filters: dict[str, str] = field(default_factory=dict)
    orders: dict[str, str] = field(default_factory=dict)
    toggles: dict[str, bool] = field(default_factory=dict)
    panes: dict[str, int] = field(default_factory=dict)
    jumps: list[str] = field(default_factory=list)
    path: Path | None = None
    note: str = ""

    def jumped(self, entry: str) -> None:
        """Remember an entry of the jump line."""
        self.jumps = [entry, *(one for one in self.jumps if one != entry)][:MOST_JUMPS]

    def save(self) -> None:
        """Write it, privately and all at once. Raises OSError."""
        if self.path is None:
            return
        private_dir(self.path.parent)
        kept = {name: value for name, value in asdict(self).items() if name not in ("path", "note")}
        draft = self.path.with_name(f"{self.path.name}.{os.getpid()}.part")
        try:
            descriptor = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
            with open(descriptor, "w", encoding="utf-8") as out:
                json.dump({"version": VERSION, **kept}, out, indent=1)
            draft.replace(self.path)
        finally:
            with suppress(FileNotFoundError):
                draft.unlink()


def load_memory(path: Path) -> Memory:
    """What was kept at `path`; what is broken or of another version is left aside, with a note."""
    try:
        kept = json.loads(read_regular(path, _LARGEST))
        if not isinstance(kept, dict) or kept.get("version") != VERSION:
            raise ValueError("it is of another version")
        return Memory(
            theme=_text(kept["theme"]),
            view=_text(kept["view"]),
            range=_text(kept["range"]),
            filters={_text(name): _text(text) for name, text in _entries(kept["filters"])},
            orders={_text(name): _text(order) for name, order in _entries(kept.get("orders", {}))},
            toggles={_text(name): value is True for name, value in _entries(kept["toggles"])},
            panes={_text(name): int(value) for name, value in _entries(kept.get("panes", {}))},
            jumps=[_text(entry) for entry in list(kept["jumps"])[:MOST_JUMPS]],
            path=path,
        )
    except FileNotFoundError:
        return Memory(path=path)
    except (
        OSError,
        ArithmeticError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else own_words(error)
        return Memory(
            path=path, note=f"the console starts afresh: {path} cannot be used: {plain(reason, 120)}"
        )


def _entries(value: dict[str, Any]) -> list[tuple[str, Any]]:
    return list(value.items())[:_MOST_ENTRIES]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("it has something other than text where text belongs")
    return plain(value, _LONGEST)
