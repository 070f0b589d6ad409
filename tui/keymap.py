"""Keys of a person's own, by the ids of actions: which they are, and whether they can stand together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from textual.binding import Binding
from textual.keys import Keys

from engine.text import nearest, plain
from tui.actions import ACTIONS, Action, Scope, in_scope, sign_of

_BY_ID = {action.id: action for action in ACTIONS}
_MODIFIERS = re.compile(r"(?:(?:ctrl|shift|alt|super|meta|hyper)\+)*")
_NAMED = frozenset(key.value for key in Keys)
_ALWAYS = ("ctrl+c",)
BACK = "global.back"
LEAVE = "modal.leave"
"""The id of the binding by which every modal is left."""


@dataclass(frozen=True, slots=True)
class Keymap:
    """Actions with other keys than the usual ones.

    Args:
        changed: by the id of the action, its keys as Textual writes them, comma separated.
    """

    changed: Mapping[str, str] = field(default_factory=dict)

    def keys(self, action: Action) -> str:
        """The keys of an action, comma separated; empty without one."""
        return self.changed.get(action.id, action.key)

    def applied(self) -> dict[str, str]:
        """The keys of bindings by their ids; esc always leaves a modal, as a letter may be typed there."""
        leaving = dict.fromkeys((*self.all(BACK), "escape"))
        return {**self.changed, **({LEAVE: ",".join(leaving)} if BACK in self.changed else {})}

    def all(self, id: str) -> tuple[str, ...]:
        """The keys of an action as Textual names them."""
        return tuple(self.keys(_BY_ID[id]).split(","))

    def first(self, id: str) -> str:
        """The first key of an action as people write it; empty without one."""
        return sign_of(self.keys(_BY_ID[id]).split(",")[0])

    def sign(self, action: Action) -> str:
        """The keys of an action as people write them: `?  f1`; empty without one."""
        return sign_of(self.keys(action))


def read_keys(said: Mapping[str, Any]) -> tuple[Keymap, list[str]]:
    """The keys that a file gives to actions, and a sentence for each that is left as it was."""
    changed: dict[str, str] = {}
    faults: list[str] = []
    for id, wanted in said.items():
        keys = [_key(key) for key in (wanted if isinstance(wanted, list) else [wanted])]
        if id not in _BY_ID:
            near = nearest(id, _BY_ID)
            faults.append(
                f"there is no action {plain(id, 60)!r}" + (f"; did you mean {near}?" if near else "")
            )
        elif not _BY_ID[id].key:
            faults.append(f"{id} is reached through the palette only")
        elif not keys or None in keys:
            faults.append(
                f"{id}: {plain(str(wanted), 60)!r} is no key; write a, G, f5, ctrl+x or question_mark"
            )
        else:
            changed[id] = ",".join(key for key in keys if key)
    while clash := next(_clashes(Keymap(changed)), None):
        id, other, key = clash
        faults.append(f"{id} keeps its usual key: {sign_of(key)} is {other}")
        del changed[id]
    return Keymap(changed), faults


def _clashes(keymap: Keymap) -> Iterator[tuple[str, str, str]]:
    """A changed action, another one that is valid in the same view, and the key that both would have."""
    for id in keymap.changed:
        action = _BY_ID[id]
        for key in keymap.keys(action).split(","):
            if key in _ALWAYS:
                yield id, "what the terminal has for leaving", key
            for other in _beside(action):
                if key in keymap.keys(other).split(","):
                    yield id, other.id, key


def _beside(action: Action) -> Iterator[Action]:
    """The other actions that a person may mean where `action` is valid."""
    everywhere = (Scope.GLOBAL, Scope.LISTS)
    scopes = tuple(Scope) if action.scope in everywhere else (action.scope, *everywhere)
    for other in (one for scope in scopes for one in in_scope(scope)):
        alternate = action.while_live is not None and other.while_live is (not action.while_live)
        instead = action.id == other.instead_of or other.id == action.instead_of
        if other.id != action.id and not alternate and not instead and other.key != action.key:
            yield other


def _key(said: object) -> str | None:
    """A key as Textual names it; None for what is none."""
    if not isinstance(said, str) or not said:
        return None
    if len(said) == 1:
        return _called(said) if said.isprintable() and said not in " ," else None
    modifiers = _MODIFIERS.match(said)
    rest = said[modifiers.end() :] if modifiers is not None else said
    is_known = (len(rest) == 1 and rest.isalnum()) or rest in _NAMED or rest in _CHARACTERS
    return said if is_known else None


def _called(character: str) -> str:
    """What Textual calls the key of a character: `question_mark`."""
    return next(iter(Binding.make_bindings([Binding(character, "")]))).key


_CHARACTERS = frozenset(_called(chr(code)) for code in range(0x21, 0x7F) if chr(code) != ",")
