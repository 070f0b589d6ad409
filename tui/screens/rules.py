"""View 7: the rules, and how each of them sees things, or saw them."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content

from engine.errors import NotFoundError, TocsinError
from engine.model import Topic
from engine.model.rules import RuleDetail, RuleState, RuleStatus
from tui import present
from tui.actions import Scope, bindings
from tui.bridge import Loader
from tui.editing import edited
from tui.screens.base import LOADING, View
from tui.screens.rule_text import rule_text
from tui.widgets.columns import Cells
from tui.widgets.ordering import Sorts
from tui.widgets.row_table import Column, Row, RowTable
from tui.widgets.writing import Page, write

_COLUMNS = (
    Column("state", "State", 10),
    Column("severity", "Severity", 10, min_terminal=66),
    Column("rule", "Rule", 29, flex=3),
    Column("firing", "Firing", 6, align="right"),
    Column("last", "Decided", 7, align="right"),
    Column("decision", "Last decision", 24, flex=4, min_terminal=91),
)
_SORTS: Sorts = {
    "state": lambda rule: list(RuleState).index(rule.state),
    "severity": lambda rule: -rule.severity.rank,
    "rule": lambda rule: rule.name.casefold(),
    "firing": lambda rule: rule.firing,
    "last": lambda rule: None if rule.last is None else -rule.last.at,
}
_PRESSING = (RuleState.FIRING, RuleState.FAILED, RuleState.PENDING)
_NEEDS_RULE = ("backtest", "try_channels", "edit_rule")


class RulesView(View[tuple[RuleStatus, ...]]):
    """The list beside (or above) the YAML of one rule, with the state of each condition."""

    CSS_PATH = "split.tcss"
    AUTO_FOCUS = "#rules"
    SCOPE = Scope.RULES
    TOPICS = frozenset({Topic.ALERTS, Topic.ENGINE})
    BINDINGS: ClassVar[list[BindingType]] = bindings(Scope.RULES)

    def __init__(self) -> None:
        super().__init__()
        self._rules: dict[str, RuleStatus] = {}
        self._detail: RuleDetail | None = None
        self._detail_loader: Loader[RuleDetail | None] = Loader(
            self, "detail", self._fetch_detail, self._show_detail, self._detail_failed
        )

    def compose_body(self) -> ComposeResult:
        table = RowTable(_COLUMNS, empty=LOADING, sorts=_SORTS, id="rules", classes="pane")
        page = VerticalScroll(Page(id="rule-text"), id="rule", classes="pane")
        with Container(classes="split"):
            yield table
            yield page
        self.set_title(table, "Rules")
        self.set_title(page, "Rule")

    @property
    def table(self) -> RowTable:
        return self.query_one("#rules", RowTable)

    async def fetch(self) -> tuple[RuleStatus, ...]:
        return await self.client.rules(self.console.past)

    def show(self, data: tuple[RuleStatus, ...]) -> None:
        self._rules = {rule.id: rule for rule in data}
        shown = [rule for rule in data if not self.is_on("pressing") or rule.state in _PRESSING]
        now, table = self.console.moment(), self.table
        table.set_empty(
            self.hint("no rule fires, waits or has failed", "rules.pressing", "shows all rules")
            if data
            else Content("the configuration has no rules")
        )
        table.set_rows([_row(rule, now) for rule in shown])
        firing = sum(rule.state is RuleState.FIRING for rule in data)
        when = "" if self.console.past is None else " · defined as of now"
        self.set_title(table, f"Rules · {len(shown)} · {firing} firing{when}")
        self._detail_loader.request(urgent=self._detail is None)

    def record(self, table: RowTable, key: str) -> object:
        return self._rules.get(key) if table is self.table else super().record(table, key)

    def selected_rule(self) -> RuleStatus | None:
        """The rule under the cursor."""
        return self._rules.get(self.table.cursor_key or "")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Grey out what needs a rule while there is none under the cursor."""
        if action in _NEEDS_RULE and self.stands and self.selected_rule() is None:
            return None
        return super().check_action(action, parameters)

    def action_toggle_pressing(self) -> None:
        """Show only rules that fire, wait or have failed, or all of them again."""
        self.toggle("pressing")
        self.reload()

    def action_backtest(self) -> None:
        """Try the rule, and changes to it, on what happened."""
        from tui.modals.backtest import BacktestModal

        detail, rule = self._detail, self.selected_rule()
        if rule is None or detail is None or detail.status.id != rule.id:
            self.console.say("the rule is not loaded yet", "warning")
            return
        until = self.console.moment()
        self.app.push_screen(BacktestModal(self.client, detail, self.console.time_range, until))

    def action_try_channels(self) -> None:
        """Send a test message to each channel of the rule."""
        rule = self.selected_rule()
        if rule is None:
            return
        if not rule.channels:
            self.console.say("the rule names no channel of its own: routes decide who is told", "warning")
            return
        lines = [
            present.foreign(", ".join(rule.channels), 300, "bold"),
            Content("Each is sent one message now, marked as a test. No alert is made."),
        ]
        self.confirmed("Send test messages?", lines, "send", "", lambda: self._try(rule.channels))

    def action_edit_rule(self) -> None:
        """Open the rule's line of the file in an editor, and read the configuration again after it."""
        detail = self._detail
        if detail is None or not detail.excerpt.file:
            self.console.say("this rule stands in no file", "warning")
            return
        self._edit(detail.excerpt.file, detail.excerpt.line)

    def _edit(self, file: str, line: int) -> None:
        """What has been written is in force when it is valid; else the editor opens at its first problem."""
        from tui.modals.reloaded import line_of

        if edited(self.console, file, line):
            self.console.reload_configuration(lambda report: self._edit(file, line_of(report, file) or line))

    def _try(self, channels: tuple[str, ...]) -> None:
        async def run() -> None:
            for name in channels:
                try:
                    receipt = await self.client.try_channel(name)
                except TocsinError as error:
                    self.console.say(f"{name}: {error}", "error")
                    continue
                took = present.duration_text(receipt.latency)
                if receipt.error:
                    self.console.say(f"{name} did not take it after {took}: {receipt.error}", "error")
                else:
                    self.console.say(f"{name} took it in {took}")

        self.run_worker(run(), group="command")

    async def _fetch_detail(self) -> RuleDetail | None:
        key = self.table.cursor_key
        if key is None:
            return None
        try:
            return await self.client.rule(key, self.console.past)
        except NotFoundError:
            return None

    def _show_detail(self, detail: RuleDetail | None) -> None:
        if not self.stands:
            return
        self._detail = detail
        page, text = self.query_one("#rule", VerticalScroll), self.query_one("#rule-text", Page)
        if detail is None:
            write(text, Content.styled("no rule is selected", present.MUTED))
            self.set_title(page, "Rule")
        else:
            write(text, rule_text(detail, self.console.moment(), self.console.past is not None))
            self.set_title(page, "Rules", present.foreign(detail.status.id, 80))
        self.refresh_bindings()

    def _detail_failed(self, error: TocsinError | None) -> None:
        self.console.report_trouble(self._detail_loader, error)

    @on(RowTable.Highlighted, "#rules")
    def _moved(self) -> None:
        self._detail_loader.follow()

    @on(RowTable.Selected, "#rules")
    def _opened(self) -> None:
        self.query_one("#rule", VerticalScroll).focus()


def _row(rule: RuleStatus, now: float) -> Row:
    is_idle = rule.state in (RuleState.DISABLED, RuleState.ASLEEP)
    return Row(rule.id, partial(_cells, rule, now), "dim" if is_idle else "", of=rule)


def _cells(rule: RuleStatus, now: float) -> Cells:
    last = rule.last
    stop = next((gate for gate in last.gates if not gate.passed), None) if last is not None else None
    words = "" if last is None else f"{last.subject}: {last.explanation}"
    if stop is not None:
        words = f"{'still open' if stop.name == 'dedup' else f'stopped at {stop.name}'} · {words}"
    firing = (
        Content(str(rule.firing)) if rule.firing else Content.styled(present.sign("–", "-"), present.MUTED)
    )
    return (
        present.rule_state(rule.state),
        present.severity(rule.severity),
        _name(rule),
        firing,
        Content.styled(present.age_text(last.at if last else None, now), present.MUTED),
        present.foreign(words, 300, present.MUTED),
    )


def _name(rule: RuleStatus) -> Content:
    name = present.foreign(rule.name, 120)
    return name.append(Content.styled(f"  {rule.strikes} failed", "$warning")) if rule.strikes else name
