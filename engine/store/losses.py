"""What could not be stored: counted, and told in the log with its reason."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

from engine.clock import Clock
from engine.model import LogLevel, LogRecord

INTERVAL = 10.0
"""Seconds between two accounts."""
MAX_REASONS = 8


class Losses:
    """Counts lost records and gives an account of them, at most every 10 s."""

    def __init__(self, clock: Clock) -> None:
        self.by_kind: Counter[str] = Counter()
        self._clock = clock
        self._untold: Counter[str] = Counter()
        self._told_at = -math.inf

    @property
    def total(self) -> int:
        """Records lost since the start."""
        return self.by_kind.total()

    def add(self, lost: Mapping[str, int], reason: str) -> None:
        """Note that so many records of these kinds are lost."""
        if count := sum(lost.values()):
            self.by_kind.update(lost)
            self._untold[self._group(reason)] += count

    def account(self, *, at_once: bool = False) -> Counter[str]:
        """Numbers by reason, to be told now; empty when there are none or the last account is too fresh.

        Args:
            at_once: however fresh it is.
        """
        now = self._clock.monotonic()
        if not self._untold or (now - self._told_at < INTERVAL and not at_once):
            return Counter()
        self._told_at = now
        account, self._untold = self._untold, Counter()
        return account

    def take_back(self, account: Counter[str]) -> None:
        """An account reached nobody: the next one says it again."""
        for reason, count in account.items():
            self._untold[self._group(reason)] += count

    def lines(self, account: Counter[str]) -> tuple[LogRecord, ...]:
        """The account as warnings, one for each reason."""
        now = self._clock.now()
        return tuple(
            LogRecord(now, LogLevel.WARNING, f"{count} records could not be stored: {reason}")
            for reason, count in account.items()
        )

    def _group(self, reason: str) -> str:
        return reason if reason in self._untold or len(self._untold) < MAX_REASONS else "other reasons"
