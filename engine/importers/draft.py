"""What an importer builds up: workflows that pass the schema, and a list of what could not be translated."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from engine.config.loader import NO_ENVIRONMENT
from engine.config.nodes import plain_data
from engine.config.references import check_references
from engine.config.report import Report
from engine.config.types import format_duration, parse_duration
from engine.config.validation import validate
from engine.config.yaml_guard import parse_yaml
from engine.errors import ConfigError, Problem, TocsinError
from engine.text import own_words, plain
from engine.workflows.assertions import parse_expectation
from engine.workflows.steps import STEP_KINDS

ONCE = "once"
"""The retry strategy of imported workflows: the tools they come from try once."""
ANY_STATUS = "status > 0"
"""Expected of an HTTP step, it takes every answer for a good one."""
SLACK = 5.0
"""Seconds a workflow may take beyond its steps."""

_NO_IDENTIFIER = re.compile(r"[^A-Za-z0-9_.-]+")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,128}")
_SET_LATER = re.compile(r"(\btoken: )\$\{env:\w+\}")
_NO_NAME = re.compile(r"[^A-Za-z0-9]+")
_SHOWN = 120


@dataclass(frozen=True, slots=True)
class Imported:
    """A configuration as plain data, and what is not in it, one sentence each."""

    source: str
    config: Mapping[str, Any]
    left: tuple[str, ...]

    @property
    def workflows(self) -> int:
        return len(self.config["workflows"])

    def yaml(self) -> str:
        """The configuration file; what was left out stands in comments at its head."""
        head = [f"# Imported from {self.source}."]
        if self.left:
            head += ["# What could not be translated:", *(f"# - {line}" for line in self.left)]
        return "\n".join([*head, _dumped(self.config)])


class Draft:
    """A configuration in the making."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.environment: dict[str, str] = {}
        self.channels: dict[str, dict[str, Any]] = {}
        self._workflows: list[dict[str, Any]] = []
        self._rules: list[dict[str, Any]] = []
        self._left: dict[str, None] = {}
        self._ids: set[str] = set()

    def note(self, where: str, message: str) -> None:
        """Something could not be translated, or means something slightly different here."""
        self._left[plain(f"{where}: {message}" if where else message, 400)] = None

    def read(self, text: str) -> Any:
        """YAML (and so JSON) as plain data.

        Raises:
            TocsinError: it cannot be read, with the place.
        """
        try:
            root, problems = parse_yaml(text, self.source)
        except ConfigError as error:
            raise TocsinError(str(error.problems[0])) from None
        for problem in problems:
            self.note(f"line {problem.line}", problem.message)
        return plain_data(root)

    def expectations(self, where: str, texts: Sequence[str]) -> list[str]:
        """Those of `texts` that can be read; the others are noted."""
        good = []
        for text in texts:
            try:
                parse_expectation(text)
            except ValueError as error:
                self.note(where, f"`{plain(text, _SHOWN)}` cannot be expected: {error}")
            else:
                good.append(text)
        return good

    def duration(self, where: str, value: object, default: float) -> float:
        """Seconds of a duration of the source; `default`, and a note, when it is none."""
        try:
            return parse_duration(value)
        except ValueError:
            self.note(where, f"`{plain(value, 40)}` is no duration here; {format_duration(default)} is used")
            return default

    def workflow(self, name: str, steps: list[dict[str, Any]], *, every: float, **more: Any) -> str:
        """Add a workflow whose parts are valid; returns its id, or nothing when it had to be left out.

        Args:
            every: seconds.
            more: further keys of a workflow, such as `tags` or `finally`; empty ones are left away.
        """
        if not self._are_known(name, [*steps, *more.get("finally", ())]):
            return ""
        identifier = self.identifier(name)
        seconds = sum(parse_duration(step["timeout"]) for step in [*steps, *more.get("finally", ())])
        entry = {
            "id": identifier,
            "name": plain(name, 110) or identifier,
            "every": format_duration(every),
            "timeout": format_duration(seconds + SLACK),
            "retry": ONCE,
            **{key: value for key, value in more.items() if value},
            "steps": steps,
        }
        problems = self._problems({"workflows": [entry]})
        for problem in problems:
            hint = f" ({problem.hint})" if problem.hint else ""
            self.note(name, f"left out: {problem.message}{hint}")
        if problems:
            return ""
        self._ids.add(identifier)
        self._workflows.append(entry)
        return identifier

    def rule(self, threshold: int, workflows: Sequence[str], channels: Sequence[str] = ()) -> None:
        """An alert after so many failures in a row; rules of one threshold and channels are one."""
        known = next((r for r in self._rules if _alike(r, threshold, channels)), None)
        if known is not None:
            known["workflows"] += [name for name in workflows if name not in known["workflows"]]
            return
        condition = {
            "type": "THRESHOLD",
            "metric": "workflow.consecutive_failures",
            "operator": ">=",
            "value": threshold,
        }
        rule: dict[str, Any] = {
            "id": self.identifier(f"failing-{threshold}"),
            "name": f"Failed {threshold} times in a row" if threshold > 1 else "Failed",
            "severity": "ERROR",
            "conditions": [condition],
            "workflows": list(workflows),
        }
        if channels:
            rule["channels"] = list(channels)
        self._ids.add(rule["id"])
        self._rules.append(rule)

    def identifier(self, name: str) -> str:
        """An id that no other entry of the draft has."""
        base = _NO_IDENTIFIER.sub("-", name).strip("-.")[:58].rstrip("-.").lower() or "check"
        candidates = (f"{base}-{number}" for number in range(2, 100_000))
        return base if base not in self._ids else next(c for c in candidates if c not in self._ids)

    def finish(self) -> Imported:
        """The configuration. Raises TocsinError when there is no workflow in it."""
        left = tuple(self._left)
        if not self._workflows:
            shown = "; ".join(left[:5]) or "it has no checks"
            raise TocsinError(f"nothing could be imported: {shown}")
        config: dict[str, Any] = {"version": 1}
        if self.environment:
            config["environments"] = {NO_ENVIRONMENT: dict(self.environment)}
        config["retries"] = {ONCE: {"max_attempts": 1}}
        if self.channels:
            config["channels"] = self.channels
        config["workflows"] = self._workflows
        if self._rules:
            config["rules"] = self._rules
        return Imported(self.source, config, left)

    def _are_known(self, name: str, steps: Sequence[Mapping[str, Any]]) -> bool:
        kinds = {key for step in steps for key, value in step.items() if isinstance(value, dict)} - {
            "extract"
        }
        for kind in sorted(kinds - STEP_KINDS.keys()):
            self.note(name, f"left out: there are no `{kind}` steps")
        return kinds <= STEP_KINDS.keys()

    def _problems(self, part: Mapping[str, Any]) -> list[Problem]:
        """What a configuration of this part alone would be told."""
        environments = {NO_ENVIRONMENT: dict(self.environment)}
        whole = {"version": 1, "environments": environments, "retries": {ONCE: {"max_attempts": 1}}, **part}
        try:
            # A token that a variable holds is checked when the variable is set.
            text = _SET_LATER.sub(r"\g<1>" + "x" * 16, _dumped(whole))
            root, _ = parse_yaml(text, self.source)
        except ConfigError as error:
            return list(error.problems)
        report = Report(self.source, root)
        data = plain_data(root)
        checked = validate(data, report)
        check_references(checked, data, NO_ENVIRONMENT, report)
        return report.problems()


