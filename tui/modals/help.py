"""All keys, by where they are valid; read from the registry of actions."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from tui.actions import Action, Scope, in_scope, key_sign
from tui.modals.base import PageModal

_KEY_WIDTH = 12
_LABEL_WIDTH = 16


class HelpModal(PageModal):
    """The page behind `?`.

    Args:
        first: the scope of the view it was called from, shown on top.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("question_mark,f1", "leave", show=False)]

    def __init__(self, first: Scope | None = None) -> None:
        super().__init__(Content("Keys"), help_text(first))


def help_text(first: Scope | None = None) -> Content:
    """Every action with its keys and its sentence, `first` on top."""
    scopes = sorted(Scope, key=lambda scope: scope is not first)
    return Content("\n\n").join([_section(scope) for scope in scopes])


def _section(scope: Scope) -> Content:
    lines = [
        Content.styled(scope.value, "bold $text-primary"),
        *(_line(action) for action in in_scope(scope)),
    ]
    return Content("\n").join(lines)


def _line(action: Action) -> Content:
    keys = key_sign(action) or "palette"
    return Content.assemble(
        (keys.ljust(_KEY_WIDTH), "$text-accent"), (action.label.ljust(_LABEL_WIDTH), "bold"), action.help
    )
