"""Plain data against the schema, part by part: one broken workflow does not hide the faults of another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

from pydantic import ValidationError

from engine.config.mending import mended
from engine.config.messages import describe, did_you_mean
from engine.config.report import Path, Report
from engine.config.routing import Channel, Route, TemplateSpec
from engine.config.schema import Config, RetrySpec, Rule, Settings, Workflow
from engine.config.types import Strict

_Part = TypeVar("_Part", bound=Strict)
_Entry = TypeVar("_Entry", Workflow, Rule)
_Errors = list[dict[str, Any]]
_Schema = Mapping[str, Any]

_MENDED = 100
"""Broken parts of which the rest is looked at: more than are corrected at once."""


@dataclass(slots=True)
class Checked:
    """What the schema accepted: parts with their places in the file, and the whole when nothing is wrong.

    `broken` is what is left of workflows and rules that it did not accept.
    """

    config: Config | None = None
    settings: Settings | None = None
    workflows: list[tuple[Path, Workflow]] = field(default_factory=list)
    rules: list[tuple[Path, Rule]] = field(default_factory=list)
    broken: list[tuple[Path, Workflow | Rule]] = field(default_factory=list)
    channels: dict[str, Channel] = field(default_factory=dict)
    templates: dict[str, TemplateSpec] = field(default_factory=dict)
    routes: list[tuple[Path, Route]] = field(default_factory=list)


def validate(data: dict[str, Any], report: Report) -> Checked:
    """Check the shape of `data`; every fault goes to `report`.

    Numbers and words such as `1.10` or `true` become text, as typed, where text is wanted, in `data` itself.
    """
    checked = Checked()
    # A section whose every line is commented out reads as nothing.
    whole = {key: value for key, value in data.items() if value is not None or key not in Config.model_fields}
    checked.workflows = _entries(Workflow, whole, "workflows", report, checked.broken)
    checked.rules = _entries(Rule, whole, "rules", report, checked.broken)
    checked.routes = _listed(Route, whole, "routes", report)
    checked.channels = _named(Channel, whole, "channels", report)
    checked.templates = _named(TemplateSpec, whole, "templates", report)
    _named(RetrySpec, whole, "retries", report)
    settings = checked.settings = _part(Settings, whole.pop("settings", {}), ("settings",), report)
    config = _part(Config, whole, (), report)
    if config is not None and settings is not None and not report:
        checked.config = config.model_copy(update={"settings": settings})
    return checked


def _entries(
    kind: type[_Entry],
    whole: dict[str, Any],
    key: str,
    report: Report,
    broken: list[tuple[Path, Workflow | Rule]],
) -> list[tuple[Path, _Entry]]:
    """Check a list of parts and leave the good ones in `whole`; what is left of others goes to `broken`."""
    items = whole.get(key)
    if not isinstance(items, list):
        return []
    good: list[tuple[Path, _Entry]] = []
    for index, item in enumerate(items):
        path: Path = (key, index)
        part = _part(kind, item, path, report)
        if part is not None:
            good.append((path, part))
        elif len(broken) < _MENDED and (left := mended(kind, item)) is not None:
            broken.append((path, left))
    whole[key] = [part for _, part in good]
    return good


def _listed(kind: type[_Part], whole: dict[str, Any], key: str, report: Report) -> list[tuple[Path, _Part]]:
    """Check a list of parts and leave the good ones in `whole`."""
    items = whole.get(key)
    if not isinstance(items, list):
        return []
    parts = [((key, index), _part(kind, item, (key, index), report)) for index, item in enumerate(items)]
    good: list[tuple[Path, _Part]] = [(path, part) for path, part in parts if part is not None]
    whole[key] = [part for _, part in good]
    return good


def _named(kind: type[_Part], whole: dict[str, Any], key: str, report: Report) -> dict[str, _Part]:
    """Check the parts of a mapping and leave the good ones in `whole`."""
    items = whole.get(key)
    if not isinstance(items, dict):
        return {}
    parts = {name: _part(kind, item, (key, name), report) for name, item in items.items()}
    good = {name: part for name, part in parts.items() if part is not None}
    whole[key] = dict(good)
    return good


def _part(kind: type[_Part], value: Any, path: Path, report: Report) -> _Part | None:
    """`value` as a `kind`; a second look when text was wanted where a number was typed."""
    for _ in range(2):
        try:
            return kind.model_validate(value)
        except ValidationError as error:
            errors: _Errors = [
                {**item, "loc": (*path, *item["loc"])} for item in error.errors(include_url=False)
            ]
        if not _take_as_typed(value, path, errors, report):
            break
    _report(errors, report)
    return None


def _take_as_typed(value: Any, path: Path, errors: _Errors, report: Report) -> bool:
    """Put the typed text where text is wanted and a number or a word was read; whether anything changed."""
    changed = False
    for error in errors:
        if error["type"] != "string_type":
            continue
        place, node = report.walk(error["loc"])
        inside = place[len(path) :]
        if inside and isinstance(node.value, (bool, int, float)):
            holder = value
            for part in inside[:-1]:
                holder = holder[part]
            changed = changed or holder[inside[-1]] != node.text
            holder[inside[-1]] = node.text
    return changed


def _report(errors: _Errors, report: Report) -> None:
    missing: dict[Path, list[str]] = {}
    wrong: dict[Path, _Errors] = {}
    for error in errors:
        loc: Path = error["loc"]
        match error["type"]:
            case "missing":
                missing.setdefault(report.walk(loc[:-1])[0], []).append(str(loc[-1]))
            case "extra_forbidden":
                _unknown_key(loc, report)
            case "union_tag_not_found":
                missing.setdefault(report.walk(loc)[0], []).append("type")
            case "union_tag_invalid":
                place = (*report.walk(loc)[0], "type")
                context = {"expected": error["ctx"]["expected_tags"]}
                wrong.setdefault(place, []).append({"type": "literal_error", "ctx": context})
            case _ if loc and loc[-1] == "[key]":
                report.at_key(report.walk(loc)[0], *describe("this name", loc[-2], [error]))
            case _:
                wrong.setdefault(report.walk(loc)[0], []).append(error)
    inner = [
        *wrong,
        *(report.walk(error["loc"])[0] for error in errors if error["type"] == "extra_forbidden"),
    ]
    inner += [(*place, "") for place in missing]
    above = {place[:length] for place in inner for length in range(len(place))}
    for place, keys in missing.items():
        report.missing(place, keys)
    for place, found in wrong.items():
        if place not in above:
            report.at(place, *describe(_name(place), report.scalar(place), found))


def _unknown_key(loc: Path, report: Report) -> None:
    key, known = str(loc[-1]), sorted(known_keys(loc[:-1]))
    hint = did_you_mean(key, known) or (
        f"known here: {', '.join(known)}" if known else "no keys are known here"
    )
    report.at_key(report.walk(loc)[0], f"unknown key `{key}`", hint)


def _name(place: Path) -> str:
    if not place:
        return "the file"
    if isinstance(place[-1], int):
        return f"an entry of `{place[-2]}`"
    return f"`{place[-1]}`"


def known_keys(loc: Sequence[str | int]) -> set[str]:
    """The keys that the schema knows in the mapping at `loc`, a path as the validator writes it."""
    root = _schema()
    variants = list(_variants(root, root))
    for part in loc:
        below = [deeper for schema in variants for deeper in _below(schema, part, root)]
        variants = below or [schema for schema in variants if _is_called(schema, part)] or variants
    return {key for schema in variants for key in schema.get("properties", ())}


@cache
def _schema() -> _Schema:
    """The schema as data; making it takes longer than everything else about a small file."""
    return Config.model_json_schema()


def _variants(schema: _Schema, root: _Schema) -> Iterator[_Schema]:
    """`schema` with references and unions resolved."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
    branches = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    for branch in branches:
        yield from _variants(branch, root)
    if not branches:
        yield schema


def _below(schema: _Schema, part: str | int, root: _Schema) -> Iterator[_Schema]:
    if isinstance(part, int):
        inner = schema.get("items")
    else:
        named = next(iter(schema.get("patternProperties", {}).values()), None)
        inner = schema.get("properties", {}).get(part) or named or schema.get("additionalProperties")
    if isinstance(inner, dict):
        yield from _variants(inner, root)


def _is_called(schema: _Schema, part: str | int) -> bool:
    """Whether the validator's name for a branch of a union means this schema."""
    tag = schema.get("properties", {}).get("type", {}).get("const")
    return part == tag or str(part).lower() == str(schema.get("title", "")).lower()
