"""`tocsin logs`: search the logs, count what is found, follow what comes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from engine.errors import TocsinError
from engine.lines import bars, mark, moment, pad, paint, percent, table
from engine.reports import log_record
from engine.text import LINE_LIMIT, plain, plain_marked
from tui.cli import add_db, add_json
from tui.commands.session import ask, colour, print_json, since

if TYPE_CHECKING:
    from engine.client import EngineClient
    from engine.clock import Clock
    from engine.model import LogFacet, LogFacets, LogPage, LogRecord

    Show = Callable[[LogPage], None]

FOLLOW_INTERVAL = 1.0
FOLLOW_PAGE = 1_000
FOLLOW_PAGES = 10
_BUCKETS = 24

_EPILOG = """\
A query has words, "phrases", prefix*, -not, /patterns/ (RE2; /…/i for any case) and filters: level:error,
level:warning+ (and above), workflow:ID, source:NAME, execution:42, trace: and its first 8 digits or more,
span:, since:1h, until:03:00. All of them have to fit. Patterns alone are tried on the newest 20,000 lines."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog, parser.formatter_class = _EPILOG, argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("query", nargs="*", metavar="QUERY", help="what to look for; nothing: all")
    add("--since", metavar="DURATION", help="only the last 30m, 1h, 7d …")
    add("--limit", type=int, default=100, metavar="N", help="at most the newest N lines (default 100)")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--follow", "-f", action="store_true", help="go on with new lines as they come")
    what.add_argument("--count", action="store_true", help="only how many there are")
    what.add_argument("--facets", action="store_true", help="what they are, over time")
    add("--format", choices=("text", "json"), default="text", help="default text; json: one object a line")
    add_db(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print matches, the newest last; whether there are older ones is told on standard error."""
    options.json = options.json or options.format == "json"
    query, start = " ".join(options.query), since(options.since)
    if options.count:
        return _count(options, query, start)
    if options.facets:
        return _facets(options, query, start)
    limit = min(max(options.limit, 1), 100_000)
    if options.follow:
        return _follow(options, query, start, limit)
    page = ask(options, lambda client: client.logs(query, since=start, limit=limit))
    _printer(options.json)(page)
    if page.more and not page.records:
        print("None of the newest lines matches; add a word or since: to look at others.", file=sys.stderr)
    elif page.more:
        shown = len(page.records)
        print(f"There are older matches; these are the newest {shown}: --limit N.", file=sys.stderr)
    elif not page.records:
        print("No log line matches.", file=sys.stderr)
    return 0


async def follow(
    client: EngineClient,
    query: str,
    clock: Clock,
    show: Show,
    *,
    since: float | None = None,
    limit: int = 100,
) -> None:
    """Show the newest lines of a search, then once a second those that have come; ends when cancelled."""
    page = await client.logs(query, since=since, limit=limit)
    show(page)
    newest = page.newest
    while True:
        await clock.sleep(FOLLOW_INTERVAL)
        pages = await _news(client, query, newest)
        if pages[-1].more:
            print("Too many lines come at once: some are left out.", file=sys.stderr)
        for page in reversed(pages):
            show(page)
        newest = pages[0].newest or newest


async def _news(client: EngineClient, query: str, newest: int | None) -> list[LogPage]:
    """What has come since, newest page first."""
    pages = [await client.logs(query, after_id=newest, limit=FOLLOW_PAGE)]
    while pages[-1].more and len(pages) < FOLLOW_PAGES and newest is not None:
        older = await client.logs(query, after_id=newest, before_id=pages[-1].oldest, limit=FOLLOW_PAGE)
        pages.append(older)
    return pages


def _follow(options: argparse.Namespace, query: str, start: float | None, limit: int) -> int:
    from engine.clock import SystemClock

    show = _printer(options.json)
    try:
        ask(options, lambda client: follow(client, query, SystemClock(), show, since=start, limit=limit))
    except KeyboardInterrupt:
        return 0
    raise TocsinError("following ended by itself")


def _count(options: argparse.Namespace, query: str, start: float | None) -> int:
    counted = ask(options, lambda client: client.log_count(query, since=start))
    if options.json:
        print_json([{"type": "log_count", "lines": counted.lines, "exact": counted.exact}])
    else:
        print(counted.lines if counted.exact else f"over {counted.lines}")
    return 0


def _facets(options: argparse.Namespace, query: str, start: float | None) -> int:
    found = ask(options, lambda client: client.log_facets(query, since=start, buckets=_BUCKETS))
    kinds = {"level": found.levels, "workflow": found.workflows, "source": found.sources}
    if options.json:
        print_json(_facet_records(found, kinds))
        return 0
    rows = [
        (kind, facet.name, facet.lines, percent(facet.lines / found.total.lines), bars(facet.buckets))
        for kind, facets in kinds.items()
        for facet in facets
    ]
    total = ("all", None, found.total.lines, None, bars(found.total.buckets))
    header = ("KIND", "NAME", "LINES", "SHARE", f"{moment(found.since)} – {moment(found.until)}")
    print("\n".join(table(header, [*rows, total], colour=colour())))
    if not found.exact:
        print("There was no time to count them all: these are the newest lines.", file=sys.stderr)
    return 0


def _facet_records(found: LogFacets, kinds: dict[str, tuple[LogFacet, ...]]) -> Iterable[dict[str, Any]]:
    every = chain([("all", found.total)], ((kind, facet) for kind in kinds for facet in kinds[kind]))
    for kind, facet in every:
        yield {
            "type": "log_facet",
            "kind": kind,
            "name": facet.name,
            "lines": facet.lines,
            "since": found.since,
            "until": found.until,
            "buckets": facet.buckets,
            "exact": found.exact,
        }


def _printer(as_json: bool) -> Show:
    """What prints a page, the newest line last."""
    painted = colour()

    def show(page: LogPage) -> None:
        found = page.in_time()
        if as_json:
            print_json(log_record(record) for record, _ in found)
        else:
            for record, hits in found:
                print(_line(record, hits if painted else (), painted))
        sys.stdout.flush()

    return show


def _line(record: LogRecord, hits: Sequence[tuple[int, int]], painted: bool) -> str:
    level = pad(record.level.label, 7)
    shown = paint(record.level.label, level) if painted else level
    origin = plain(record.workflow_id or record.source or "engine")
    message, places = plain_marked(record.message, hits, LINE_LIMIT)
    return f"{moment(record.at)}  {shown}  {origin}  {mark(message, places)}"
