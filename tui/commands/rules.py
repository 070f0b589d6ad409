"""`tocsin rules`: list rules, test them on made-up executions, and try them on what happened."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import TocsinError
from engine.lines import moment, seconds, table
from engine.model import AlertState
from engine.paths import default_db
from engine.text import counted, plain
from tui.cli import add_db, add_env, add_json
from tui.commands.console import config_path
from tui.commands.progress import Progress
from tui.commands.session import colour, database, print_json, read

if TYPE_CHECKING:
    from engine.config.schema import Config, Rule
    from engine.model import Alert, Decision
    from engine.rehearsal.results import Comparison
    from engine.rehearsal.testing import Outcomes
    from engine.store.reader import Reader

OVER = 1
DAY = 86_400.0
FAILED = 1
SHOWN = 100
_MAXIMUM = "--max-notifications-per-week"
_PRESSING = (AlertState.FIRING, AlertState.ACKNOWLEDGED, AlertState.PENDING)


def arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    def command(name: str, summary: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        add_env(made)
        add_json(made)
        return made

    add_db(command("list", "list the rules: what they look for, how they are, what they decided last"))
    test = command("test", "run tests of rules in virtual time; exit 1 when one fails")
    test.add_argument("files", nargs="+", type=Path, metavar="FILE", help="see docs/rules-testing.md")
    backtest = command("backtest", "see what rules would have done about what happened")
    _backtest_arguments(backtest)


def _backtest_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("rule", nargs="?", metavar="RULE", help="the id of one rule (default: all rules together)")
    add("--since", default="30d", metavar="WHEN", help="such as 30d, yesterday or 2026-11-21 (default 30d)")
    add("--until", metavar="WHEN", help="likewise (default: now)")
    add(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="changes",
        help="compare with another value: threshold=5s, window=10m, for=2m, cooldown=1h, 2.rate=30%%",
    )  # fmt: skip
    add("--sweep", metavar="KEY=FROM..TO[:STEP]", help="compare with several values: threshold=1s..10s:1s")
    add(
        _MAXIMUM, type=float, metavar="N", dest="maximum",
        help="exit 1 when more messages would leave, with every candidate; takes a day of looking at least",
    )  # fmt: skip
    add("--format", choices=("text", "json"), default="text", help="json is the same as --json")
    add_db(parser)


def run(options: argparse.Namespace) -> int:
    """Carry out one action. Raises TocsinError."""
    if options.action == "backtest":
        return _backtest(options)
    return _test(options) if options.action == "test" else _list(options)


def _backtest(options: argparse.Namespace) -> int:
    from engine.rehearsal.telling import is_over, lines, record

    maximum = options.maximum
    if maximum is not None and not 0 <= maximum < math.inf:
        raise TocsinError(f"{_MAXIMUM} {maximum:g}: a number of messages is wanted, 0 or more")
    found = _compared(options)
    looked = found[0].rehearsed.coverage.seconds
    if maximum is not None and looked < DAY:
        raise TocsinError(
            f"{_MAXIMUM}: an engine looked for {seconds(looked)} of that time, too little to tell of a week",
            "a day at least is wanted; look further back with --since",
        )
    if options.json or options.format == "json":
        print_json(record(one) for one in found)
    else:
        print("\n".join(lines(found, maximum, colour=colour())))
    judged = found[1:] or found
    is_too_loud = maximum is not None and all(is_over(one.rehearsed, maximum) for one in judged)
    return OVER if is_too_loud else 0


def _test(options: argparse.Namespace) -> int:
    from engine.rehearsal.cases import load
    from engine.rehearsal.testing import run as run_tests

    failed = total = 0
    for path in options.files:
        for one in run_tests(load(path)):
            total += 1
            failed += not one.passed
            if options.json:
                print_json([{"type": "rule_test", "file": str(path), "passed": one.passed, **asdict(one)}])
            elif not one.passed:
                print("\n".join(_mismatches(plain(str(path)), one)))
    if not options.json:
        print(f"{counted(total, 'test')}: {total - failed} passed, {failed} failed")
    return FAILED if failed else 0


def _mismatches(file: str, outcomes: Outcomes) -> Iterator[str]:
    for one in outcomes.mismatches:
        yield f"{file}:{one.line}: {plain(one.test)}: {plain(one.what)}"
        yield from (f"    expected {plain(words)}" for words in one.expected or ("nothing",))
        yield from (f"    got      {plain(words)}" for words in one.got or ("nothing",))
    for fault in outcomes.faults:
        yield f"{file}: {plain(outcomes.test)}: {plain(fault)}"


def _list(options: argparse.Namespace) -> int:
    from engine.own_rules import with_own_rules
    from engine.rules.wording import looks_for

    rules = with_own_rules(_config(options)).rules
    alerts, decisions = read(options, _known) if (options.db or default_db()).exists() else ((), {})
    states = {rule.id: _state(rule, alerts) for rule in rules}
    if options.json:
        print_json(
            {
                "type": "rule",
                "id": rule.id,
                "name": rule.name,
                "severity": rule.severity,
                "state": states[rule.id],
                "looks_for": looks_for(rule),
                "last_decision": asdict(decisions[rule.id]) if rule.id in decisions else None,
            }
            for rule in rules
        )
        return 0
    rows = [
        (
            rule.id,
            str(rule.severity),
            states[rule.id],
            plain(looks_for(rule), SHOWN),
            _last(decisions.get(rule.id)),
        )
        for rule in rules
    ]
    print(
        "\n".join(table(("RULE", "SEVERITY", "STATE", "LOOKS FOR", "LAST DECISION"), rows, colour=colour()))
    )
    return 0


async def _known(reader: Reader) -> tuple[tuple[Alert, ...], dict[str, Decision]]:
    from engine.store.alerting import last_decisions

    return await reader.open_alerts(), await last_decisions(reader.pool)


def _state(rule: Rule, alerts: Iterable[Alert]) -> str:
    """The most pressing state of the rule's open alerts."""
    if not rule.enabled:
        return "disabled"
    states = {alert.state for alert in alerts if alert.rule_id == rule.id}
    return next((state.value for state in _PRESSING if state in states), "quiet")