class Section:
    """A mapping of the source that knows which of its keys were asked for: the others are noted at the end.

    Args:
        where: what the notes call it.
        defaults: what a key says when it says nothing; such values need no note.
    """

    def __init__(
        self, values: object, where: str, draft: Draft, defaults: Mapping[str, Any] | None = None
    ) -> None:
        self.where = where
        self._values = values if isinstance(values, dict) else {}
        self._draft = draft
        self._defaults = defaults or {}
        self._asked: set[str] = set()
        self._parts: list[Section] = []
        if values is not None and not isinstance(values, dict):
            draft.note(where, "it is no mapping, and was left out")

    def __contains__(self, key: str) -> bool:
        return self._values.get(key) is not None

    def take(self, key: str, default: Any = None) -> Any:
        self._asked.add(key)
        value = self._values.get(key)
        return default if value is None else value

    def text(self, key: str, default: str = "") -> str:
        value = self.take(key, default)
        return str(value).lower() if isinstance(value, bool) else str(value)

    def number(self, key: str, default: float = 0) -> float:
        """A number from 0 up; what is none is noted, and `default` stands for it."""
        try:
            value = float(self.take(key, default))
        except (TypeError, ValueError, OverflowError):
            value = math.nan
        if math.isfinite(value) and value >= 0:
            return value
        self._draft.note(self.where, f"`{key}` is no number from 0 up: {default:g} is in its place")
        return default

    def flag(self, key: str, default: bool = False) -> bool:
        value = self.take(key, default)
        return value if isinstance(value, bool) else str(value).lower() in ("1", "true", "yes", "on")

    def texts(self, key: str) -> dict[str, str]:
        """A mapping of names to texts; nothing, noted, when it is none."""
        value = self.take(key, {})
        if not isinstance(value, dict):
            self._draft.note(self.where, f"`{key}` is no mapping")
            return {}
        return {
            str(name): ", ".join(map(str, v)) if isinstance(v, list) else str(v) for name, v in value.items()
        }

    def items(self, key: str) -> list[Any]:
        value = self.take(key, [])
        if isinstance(value, list):
            return value
        return list(value.values()) if isinstance(value, dict) else [value]

    def part(self, key: str) -> Section:
        """The mapping below `key`, watched as well."""
        part = Section(self.take(key), f"{self.where}: {key}" if self.where else key, self._draft)
        self._parts.append(part)
        return part

    def ignore(self, *keys: str) -> None:
        """These keys are about the other tool, or say what is so here in any case."""
        self._asked.update(keys)

    def finish(self) -> None:
        """Note every key that was not asked for and says something."""
        for key, value in self._values.items():
            if key in self._asked or value in (None, "", [], {}, False):
                continue
            if key in self._defaults and value == self._defaults[key]:
                continue
            self._draft.note(self.where, f"`{plain(key, 60)}` has no counterpart")
        for part in self._parts:
            part.finish()


