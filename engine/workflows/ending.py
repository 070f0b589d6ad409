"""What became of a step, all its rounds together, and how an attempt ended with that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from engine.model import Failure, Outcome, Scalar, StepResult
from engine.model.record import record
from engine.resilience.breaker import Breaker
from engine.workflows.plan import StepPlan
from engine.workflows.stepping import Stepped

ITEMS_SHOWN = 5
"""Items of failed rounds that a message names, beside the one it is about."""

_BAD = (Outcome.FAILED, Outcome.ERROR)
_ORDER = (Outcome.OK, Outcome.DEGRADED, Outcome.SKIPPED, Outcome.ERROR, Outcome.FAILED)


@record(frozen=True, slots=True)
class Ending:
    """How an attempt ended.

    `is_blank`: nothing was tried, since a breaker refused the first step or no condition held. `is_refusing`:
    the breaker of what failed lets nobody through now. `refused_by`: the target whose breaker it was.
    """

    outcome: Outcome
    failure: Failure | None
    reason: str
    results: tuple[StepResult, ...]
    is_blank: bool = False
    is_refusing: bool = False
    refused_by: str = ""


@record(frozen=True, slots=True)
class Ran:
    """What became of one step, all its rounds together; `decisive` stands for them."""

    plan: StepPlan
    results: tuple[StepResult, ...]
    values: Mapping[str, Scalar]
    decisive: StepResult
    breaker: Breaker | None = None
    refused_by: str = ""

    @classmethod
    def once(cls, plan: StepPlan, stepped: Stepped) -> Ran:
        """A step that was run."""
        result = stepped.result
        return cls(plan, (result,), stepped.values, result, stepped.breaker, stepped.refused_by)

    @classmethod
    def never(cls, plan: StepPlan, result: StepResult) -> Ran:
        """A step that was passed over, as `result` says."""
        return cls(plan, (result,), {}, result)

    @classmethod
    def together(cls, plan: StepPlan, rounds: Sequence[Stepped]) -> Ran:
        """A step that was run in rounds: the worst one stands for it."""
        results = tuple(stepped.result for stepped in rounds)
        worst = max(rounds, key=lambda stepped: _ORDER.index(stepped.result.outcome))
        others = [result for result in results if result.outcome in _BAD and result is not worst.result]
        decisive = _with_others(worst.result, [str(result.attributes.get("item", "")) for result in others])
        refused_by = worst.refused_by if decisive.outcome is Outcome.SKIPPED else ""
        return cls(plan, results, {}, decisive, worst.breaker, refused_by)

    @property
    def is_own_skip(self) -> bool:
        """Skipped by its own conditions, not by a breaker."""
        return self.decisive.outcome is Outcome.SKIPPED and not self.refused_by

    @property
    def lets_go_on(self) -> bool:
        return self.decisive.outcome.is_success or self.plan.is_optional or self.is_own_skip


def ending_of(ran: Sequence[Ran]) -> Ending:
    """How an attempt ended whose steps came to this."""
    results = tuple([result for one in ran for result in one.results])
    if results and all(result.outcome is Outcome.OK for result in results):
        return Ending(Outcome.OK, None, "", results)
    stopped = [one for one in ran if not one.lets_go_on]
    # What failed says more than what a breaker held back beside it.
    last = next((one for one in stopped if one.decisive.outcome in _BAD), stopped[0] if stopped else None)
    is_blank = all(result.outcome is Outcome.SKIPPED for result in results)
    if last is not None:
        found = last.decisive
        failure = found.failure and replace(
            found.failure, message=f"{_shown(found)}: {found.failure.message}"
        )
        refusing = last.breaker is not None and last.breaker.is_refusing
        return Ending(found.outcome, failure, found.reason, results, is_blank, refusing, last.refused_by)
    if is_blank:
        return Ending(Outcome.SKIPPED, None, "when", results, is_blank=True)
    reasons = "; ".join(_reasons(results))
    return Ending(Outcome.DEGRADED if reasons else Outcome.OK, None, reasons, results)


def _shown(result: StepResult) -> str:
    """Its step, in a round with the item that this was about."""
    item = result.attributes.get("item")
    return result.step_id if item is None else f"{result.step_id.partition('[')[0]}[{item}]"


def _with_others(result: StepResult, items: Sequence[str]) -> StepResult:
    """The result of a bad round, with the items of the other bad ones."""
    if result.failure is None or not items:
        return result
    named = ", ".join(items[:ITEMS_SHOWN]) + (", …" if len(items) > ITEMS_SHOWN else "")
    more = f"{result.failure.message} (and {len(items)} more round{'s' if len(items) > 1 else ''}: {named})"
    return replace(result, failure=replace(result.failure, message=more))


def _reasons(results: Sequence[StepResult]) -> Iterator[str]:
    """Why an attempt without a failure is degraded."""
    for result in results:
        if result.outcome is Outcome.DEGRADED:
            yield f"{_shown(result)}: {result.reason}"
        elif result.failure is not None:
            yield f"{_shown(result)}: {result.failure.message}"
