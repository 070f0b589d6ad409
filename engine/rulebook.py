"""Answers about the rules that are in force: how they are, and what they would have done."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.alerts.inspecting import statuses, subjects
from engine.alerts.manager import AlertManager
from engine.clock import Clock
from engine.config.excerpts import excerpts
from engine.config.shown import shown
from engine.errors import EngineUnavailableError, NotFoundError, TocsinError
from engine.model.rules import Excerpt, RuleDetail, RuleStatus, SubjectState, TestReceipt
from engine.own_rules import with_own_rules
from engine.rules_client import DECISIONS_TOLD, Progress
from engine.store.alerting import decisions, last_decisions
from engine.store.pool import ReadPool
from engine.text import plain

if TYPE_CHECKING:
    from engine.config.loader import LoadedConfig
    from engine.config.schema import Config
    from engine.rehearsal.results import Comparison
    from engine.wiring import Rooms

MOST_RULES = 10_000


class RuleBook:
    """The rules that an engine goes by.

    Args:
        redact: takes secrets out of a text.
    """

    def __init__(
        self, loaded: LoadedConfig, rooms: Rooms, redact: Callable[[str], str], clock: Clock
    ) -> None:
        self._rooms = rooms
        self._redact = redact
        self._clock = clock
        self._excerpts: Mapping[str, Excerpt] | None = None
        self.adopt(loaded)

    def adopt(self, loaded: LoadedConfig) -> None:
        """Another configuration is in force."""
        self._loaded = loaded
        self._config = with_own_rules(loaded.config)
        self._excerpts = None

    @property
    def config(self) -> Config:
        """What is in force, with the rules about the monitor itself."""
        return self._config

    async def statuses(self, first: int = 0, count: int = MOST_RULES) -> tuple[RuleStatus, ...]:
        """Rules by their places: in the order of the file, then those about the monitor itself."""
        last = await last_decisions(self._pool)
        rules, alerts = self._config.rules[first : first + count], self._alerts
        return statuses(rules, alerts.open_alerts(), alerts.judge.strikes, last, self._clock.now())

    async def detail(self, rule_id: str) -> RuleDetail:
        """One rule in full. Raises NotFoundError."""
        from engine.rehearsal.changing import changeable

        rule = next((rule for rule in self._config.rules if rule.id == rule_id), None)
        status = next((each for each in await self.statuses() if each.id == rule_id), None)
        if rule is None or status is None:
            raise NotFoundError(f"there is no rule {plain(rule_id, 80)}")
        made = await decisions(self._pool, rule_id, DECISIONS_TOLD)
        found, count = self._subjects(rule_id)
        return RuleDetail(
            status=status,
            excerpt=await self._excerpt(rule_id),
            subjects=found,
            subject_count=count,
            decisions=made,
            settings=tuple(map(str, changeable(rule))),
        )

    async def try_channel(self, name: str) -> TestReceipt:
        """Send a test message now. Raises NotFoundError."""
        from engine.notify.trial import try_channel

        channels = self._config.channels
        if name not in channels:
            raise NotFoundError(f"there is no channel {plain(name, 80)}", f"there is {', '.join(channels)}")
        made = await try_channel(name, channels[name], self._clock, self._rooms.deliverer)
        return TestReceipt(name, made.kind, made.latency, self._redact(made.error))

    @property
    def _alerts(self) -> AlertManager:
        return self._rooms.alerts

    @property
    def _pool(self) -> ReadPool:
        return self._rooms.store.reader.pool

    def _subjects(self, rule_id: str) -> tuple[tuple[SubjectState, ...], int]:
        try:
            found, count = subjects(self._alerts.judge, rule_id, self._clock.now())
        except Exception:  # noqa: BLE001 - border: a rule that fails says nothing; its strikes are told
            return (), 0
        return tuple(map(self._without_secrets, found)), count

    def _without_secrets(self, state: SubjectState) -> SubjectState:
        conditions = tuple(
            replace(each, words=self._redact(each.words), value=self._redact(each.value))
            for each in state.conditions
        )
        return replace(state, conditions=conditions)

    async def _excerpt(self, rule_id: str) -> Excerpt:
        if self._excerpts is None:
            loaded = self._loaded
            found = await asyncio.to_thread(self._read, loaded)
            if loaded is not self._loaded:
                return found.get(rule_id) or Excerpt()
            self._excerpts = found
        return self._excerpts.get(rule_id) or Excerpt()

    def _read(self, loaded: LoadedConfig) -> Mapping[str, Excerpt]:
        return excerpts(shown(loaded.text, self._redact), str(loaded.path.absolute()))


async def rehearsed(
    config: Config,
    db: Path,
    rule_id: str,
    since: float,
    until: float,
    changes: Sequence[str],
    progress: Progress,
) -> tuple[Comparison, ...]:
    """A backtest in a thread of its own, which ends soon when this is cancelled.

    Args:
        changes: such as `threshold=5s`; without any, only what the rule is now is rehearsed.

    Raises:
        TocsinError: a change cannot be made, the rule cannot be replayed, or the file cannot be read.
    """
    from engine.rehearsal.backtest import backtest
    from engine.rehearsal.changing import parse_change

    given_up = threading.Event()

    def tell(at: float, count: int) -> None:
        if given_up.is_set():
            raise EngineUnavailableError("the backtest was given up")
        progress(min(max((at - since) / (until - since), 0.0), 1.0), count)

    if since >= until:
        raise TocsinError("there is nothing to replay")
    parsed = [parse_change(text) for text in changes]
    try:
        return await asyncio.to_thread(
            lambda: backtest(config, db, since, until, rule_id=rule_id, changes=parsed, progress=tell)
        )
    except asyncio.CancelledError:
        given_up.set()
        raise
