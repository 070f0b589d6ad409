"""`tocsin metrics series` and `tocsin metrics points`: what was measured, and what it came to."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from engine.errors import NotFoundError, TocsinError
from engine.lines import moment, seconds, table
from engine.text import nearest, plain
from tui.cli import add_db, add_json
from tui.commands.session import ask, colour, print_json, since

if TYPE_CHECKING:
    from engine.attached import FileClient
    from engine.model import PointBucket, Series

MOST_BUCKETS = 500


def arguments(parser: argparse.ArgumentParser) -> None:
    """The commands below `tocsin metrics`."""
    commands = parser.add_subparsers(dest="view", metavar="[series|points]", required=False)
    listed = commands.add_parser("series", help="list the series that have points")
    listed.add_argument("name", nargs="?", metavar="NAME", help="only those of this name")
    shown = commands.add_parser("points", help="say what the points of a name came to over time")
    shown.add_argument("name", metavar="NAME", help="such as workflow.duration")
    shown.add_argument(
        "--since", metavar="DURATION", default="24h", help="the last 30m, 24h, 7d … (default 24h)"
    )
    shown.add_argument("--until", metavar="DURATION", default="0s", help="up to that long ago (default now)")
    shown.add_argument(
        "--buckets", type=_count, default=24, metavar="N", help=f"equal parts, 1–{MOST_BUCKETS} (default 24)"
    )
    for command in (listed, shown):
        command.add_argument(
            "--label", action="append", type=_label, default=[], metavar="KEY=VALUE", help="with this label"
        )
        add_db(command)
        add_json(command)


def series(options: argparse.Namespace) -> int:
    """Print one line a series. Raises TocsinError."""
    found = ask(options, lambda client: client.series(options.name, dict(options.label)))
    if options.json:
        print_json({"type": "series", **asdict(one), "labels": dict(one.labels)} for one in found)
    elif not found:
        print("No series has such a name and such labels.")
    else:
        rows = [(one.name, one.kind, _labels(one)) for one in found]
        print("\n".join(table(("SERIES", "KIND", "LABELS"), rows, colour=colour())))
    return 0


def points(options: argparse.Namespace) -> int:
    """Print one line a bucket that has points. Raises TocsinError."""
    first, last = since(options.since) or 0.0, since(options.until, "--until") or time.time()
    if first >= last:
        raise TocsinError(f"--since {options.since} is not before --until {options.until}")
    labels = dict(options.label)
    kind, buckets = ask(options, lambda client: _asked(client, options, labels, first, last))
    if options.json:
        print_json({"type": "points", "name": options.name, **asdict(one)} for one in buckets)
        return 0
    rows = [_row(one, is_duration=kind == "duration") for one in buckets if one.count]
    if not rows:
        print(f"{plain(options.name)} has no points in that time.")
        return 0
    header = ("FROM", "POINTS", "MEAN", "LEAST", "P50", "P90", "P95", "P99", "GREATEST", "RATE/S")
    print("\n".join(table(header if kind == "counter" else header[:-1], rows, colour=colour())))
    return 0


async def _asked(
    client: FileClient, options: argparse.Namespace, labels: Mapping[str, str], first: float, last: float
) -> tuple[str, tuple[PointBucket, ...]]:
    found = await client.series(options.name, labels)
    if not found:
        known = sorted({one.name for one in await client.series()})
        near = nearest(options.name, known)
        hint = f"did you mean {near}?" if near else "tocsin metrics series lists what there is"
        raise NotFoundError(f"there is no series {plain(options.name)} with such labels", hint)
    return found[0].kind, await client.points(options.name, first, last, options.buckets, labels)


def _row(bucket: PointBucket, *, is_duration: bool) -> tuple[str | int | None, ...]:
    values = (*(bucket.mean, bucket.minimum, bucket.p50, bucket.p90, bucket.p95, bucket.p99, bucket.maximum),)
    written = [seconds(value) if is_duration else _number(value) for value in values]
    rate = () if bucket.rate is None else (_number(bucket.rate),)
    return moment(bucket.at), bucket.count, *written, *rate


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.6g}"


def _labels(one: Series) -> str:
    return ", ".join(f"{plain(key)}={plain(value)}" for key, value in one.labels)


def _count(text: str) -> int:
    count = int(text) if text.isascii() and text.isdecimal() else 0
    if not 1 <= count <= MOST_BUCKETS:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 to {MOST_BUCKETS}")
    return count


def _label(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not (key and sign):
        raise argparse.ArgumentTypeError(f"{text} is not of the form KEY=VALUE")
    return key, value
