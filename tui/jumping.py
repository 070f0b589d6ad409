"""What `:` leads to in this console: its views and actions, and what the engine knows."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from functools import partial

from engine.errors import NotFoundError, TocsinError
from engine.text import plain
from tui.actions import Action
from tui.jump import Fit, Target, fitting
from tui.palette import offered
from tui.present import age_text
from tui.screens.base import View
from tui.state import RANGES, Selection
from tui.themes import OWN_THEMES
from tui.views import VIEWS

SHOWN = 50
_ALERTS, _TRACES, _TOLD = 500, 200, 200
_LONGEST = 120
_LOGS = re.compile(r"logs\s+(\S.*)", re.DOTALL)
_ALERT = re.compile(r"(?:alert\s+#?(?=\d+(?:\s|$))|#?(?=\d+$))(\d{1,18}).*")
_TRACE = re.compile(r"(?:trace\s+(?=[0-9a-fA-F]+(?:\s|$))|(?=[0-9a-fA-F]+$))([0-9a-fA-F]{8,32}).*")


class Jumps:
    """Completes and follows what is typed behind `:`.

    Args:
        view: the view it was typed on, whose actions count.
    """

    def __init__(self, view: View[object]) -> None:
        self._app = view.console
        self._view = view
        self._targets = [*self._views(), *self._actions(), *self._ranges(), *self._themes()]

    async def gather(self) -> str:
        """Add what the engine knows; returns why it could not be asked, or an empty string."""
        try:
            async for target in self._known():
                self._targets.append(target)
        except TocsinError as error:
            return str(error)
        return ""

    def find(self, typed: str) -> list[Fit]:
        """Where `typed` may lead, the likeliest first."""
        special = self._special(typed.strip())
        found = fitting(typed, self._targets, SHOWN)
        if special is None or any(f"{fit.target.entry} ".startswith(f"{special.entry} ") for fit in found):
            return found
        return [Fit(special, ()), *found]

    def go(self, entry: str) -> None:
        """Follow an entry as `find` gave it, or one from another time."""
        exact = (target for target in self._targets if target.entry == entry)
        target = next(exact, None) or self._special(entry)
        if target is None:
            self._app.say(f"there is no {entry} any more", "warning")
        else:
            target.go()

    # What needs no list: what is typed says it all.

    def _special(self, typed: str) -> Target | None:
        if match := _LOGS.fullmatch(typed):
            query = plain(match[1].strip(), 500)
            return Target(f"logs {query}", "search the logs", partial(self._search, query))
        if match := _ALERT.fullmatch(typed):
            return Target(f"alert #{int(match[1])}", "by its number", partial(self._alert, int(match[1])))
        if match := _TRACE.fullmatch(typed):
            return Target(f"trace {match[1].lower()}", "by its id", partial(self._trace, match[1].lower()))
        return None

    def _search(self, query: str) -> None:
        from tui.screens.logs import LogsView

        self._app.open_view("logs")
        screen = self._app.screen
        if isinstance(screen, LogsView):
            # It may only now be made.
            screen.call_after_refresh(screen.search, query)

    def _alert(self, alert_id: int) -> None:
        self._app.open_view("alerts", Selection(alert_id=alert_id))

    def _trace(self, trace_id: str) -> None:
        async def find() -> None:
            page = await self._app.client.logs(f"trace:{trace_id}", limit=20)
            executions = (one.execution_id for one in page.records if one.execution_id is not None)
            found = next(executions, None)
            if found is None:
                raise NotFoundError(f"no execution of the trace {trace_id} has logged anything that is kept")
            self._app.open_execution(found)

        self._view.command(find, "", changes=False)

    # What is always there.

    def _views(self) -> Iterator[Target]:
        for entry in VIEWS:
            yield Target(f"view {entry.name}", entry.help, partial(self._app.open_view, entry.name))

    def _actions(self) -> Iterator[Target]:
        for action in offered(self._view):
            if action.group != "views" and action.id not in ("global.jump", "global.back"):
                yield Target(action.label.lower(), action.help, partial(self._act, action), action.mutates)

    def _act(self, action: Action) -> None:
        self._view.call_later(self._view.run_action, action.command)

    def _ranges(self) -> Iterator[Target]:
        for item in RANGES:
            yield Target(f"range {item.label}", "", partial(setattr, self._app, "time_range", item))

    def _themes(self) -> Iterator[Target]:
        own = [theme.name for theme in OWN_THEMES]
        for name in (*own, *sorted(set(self._app.available_themes) - set(own))):
            yield Target(f"theme {name}", "", partial(setattr, self._app, "theme", name))

    # What the engine knows, now or as of the moment that is shown; the rules are those in force now.

    async def _known(self) -> AsyncIterator[Target]:
        app, now, then = self._app, self._app.moment(), self._app.past
        for status in await app.client.workflows(app.time_range.since(now), now, then):
            entry = f"workflow {_one(status.id)}"
            yield Target(entry, _one(status.name), partial(app.open_workflow, status.id))
        for alert in await app.client.alerts(at=then, limit=_ALERTS):
            said = f"{alert.severity} {alert.state}, {age_text(alert.started_at, now)}"
            entry = f"alert #{alert.id} {_one(alert.rule_name)} {_one(alert.subject)}"
            yield Target(entry, said, partial(self._alert, alert.id), alert.resolved_at is not None)
        for execution in await app.client.executions(until=then, limit=_TRACES):
            said = f"{execution.outcome}, {age_text(execution.started_at, now)}"
            entry = f"trace {_one(execution.trace_id)} {_one(execution.workflow_name)}"
            yield Target(entry, said, partial(app.open_execution, execution.id))
        told = await app.client.notifications(until=then, limit=_TOLD)
        for channel in dict.fromkeys(one.channel for one in told):
            go = partial(self._told_to, channel)
            yield Target(f"channel {_one(channel)}", "what it was told", go)
        as_of = "" if then is None else ", as defined now"
        for rule in await app.client.rules():
            said = f"{_one(rule.name)}{as_of}"
            yield Target(f"rule {_one(rule.id)}", said, partial(self._rule, rule.id))

    def _rule(self, rule_id: str) -> None:
        self._app.open_view("rules")
        if isinstance(screen := self._app.screen, View):
            screen.call_after_refresh(screen.point_at, "rules", rule_id)

    def _told_to(self, channel: str) -> None:
        """The messages to a channel: its name as the filter of their list."""
        self._app.open_view("notifications")
        screen, phrase = self._app.screen, plain(channel, _LONGEST).replace('"', " ")
        if isinstance(screen, View):
            screen.call_after_refresh(screen.filter_by, f'"{phrase}"')


def _one(text: str) -> str:
    return plain(text, _LONGEST)
