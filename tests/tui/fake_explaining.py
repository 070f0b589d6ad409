"""Explanations as a console's stand-in for the engine gives them."""

from __future__ import annotations

from engine.model import ExplanationLine, LineKind


class FakeExplaining:
    """Says the same of everything; what is hostile in it is the client's own."""

    def _say(self, words: str, number: int) -> str:
        raise NotImplementedError

    async def explain(self, alert_id: int, at: float | None = None) -> tuple[ExplanationLine, ...]:
        return (
            ExplanationLine(LineKind.TITLE, f"Alert {alert_id}: {self._say('Checkout failed', 1)}"),
            ExplanationLine(LineKind.TEXT, "ops was told."),
            ExplanationLine(LineKind.HEADING, "Why it fired"),
            ExplanationLine(LineKind.PASSED, "cooldown: no earlier alert to wait for"),
            ExplanationLine(LineKind.EVIDENCE, self._say("log error checkout failed", 2)),
            ExplanationLine(LineKind.HEADING, "Who was told"),
            ExplanationLine(LineKind.STOPPED, "severity:pager: ERROR, the channel takes CRITICAL and above"),
            ExplanationLine(LineKind.TOLD, "ops was told that it fires (taken in 12 ms)"),
        )

    async def explain_rule(self, rule_id: str, subject: str = "") -> tuple[ExplanationLine, ...]:
        return (ExplanationLine(LineKind.TITLE, f"Rule {self._say(rule_id, 1)}"),)
