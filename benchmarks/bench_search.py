"""Searches of a million log lines: the first page from the store, beside who reads them from a file.

Ours shows the newest 100 lines and where they were hit. ripgrep and grep print every matching line of the
file, `tac | rg -m 100` the newest 100, lnav reads and filters the file without its screen. The file is in the
page cache. All have to find the same lines: 50 searches are compared, with each peer that is installed.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.__main__ import VOID
from engine.clock import SystemClock
from engine.model import LogLevel, LogRecord
from engine.store.reader import Reader
from engine.store.store import Store

FIGURES = (
    "search_1m_ms",
    "search_count_ms",
    "search_lines_per_s",
    "search_ripgrep_ratio",
    "search_tac_ripgrep_ratio",
    "search_grep_ratio",
    "search_lnav_ratio",
    "search_differences",
    "search_grep_differences",
    "search_lnav_differences",
)
LINES = 1_000_000
PAGE = 100
REPEATS = 15
PEER_REPEATS = 3
START = 1_750_000_000.0

Figure = dict[str, Any]


class Query(NamedTuple):
    """A search, and the same as a regular expression for whole lines."""

    typed: str
    expression: str


TIMED = {
    "common": Query("request", r"\brequest\b"),
    "rare": Query("quota", r"\bquota\b"),
    "absent": Query("kumquat", r"\bkumquat\b"),
    "phrase": Query('"connection refused"', r"\bconnection refused\b"),
}
_HOSTS = tuple(f"host{number}" for number in range(400))
_PATHS = ("orders", "users", "carts", "login", "search", "health")
_WORDS = ("upstream", "handler", "session", "cache", "worker", "socket", "pool", "shard", "token", "queue")


def run() -> list[Figure]:
    """All figures; about 110 s."""
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        file = place / "lines.log"
        file.write_text("".join(f"{line}\n" for line in messages()), encoding="ascii")
        return asyncio.run(_measure(place / "tocsin.db", file))


def messages() -> Iterator[str]:
    """A million lines: a third are requests, 1 in 1,000 a refused connection, 1 in 50,000 over a quota."""
    chance = random.Random(7)
    for number in range(LINES):
        host, word, path = chance.choice(_HOSTS), chance.choice(_WORDS), chance.choice(_PATHS)
        kind = chance.randrange(50_000)
        took = chance.randrange(4_000)
        if kind == 0:
            text = f"quota of {host} used up by {word} {took}"
        elif kind <= 50:
            text = f"connection refused by {host} while {word} asked for {path}"
        elif kind <= 16_700:
            text = f"request for {path} from {host} took {took} ms code {chance.choice((200, 200, 404, 503))}"
        else:
            text = f"{word} on {host} took {took} ms with connection {kind} of {path}"
        yield f"{text} line n{number}"


def queries() -> list[Query]:
    """50 searches whose answers are compared: words, phrases, beginnings, several words."""
    chance = random.Random(11)
    found = list(TIMED.values())
    while len(found) < 50:
        host, word, path = chance.choice(_HOSTS), chance.choice(_WORDS), chance.choice(_PATHS)
        number = chance.randrange(4_000)
        found += [
            Query(host, rf"\b{host}\b"),
            Query(f'"{word} on {host}"', rf"\b{word} on {host}\b"),
            Query(f"n{number}*", rf"\bn{number}"),
            Query(f"refused {host}", rf"\brefused\b.*\b{host}\b"),
            Query(f"{path} {number}", rf"\b{path}\b.*\b{number}\b|\b{number}\b.*\b{path}\b"),
        ]
    return found[:50]


async def _measure(db: Path, file: Path) -> list[Figure]:
    store = await Store.open(db, SystemClock())
    try:
        rate = await _fill(store, file)
        reader = store.reader
        pages = {
            name: await _best(partial(reader.logs, query.typed, limit=PAGE)) for name, query in TIMED.items()
        }
        counts = [await _best(partial(reader.log_count, query.typed), 3) for query in TIMED.values()]
        different = await _differences(store.reader, file)
    finally:
        await store.close()
    told = ", ".join(f"{name} {seconds * 1e3:.2f}" for name, seconds in pages.items())
    figures = [
        _figure("search_1m_ms", max(pages.values()) * 1e3, "ms", 2.0, f"the newest {PAGE}, warm: {told}"),
        _figure("search_count_ms", max(counts) * 1e3, "ms", None, "worst of the same four, exact"),
        _figure("search_lines_per_s", rate, "lines/s", None, "stored and indexed, through the writer"),
        *_peers(file, sum(pages.values())),
        *(
            _figure(_DIFFERENCES[peer], count, "of 50", 0, _against(peer, count))
            for peer, count in different.items()
        ),
    ]
    if any(different.values()):
        for figure in figures[: -len(different)]:
            figure["value"], figure["against"] = VOID, "other lines were found than by a peer"
    return figures


def _against(peer: str, count: int | None) -> str:
    return f"{peer} is not installed" if count is None else f"searches whose lines are not those of {peer}"


async def _fill(store: Store, file: Path) -> float:
    began = time.perf_counter()
    batch: list[LogRecord] = []
    with file.open(encoding="ascii") as lines:
        for number, line in enumerate(lines):
            level = LogLevel.ERROR if number % 50 == 0 else LogLevel.INFO
            batch.append(LogRecord(START + number * 0.01, level, line.rstrip("\n"), source="bench"))
            if len(batch) == 5_000:
                store.writer.offer(*batch)
                batch = []
                await store.writer.flush()
    return LINES / (time.perf_counter() - began)


async def _best(ask: Callable[[], Awaitable[object]], repeats: int = REPEATS) -> float:
    """Seconds of the quickest answer."""
    times = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        await ask()
        times.append(time.perf_counter() - began)
    return min(times)


async def _differences(reader: Reader, file: Path) -> dict[str, int | None]:
    """By peer, how many of 50 searches find other lines than it does; None for one that is not installed."""
    asked = queries()
    ours = [await _numbers(reader, query) for query in asked]
    counts: dict[str, int | None] = {}
    installed = [peer for peer in _FINDERS if shutil.which(_PROGRAMS[peer])]
    theirs = await asyncio.gather(*(asyncio.to_thread(_FINDERS[peer], asked, file) for peer in installed))
    for peer, found in zip(installed, theirs, strict=True):
        triples = zip(asked, ours, found, strict=True)
        different = [query.typed for query, one, other in triples if one != other]
        for typed in different:
            print(f"{typed} finds other lines than {peer}", file=sys.stderr)
        counts[peer] = len(different)
    return {peer: counts.get(peer) for peer in _FINDERS}


def _by_ripgrep(asked: Sequence[Query], file: Path) -> list[set[int]]:
    return [_lines_of(_output(["rg", "-i", "-e", query.expression, str(file)])) for query in asked]


def _by_grep(asked: Sequence[Query], file: Path) -> list[set[int]]:
    return [_lines_of(_output(["grep", "-i", "-E", "-e", query.expression, str(file)])) for query in asked]


def _by_lnav(asked: Sequence[Query], file: Path) -> list[set[int]]:
    """One run with a filter after the other, for reading the file takes as long as three filters."""
    commands: list[str] = []
    for place, query in enumerate(asked):
        filtered = f"(?i){query.expression}"
        commands += ["-c", f":filter-in {filtered}", "-c", f":write-view-to {file}.{place}"]
        commands += ["-c", f":delete-filter {filtered}"]
    _output(["lnav", "-n", *commands, str(file)])
    return [_lines_of(file.with_name(f"{file.name}.{place}").read_bytes()) for place in range(len(asked))]


def _lines_of(told: bytes) -> set[int]:
    """The numbers of printed lines, which each line ends with; the store counts from 1."""
    return {int(line.rpartition(b" n")[2]) + 1 for line in told.splitlines()}


_PROGRAMS = {"ripgrep": "rg", "grep": "grep", "lnav": "lnav"}
_FINDERS = {"ripgrep": _by_ripgrep, "grep": _by_grep, "lnav": _by_lnav}
_DIFFERENCES = {
    "ripgrep": "search_differences",
    "grep": "search_grep_differences",
    "lnav": "search_lnav_differences",
}


async def _numbers(reader: Reader, query: Query) -> set[int]:
    found: set[int] = set()
    before, more = None, True
    while more:
        page = await reader.logs(query.typed, before_id=before, limit=10_000)
        found |= {record.id for record in page.records}
        before, more = page.oldest, page.more
    return found


def _peers(file: Path, ours: float) -> list[Figure]:
    """How many times longer the others take for the four searches together."""
    name = str(file)
    peers: dict[str, tuple[str, Callable[[Query], list[str]]]] = {
        "ripgrep": ("rg", lambda query: ["rg", "-i", "-e", query.expression, name]),
        "tac_ripgrep": (
            "rg",
            lambda query: ["sh", "-c", f"tac {name} | rg -i -m {PAGE} -e '{query.expression}'"],
        ),
        "grep": ("grep", lambda query: ["grep", "-i", "-e", query.expression, name]),
        "lnav": ("lnav", lambda query: ["lnav", "-n", "-c", f":filter-in (?i){query.expression}", name]),
    }
    figures = []
    for peer, (program, command) in peers.items():
        figure = f"search_{peer}_ratio"
        if shutil.which(program) is None:
            print(f"{program} is not installed: apt-get install {program}", file=sys.stderr)
            figures.append(_figure(figure, None, "×", None, f"{program} is not installed"))
            continue
        repeats = 1 if peer == "lnav" else PEER_REPEATS
        theirs = sum(min(_timed(command(query)) for _ in range(repeats)) for query in TIMED.values())
        against = f"{theirs / len(TIMED) * 1e3:,.0f} ms a search, ours 1"
        figures.append(_figure(figure, theirs / ours, "×", None, against))
    return figures


def _timed(command: list[str]) -> float:
    began = time.perf_counter()
    _output(command)
    return time.perf_counter() - began


def _output(command: list[str]) -> bytes:
    environment = {**os.environ, "LC_ALL": "C", "TERM": "dumb", "HOME": tempfile.gettempdir()}
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, env=environment
    )
    return done.stdout


def _figure(name: str, value: float | None, unit: str, goal: float | None, against: str) -> Figure:
    return {"name": name, "value": value, "unit": unit, "goal": goal, "against": against}
