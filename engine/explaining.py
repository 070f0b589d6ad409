"""Gathers what explanations (`engine.alerts.explanation`) are made of, with an engine or from a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from engine.alerts.explanation import Evidence, Standing, of_alert, of_rule
from engine.errors import NotFoundError, QueryError
from engine.model import Alert, ExplanationLine, LogRecord
from engine.past import Past
from engine.store.alerting import newest_alerts
from engine.text import nearest, plain

if TYPE_CHECKING:
    from engine.alerts.manager import AlertManager
    from engine.config.schema import Config, Rule
    from engine.store.reader import Reader

MAX_RECORDS = 10
_SOURCE = "source:"
ALONE = "no engine runs: how it is now is not known"
FAILED = "it failed three times and is not evaluated any more until it is changed or the engine starts again"


class Explainer:
    """Answers for one database; with an engine also for how things are now.

    Args:
        config: what is in force, and `alerts` what follows from it; None without an engine.
    """

    def __init__(
        self, reader: Reader, config: Config | None = None, alerts: AlertManager | None = None
    ) -> None:
        self._reader = reader
        self._rules = {rule.id: rule for rule in config.rules} if config is not None else {}
        self._alerts = alerts

    async def alert(self, alert_id: int, at: float | None = None) -> tuple[ExplanationLine, ...]:
        """Why an alert fired or did not, and who was told, by `at` if it is given. Raises NotFoundError."""
        if at is not None:
            then = await Past(self._reader).alert(alert_id, at)
            return of_alert(then, await self._evidence(then.alert, at))
        detail = await self._reader.alert(alert_id)
        alert = detail.alert
        evidence = await self._evidence(alert)
        muted = self._alerts.muted().get(alert_id, "") if self._alerts is not None else ""
        standing = next((it for it in self._standings(alert.rule_id) if it.subject == alert.subject), None)
        return of_alert(detail, evidence, standing, muted)

    async def rule(self, rule_id: str, subject: str = "") -> tuple[ExplanationLine, ...]:
        """How a rule stands with its subjects, or with one of them, whose newest alert is explained, too.

        Raises:
            NotFoundError: no such rule is in force or has left an alert, or it is not about the subject.
        """
        rule = self._rules.get(rule_id)
        last = {alert.subject: alert for alert in await newest_alerts(self._reader.pool, rule_id)}
        if rule is None and not last:
            raise self._unknown(rule_id)
        standings = list(self._standings(rule_id))
        if subject:
            standings = [standing for standing in standings if standing.subject == subject]
            last = {name: alert for name, alert in last.items() if name == subject}
            if not standings and not last:
                raise NotFoundError(f"rule {plain(rule_id)} is not about {plain(subject)}")
        lines = of_rule(
            _title(rule_id, rule, last.values()), _looks_for(rule), standings, last, self._why(rule)
        )
        if not subject or subject not in last:
            return lines
        return (*lines, *await self.alert(last[subject].id))

    def _standings(self, rule_id: str) -> Sequence[Standing]:
        return self._alerts.standings(rule_id) if self._alerts is not None else ()

    def _why(self, rule: Rule | None) -> str:
        """Why a rule is not looked at."""
        if self._alerts is None:
            return ALONE
        if rule is None:
            return "the configuration in force has no such rule"
        if not rule.enabled:
            return "the configuration disables it"
        return FAILED if rule.id in self._alerts.disabled else ""

    def _unknown(self, rule_id: str) -> NotFoundError:
        near = nearest(rule_id, self._rules)
        hint = f"did you mean {near}?" if near else "tocsin rules list has them"
        return NotFoundError(f"there is no rule {plain(rule_id)}", hint)

    async def _evidence(self, alert: Alert, at: float | None = None) -> Evidence:
        """What the alert goes by; an execution that began after `at` is one of a later life of it."""
        records = await self._found(alert)
        if alert.execution_id is None:
            return Evidence(records=records)
        try:
            execution = await self._reader.execution(alert.execution_id)
        except NotFoundError:
            return Evidence(records=records)
        if at is not None and execution.started_at > at:
            return Evidence(records=records)
        spans = await self._reader.trace(execution.trace_id)
        page = await self._reader.logs(f"execution:{execution.id}", limit=MAX_RECORDS)
        return Evidence(execution, spans, records or tuple(reversed(page.records)))

    async def _found(self, alert: Alert) -> tuple[LogRecord, ...]:
        """The newest log lines that made a search of its rule true."""
        rule, until = self._rules.get(alert.rule_id), alert.fired_at or alert.started_at
        for search, window in _searches(rule) if rule is not None else ():
            about = alert.subject if alert.subject.startswith(_SOURCE) else f'workflow:"{alert.subject}"'
            query = search if _SOURCE in search else f"{search} {about}"
            try:
                page = await self._reader.logs(query, since=until - window)
            except QueryError:
                continue
            records = [record for record in page.records if record.at <= until][:MAX_RECORDS]
            if records:
                return tuple(reversed(records))
        return ()


def _title(rule_id: str, rule: Rule | None, last: Iterable[Alert]) -> str:
    newest = next(iter(last), None)
    if rule is not None:
        return f"Rule {plain(rule_id)}: {plain(rule.name)} ({rule.severity})"
    return f"Rule {plain(rule_id)}" + (f": {plain(newest.rule_name)}" if newest is not None else "")


def _looks_for(rule: Rule | None) -> str:
    if rule is None:
        return ""
    from engine.rules.wording import looks_for

    return looks_for(rule)


def _searches(rule: Rule) -> Iterator[tuple[str, float]]:
    """The searches of log lines in a rule, each with the seconds that it looks back."""
    from engine.config.conditions import PatternCondition
    from engine.rules.scope import leaves

    for condition in leaves(rule.conditions):
        if isinstance(condition, PatternCondition) and condition.search is not None:
            yield condition.search, condition.window
