"""The command palette: the registry's actions that are valid now."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider

from tui.actions import ACTIONS, Action, key_sign
from tui.screens.base import View


class ActionProvider(Provider):
    """Offers what could be done by a key at this moment, and what has no key."""

    async def discover(self) -> Hits:
        for action in self._valid():
            yield DiscoveryHit(_name(action), partial(self._run, action), help=action.help)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for action in self._valid():
            score = matcher.match(_name(action))
            if score > 0:
                yield Hit(
                    score, matcher.highlight(_name(action)), partial(self._run, action), help=action.help
                )

    def _valid(self) -> Iterator[Action]:
        ids = {active.binding.id for active in self.screen.active_bindings.values()}
        for action in ACTIONS:
            if not action.command or action.id == "global.palette":
                continue
            if action.id in ids or (not action.key and self._is_offered(action)):
                yield action

    def _is_offered(self, action: Action) -> bool:
        """Whether the console has it on offer now, though no key leads to it."""
        return bool(self.app.check_action(action.command.removeprefix("app."), ()))

    async def _run(self, action: Action) -> None:
        screen = self.screen
        if isinstance(screen, View):
            await screen.run_action(action.command)


def _name(action: Action) -> str:
    keys = key_sign(action)
    return f"{action.label}  ({keys})" if keys else action.label
