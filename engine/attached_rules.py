"""Questions about rules, put to the engine that holds a database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from engine.errors import EngineUnavailableError
from engine.model import AlertState, Decision, Gate, Severity
from engine.model.rules import (
    ConditionState,
    Excerpt,
    RuleDetail,
    RuleState,
    RuleStatus,
    SubjectState,
    TestReceipt,
)
from engine.rules_client import Progress, unheeded
from engine.store.lock import InstanceLock
from engine.store.reader import Reader
from engine.text import own_words

if TYPE_CHECKING:
    from engine.rehearsal.results import Comparison

T = TypeVar("T")
RULES_A_TIME = 50


class AttachedRules:
    """The part of a `FileClient` that is about rules."""

    _path: Path
    _reader: Reader

    async def _command(self, command: str, **arguments: Any) -> dict[str, Any]:
        raise NotImplementedError

    async def rules(self, at: float | None = None) -> tuple[RuleStatus, ...]:
        """Needs an engine: raises EngineUnavailableError without one."""
        found = await self._rules()
        if at is None:
            return found
        from engine.past_rules import statuses_at

        return await statuses_at(self._reader, found, at)

    async def _rules(self) -> tuple[RuleStatus, ...]:
        found: list[RuleStatus] = []
        while True:
            answer = await self._command("rules", first=len(found), count=RULES_A_TIME)
            page = _understood(partial(_statuses, answer))
            found += page
            if len(page) < RULES_A_TIME:
                return tuple(found)

    async def rule(self, rule_id: str, at: float | None = None) -> RuleDetail:
        """Needs an engine: raises EngineUnavailableError without one, NotFoundError."""
        answer = await self._command("rule", rule_id=rule_id)
        found = _understood(partial(_detail, answer))
        if at is None:
            return found
        from engine.past_rules import detail_at

        return await detail_at(self._reader, found, at)

    async def try_channel(self, name: str) -> TestReceipt:
        """Needs an engine: raises EngineUnavailableError without one, NotFoundError."""
        answer = await self._command("try_channel", name=name)
        return _understood(partial(TestReceipt, **answer))

    async def backtest(
        self,
        rule_id: str,
        since: float,
        until: float,
        changes: Sequence[str] = (),
        progress: Progress = unheeded,
    ) -> tuple[Comparison, ...]:
        """Goes by what the file of the engine's configuration says now. Needs an engine."""
        import asyncio

        from engine.config.loader import NO_ENVIRONMENT, load_config
        from engine.rulebook import rehearsed

        if InstanceLock.holder(self._path) is None:
            raise EngineUnavailableError("no engine runs on this database", "start one with: tocsin --no-ui")
        run = (await self._reader.runs())[0]
        environment = None if run.environment == NO_ENVIRONMENT else run.environment
        loaded = await asyncio.to_thread(load_config, Path(run.path), environment)
        return await rehearsed(loaded.config, self._path, rule_id, since, until, changes, progress)


def _understood(read: Callable[[], T]) -> T:
    try:
        return read()
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise EngineUnavailableError(
            f"the engine's answer is not understood: {own_words(error)}", "is it of another version?"
        ) from error


def _statuses(answer: dict[str, Any]) -> list[RuleStatus]:
    return [_status(told) for told in answer["rules"]]


def _status(told: dict[str, Any]) -> RuleStatus:
    last = _decision(told["last"]) if told["last"] else None
    words = {"severity": Severity(told["severity"]), "state": RuleState(told["state"])}
    return RuleStatus(**{**told, **words, "channels": tuple(told["channels"]), "last": last})


def _detail(told: dict[str, Any]) -> RuleDetail:
    excerpt = told["excerpt"]
    return RuleDetail(
        status=_status(told["status"]),
        excerpt=Excerpt(**{**excerpt, "places": tuple(excerpt["places"])}),
        subjects=tuple(map(_subject, told["subjects"])),
        subject_count=told["subject_count"],
        decisions=tuple(map(_decision, told["decisions"])),
        settings=tuple(told["settings"]),
    )


def _subject(told: dict[str, Any]) -> SubjectState:
    conditions = tuple(ConditionState(**each) for each in told["conditions"])
    alert = AlertState(told["alert"]) if told["alert"] else None
    return SubjectState(**{**told, "conditions": conditions, "alert": alert})


def _decision(told: dict[str, Any]) -> Decision:
    return Decision(**{**told, "gates": tuple(Gate(**gate) for gate in told["gates"])})