def _last(decision: Decision | None) -> str | None:
    if decision is None:
        return None
    stop = next((gate for gate in decision.gates if not gate.passed), None)
    words = f"{moment(decision.at)} {decision.subject}: {decision.explanation}"
    return plain(words if stop is None else f"{words}; stopped at {stop.name}", SHOWN)


def _compared(options: argparse.Namespace) -> tuple[Comparison, ...]:
    from engine.collector import settle_collector
    from engine.rehearsal.backtest import backtest
    from engine.rehearsal.changing import parse_change, parse_sweep

    db, config = database(options), _config(options)
    since, until = _range(options)
    changes = [parse_change(text) for text in options.changes]
    sweep = parse_sweep(options.sweep) if options.sweep else ()
    settle_collector()
    bar = Progress("replaying")
    try:
        return backtest(
            config, db, since, until, rule_id=options.rule, changes=changes, sweep=sweep,
            progress=lambda at, count: bar(at - since, until - since, f"{count:,} executions"),
        )  # fmt: skip
    finally:
        bar.close()


def _range(options: argparse.Namespace) -> tuple[float, float]:
    from engine.moments import EXAMPLES
    from engine.moments import moment as parse

    now = time.time()
    ends = []
    for option, text in (("--since", options.since), ("--until", options.until)):
        try:
            ends.append(now if text is None else parse(text, now)[option == "--until"])
        except ValueError as error:
            raise TocsinError(f"{option}: {error}", f"such as {EXAMPLES}") from None
    since, until = ends[0], min(ends[1], now)
    if since >= until:
        raise TocsinError("--since is to lie before --until, and before now")
    return since, until


def _config(options: argparse.Namespace) -> Config:
    from engine.config.loader import load_config

    return load_config(config_path(options.config), options.env).config
