"""Whether those who are to be told can be: names in channels and routes, and templates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.config.checks import exists
from engine.config.report import Path, Report
from engine.config.routing import TemplateSpec
from engine.config.ruling import check_whom
from engine.config.validation import Checked


def check_delivery(
    checked: Checked,
    data: Mapping[str, Any],
    channels: Sequence[str],
    workflows: Sequence[str],
    rules: Sequence[str],
    report: Report,
) -> None:
    """Report what leads nowhere.

    Args:
        checked: the parts that have the right shape.
        data: the whole file as plain data.
        channels: the names of all channels, broken ones included.
        workflows, rules: likewise their ids and names.
        report: takes the problems.
    """
    templates = list(_mapping(data.get("templates")))
    for name, channel in checked.channels.items():
        path: Path = ("channels", name)
        if channel.fallback is not None:
            _check_fallback(name, channel.fallback, channels, (*path, "fallback"), report)
        if isinstance(channel.template, str):
            exists("template", channel.template, templates, (*path, "template"), report)
    for path, route in checked.routes:
        for index, name in enumerate(route.channels):
            exists("channel", name, channels, (*path, "channels", index), report)
        for index, pattern in enumerate(route.workflows):
            check_whom("workflow", pattern, workflows, (*path, "workflows", index), report)
        for index, pattern in enumerate(route.rules):
            check_whom("rule", pattern, rules, (*path, "rules", index), report)
    for window, spec in enumerate(checked.config.maintenance if checked.config is not None else ()):
        for index, pattern in enumerate(spec.workflows):
            check_whom("workflow", pattern, workflows, ("maintenance", window, "workflows", index), report)
    told = _mapping(data.get("deadman")).get("channel")
    if isinstance(told, str) and exists("channel", told, channels, ("deadman", "channel"), report):
        _check_speaks(told, checked, report)
    for path, text in _texts(checked):
        _check_template(path, text, report)


def _check_fallback(name: str, fallback: str, channels: Sequence[str], path: Path, report: Report) -> None:
    if fallback == name:
        report.at(path, "a channel is no fallback for itself", "name another channel")
    else:
        exists("channel", fallback, channels, path, report)


def _check_speaks(name: str, checked: Checked, report: Report) -> None:
    """A sign of life is about no alert, and some kinds tell of nothing else."""
    channel = checked.channels.get(name)
    if channel is not None and channel.kind in ("pagerduty", "sentry"):
        report.at(("deadman", "channel"), f"a channel of the kind {channel.kind} tells of alerts alone")


def _texts(checked: Checked) -> Iterator[tuple[Path, str]]:
    """All templates and where they stand."""
    found: list[tuple[Path, TemplateSpec]] = [
        (("templates", name), spec) for name, spec in checked.templates.items()
    ]
    for name, channel in checked.channels.items():
        if isinstance(channel.template, TemplateSpec):
            found.append((("channels", name, "template"), channel.template))
    for path, spec in found:
        for key in ("title", "body"):
            text = getattr(spec, key)
            if text is not None:
                yield (*path, key), text


def _check_template(path: Path, text: str, report: Report) -> None:
    from engine.notify.templates import TemplateError, check

    try:
        check(text)
    except TemplateError as error:
        report.at(path, error.message, error.hint)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
