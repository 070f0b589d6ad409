"""The part of the engine's one door that is about rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from engine.model.rules import RuleDetail, RuleStatus, TestReceipt

if TYPE_CHECKING:
    from engine.rehearsal.results import Comparison

DECISIONS_TOLD = 30
"""So many decisions of a rule are told, the newest."""
Progress = Callable[[float, int], None]
"""Told how much is done, 0–1, and how many executions were looked at; from whatever thread does the work."""


def unheeded(share: float, count: int) -> None:
    """For who does not want to know how far it is."""


class RulesClient(Protocol):
    """Questions about the rules that are in force; only an engine can answer them."""

    async def rules(self, at: float | None = None) -> tuple[RuleStatus, ...]:
        """In the order of the file, then those about the monitor itself.

        With `at`, the same rules as they stood then, so far as alerts and decisions tell.
        """
        ...

    async def rule(self, rule_id: str, at: float | None = None) -> RuleDetail:
        """With `at`, its decisions and subjects of then, without conditions. Raises NotFoundError."""
        ...

    async def backtest(
        self,
        rule_id: str,
        since: float,
        until: float,
        changes: Sequence[str] = (),
        progress: Progress = unheeded,
    ) -> tuple[Comparison, ...]:
        """What a rule would have done over [since, until): as it is, then with `changes` if there are any.

        Cancelling it ends the work soon. Raises TocsinError for changes such as `threshold=5s` that cannot be
        made, and for rules that look at what is not replayed.
        """
        ...

    async def try_channel(self, name: str) -> TestReceipt:
        """Send a test message through a channel now. Raises NotFoundError."""
        ...
