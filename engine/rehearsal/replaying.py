"""A history seen again by rules: executions as they ended, ticks as an engine has them, health as it was."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from engine.health import ENGINE_PARTS, ENGINE_WEIGHT, WEIGHTS, summarize
from engine.model import ComponentHealth, Health, HealthCheck
from engine.rehearsal.results import Rehearsed
from engine.rehearsal.stage import Stage
from engine.rehearsal.witnessing import Sights
from engine.rules.metrics import SYSTEM
from engine.rules.recalling import looks_back
from engine.rules.scope import health_looked_at, leaves, reach
from engine.store.history import ENDED, Coverage, Ended, History, Stretch

if TYPE_CHECKING:
    from engine.config.schema import Config

LONGEST_LEAD = 7 * 86_400.0
"""Seconds before the range in which rules come to know what an engine would have known."""

Progress = Callable[[float, int], None]
"""Told of the time that was reached and of how many executions were read."""


class Moment(NamedTuple):
    """When rules look although nothing ended; `begins` when an engine started then."""

    at: float
    begins: bool


def rehearse(
    configs: Mapping[str, Config],
    history: History,
    since: float,
    until: float,
    progress: Progress = lambda at, count: None,
) -> dict[str, Rehearsed]:
    """What each of `configs` would have done from `since` to `until`; the history is read once for all.

    Alerts that were firing before `since` are known, but do not count. Nobody acknowledges anything, and
    states of circuit breakers, which no file remembers, are unknown. Points and log lines count from their
    own time on, as if each had been stored at once.

    Raises:
        StoreError: the file cannot be read.
    """
    first = next(iter(configs.values()))
    start = since - max(map(_lead, configs.values()))
    coverage = history.coverage(start, until)
    seen = Coverage(since, until, tuple(_within(coverage.stretches, since)))
    stages = {name: Stage(config, since) for name, config in configs.items()}
    parts = health_looked_at(rule for config in configs.values() for rule in config.rules)
    checks = history.health(start, until, None if SYSTEM in parts else parts) if parts else ()
    health = HealthBefore(first, checks)
    sights = Sights.of(configs, history, start, until)
    moments = _Moments(coverage.stretches, first.settings.evaluation_interval)
    read = 0
    for chunk in history.executions(start, until):
        at = 0
        while at < len(chunk):
            # Up to the next tick, executions follow one another undisturbed.
            end = bisect_left(chunk, moments.next.at, lo=at, key=ENDED)
            if sights.some:
                _take(stages.values(), chunk[at:end], sights)
            else:
                for stage in stages.values():
                    stage.take(chunk[at:end])
            at = end
            if at < len(chunk):
                _tick(stages.values(), moments, health, sights)
        if chunk:
            read += len(chunk)
            progress(chunk[-1][0], read)
    while moments.next.at < until:
        _tick(stages.values(), moments, health, sights)
    return {name: stage.result(seen) for name, stage in stages.items()}


def _take(stages: Collection[Stage], executions: Sequence[Ended], sights: Sights) -> None:
    """One after the other, each after what was seen until it ended."""
    for one in executions:
        sights.show(stages, one[0])
        for stage in stages:
            stage.take((one,))


def _tick(stages: Collection[Stage], moments: _Moments, health: HealthBefore, sights: Sights) -> None:
    moment = moments.take()
    known = health.until(moment.at)
    sights.show(stages, moment.at)
    for stage in stages:
        if moment.begins:
            stage.begin(moment.at)
        stage.tick(known, moment.at)


def _lead(config: Config) -> float:
    rules = config.rules
    waits = (rule.for_ + max(rule.cooldown, rule.auto_resolve) for rule in rules)
    held = (getattr(each, "duration", 0.0) for rule in rules for each in leaves(rule.conditions))
    back = max(reach(rules), looks_back(rules), *held, 0.0)
    return min(back + max(waits, default=0.0), LONGEST_LEAD)


def _within(stretches: Iterable[Stretch], since: float) -> Iterator[Stretch]:
    for stretch in stretches:
        if stretch.until > since:
            yield stretch._replace(since=max(stretch.since, since))


class _Moments:
    """The ticks of engines: each run's begin with it, and go on while it looked."""

    def __init__(self, stretches: Sequence[Stretch], interval: float) -> None:
        self._all = _ticks(stretches, interval)
        self.next = next(self._all)

    def take(self) -> Moment:
        """The next one, which is over then."""
        moment, self.next = self.next, next(self._all)
        return moment


def _ticks(stretches: Sequence[Stretch], interval: float) -> Iterator[Moment]:
    for stretch in stretches:
        number = math.ceil((stretch.since - stretch.began) / interval)
        begins = stretch.since <= stretch.began
        while (at := stretch.began + number * interval) <= stretch.until:
            yield Moment(at, begins)
            begins = False
            number += 1
    while True:
        yield Moment(math.inf, begins=False)


class HealthBefore:
    """Health as its stored checks say, at times that only grow."""

    def __init__(self, config: Config, checks: Iterable[HealthCheck]) -> None:
        self._checks = iter(checks)
        self._waiting = next(self._checks, None)
        self._parts: dict[str, ComponentHealth] = {}
        self._weights = {f"workflow:{each.id}": WEIGHTS[each.priority] for each in config.workflows}

    def until(self, at: float) -> Health | None:
        """What was known at `at`; None when nothing ever was."""
        while self._waiting is not None and self._waiting.at <= at:
            check = self._waiting
            known = self._parts.get(check.component)
            kept = known is not None and known.status is check.status
            self._parts[check.component] = ComponentHealth(
                name=check.component,
                kind="engine" if check.component in ENGINE_PARTS else "workflow",
                status=check.status,
                score=check.score,
                since=known.since if kept and known is not None else check.at,
                detail=check.detail,
            )
            self._waiting = next(self._checks, None)
        if not self._parts:
            return None
        shown = self._parts.values()
        status, score = summarize((part, self._weights.get(part.name, ENGINE_WEIGHT)) for part in shown)
        return Health(at, status, score, at, at, tuple(shown))
