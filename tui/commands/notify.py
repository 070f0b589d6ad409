"""`tocsin notify`: try a channel, see the words of a template, list what was told, and try again by hand."""

from __future__ import annotations

import argparse
import asyncio
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from engine.errors import NotFoundError, TocsinError
from engine.lines import moment, seconds, table
from engine.text import clean, counted, nearest, plain
from tui.cli import add_db, add_env, add_json
from tui.commands.console import config_path
from tui.commands.session import ask, colour, print_json

if TYPE_CHECKING:
    from engine.attached import FileClient
    from engine.config.loader import LoadedConfig
    from engine.config.routing import TemplateSpec
    from engine.model import AlertEventKind, Notification
    from engine.notify.facts import Occasion

FAILED = 1
LISTED = 50
SEARCHED = 1_000


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("action", nargs="?", choices=("list", "test", "preview", "retry"), default="list")
    add(
        "name",
        nargs="?",
        metavar="NAME",
        help="a channel; preview: or a template; retry: the key of a message",
    )
    add("--alert", type=int, metavar="ID", help="preview: the words for this alert, not for a made-up one")
    add(
        "--kind", default="fired", metavar="KIND", help="preview: what happened, such as resolved or reminded"
    )
    add("--all-dead", action="store_true", help="retry: everything that was given up")
    add_env(parser)
    add_db(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Do it; 1 when a channel did not take a test message, or not all could be queued. Raises TocsinError."""
    match options.action:
        case "test":
            return _test(options)
        case "preview":
            return _preview(options)
        case "retry":
            return _retry(options)
    if options.name is not None:
        raise TocsinError("list takes no NAME", f"tocsin notify test {plain(options.name, 80)}")
    return _list(options)


def _loaded(options: argparse.Namespace) -> LoadedConfig:
    from engine.config.loader import load_config

    return load_config(config_path(options.config), options.env)


def _test(options: argparse.Namespace) -> int:
    from engine.notify.trial import try_channel

    loaded, name = _loaded(options), options.name
    channels = loaded.config.channels
    if name is None:
        raise TocsinError("test needs a CHANNEL", f"there is {', '.join(channels)}" if channels else "")
    if name not in channels:
        raise NotFoundError(f"there is no channel {plain(name, 80)}", f"there is {', '.join(channels)}")
    receipt = asyncio.run(try_channel(name, channels[name]))
    if options.json:
        print_json([{"type": "receipt", **asdict(receipt)}])
    else:
        print(plain(f"{name} ({receipt.kind}): {receipt}", 600))
    return FAILED if receipt.error else 0


def _preview(options: argparse.Namespace) -> int:
    from engine.model import Notification
    from engine.notify.delivery import Message
    from engine.notify.facts import as_text, facts
    from engine.notify.payload import payload
    from engine.notify.templates import render

    loaded = _loaded(options)
    spec, occasion = _spec(loaded, options.name), _occasion(loaded, options)
    title, body = render(spec, occasion)
    if options.json:
        alert, kind = occasion.alert, occasion.kind
        key, known = f"{alert.id}:{kind}:{options.name}", as_text(facts(occasion))
        about = (alert.id, options.name, kind, alert.severity, title, body, occasion.now)
        row = Notification(key, *about, facts=known)
        print_json([payload(options.name, Message.of(row))])
    else:
        print(plain(title, 400), "", clean(body, 65_536, multiline=True), sep="\n")
    return 0


def _spec(loaded: LoadedConfig, name: str | None) -> TemplateSpec:
    """The template of that name, or that of the channel. Raises TocsinError."""
    from engine.config.routing import TemplateSpec
    from engine.notify.templates import spec_of

    config = loaded.config
    known = ", ".join((*config.channels, *config.templates))
    if name is None:
        raise TocsinError("preview needs a CHANNEL or a TEMPLATE", f"there is {known}" if known else "")
    if name in config.channels:
        return spec_of(config.channels[name], config.templates) or TemplateSpec()
    if name in config.templates:
        return config.templates[name]
    raise NotFoundError(f"there is no channel and no template {plain(name, 80)}", f"there is {known}")


def _occasion(loaded: LoadedConfig, options: argparse.Namespace) -> Occasion:
    from engine.notify.facts import Occasion
    from engine.notify.templates import samples

    kind = _kind(options.kind)
    if options.alert is None:
        return next(occasion for occasion in samples() if occasion.kind is kind)
    detail = ask(options, lambda client: client.alert(options.alert))
    rules = {rule.id: rule for rule in loaded.config.rules}
    threshold = next((each.threshold for each in reversed(detail.decisions) if each.threshold), "")
    rule = rules.get(detail.alert.rule_id)
    return Occasion(detail.alert, kind, time.time(), rule=rule, threshold=threshold)


def _kind(text: str) -> AlertEventKind:
    from engine.model import AlertEventKind

    try:
        return AlertEventKind(text.lower())
    except ValueError:
        near = nearest(text, AlertEventKind)
        hint = f"did you mean {near}?" if near else f"there is {', '.join(AlertEventKind)}"
        raise TocsinError(f"nothing of the kind {plain(text, 40)} happens to an alert", hint) from None


def _list(options: argparse.Namespace) -> int:
    found = ask(options, lambda client: client.notifications(limit=LISTED))
    if options.json:
        print_json({"type": "notification", **_record(row)} for row in found)
    elif found:
        print("\n".join(_table(found)))
    else:
        print("Nobody has been told of anything yet.")
    return 0


def _record(row: Notification) -> dict[str, Any]:
    import json

    return {**asdict(row), "facts": json.loads(row.facts) if row.facts else {}}


def _table(found: tuple[Notification, ...]) -> list[str]:
    rows = [
        (
            plain(row.key, 80),
            str(row.state),
            moment(row.created_at),
            row.tries,
            seconds(row.latency),
            plain(row.error or row.title, 200),
        )
        for row in found
    ]
    return table(("KEY", "STATE", "SINCE", "TRIES", "LATENCY", "TITLE OR REASON"), rows, colour=colour())


def _retry(options: argparse.Namespace) -> int:
    if (options.name is None) == (not options.all_dead):
        raise TocsinError("retry needs the KEY of a message, or --all-dead", "tocsin notify list shows them")
    if options.name is not None:
        row = ask(options, lambda client: client.retry_notification(options.name))
        print(plain(f"Queued {row.key} for {row.channel}.", 300))
        return 0
    queued, problems = ask(options, _retry_dead)
    for problem in problems:
        print(plain(problem, 300))
    print(f"Queued {counted(queued, 'message')}.")
    return FAILED if problems else 0


async def _retry_dead(client: FileClient) -> tuple[int, list[str]]:
    """How many were queued, and why others were not."""
    from engine.model import NotificationState

    problems: list[str] = []
    dead = [row for row in await client.notifications(limit=SEARCHED) if row.state is NotificationState.DEAD]
    for row in reversed(dead):
        try:
            await client.retry_notification(row.key)
        except TocsinError as error:
            problems.append(str(error))
    return len(dead) - len(problems), problems