def literal(value: Any) -> Any:
    """Texts of the source that are to stay as they are: `${` is nothing special in them."""
    if isinstance(value, str):
        return value.replace("${", "$${")
    if isinstance(value, dict):
        return {key: literal(inner) for key, inner in value.items()}
    return list(map(literal, value)) if isinstance(value, list) else value


def quoted(text: str) -> str:
    """A text, or a pattern, as the right side of an expectation."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


def step(identifier: str, kind: str, spec: Mapping[str, Any], timeout: float, **more: Any) -> dict[str, Any]:
    """A step as the file writes it, without what is empty."""
    chosen = {key: value for key, value in spec.items() if value is not None and value not in ({}, [], "")}
    named = {"id": identifier, kind: chosen, "timeout": format_duration(timeout)}
    return named | {key: value for key, value in more.items() if value}


def heartbeat_token(draft: Draft, where: str, token: str) -> str:
    """The token of a job; one that is too easily guessed for this program gives way to a variable."""
    if _TOKEN.fullmatch(token) or "${env:" in token:
        return token
    variable = _NO_NAME.sub("_", where).strip("_").upper()[:40] or "JOB"
    draft.note(where, f"its token is too short here: set a new one, of 16 characters, as {variable}_TOKEN")
    return f"${{env:{variable}_TOKEN}}"


def statuses(ranges: Sequence[tuple[int, int]]) -> list[str]:
    """Expectations that an HTTP status lies within one of `ranges`, ends included."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    if len(merged) == 1:
        low, high = merged[0]
        return [f"status == {low}"] if low == high else [f"status >= {low}", f"status <= {high}"]
    pattern = "|".join(_patterns(merged))
    return [f"status matches '^({pattern})$'"] if merged else [ANY_STATUS]


def _patterns(ranges: Sequence[tuple[int, int]]) -> Iterator[str]:
    for low, high in ranges:
        first = low
        while first <= high:
            for size, pattern in ((100, f"{first // 100}.."), (10, f"{first // 10}."), (1, str(first))):
                if first % size == 0 and first + size - 1 <= high:
                    yield pattern
                    first += size
                    break


def _alike(rule: Mapping[str, Any], threshold: int, channels: Sequence[str]) -> bool:
    return bool(rule["conditions"][0]["value"] == threshold and rule.get("channels", []) == list(channels))


def _dumped(data: Mapping[str, Any]) -> str:
    try:
        text = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    except yaml.YAMLError as error:
        raise TocsinError(f"what was read cannot be written as YAML: {own_words(error)}") from None
    assert isinstance(text, str)
    return text


class _Dumper(yaml.SafeDumper):
    """Writes what is equal twice rather than once with an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
