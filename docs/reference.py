"""Writes the pages of `docs/` that are made from the product itself, so that they cannot say anything else.

Usage: `python docs/reference.py` (or `make docs`) writes them; a test fails while one of them differs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from textwrap import wrap
from typing import Any

from engine.config.json_schema import file_schema
from engine.config.routing import KINDS
from engine.config.types import format_duration
from engine.model import AlertState, ErrorCategory, ErrorType, HealthStatus, Outcome, Priority, Severity
from engine.rules.expression import FUNCTIONS
from engine.rules.metrics import METRICS, metric_kind
from engine.workflows.steps import STEP_KINDS
from tui.actions import Scope, in_scope, key_sign
from tui.cli import COMMANDS, command_parser, main_parser

HERE = Path(__file__).parent
MADE = "<!-- Made by `make docs`; what is changed here is lost. -->\n"
_REF = "#/$defs/"
_UNITS = "(ms|s|m|h|d|w)"
_CARD_WIDTH, _CARD_HEAD = 100, 20
_JOINED = "\N{NO-BREAK SPACE}"
_SHOWN = 60
"""Characters of a default that are shown in a table."""


def pages() -> dict[str, str]:
    """The text of each page, by its path in `docs/`."""
    return {
        "keys.md": _page("Keys", _keys()),
        "reference/commands.md": _page("Commands", _commands()),
        "reference/configuration.md": _page("The configuration file", Sections(file_schema()).lines()),
        "reference/words.md": _page("Words", _words()),
    }


def main() -> int:
    """Write what differs, and say what that was."""
    for name, text in pages().items():
        path = HERE / name
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            print(f"wrote docs/{name}")
    return 0


def _page(title: str, lines: Iterable[str]) -> str:
    return "\n".join([f"# {title}", "", MADE, *lines]).rstrip() + "\n"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield _row(head)
    yield _row(("---",) * len(head))
    yield from map(_row, rows)
    yield ""


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _keys() -> Iterator[str]:
    yield "`?` shows the keys of the view one is in; `^p` finds any action by name. `^` is the ctrl key."
    yield "Actions without a key are in the palette. The id is what a keymap file names."
    yield ""
    yield "```text"
    for scope in Scope:
        yield from _card(scope)
    yield "```"
    yield ""
    for scope in Scope:
        if rows := [
            (_keys_of(key_sign(action)), action.label, action.help, f"`{action.id}`")
            for action in in_scope(scope)
        ]:
            yield f"## {scope.value}"
            yield ""
            yield from _table(("key", "action", "what it does", "id"), rows)


def _card(scope: Scope) -> Iterator[str]:
    """The keys of one scope in as few lines as they need; keys that mean one of two things have both."""
    labels: dict[str, list[str]] = {}
    for action in in_scope(scope):
        if sign := key_sign(action).split(" ")[0]:
            labels.setdefault(sign, []).append(action.label)
    # What belongs together is not to be torn apart at the end of a line.
    pairs = [f"{sign} {' or '.join(words)}".replace(" ", _JOINED) for sign, words in labels.items()]
    lines = wrap("   ".join(pairs), _CARD_WIDTH - _CARD_HEAD, break_long_words=False, break_on_hyphens=False)
    for number, line in enumerate(lines):
        head = "" if number else scope.value
        yield f"{head:<{_CARD_HEAD}}{line.replace(_JOINED, ' ')}"


def _keys_of(signs: str) -> str:
    return " ".join(f"`{sign}`" for sign in signs.split())


def _commands() -> Iterator[str]:
    yield "The options of `tocsin` stand before the command. Exit code 2 is a mistake in the command line,"
    yield "the configuration or the database, told in one sentence on standard error."
    yield ""
    yield from _command(main_parser())
    for name in COMMANDS:
        parser = command_parser(name)
        yield from _command(parser)
        if parser.epilog:
            yield parser.epilog.strip()
            yield ""


def _command(
    parser: argparse.ArgumentParser, heading: str = "##", summary: str | None = None
) -> Iterator[str]:
    yield f"{heading} {parser.prog}"
    yield ""
    if summary := parser.description or summary:
        yield summary
        yield ""
    if rows := _arguments(parser):
        yield from _table(("argument", "meaning"), rows)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for told in action._choices_actions:
                yield from _command(action.choices[told.dest], f"{heading}#", _sentence(told.help or ""))


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}." if words else ""


def _arguments(parser: argparse.ArgumentParser) -> list[tuple[str, str]]:
    return [
        (f"`{_written(action)}`", _meaning(action))
        for action in parser._actions
        if not isinstance(action, (argparse._HelpAction, argparse._SubParsersAction))
        and action.help != argparse.SUPPRESS
    ]


def _written(action: argparse.Action) -> str:
    """An argument as one types it: `--db FILE`, `[ID]`, `list|ack`."""
    value = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    if action.choices and not action.metavar:
        value = "|".join(map(str, action.choices))
    if action.option_strings:
        names = ", ".join(action.option_strings)
        return names if action.nargs == 0 else f"{names} {value}"
    endings = {"*": f"[{value} …]", "+": f"{value} …", "?": f"[{value}]"}
    return endings.get(str(action.nargs), value)


def _meaning(action: argparse.Action) -> str:
    words = (action.help or "").replace("%%", "%")
    plain_default = isinstance(action.default, (str, int, float)) and not isinstance(action.default, bool)
    if plain_default and action.default not in ("", argparse.SUPPRESS) and "default" not in words:
        words = f"{words} (default: {action.default})" if words else f"default: {action.default}"
    return words


class Sections:
    """The JSON Schema of the file as tables, a section for each of its definitions."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self._defs: Mapping[str, Mapping[str, Any]] = schema["$defs"]

    def lines(self) -> Iterator[str]:
        yield "What `tocsin check` holds a file against, and `tocsin schema` prints for editors. A duration"
        yield "is a number with a unit (`500ms`, `30s`, `1h30m`, `7d`), or of seconds. A key in **bold** is"
        yield "needed; `its own` are the defaults of the section that is named."
        yield ""
        yield "## The file"
        yield ""
        yield from self._keys(self._schema)
        for name in self._order():
            definition = self._defs[name]
            if "properties" in definition:
                yield f"## {name}"
                yield ""
                yield definition.get("description", "")
                yield ""
                if page := _how_to(name, definition):
                    yield f"[How to use it](../{page})"
                    yield ""
                yield from self._keys(definition)

    def meaning(self, section: Mapping[str, Any], name: str) -> str:
        """What a key means: its own words, the section or key that tells of it, or what it holds."""
        told = section["properties"][name]
        for part in _parts(told):
            if "description" in part:
                return str(part["description"])
        if "const" in told:
            return "this kind of condition"
        if f"`{name}`" in section.get("description", ""):
            return "see above"
        for other, words in section["properties"].items():
            if f"`{name}`" in words.get("description", ""):
                return f"see `{other}`"
        described = (self._defs[ref].get("description", "") for ref in _refs(told) if ref in self._defs)
        return next((words for words in described if words), "")

    def sections(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Every section that has keys, the file itself first."""
        yield "file", self._schema
        yield from ((name, each) for name, each in self._defs.items() if "properties" in each)

    def _keys(self, section: Mapping[str, Any]) -> Iterator[str]:
        needed = section.get("required", ())
        yield from _table(
            ("key", "type", "default", "meaning"),
            (
                (
                    f"**`{name}`**" if name in needed else f"`{name}`",
                    self._type(told),
                    _default(told),
                    self.meaning(section, name),
                )
                for name, told in section["properties"].items()
            ),
        )

    def _order(self) -> list[str]:
        """The definitions in the order in which a reader of the file comes upon them."""
        found: list[str] = []
        waiting = [self._schema["properties"]]
        while waiting:
            for ref in _refs(waiting.pop(0)):
                if ref not in found:
                    found.append(ref)
                    waiting.append(self._defs[ref])
        return found

    def _type(self, told: Mapping[str, Any]) -> str:
        if "if" in told:
            return f"{self._type(told['else'])} or {self._type(told['then'])}"
        kinds = [self._one(part) for part in _parts(told) if part.get("type") != "null"]
        if any(_UNITS in part.get("pattern", "") for part in _parts(told)):
            return "duration"
        if any(part.get("pattern", "").endswith(r"%?\s*$") for part in _parts(told)):
            return "percent"
        if set(kinds) >= _VALUE:
            kinds = ["value", *(kind for kind in kinds if kind not in _VALUE)]
        return " or ".join(dict.fromkeys(filter(None, kinds))) or "anything"

    def _one(self, part: Mapping[str, Any]) -> str:
        if "$ref" in part:
            name = part["$ref"].removeprefix(_REF)
            inner = self._defs[name]
            return f"[{name}](#{name.lower()})" if "properties" in inner else self._type(inner)
        if "const" in part:
            return f"`{_json(part['const'])}`"
        if "enum" in part:
            return _listed(
                reversed({str(word).casefold(): str(word) for word in reversed(part["enum"])}.values())
            )
        if "oneOf" in part:
            return " or ".join(dict.fromkeys(self._type(each) for each in part["oneOf"]))
        kind = part.get("type")
        if isinstance(kind, list):
            return "text" if "boolean" in kind else "size" if "integer" in kind else "number or duration"
        if kind == "array":
            return f"list of {self._type(part['items'])}" if "items" in part else "list"
        if kind == "object":
            return self._mapping(part)
        return _RANGED.get(str(kind), str(kind or "")) + _range(part)

    def _mapping(self, part: Mapping[str, Any]) -> str:
        inner = [part["additionalProperties"]] if isinstance(part.get("additionalProperties"), dict) else []
        inner += part.get("patternProperties", {}).values()
        return f"mapping to {self._type(inner[0])}" if inner and inner[0] else "mapping"


_VALUE = {"text", "whole number", "number", "true or false"}
_RANGED = {"string": "text", "integer": "whole number", "boolean": "true or false"}


def _how_to(name: str, definition: Mapping[str, Any]) -> str:
    """The page about a kind of step, condition or channel, in `docs/`; empty for any other section."""
    for kind, step in STEP_KINDS.items():
        if step.spec.__name__ == name:
            return f"steps/{kind}.md"
    for kind in KINDS:
        if name == f"{kind.capitalize()}Spec":
            return f"channels/{kind}.md"
    told = definition["properties"].get("type", {}).get("const", "")
    return f"rules/{told.lower().replace('_', '-')}.md" if told else ""


def _parts(told: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """`told` itself, or the alternatives it consists of."""
    if "anyOf" not in told:
        return [told]
    inner = [part for each in told["anyOf"] for part in _parts(each)]
    return [{"description": told["description"]}, *inner] if "description" in told else inner


def _refs(told: object) -> Iterator[str]:
    """The definitions that are named anywhere in it, in order."""
    if isinstance(told, dict):
        if "$ref" in told:
            yield told["$ref"].removeprefix(_REF)
        for value in told.values():
            yield from _refs(value)
    elif isinstance(told, list):
        for value in told:
            yield from _refs(value)


def _range(part: Mapping[str, Any]) -> str:
    least = part.get("minimum", part.get("exclusiveMinimum"))
    most = part.get("maximum", part.get("exclusiveMaximum"))
    if least is None and most is None:
        return ""
    if most is None:
        return f", {'above' if 'exclusiveMinimum' in part else 'at least'} {least:,g}"
    return f", {least:g} to {most:,g}" if least is not None else f", up to {most:,g}"


def _default(told: Mapping[str, Any]) -> str:
    if told.get("default") in (None, "", [], {}):
        return ""
    value = told["default"]
    if isinstance(value, dict):
        return "" if not any(value.values()) else "its own"
    if any(_UNITS in part.get("pattern", "") for part in _parts(told)):
        return f"`{format_duration(value)}`" if value else "`0s`"
    text = _json(value)
    return f"`{text}`" if len(text) <= _SHOWN else "see there"


def _json(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _words() -> Iterator[str]:
    yield "## Metrics of rules"
    yield ""
    yield "On top come `series.NAME`, points that were written or made of log lines, and"
    yield "`health.workflow:ID.score` and `.status`. Durations are seconds, rates percent."
    yield ""
    yield from _table(("metric", "values"), ((f"`{name}`", metric_kind(name).value) for name in METRICS))
    yield f"Functions of a CUSTOM expression: {_listed(FUNCTIONS)}."
    yield ""
    yield "## Fields of replies"
    yield ""
    yield "What `expect`, `degraded` and `extract` of a step may begin with. Times are seconds."
    yield ""
    yield from _table(
        ("step", "fields"),
        (
            (f"[`{name}`](../steps/{name}.md)", _listed(sorted(kind.fields)))
            for name, kind in sorted(STEP_KINDS.items())
        ),
    )
    yield "## Values"
    yield ""
    kinds: dict[str, type[StrEnum]] = {
        "outcome of an execution": Outcome,
        "type of an error": ErrorType,
        "category of an error": ErrorCategory,
        "severity": Severity,
        "state of an alert": AlertState,
        "priority": Priority,
        "health": HealthStatus,
    }
    yield from _table(("what", "one of"), ((name, _listed(kind)) for name, kind in kinds.items()))


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words) or "none"


if __name__ == "__main__":
    sys.exit(main())
