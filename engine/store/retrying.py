"""What trying again was good for, by workflow and by target, from the executions that are stored.

Workflows are counted exactly. Targets come from the traces of the newest `TRACED` executions that were tried
again: an attempt's failure is put down to the target of its first step that failed. A step's own tries belong
to the attempt they are part of.
"""

# ruff: noqa: S608 - statements are put together from texts of ours; every value is bound

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from engine.client import RetryFigures, RetryReport
from engine.model import Span, SpanStatus
from engine.store import decode
from engine.store.activity import WORKFLOWS
from engine.store.pool import ReadPool
from engine.store.statistics import RANGE, first_execution
from engine.store.tally import COUNTED, GOOD

TRACED = 2_000

Scope = dict[str, object]


class _Tally:
    """The figures of one subject while they are added up."""

    def __init__(self) -> None:
        self.executions = self.attempts = 0
        self.waited = 0.0
        self.rescued: Counter[int] = Counter()
        self.given_up = 0

    def figures(self, subject: str) -> RetryFigures:
        rescued = sum(self.rescued.values())
        return RetryFigures(
            subject=subject,
            executions=self.executions,
            attempts=self.attempts,
            retried=rescued + self.given_up,
            rescued=rescued,
            given_up=self.given_up,
            waited=max(self.waited, 0.0),
            rescued_by=tuple(sorted(self.rescued.items())),
        )


async def retries(pool: ReadPool, since: float, until: float, workflow_id: str | None) -> RetryReport:
    """Over executions that started in [since, until), of one workflow or of all."""
    where = f"{RANGE} AND {COUNTED}" + (" AND workflow_id = :workflow" if workflow_id else "")
    first = await first_execution(pool, since)
    scope: Scope = {"since": since, "until": until, "first": first, "workflow": workflow_id}
    return RetryReport(await _workflows(pool, where, scope), await _targets(pool, where, scope))


async def _workflows(pool: ReadPool, where: str, scope: Scope) -> tuple[RetryFigures, ...]:
    counts = await pool.fetch(
        f"SELECT workflow_id, attempt_count, {GOOD}, count(*), COALESCE(sum(waited), 0) FROM executions"
        f" WHERE {where} GROUP BY 1, 2, 3 LIMIT {WORKFLOWS * 10}",
        scope,
    )
    tallies: defaultdict[str, _Tally] = defaultdict(_Tally)
    for workflow_id, attempts, is_good, count, waited in counts:
        tally = tallies[workflow_id]
        tally.executions += count
        tally.attempts += attempts * count
        if attempts > 1:
            tally.waited += waited
            tally.rescued[attempts] += count * is_good
            tally.given_up += count * (not is_good)
    for tally in tallies.values():
        tally.rescued = +tally.rescued
    return tuple(tally.figures(name) for name, tally in sorted(tallies.items()))


async def _targets(pool: ReadPool, where: str, scope: Scope) -> tuple[RetryFigures, ...]:
    rows = await pool.fetch(
        f"SELECT e.good, {decode.INSIDE}"
        f" FROM (SELECT id, {GOOD} AS good FROM executions WHERE {where} AND attempt_count > 1"
        f" ORDER BY id DESC LIMIT {TRACED}) AS e CROSS JOIN traces t ON t.execution_id = e.id"
        f" ORDER BY e.id LIMIT {TRACED}",
        scope,
    )
    tallies: defaultdict[str, _Tally] = defaultdict(_Tally)

    def put_down_all() -> None:
        for is_good, *cells in rows:
            _put_down(decode.inside(tuple(cells), "").spans, bool(is_good), tallies)

    # A hundred milliseconds of unpacking, which nobody else should wait for.
    await asyncio.to_thread(put_down_all)
    return tuple(tally.figures(name) for name, tally in sorted(tallies.items()))


def _put_down(spans: Sequence[Span], is_good: bool, tallies: defaultdict[str, _Tally]) -> None:
    """One execution that was tried again, on the account of the targets that made it so."""
    tries = sorted(_tries(spans), key=lambda found: found[0].started_at)
    blamed: dict[str, None] = {}
    for (attempt, target), (following, _) in pairwise(tries):
        if target is not None:
            blamed[target] = None
            tallies[target].attempts += 1
            tallies[target].waited += following.started_at - attempt.started_at - attempt.duration
    for target in blamed:
        tallies[target].executions += 1
        if is_good:
            tallies[target].rescued[len(tries)] += 1
        else:
            tallies[target].given_up += 1


def _tries(spans: Sequence[Span]) -> Iterator[tuple[Span, str | None]]:
    """The attempts, each with the target of its first step that failed."""
    known = {span.span_id: span for span in spans}
    attempts = {
        span.span_id: span
        for span in spans
        if span.name.startswith("attempt ")
        and span.parent_id in known
        and known[span.parent_id].parent_id is None
    }
    blamed: dict[str, Span] = {}
    for span in spans:
        if span.status is not SpanStatus.ERROR or _target(span) is None:
            continue
        above: Span | None = span
        for _ in range(len(spans)):  # a trace whose spans are each other's parents ends, too
            if above is None or above.span_id in attempts:
                break
            above = known.get(above.parent_id) if above.parent_id is not None else None
        if above is not None and above.span_id in attempts:
            before = blamed.get(above.span_id)
            if before is None or span.started_at < before.started_at:
                blamed[above.span_id] = span
    for identifier, attempt in attempts.items():
        yield attempt, _target(blamed[identifier]) if identifier in blamed else None


def _target(span: Span) -> str | None:
    target = span.attributes.get("target")
    return str(target) if target else None
