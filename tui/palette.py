"""The command palette: the registry's actions that are valid now."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.screen import Screen

from tui.actions import ACTIONS, Action
from tui.keymap import Keymap
from tui.screens.base import View

if TYPE_CHECKING:
    from tui.app import TocsinApp


def offered(screen: Screen[Any]) -> Iterator[Action]:
    """What could be done on a screen by a key at this moment, and what has no key."""
    ids = {active.binding.id for active in screen.active_bindings.values()}
    for action in ACTIONS:
        if not action.command or action.id == "global.palette":
            continue
        # An action without a key is the console's own.
        if action.id in ids or (not action.key and screen.app.check_action(action.command[4:], ())):
            yield action


class ActionProvider(Provider):
    """Offers what could be done by a key at this moment, and what has no key."""

    async def discover(self) -> Hits:
        for action in offered(self.screen):
            yield DiscoveryHit(self._name(action), partial(self._run, action), help=action.help)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for action in offered(self.screen):
            name = self._name(action)
            score = matcher.match(name)
            if score > 0:
                yield Hit(score, matcher.highlight(name), partial(self._run, action), help=action.help)

    async def _run(self, action: Action) -> None:
        screen = self.screen
        if isinstance(screen, View):
            await screen.run_action(action.command)

    def _name(self, action: Action) -> str:
        keymap: Keymap = cast("TocsinApp", self.app).settings.keys
        keys = keymap.sign(action)
        return f"{action.label}  ({keys})" if keys else action.label
