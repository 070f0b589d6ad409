"""Explanations asked of the engine that holds a database, or of the file when none does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.errors import EngineUnavailableError
from engine.model import ExplanationLine, LineKind
from engine.store.lock import InstanceLock
from engine.store.reader import Reader
from engine.text import own_words


class AttachedExplaining:
    """The part of a `FileClient` that explains."""

    _path: Path
    _reader: Reader

    async def _command(self, command: str, **arguments: Any) -> dict[str, Any]:
        raise NotImplementedError

    async def explain(self, alert_id: int, at: float | None = None) -> tuple[ExplanationLine, ...]:
        """As the engine knows; without one, and of an earlier moment, by what is in the file."""
        if at is None and InstanceLock.holder(self._path) is not None:
            return _lines(await self._command("explain", alert_id=alert_id))
        from engine.explaining import Explainer

        return await Explainer(self._reader).alert(alert_id, at)

    async def explain_rule(self, rule_id: str, subject: str = "") -> tuple[ExplanationLine, ...]:
        """As the engine knows; without one, by the alerts in the file."""
        if InstanceLock.holder(self._path) is not None:
            return _lines(await self._command("explain_rule", rule_id=rule_id, subject=subject))
        from engine.explaining import Explainer

        return await Explainer(self._reader).rule(rule_id, subject)


def _lines(answer: dict[str, Any]) -> tuple[ExplanationLine, ...]:
    try:
        return tuple(ExplanationLine(LineKind(kind), str(text)) for kind, text in answer["lines"])
    except (KeyError, TypeError, ValueError) as error:
        raise EngineUnavailableError(
            f"the engine's answer is not understood: {own_words(error)}", "is it of another version?"
        ) from error
