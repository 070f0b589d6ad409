"""False failures that retrying removes on a bursty network, and the delay that costs.

The network is a Gilbert–Elliott channel: good (one attempt in a thousand is lost) and bad (nine in ten are),
with exponential times in each. One percent of the time is bad, in bursts of 0.5 s to 60 s; the target is well
all the time, so every failure is a false one. An attempt takes 50 ms when it gets through and 1 s when not.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import Any

from engine.lines import table
from engine.resilience.retry import STRATEGIES, RetryPolicy, RetryResult, with_retry

BURSTS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0)
TYPICAL = 5.0
BAD_SHARE = 0.01
LOSS_GOOD, LOSS_BAD = 0.001, 0.9
ANSWER, LOST = 0.05, 1.0
EVERY = 30.0
CALLS = 100_000
POLICIES = {**STRATEGIES, "default, full jitter": replace(STRATEGIES["default"], full_jitter=True)}
FIGURES = tuple(
    f"{name}_{figure}" for name in STRATEGIES for figure in ("false_failures_removed", "delay_of_recovery_s")
)


class SimulatedClock:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


class Channel:
    """The network; time must not run backwards. Its bursts come from the seed alone, whoever calls when."""

    def __init__(self, burst: float, seed: int) -> None:
        self._rng = random.Random(seed)
        self._luck = random.Random(seed + 1)
        self._means = (burst * (1 - BAD_SHARE) / BAD_SHARE, burst)
        self._is_bad = False
        self._until = self._rng.expovariate(1 / self._means[0])

    def loses(self, time: float) -> bool:
        """Whether an attempt that begins at `time` is lost."""
        while self._until <= time:
            self._is_bad = not self._is_bad
            self._until += self._rng.expovariate(1 / self._means[self._is_bad])
        return self._luck.random() < (LOSS_BAD if self._is_bad else LOSS_GOOD)


async def simulate(policy: RetryPolicy, burst: float, seed: int = 1) -> list[RetryResult[None]]:
    """A call each 30 s under the policy; the same bursts for every policy."""
    clock, channel, rng = SimulatedClock(), Channel(burst, seed), random.Random(seed + 2)

    async def attempt() -> None:
        if channel.loses(clock.time):
            await clock.sleep(LOST)
            raise TimeoutError
        await clock.sleep(ANSWER)

    results = []
    for number in range(CALLS):
        clock.time = max(clock.time, number * EVERY)
        results.append(await with_retry(attempt, policy, clock=clock, rng=rng))
    return results


def false_failures(results: list[RetryResult[None]]) -> float:
    """Percent of the calls that failed."""
    return 100.0 * sum(not result.success for result in results) / len(results)


def removed(results: list[RetryResult[None]], bare: float) -> float:
    """Percent of the false failures of a single attempt that are gone."""
    return 100.0 * (1 - false_failures(results) / bare)


def delay(results: list[RetryResult[None]]) -> float:
    """Mean seconds that a call took longer which succeeded after a failed attempt."""
    late = [result.total_duration - ANSWER for result in results if result.success and result.attempts > 1]
    return sum(late) / len(late) if late else 0.0


def verdict_delay(results: list[RetryResult[None]]) -> float:
    """Mean seconds until a call that failed for good was known to have failed."""
    failed = [result.total_duration for result in results if not result.success]
    return sum(failed) / len(failed) if failed else 0.0


def run() -> list[dict[str, Any]]:
    """Prints the curves; the figures are those at bursts of 5 s."""
    figures: dict[str, float] = {}
    rows = []
    for burst in BURSTS:
        bare = false_failures(asyncio.run(simulate(RetryPolicy(max_attempts=1), burst)))
        for name, policy in POLICIES.items():
            results = asyncio.run(simulate(policy, burst))
            gone, late = removed(results, bare), delay(results)
            numbers = (f"{false_failures(results):.3f}", f"{gone:.1f}", f"{late:.2f}")
            rows.append((f"{burst:g}", name, f"{bare:.3f}", *numbers, f"{verdict_delay(results):.1f}"))
            if burst == TYPICAL and name in STRATEGIES:
                figures[f"{name}_false_failures_removed"] = round(gone, 1)
                figures[f"{name}_delay_of_recovery_s"] = round(late, 2)
    header = (
        "BURST s", "STRATEGY", "ONE TRY %", "FALSE %", "REMOVED %", "RECOVERY +s", "VERDICT AFTER s",
    )  # fmt: skip
    print("\n".join(table(header, rows, colour=False)))
    against = f"one attempt; bursts of {TYPICAL:g} s, {CALLS:,} calls"
    return [
        {
            "name": name,
            "value": figures[name],
            "unit": "s" if name.endswith("_s") else "%",
            "goal": None,
            "against": against,
        }
        for name in FIGURES
    ]
