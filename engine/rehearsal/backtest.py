"""A backtest: the live rule and its candidates over what happened, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.alerts.inhibition import quieting
from engine.config.messages import did_you_mean
from engine.config.muting import MaintenanceSpec, SilenceSpec
from engine.errors import NotFoundError, TocsinError
from engine.own_rules import with_own_rules
from engine.rehearsal.changing import MAX_STEPS, Change, changed
from engine.rehearsal.replaying import Progress, rehearse
from engine.rehearsal.results import Comparison, only_in
from engine.rehearsal.witnessing import is_unseen, partly_seen
from engine.rules.composite import referred
from engine.store.history import opened
from engine.text import plain

if TYPE_CHECKING:
    from engine.config.schema import Config

LIVE = "live"
"""The name of what the configuration says now."""


def backtest(
    config: Config,
    db: Path,
    since: float,
    until: float,
    *,
    rule_id: str | None = None,
    changes: Sequence[Change] = (),
    sweep: Sequence[Change] = (),
    progress: Progress = lambda at, count: None,
) -> tuple[Comparison, ...]:
    """The live rule first, then a candidate for each value of `sweep`, all of them with `changes` made.

    Without `rule_id` all rules are rehearsed together; with it that one and those it depends on, so that
    settings such as the limit of active alerts count its own alerts alone.

    Rules that look at log lines or points of which the file has none are left out, and named in `unseen`.

    Raises:
        TocsinError: there is no such rule, it cannot be replayed, or a change cannot be made.
        StoreError: the file cannot be read.
    """
    if rule_id is None and (changes or sweep):
        raise TocsinError(
            "a rule is to be named whose values are changed", "tocsin rules backtest RULE --set …"
        )
    candidates = {LIVE: config if rule_id is None else _only(config, rule_id, ())}
    for steps in _variants(changes, sweep):
        name = " ".join(map(str, steps))
        assert rule_id is not None
        candidates[name] = _only(config, rule_id, steps)
    if len(candidates) > MAX_STEPS + 1:
        raise TocsinError(
            f"{len(candidates) - 1:,} candidates are too many", f"at most {MAX_STEPS} go at once"
        )
    if rule_id is None:
        candidates = {LIVE: with_own_rules(config)}
    with opened(db) as history:
        rules = candidates[LIVE].rules
        unseen = tuple(rule.id for rule in rules if rule.enabled and is_unseen(rule, history))
        if rule_id in unseen:
            raise TocsinError(
                f"rule {rule_id} looks at log lines or points, of which the file has none",
                "the database is another one, or they are not kept for so long",
            )
        configs = {name: _without(each, unseen) for name, each in candidates.items()}
        partly = tuple(partly_seen(configs[LIVE], history, since, until))
        silences = tuple(_silence(*one) for one in history.silences(since, until))
        windows = tuple(_window(*one) for one in history.maintenance(since, until))
        configs = {name: _muted(each, silences, windows) for name, each in configs.items()}
        found = rehearse(configs, history, since, until, progress)
    if rule_id is not None:
        found = {name: one.about(rule_id) for name, one in found.items()}
    live = found.pop(LIVE)
    compared = [
        Comparison(name, one, only_in(one.fires, live.fires), only_in(live.fires, one.fires))
        for name, one in found.items()
    ]
    return (Comparison(LIVE, live, unseen=unseen, partly=partly), *compared)


def _muted(config: Config, silences: tuple[SilenceSpec, ...], windows: tuple[MaintenanceSpec, ...]) -> Config:
    """The configuration with more silences and maintenance."""
    if not silences and not windows:
        return config
    parts = {"silences": (*config.silences, *silences), "maintenance": (*config.maintenance, *windows)}
    return config.model_copy(update=parts)


def _silence(matchers: Sequence[str], begins: float, ends: float) -> SilenceSpec:
    parts = {"matchers": tuple(matchers), "author": "-", "reason": "-", "from": begins, "until": ends}
    return SilenceSpec.model_validate(parts)


def _window(workflows: Sequence[str], tags: Sequence[str], begins: float, ends: float) -> MaintenanceSpec:
    parts = {"id": "by-hand", "workflows": tuple(workflows), "tags": tuple(tags), "from": begins, "to": ends}
    return MaintenanceSpec.model_validate(parts)


def _variants(changes: Sequence[Change], sweep: Sequence[Change]) -> list[tuple[Change, ...]]:
    if sweep:
        return [(*changes, step) for step in sweep]
    return [tuple(changes)] if changes else []


def _only(config: Config, rule_id: str, changes: Sequence[Change]) -> Config:
    """The configuration with one rule, changed, and those that it asks about."""
    rules = {rule.id: rule for rule in config.rules}
    if rule_id not in rules:
        hint = did_you_mean(rule_id, rules) or f"there is {', '.join(rules) or 'none'}"
        raise NotFoundError(f"there is no rule {plain(rule_id, 80)}", hint)
    rule = changed(rules[rule_id], changes, config).model_copy(update={"enabled": True})
    needed, waiting, quieted = {rule_id: rule}, [rule], quieting(config.rules)
    while waiting:
        one = waiting.pop()
        for name in (*referred(one.conditions), *quieted.get(one.id, ())):
            if name in rules and name not in needed:
                needed[name] = rules[name]
                waiting.append(rules[name])
    return config.model_copy(update={"rules": tuple(needed.values())})


def _without(config: Config, unseen: Sequence[str]) -> Config:
    rules = tuple(rule for rule in config.rules if rule.id not in unseen)
    return config.model_copy(update={"rules": rules}) if unseen else config
