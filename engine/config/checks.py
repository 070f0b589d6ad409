"""What every check of references does: find a name, find it once, let a parser judge a text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from engine.config.messages import did_you_mean
from engine.config.report import Path, Report
from engine.text import own_words

T = TypeVar("T")


def exists(kind: str, name: str, known: Sequence[str], path: Path, report: Report) -> bool:
    """Whether `name` is one of `known`; reports it otherwise."""
    if name in known:
        return True
    hint = did_you_mean(name, known) or (
        f"there is {', '.join([*dict.fromkeys(known)][:10])}" if known else ""
    )
    report.at(path, f"there is no {kind} `{name}`", hint)
    return False


def unique(kind: str, named: Sequence[tuple[Path, Any]], report: Report) -> None:
    """Report each name that was given before."""
    first: dict[str, Path] = {}
    for path, name in named:
        before = first.setdefault(name, path)
        if before is not path:
            line = report.node(before).line
            report.at(path, f"the {kind} `{name}` is already defined on line {line}", "give it another id")


def one_waiter(tokens: Iterable[tuple[Path, str]], report: Report) -> None:
    """Report each heartbeat whose token another one waits for, too; tokens are secrets and not shown."""
    first: dict[str, Path] = {}
    for path, token in tokens:
        before = first.setdefault(token, path)
        if before is not path:
            message = f"the heartbeat on line {report.node(before).line} waits for the same token"
            report.at(path, message, "give each job a token of its own")


def parses(parser: Callable[[str], T], text: str, path: Path, report: Report) -> T | None:
    """What `parser` makes of `text`; reports what it raises."""
    try:
        return parser(text)
    except ValueError as error:
        report.at(path, own_words(error))
        return None


def texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Every text below `value` that could hold a placeholder."""
    if isinstance(value, str):
        if "{{" in value:
            yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from texts(inner, (*path, key))
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            yield from texts(inner, (*path, index))
